"""Isolated execution of code written by a model."""
