"""An MCP server over stdio, for the tests: it notes each call in the file that its argument names."""

from __future__ import annotations

import os
import sys

from mcp.server import MCPServer

server = MCPServer("shelf", instructions="Look on the shelf.")


@server.tool()
def fetch(title: str) -> str:
    """Fetch a book."""
    file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{title}\n".encode())
    os.close(file)
    return f"here is {title}"


if __name__ == "__main__":
    server.run("stdio")
