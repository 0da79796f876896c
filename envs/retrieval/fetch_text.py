"""What a page says: its bytes as text, HTML as Markdown."""

from __future__ import annotations

import codecs
import html
import re
from email.message import Message

from reachgym.envs.errors import ToolError

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_TEXT = frozenset(
    {
        "application/ecmascript",
        "application/javascript",
        "application/json",
        "application/toml",
        "application/xml",
        "application/yaml",
        "application/x-ndjson",
        "application/x-yaml",
    }
)
ACCEPT = "text/html, text/plain, application/json;q=0.9, text/*;q=0.8, application/xml;q=0.7"
# Codecs of the web. Python has others, some of which take quadratic time or are no texts at all.
_CODECS = re.compile(
    r"utf-8|utf-16(-[lb]e)?|ascii|iso8859-\d+|cp(125\d|437|850|866|874|932|949)|koi8-[ru]|gb2312"
    r"|gbk|gb18030|big5|euc_jp|euc_kr|shift_jis|iso2022_jp"
)
_CHARSET_NAME = re.compile(r"[A-Za-z0-9._-]{1,32}", re.ASCII)
_META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?([A-Za-z0-9._-]{1,32})", re.I
)
_META_WITHIN_BYTES = 1024
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,1000})", re.IGNORECASE)
_TITLE_WITHIN_CHARS = 65536
_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
_BLANK_LINES = re.compile(r"\n{3,}")


def readable_type(content_type: str) -> str:
    """The media type of a `Content-Type`, if it is one that can be read as text.

    Raises:
        ToolError: It is not.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    readable = (
        media_type.startswith("text/")
        or media_type in _HTML | _TEXT
        or media_type.endswith(("+json", "+xml"))
    )
    if not readable:
        raise ToolError(
            f"the page is of type {media_type[:80]!a}; only text, HTML, JSON and XML can be read"
        )
    return media_type


def page_text(body: bytes, content_type: str, url: str) -> tuple[str, str]:
    """A page's title, empty where it has none, and its text without control characters.

    Links of HTML are made whole, by the page's URL.

    Raises:
        ToolError: It is no text.
    """
    media_type = readable_type(content_type)
    decoded = body.decode(_charset(body, content_type, media_type), "replace")
    text = _written(decoded.removeprefix("\ufeff"))
    if media_type not in _HTML:
        return "", text
    title, content = _markdown(text, url)
    return _written(title), _written(content)


def _written(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS).strip()


def _markdown(text: str, url: str) -> tuple[str, str]:
    # A library in Rust: quick on pages on which Python's `html.parser` hangs and on nesting that
    # exhausts other libraries' stacks, and without memory that a page could corrupt.
    from html_to_markdown import ConversionError, ConversionOptions, convert

    options = ConversionOptions(
        # Metadata would stand before the text, with whatever else a page says of itself.
        extract_metadata=False,
        skip_images=True,
        autolinks=False,
        base_url=url,
        strip_tags=["iframe", "svg", "canvas", "object"],
    )
    try:
        content = convert(text, options).content
    except ConversionError:
        raise ToolError("the page's HTML is too broken to be read") from None
    title = _TITLE.search(text[:_TITLE_WITHIN_CHARS])
    plain = " ".join(html.unescape(title[1]).split()) if title else ""
    return plain, _BLANK_LINES.sub("\n\n", content or "")


def _charset(body: bytes, content_type: str, media_type: str) -> str:
    """The name of the codec: as the server says, else as the page says, else UTF-8."""
    header = Message()
    header["content-type"] = content_type
    named = header.get_param("charset")
    if isinstance(named, str):
        return _codec(named)
    meta = _META_CHARSET.search(body[:_META_WITHIN_BYTES]) if media_type in _HTML else None
    return _codec(meta[1].decode()) if meta else "utf-8"


def _codec(name: str) -> str:
    if not _CHARSET_NAME.fullmatch(name.strip()):
        return "utf-8"
    try:
        codec = codecs.lookup(name.strip()).name
    except LookupError:
        return "utf-8"
    return codec if _CODECS.fullmatch(codec) else "utf-8"
