"""The report: one page drawn from results.json alone."""
