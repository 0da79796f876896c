"""Steps that take a text, told in English."""

from __future__ import annotations

from itertools import combinations

from reachgym.envs.suites.programs.steps import Kind

# Inputs are words over these letters, so that every set below meets some of them.
LETTERS = "abcdefgh"

_SETS = tuple("".join(letters) for letters in combinations(LETTERS, 3))
_PRIMES = (97, 101, 103, 107)

TEXT_KINDS = (
    Kind("reverse", "text", "text", "Reverse it.", "x = x[::-1]"),
    Kind(
        "rotate",
        "text",
        "text",
        "Move its first {k} characters to the end.",
        "x = x[{k}:] + x[:{k}]",
        {"k": (2, 3)},
    ),
    Kind(
        "every",
        "text",
        "text",
        "Keep only the characters at positions that are multiples of {k}, counted from 0.",
        "x = x[::{k}]",
        {"k": (2, 3)},
    ),
    Kind("repeat", "text", "text", "Write it {k} times in a row.", "x = x * {k}", {"k": (2, 3)}),
    Kind(
        "shift",
        "text",
        "text",
        "Replace each letter from a to z by the one {k} places after it in the alphabet, where a "
        "comes after z; leave other characters as they are.",
        """shifted = ""
for c in x:
    if "a" <= c <= "z":
        shifted += chr((ord(c) - 97 + {k}) % 26 + 97)
    else:
        shifted += c
x = shifted""",
        {"k": range(1, 10)},
    ),
    Kind(
        "drop",
        "text",
        "text",
        "Leave out every character in `{s}`.",
        """kept = ""
for c in x:
    if c not in "{s}":
        kept += c
x = kept""",
        {"s": _SETS},
    ),
    Kind(
        "stretch",
        "text",
        "text",
        "Write every character in `{s}` twice in a row.",
        """stretched = ""
for c in x:
    stretched += c
    if c in "{s}":
        stretched += c
x = stretched""",
        {"s": _SETS},
    ),
    Kind(
        "runs",
        "text",
        "text",
        "Replace every run of equal characters by that character and the length of the run.",
        """runs = ""
length = 0
for i in range(len(x)):
    length += 1
    if i == len(x) - 1 or x[i] != x[i + 1]:
        runs += x[i] + str(length)
        length = 0
x = runs""",
    ),
    Kind(
        "firsts",
        "text",
        "text",
        "Of equal characters keep only the first.",
        """firsts = ""
for c in x:
    if c not in firsts:
        firsts += c
x = firsts""",
    ),
    Kind("sort", "text", "text", "Sort its characters.", 'x = "".join(sorted(x))'),
    Kind(
        "by_length",
        "text",
        "text",
        "If it has more than {k} characters, reverse it; otherwise write it twice in a row.",
        """if len(x) > {k}:
    x = x[::-1]
else:
    x = x + x""",
        {"k": (5, 6, 7)},
    ),
    Kind(
        "by_ends",
        "text",
        "text",
        "If its last character comes before its first one, move the last one to the front.",
        """if x and x[-1] < x[0]:
    x = x[-1] + x[:-1]""",
    ),
    Kind(
        "toggle",
        "text",
        "text",
        "Copy it from left to right, where every character in `{s}` is left out and switches "
        "copying off, or on again; copying is on at first.",
        """copied = ""
copying = True
for c in x:
    if c in "{s}":
        copying = not copying
    elif copying:
        copied += c
x = copied""",
        {"s": _SETS},
    ),
    Kind(
        "counter",
        "text",
        "text",
        "Go through it with a counter that is 0 at first: a character in `{s}` adds {a}, any other "
        "one {b}, and the counter is taken modulo 7; write the counter behind each character.",
        """counter = 0
counted = ""
for c in x:
    if c in "{s}":
        counter += {a}
    else:
        counter += {b}
    counter %= 7
    counted += c + str(counter)
x = counted""",
        {"s": _SETS, "a": (2, 3), "b": (1, 5)},
    ),
    Kind(
        "pairs",
        "text",
        "text",
        "Swap the characters at positions 0 and 1, at 2 and 3, and so on; a last one without a "
        "partner stays.",
        """swapped = ""
for i in range(0, len(x), 2):
    swapped += x[i + 1 : i + 2] + x[i]
x = swapped""",
    ),
    Kind(
        "deal",
        "text",
        "text",
        "Write its characters at even positions, counted from 0, and behind them those at odd "
        "positions.",
        "x = x[::2] + x[1::2]",
    ),
    Kind(
        "places",
        "text",
        "numbers",
        "Make a list of the code points of its characters, each less {k}.",
        "x = [ord(c) - {k} for c in x]",
        {"k": (90, 95, 96, 97)},
    ),
    Kind(
        "polynomial",
        "text",
        "number",
        "Begin with {a}; for each of its characters from left to right, multiply by {b}, add the "
        "character's code point, and take the remainder modulo {m}.",
        """hashed = {a}
for c in x:
    hashed = (hashed * {b} + ord(c)) % {m}
x = hashed""",
        {"a": range(1, 10), "b": (3, 5, 7), "m": _PRIMES},
    ),
)
