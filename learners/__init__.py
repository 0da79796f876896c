"""Learners: what improves a model from samples."""
