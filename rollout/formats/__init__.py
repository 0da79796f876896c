"""Trajectories and tasks in the file formats of other trainers, and back."""
