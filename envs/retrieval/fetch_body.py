"""A response's body: decompressed within bounds, and cut off where it gets too long."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx

from reachgym.envs.errors import ToolError

# Asked for and taken; each gets at most some thousand times longer, and each piece within bounds.
ACCEPT_ENCODING = "gzip"
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_PLAIN = frozenset({"", "identity"})
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})


def read_body(response: httpx.Response, most_bytes: int) -> tuple[bytes, bool]:
    """The first bytes of a body, and whether there were more.

    Raises:
        ToolError: It is encoded in a way that was not asked for, or wrongly.
    """
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in _PLAIN | _COMPRESSED:
        raise ToolError(f"the page is encoded as {encoding[:40]!a}, which cannot be read")
    pieces = response.iter_raw()
    if encoding in _COMPRESSED:
        pieces = _decompressed(pieces, most_bytes)
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > most_bytes:
            return bytes(body[:most_bytes]), True
    return bytes(body), False


def _decompressed(pieces: Iterator[bytes], most_bytes: int) -> Iterator[bytes]:
    """Never more than `most_bytes` and one at once, however much a piece would become."""
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        for piece in pieces:
            yield inflater.decompress(piece, most_bytes + 1)
            # What is left in there comes out with the next piece, or was cut off already.
            if inflater.eof:
                return
            while inflater.unconsumed_tail:
                yield inflater.decompress(inflater.unconsumed_tail, most_bytes + 1)
    except zlib.error as error:
        raise ToolError(f"the page is compressed wrongly: {error}") from None
