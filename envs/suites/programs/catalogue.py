"""The kinds of steps that programs told in English are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from reachgym.envs.suites.programs.steps import Kind, Type

# Inputs are words over these letters, so that every set below meets some of them.
LETTERS = "abcdefgh"

_SETS = tuple("".join(letters) for letters in combinations(LETTERS, 3))
_FEW = range(2, 6)
_SMALL = range(2, 10)
_PRIMES = (97, 101, 103, 107)

_TEXT = (
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

_NUMBERS = (
    Kind(
        "totals",
        "numbers",
        "numbers",
        "Replace each number by the sum of all numbers up to it, itself included.",
        """totals = []
total = 0
for v in x:
    total += v
    totals.append(total)
x = totals""",
    ),
    Kind(
        "differences",
        "numbers",
        "numbers",
        "Replace each number by itself less the number before it; the first number stays.",
        """differences = []
previous = 0
for v in x:
    differences.append(v - previous)
    previous = v
x = differences""",
    ),
    Kind(
        "affine",
        "numbers",
        "numbers",
        "Multiply each number by {a} and add {b}.",
        "x = [v * {a} + {b} for v in x]",
        {"a": _FEW, "b": _SMALL},
    ),
    Kind(
        "parity",
        "numbers",
        "numbers",
        "Halve each even number; multiply each odd one by {a} and add {b}.",
        """mapped = []
for v in x:
    if v % 2 == 0:
        mapped.append(v // 2)
    else:
        mapped.append(v * {a} + {b})
x = mapped""",
        {"a": _FEW, "b": _SMALL},
    ),
    Kind(
        "above",
        "numbers",
        "numbers",
        "Keep only the numbers greater than {k}.",
        "x = [v for v in x if v > {k}]",
        {"k": range(2, 12)},
    ),
    Kind("turn", "numbers", "numbers", "Reverse the list.", "x = x[::-1]"),
    Kind(
        "falling",
        "numbers",
        "numbers",
        "Sort the list from its greatest number to its least.",
        "x = sorted(x, reverse=True)",
    ),
    Kind(
        "clip",
        "numbers",
        "numbers",
        "Raise numbers less than {a} to {a}, and lower those greater than {b} to {b}.",
        "x = [min(max(v, {a}), {b}) for v in x]",
        {"a": (3, 4, 5), "b": (14, 15, 16)},
    ),
    Kind(
        "peaks",
        "numbers",
        "numbers",
        "Replace each number by the greatest one read so far, itself included; after reading a "
        "number divisible by {m}, forget what was read.",
        """peaks = []
peak = None
for v in x:
    if peak is None or v > peak:
        peak = v
    peaks.append(peak)
    if v % {m} == 0:
        peak = None
x = peaks""",
        {"m": (3, 4, 5)},
    ),
    Kind(
        "neighbours",
        "numbers",
        "numbers",
        "Add to each number the one that follows it, and to the last number the first.",
        "x = [x[i] + x[(i + 1) % len(x)] for i in range(len(x))]",
    ),
    Kind(
        "fold",
        "numbers",
        "number",
        "Begin with {a}; for each number from left to right, multiply by {b}, add the number, and "
        "take the remainder modulo {m}.",
        """folded = {a}
for v in x:
    folded = (folded * {b} + v) % {m}
x = folded""",
        {"a": range(1, 10), "b": (3, 5, 7), "m": _PRIMES},
    ),
    Kind(
        "alternate",
        "numbers",
        "number",
        "Begin with 0, and add and subtract the numbers in turn, the first one being added.",
        """balance = 0
sign = 1
for v in x:
    balance += sign * v
    sign = -sign
x = balance""",
    ),
    Kind(
        "letters",
        "numbers",
        "text",
        "Replace each number by the letter at that place of the alphabet, a being at 0, b at 1 and "
        "so on, modulo 26, and join the letters.",
        'x = "".join(chr(v % 26 + 97) for v in x)',
    ),
)

_NUMBER = (
    Kind(
        "line",
        "number",
        "number",
        "Multiply it by {a} and add {b}.",
        "x = x * {a} + {b}",
        {"a": _SMALL, "b": range(1, 40)},
    ),
    Kind(
        "square",
        "number",
        "number",
        "Square it and take the remainder modulo {m}.",
        "x = x * x % {m}",
        {"m": (1009, 1013, 1019, 1021)},
    ),
    Kind(
        "hail",
        "number",
        "number",
        "Do this {t} times: halve it if it is even, else multiply it by {a} and add {b}.",
        """for _ in range({t}):
    if x % 2 == 0:
        x = x // 2
    else:
        x = x * {a} + {b}""",
        {"t": _FEW, "a": (3, 5), "b": (1, 3, 5, 7)},
    ),
    Kind(
        "recurrence",
        "number",
        "number",
        "Call it u0 and let u1 be {a}; each later one is {p} times the one before it plus {q} "
        "times the one before that, modulo {m}. Take u{t}.",
        """before, last = x, {a}
for _ in range({t} - 1):
    before, last = last, (last * {p} + before * {q}) % {m}
x = last""",
        {"a": _FEW, "p": _FEW, "q": _FEW, "m": _PRIMES, "t": (3, 4, 5)},
    ),
    Kind(
        "orbit",
        "number",
        "numbers",
        "Make a list of {t} numbers that begins with it, and in which each later one is {a} times "
        "the one before it plus {b}, modulo {m}.",
        """orbit = [x]
for _ in range({t} - 1):
    orbit.append((orbit[-1] * {a} + {b}) % {m})
x = orbit""",
        {"t": (4, 5, 6), "a": _FEW, "b": _FEW, "m": _PRIMES},
    ),
    Kind(
        "digits",
        "number",
        "numbers",
        "Make a list of its decimal digits, without a sign.",
        "x = [int(d) for d in str(abs(x))]",
    ),
    Kind("decimal", "number", "text", "Write it in decimal digits.", "x = str(x)"),
)

KINDS: tuple[Kind, ...] = (*_TEXT, *_NUMBERS, *_NUMBER)

# A seal puts a word into what is returned, so that nothing but the word's letters makes it right.
SEALS: Mapping[Type, Sequence[Kind]] = {
    "text": (
        Kind("behind", "text", "text", "Put `{w}` behind it.", 'x = x + "{w}"', {"w": ()}),
        Kind("before", "text", "text", "Put `{w}` in front of it.", 'x = "{w}" + x', {"w": ()}),
    ),
    "number": (
        Kind(
            "written",
            "number",
            "text",
            "Write it in decimal digits, and `{w}` behind them.",
            'x = str(x) + "{w}"',
            {"w": ()},
        ),
    ),
    "numbers": (
        Kind(
            "listed",
            "numbers",
            "text",
            "Write `{w}`, and behind it the numbers in decimal digits, with a comma before each.",
            'x = "{w}" + "".join("," + str(v) for v in x)',
            {"w": ()},
        ),
    ),
}
