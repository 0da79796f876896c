"""Studies: configuration, arms, stages, the report and the command line."""
