"""Bugs: small changes of a function's syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_OPPOSITES: Mapping[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.FloorDiv: ast.Mod,
    ast.Mod: ast.FloorDiv,
}
_NAMES = {"min": "max", "max": "min"}


@dataclass(frozen=True)
class Mutation:
    """One change of a node.

    Attributes:
        kind: What it does, in few words.
        node: Where.
        fields: New values of some of the node's fields.
    """

    kind: str
    node: ast.AST
    fields: Mapping[str, object]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Changes the tree for as long as it lasts."""
        before = {name: vars(self.node)[name] for name in self.fields}
        vars(self.node).update(self.fields)
        try:
            yield
        finally:
            vars(self.node).update(before)


def mutations(function: ast.FunctionDef) -> list[Mutation]:
    """Every change that is known, in the order of the tree.

    Loops stay finite under any one of them where they were loops over ranges and over values that
    they do not change, and outputs grow no faster than before.
    """
    return [
        Mutation(kind, node, fields)
        for node in ast.walk(function)
        for kind, find in _KINDS.items()
        for fields in find(node)
    ] + list(_wrong_variables(function))


def _comparison(node: ast.AST) -> Iterator[dict[str, object]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _OPPOSITES:
        yield {"ops": [_OPPOSITES[type(node.ops[0])](), *node.ops[1:]]}


def _operator(node: ast.AST) -> Iterator[dict[str, object]]:
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in _OPPOSITES:
        yield {"op": _OPPOSITES[type(node.op)]()}


def _off_by_one(node: ast.AST) -> Iterator[dict[str, object]]:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield {"value": node.value + 1}
        if node.value > 0:
            yield {"value": node.value - 1}


def _swapped(node: ast.AST) -> Iterator[dict[str, object]]:
    if isinstance(node, ast.BinOp):
        yield {"left": node.right, "right": node.left}
    if isinstance(node, ast.Call) and len(node.args) == 2:
        yield {"args": node.args[::-1]}
    if isinstance(node, ast.Slice) and (node.lower is None) != (node.upper is None):
        yield {"lower": node.upper, "upper": node.lower}


def _wrong_function(node: ast.AST) -> Iterator[dict[str, object]]:
    if isinstance(node, ast.Name) and node.id in _NAMES:
        yield {"id": _NAMES[node.id]}


def _missing_branch(node: ast.AST) -> Iterator[dict[str, object]]:
    if isinstance(node, ast.If) and node.orelse:
        yield {"orelse": []}
    for name, body in _bodies(node):
        for index, statement in enumerate(body):
            if isinstance(statement, ast.If):
                yield {name: [*body[:index], *statement.body, *body[index + 1 :]]}


def _missing_statement(node: ast.AST) -> Iterator[dict[str, object]]:
    for name, body in _bodies(node):
        for index, statement in enumerate(body):
            if len(body) > 1 and isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr):
                yield {name: [*body[:index], *body[index + 1 :]]}


def _bodies(node: ast.AST) -> Iterator[tuple[str, list[ast.stmt]]]:
    if isinstance(node, ast.FunctionDef | ast.For | ast.If):
        yield "body", node.body
    if isinstance(node, ast.If):
        yield "orelse", node.orelse


_KINDS: Mapping[str, Callable[[ast.AST], Iterator[dict[str, object]]]] = {
    "wrong comparison": _comparison,
    "wrong operator": _operator,
    "off by one": _off_by_one,
    "swapped": _swapped,
    "wrong function": _wrong_function,
    "missing branch": _missing_branch,
    "missing statement": _missing_statement,
}


def _wrong_variables(function: ast.FunctionDef) -> Iterator[Mutation]:
    """Other local names in simple statements, which do not mention these names already.

    A statement that takes in what it builds would double it in every round of a loop.
    """
    nodes = list(ast.walk(function))
    names = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for statement in nodes:
        if isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr):
            inside = list(ast.walk(statement))
            mentioned = {node.id for node in inside if isinstance(node, ast.Name)}
            for node in _read(inside):
                if node.id in names:
                    for name in sorted(names - mentioned):
                        yield Mutation("wrong variable", node, {"id": name})


def _read(nodes: Sequence[ast.AST]) -> Iterator[ast.Name]:
    """Names that are read, less those whose methods are called."""
    owners = [node.value for node in nodes if isinstance(node, ast.Attribute)]
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node not in owners:
            yield node
