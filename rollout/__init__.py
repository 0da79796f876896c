"""Episodes, many at once, here or on a cluster, and where they are kept."""
