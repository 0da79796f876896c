"""Agents behind OpenAI-compatible chat-completions endpoints."""
