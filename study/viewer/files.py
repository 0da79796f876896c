"""The page's own files."""

from __future__ import annotations

from pathlib import Path

STATIC = Path(__file__).parent / "static"
# No other is ever given out.
FILES = {
    "index.html": "text/html",
    "style.css": "text/css",
    "text.js": "text/javascript",
    "data.js": "text/javascript",
    "list.js": "text/javascript",
    "episode.js": "text/javascript",
    "app.js": "text/javascript",
}
