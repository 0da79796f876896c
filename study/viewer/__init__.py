"""A local page over the trajectories of a run."""
