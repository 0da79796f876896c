"""How the report writes numbers, and text that a model wrote."""

from __future__ import annotations

import unicodedata

# Control, format (bidirectional and zero-width), surrogate, private-use and separator characters.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_LAYOUT = "\t\n"
_SMALL = 0.001


def visible(text: str) -> str:
    """Text in which every character that a reader would not see is written as its code point."""
    return "".join(
        f"<U+{ord(character):04X}>"
        if unicodedata.category(character) in _UNSEEN and character not in _LAYOUT
        else character
        for character in text
    )


def one_line(text: str, longest: int = 200) -> str:
    """Text made visible, on one line and cut to `longest` characters."""
    line = " ".join(visible(text).split())
    return line if len(line) <= longest else line[: longest - 3] + "..."


def number(value: float) -> str:
    """A count with thousands separators, or a small number with three digits."""
    return f"{value:,.0f}" if value >= 1000 or float(value).is_integer() else f"{value:.3g}"


def share(value: float) -> str:
    """A probability: three decimals, or two digits where that would be zero."""
    return f"{value:.3f}" if abs(value) >= _SMALL or value == 0 else f"{value:.1e}"
