"""Who acts: agents, policies and the renderers between messages and tokens."""
