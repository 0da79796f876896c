"""Corpora and the indexes that search them."""
