"""What is asked in a URL's parameters, checked."""

from __future__ import annotations

from multidict import MultiMapping

from reachgym.study.viewer.episodes import FACETS, SORTS, Query

MOST_ROWS = 1000
_KNOWN = frozenset({*FACETS, "task", "sort", "desc", "offset", "limit"})


class RequestError(Exception):
    """A request is malformed, or asks for what is not there; the text says what was expected."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def query_of(asked: MultiMapping[str]) -> Query:
    """The filters and the order.

    Raises:
        RequestError: There is a parameter that is not known, or a value that is none.
    """
    unknown = sorted(set(asked) - _KNOWN)
    if unknown:
        raise RequestError(
            f"expected parameters among {', '.join(sorted(_KNOWN))}, got {unknown[0]!r}; "
            "leave it out"
        )
    sort = asked.get("sort", "order")
    if sort not in SORTS:
        raise RequestError(
            f"expected sort to be one of {', '.join(SORTS)}, got {sort!r}; choose one"
        )
    descending = asked.get("desc", "0")
    if descending not in ("0", "1"):
        raise RequestError(f"expected desc to be 0 or 1, got {descending!r}; choose one")
    chosen = {name: tuple(asked.getall(name)) for name in FACETS if name in asked}
    return Query(chosen, asked.get("task"), sort, descending == "1")


def page_of(asked: MultiMapping[str]) -> tuple[int, int]:
    """The offset and the limit of a page.

    Raises:
        RequestError: One is no number in its range.
    """
    return _number(asked, "offset", 0, 0, 2**53), _number(asked, "limit", 100, 1, MOST_ROWS)


def _number(asked: MultiMapping[str], name: str, default: int, least: int, most: int) -> int:
    text = asked.get(name, str(default))
    if text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most:
        return int(text)
    raise RequestError(
        f"expected {name} to be a number from {least} to {most}, got {text[:40]!r}; change it"
    )
