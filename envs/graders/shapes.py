"""Tasks from rows in the shapes of MBPP, HumanEval and APPS."""

from __future__ import annotations

import ast
import builtins
import hashlib
import json
from collections.abc import Mapping

from reachgym.envs.graders.fields import decoded, text, texts, wrong
from reachgym.envs.graders.stdin_stdout import StdinTests
from reachgym.envs.graders.unit_tests import UnitTests
from reachgym.envs.graders.verifying import CodeTests, gold_of
from reachgym.envs.types import Split, Task

_ANSWER = "Answer with a Python program in one fenced code block."

# Rows store tuples as lists, and some wrap what a function returns in a list of its own.
_APPS_SETUP = """
import json
def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value
def same(actual, expected):
    return actual == expected or (
        isinstance(expected, list) and len(expected) == 1 and actual == expected[0]
    )
"""


def mbpp_task(row: Mapping[str, object], split: Split = "train") -> Task:
    """A task from a row of MBPP, in its original or its sanitized shape.

    The original has text, code, test_list, test_setup_code and challenge_test_list; the sanitized
    has prompt, code, test_list and test_imports. Each assertion is a test case. The prompt tells
    the signatures of the functions tested.

    Raises:
        TaskError: A field is missing or malformed, or the tests use more of the solution than its
            functions.
    """
    told, setup, cases = _mbpp_sanitized(row) if "test_imports" in row else _mbpp_original(row)
    code = text(row, "code")
    solution = _parse("code", code)
    tests_tree = _parse("test_list", "\n".join((setup, *cases)))
    # A solution may be called like one of Python's own functions, as `sum` is in one row.
    used = _names_from_outside(tests_tree, set(vars(builtins)) - _defined(solution))
    functions, imports = [], []
    for statement in solution.body:
        if isinstance(statement, ast.FunctionDef) and statement.name in used:
            functions.append(statement)
            used.remove(statement.name)
        elif isinstance(statement, ast.Import | ast.ImportFrom) and _bound(statement) & used:
            imports.append(ast.unparse(statement))
            used -= _bound(statement)
    if used or not functions:
        raise wrong(
            "test_list",
            "tests that call functions of 'code' and use nothing else of it",
            f"use of {', '.join(sorted(used)) or 'nothing'}",
        )
    names = tuple(function.name for function in functions)
    if _hands_over_a_type(tests_tree, names):
        raise wrong("test_list", "tests that call with values", "a call with a type")
    tests = UnitTests(names, cases, "\n".join((*imports, setup)))
    wanted = ", ".join(f"`{f.name}({ast.unparse(f.args)})`" for f in functions)
    return _task("mbpp", row, "task_id", f"{told}\nDefine {wanted}.", tests, code, split)


def _mbpp_original(row: Mapping[str, object]) -> tuple[str, str, tuple[str, ...]]:
    """What is asked, the tests' setup and the tests."""
    setup = text(row, "test_setup_code", may_be_empty=True)
    more = texts(row, "challenge_test_list", may_be_empty=True)
    return text(row, "text"), setup, (*texts(row, "test_list"), *more)


def _mbpp_sanitized(row: Mapping[str, object]) -> tuple[str, str, tuple[str, ...]]:
    setup = "\n".join(texts(row, "test_imports", may_be_empty=True))
    return text(row, "prompt"), setup, texts(row, "test_list")


def humaneval_task(row: Mapping[str, object], split: Split = "train") -> Task:
    """A task from a row of HumanEval: prompt, canonical_solution, test, entry_point, task_id.

    Its `check` is one test case. An answer may be the whole function or its body alone; helpers
    that tests use are the prompt's own.

    Raises:
        TaskError: A field is missing or malformed.
    """
    prompt, solution = text(row, "prompt"), text(row, "canonical_solution")
    test, entry = text(row, "test"), text(row, "entry_point")
    if entry not in _defined(_parse("prompt", prompt)):
        raise wrong("entry_point", "a function that 'prompt' begins", repr(entry))
    if "check" not in _defined(_parse("test", test)):
        raise wrong("test", "a function 'check(candidate)'", "none")
    tests = UnitTests(
        functions=(entry,),
        cases=(f"check({entry})",),
        setup=f"{prompt}\n{test}",
        prefix=prompt,
    )
    told = f"Complete this function.\n```python\n{prompt}```"
    return _task("humaneval", row, "task_id", told, tests, solution, split)


def apps_task(row: Mapping[str, object], split: Split = "train") -> Task:
    """A task from a row of APPS: question, solutions, input_output, difficulty, problem_id.

    With `fn_name` in `input_output` a function is tested, or a method of a class `Solution`, else
    a program by what it reads and prints. The first solution, if there is one, and the difficulty
    go into the metadata.

    Raises:
        TaskError: A field is missing or malformed.
    """
    question = text(row, "question")
    solutions = decoded(row, "solutions", may_be_empty=True)
    if not isinstance(solutions, list) or not all(isinstance(s, str) for s in solutions):
        raise wrong("solutions", "a JSON list of texts", type(solutions).__name__)
    tests, told = _apps_tests(decoded(row, "input_output"))
    prompt = f"{question}\n{told}"
    solution = solutions[0] if solutions else ""
    difficulty = text(row, "difficulty")
    return _task("apps", row, "problem_id", prompt, tests, solution, split, difficulty)


def _apps_tests(given: object) -> tuple[CodeTests, str]:
    """The tests, and what the agent is told of how its program is called."""
    if not isinstance(given, dict):
        raise wrong("input_output", "a JSON object", type(given).__name__)
    inputs, outputs = given.get("inputs"), given.get("outputs")
    if not isinstance(inputs, list) or not isinstance(outputs, list):
        raise wrong("input_output", "lists 'inputs' and 'outputs'", f"the keys {sorted(given)}")
    if not inputs or len(inputs) != len(outputs):
        lengths = f"{len(inputs)} and {len(outputs)}"
        raise wrong("input_output", "as many outputs as inputs, at least one", lengths)
    name = given.get("fn_name")
    if name is None:
        return _apps_program(inputs, outputs), "Read standard input, and print the output."
    return _apps_function(name, inputs, outputs), f"Define the function `{name}`."


def _apps_program(inputs: list[object], outputs: list[object]) -> CodeTests:
    pairs = zip(inputs, outputs, strict=True)
    return StdinTests(
        tuple((_lines("inputs", given), _lines("outputs", out)) for given, out in pairs)
    )


def _apps_function(name: object, inputs: list[object], outputs: list[object]) -> CodeTests:
    if not isinstance(name, str) or not name.isidentifier():
        raise wrong("input_output", "a function's name as 'fn_name'", repr(name))
    if not all(isinstance(arguments, list) for arguments in inputs):
        raise wrong("input_output", "a list of arguments for each of 'inputs'", "something else")
    cases = tuple(
        f"assert same(plain({name}(*json.loads({json.dumps(arguments)!r}))),"
        f" json.loads({json.dumps(expected)!r}))"
        for arguments, expected in zip(inputs, outputs, strict=True)
    )
    return UnitTests(functions=(name,), cases=cases, setup=_APPS_SETUP)


def _lines(name: str, value: object) -> str:
    """A text, which a row may give as a list of lines."""
    if isinstance(value, list):
        return "\n".join(map(str, value))
    if not isinstance(value, str):
        raise wrong("input_output", f"texts in {name!r}", type(value).__name__)
    return value


def _task(
    family: str,
    row: Mapping[str, object],
    id_field: str,
    prompt: str,
    tests: CodeTests,
    solution: str,
    split: Split,
    difficulty: str = "",
) -> Task:
    name = row.get(id_field, hashlib.sha256(prompt.encode()).hexdigest()[:12])
    return Task(
        id=f"{family}/{name}",
        prompt=f"{prompt}\n{_ANSWER}",
        gold=gold_of(tests),
        family=family,
        split=split,
        metadata={"solution": solution} | ({"difficulty": difficulty} if difficulty else {}),
    )


def _parse(field: str, source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise wrong(field, "Python", f"{type(error).__name__}: {error}") from None


def _defined(tree: ast.Module) -> set[str]:
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def _names_from_outside(tree: ast.Module, known: set[str]) -> set[str]:
    """Names that a program reads but never binds, less the known ones."""
    read: set[str] = set()
    bound = set(known)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        bound |= _bound(node)
    return read - bound


def _hands_over_a_type(tests: ast.Module, functions: tuple[str, ...]) -> bool:
    """Whether a test calls one of the functions with one of Python's types."""
    types = {name for name, value in vars(builtins).items() if isinstance(value, type)}
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in functions
        and any(isinstance(given, ast.Name) and given.id in types for given in node.args)
        for node in ast.walk(tests)
    )


def _bound(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.arg):
        return {node.arg}
    if isinstance(node, ast.ExceptHandler) and node.name:
        return {node.name}
    return set()
