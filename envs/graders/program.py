"""Puts modules of this folder, with a call of one, into one program for a sandbox."""

from __future__ import annotations

import functools
import inspect
import marshal
import sys
import types

# An interpreter like this one need not compile again what it will run thousands of times.
_PROGRAM = """
import marshal, sys, types
alike = sys.version == {version!r}
for name, source, compiled in {modules!r}:
    module = sys.modules[name] = types.ModuleType(name)
    exec(marshal.loads(compiled) if alike else compile(source, name, "exec"), module.__dict__)
module.{function}(*{arguments!r})
"""


def program(modules: tuple[types.ModuleType, ...], function: str, *arguments: object) -> str:
    """Python that defines `modules` and calls `function` of the last one.

    Args:
        modules: Each after those it imports.
        function: Its name.
        arguments: Values that are what their `repr` says.
    """
    return _PROGRAM.format(
        version=sys.version,
        modules=_shipped(modules),
        function=function,
        arguments=arguments,
    )


@functools.lru_cache
def _shipped(modules: tuple[types.ModuleType, ...]) -> tuple[tuple[str, str, bytes], ...]:
    named = [(module.__name__, inspect.getsource(module)) for module in modules]
    return tuple((name, text, marshal.dumps(compile(text, name, "exec"))) for name, text in named)
