"""Benchmarking: every agent at the same tasks with the same seeds, and what that tells of them."""
