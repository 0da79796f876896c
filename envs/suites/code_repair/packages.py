"""Packages with bugs: modules of sealed programs, the later of which build on those before."""

from __future__ import annotations

import ast
import random
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

from reachgym.envs.seeding import derive_seed
from reachgym.envs.suites.code_repair.mutations import Mutation, mutations
from reachgym.envs.suites.programs.drawing import Program, draw_program, draw_word
from reachgym.envs.suites.programs.languages import ENGLISH
from reachgym.envs.suites.programs.steps import PHRASES, Function, Kind, Step, source_of
from reachgym.envs.types import Split

TESTS = "tests.py"
# Calls of a function of another module, which only its docstring and its code know of.
CALL = Kind("call", "text", "text", "Call `{f}` with it.", "x = {f}(x)", {"f": ()})

_MODULES = ("alpha", "beta", "gamma")
_SHOWN = 3
_HIDDEN = 8
_FEWEST_WRONG = 2
_RUNNER = '''"""Tells which calls give something else than they should: `python3 tests.py`."""

{imports}

CALLS = [
{calls}
]

wrong = 0
for call, given, expected in CALLS:
    came = call(given)
    if came != expected:
        wrong += 1
        print(f"{{call.__name__}}({{given!r}}): expected {{expected!r}}, got {{came!r}}")
print(f"{{wrong}} of {{len(CALLS)}} calls are wrong")
'''


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a package is.

    Attributes:
        modules: Its modules; functions of the later ones call those of the one before.
        functions: Functions of each module.
        depth: Steps of a function, without its word.
        bugs: How many functions have a bug.
    """

    modules: int
    functions: int
    depth: int
    bugs: int


@dataclass(frozen=True, slots=True)
class Package:
    """A package with bugs, and what is known of it.

    Attributes:
        name: Its folder.
        files: All files of the working directory, path to text; the modules with their bugs.
        modules: Paths of the modules.
        programs: What each function should do.
        bugs: The kind of bug by the name of the function that has it.
    """

    name: str
    files: Mapping[str, str]
    modules: tuple[str, ...]
    programs: Mapping[str, Program]
    bugs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A function as it should be."""

    name: str
    module: int
    base: _Drawn | None
    program: Program
    tree: ast.FunctionDef


def draw_package(shape: Shape, split: Split, *place: str | int) -> Package:
    """A package that follows from `place`; every word in it belongs to the split."""
    attempts = (_attempt(shape, split, *place, attempt) for attempt in count())
    return next(package for package in attempts if package is not None)


def _attempt(shape: Shape, split: Split, *place: str | int) -> Package | None:
    functions = _functions(shape, split, *place)
    name = f"kit_{draw_word(split, *place, 'package')}"
    rng = random.Random(derive_seed("bugs", *place))
    bugs: dict[str, str] = {}
    faulty = sorted(functions, key=lambda _: rng.random())[: shape.bugs]
    for function in faulty:
        mutation = _bug(function, rng)
        if mutation is None:
            return None
        vars(mutation.node).update(mutation.fields)
        bugs[function.name] = mutation.kind
    modules = {
        f"{name}/{_MODULES[number]}.py": _module(name, number, functions)
        for number in range(shape.modules)
    }
    package = f'"""The functions of {", ".join(_MODULES[: shape.modules])}."""\n'
    files = {f"{name}/__init__.py": package, **modules, TESTS: _tests(name, functions)}
    programs = {function.name: function.program for function in functions}
    return Package(name, files, tuple(modules), programs, bugs)


def _functions(shape: Shape, split: Split, *place: str | int) -> list[_Drawn]:
    drawn: list[_Drawn] = []
    for module in range(shape.modules):
        for number in range(shape.functions):
            base = drawn[-shape.functions] if module else None
            word = draw_word(split, *place, module, number)
            program = draw_program(
                ENGLISH,
                shape.depth,
                word,
                (*place, module, number),
                shown=_SHOWN,
                hidden=_HIDDEN,
                base=base.program if base else None,
            )
            # A word of its own: calls tell the name to whatever answers them.
            name = f"make_{draw_word(split, *place, module, number, 'name')}"
            drawn.append(_Drawn(name, module, base, program, _tree(name, base, program)))
    return drawn


def _tree(name: str, base: _Drawn | None, program: Program) -> ast.FunctionDef:
    call = [Step(CALL, (base.name,))] if base else []
    return function_tree(name, (*call, *program.steps))


def function_tree(name: str, steps: tuple[Step, ...]) -> ast.FunctionDef:
    """A function of the steps, without a docstring."""
    (function,) = ast.parse(source_of(name, steps)).body
    if not isinstance(function, ast.FunctionDef):
        raise TypeError(f"expected a function's source, got {function!r}")
    return function


def _bug(function: _Drawn, rng: random.Random) -> Mutation | None:
    """A change on which no call raises, and which shown and hidden calls tell; None if none is."""
    possible = mutations(function.tree)
    kinds = sorted(dict.fromkeys(m.kind for m in possible), key=lambda _: rng.random())
    for kind in kinds:
        of_kind = [mutation for mutation in possible if mutation.kind == kind]
        for mutation in sorted(of_kind, key=lambda _: rng.random()):
            with mutation.applied():
                if _shows(function):
                    return mutation
    return None


def _shows(function: _Drawn) -> bool:
    """Whether its tree, as it is now, gives wrong values and raises nothing."""
    names: dict[str, Function] = {}
    if function.base:
        names[function.base.name] = function.base.program.run
    tree = ast.Module([function.tree], [])
    exec(compile(ast.fix_missing_locations(tree), "<bug>", "exec"), names)  # noqa: S102 - our own
    program, run = function.program, names[function.name]
    pairs = (*program.shown, *program.hidden)
    try:
        given = [run(value) for value, _ in pairs]
    except (ArithmeticError, LookupError, NameError, TypeError, ValueError):
        return False
    wrong = [came != output for came, (_, output) in zip(given, pairs, strict=True)]
    # Who calls it must be given what can be worked on, too.
    same_type = all(isinstance(came, str) for came in given)
    return same_type and any(wrong[:_SHOWN]) and sum(wrong[_SHOWN:]) >= _FEWEST_WRONG


def _module(package: str, number: int, functions: list[_Drawn]) -> str:
    own = [function for function in functions if function.module == number]
    bases = sorted({function.base.name for function in own if function.base})
    lines = [f'"""The functions of {_MODULES[number]}."""']
    if bases:
        lines.append(f"from {package}.{_MODULES[number - 1]} import {', '.join(bases)}")
    return "\n\n".join([*lines, *(_documented(function) for function in own)]) + "\n"


def _documented(function: _Drawn) -> str:
    """Its code with a docstring that determines what it should do."""
    call = [Step(CALL, (function.base.name,))] if function.base else []
    steps = enumerate((*call, *function.program.steps), 1)
    told = "\n".join(
        [
            f"Change {PHRASES[function.program.takes]}, each step on what the one before it gave.",
            "",
            *(f"    {number}. {step.sentence}" for number, step in steps),
            "    ",
        ]
    )
    docstring = ast.Expr(ast.Constant(told))
    body = [docstring, *function.tree.body]
    tree = ast.FunctionDef(function.name, function.tree.args, body, [], lineno=0, col_offset=0)
    return "\n" + ast.unparse(tree)


def _tests(package: str, functions: list[_Drawn]) -> str:
    modules = sorted({function.module for function in functions})
    imports = [
        f"from {package}.{_MODULES[number]} import "
        + ", ".join(sorted(f.name for f in functions if f.module == number))
        for number in modules
    ]
    calls = [
        f"    ({function.name}, {value!r}, {output!r}),"
        for function in functions
        for value, output in function.program.shown
    ]
    return _RUNNER.format(imports="\n".join(imports), calls="\n".join(calls))
