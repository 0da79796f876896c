"""Measuring accessible support: pure NumPy and SciPy on counts and log-probabilities."""
