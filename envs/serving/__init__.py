"""Environments served to other programs over HTTP, WebSocket and MCP, and the client of them."""
