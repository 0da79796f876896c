"""Gymnasium environments and all that an episode touches."""
