"""Steps that take a whole number or a list of them, told in English."""

from __future__ import annotations

from reachgym.envs.suites.programs.steps import Kind

_FEW = range(2, 6)
_SMALL = range(2, 10)
_PRIMES = (97, 101, 103, 107)

LIST_KINDS = (
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
        'x = "".join([chr(v % 26 + 97) for v in x])',
    ),
)

NUMBER_KINDS = (
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
        """before = x
last = {a}
for _ in range({t} - 1):
    following = (last * {p} + before * {q}) % {m}
    before = last
    last = following
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
