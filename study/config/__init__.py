"""What a study can be told, checked as it is read."""
