"""DataAnalysis: questions about generated tables, answered with SQL or Python."""
