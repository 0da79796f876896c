"""Generation with a causal language model: rows join and leave the batch at every step."""
