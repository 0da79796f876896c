"""From what the stages of a study recorded to every number of `results.json`."""
