"""Tool environments, rollouts, learners, and the measurement of what training brings in reach."""
