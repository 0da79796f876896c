"""Tools of servers that speak the Model Context Protocol; needs the extra `mcp`."""

from reachgym.envs.tools.mcp.offer import mcp_tools
from reachgym.envs.tools.mcp.servers import HttpServer, McpServer, StdioServer, read_mcp_servers

__all__ = ["HttpServer", "McpServer", "StdioServer", "mcp_tools", "read_mcp_servers"]
