"""Puts modules of this folder, with a call of one, into one program for a sandbox."""

from __future__ import annotations

import functools
import inspect
import types

_PROGRAM = """
import sys, types
for name, source in {sources!r}:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
module.{function}(*{arguments!r})
"""


def program(modules: tuple[types.ModuleType, ...], function: str, *arguments: object) -> str:
    """Python that defines `modules` and calls `function` of the last one.

    Args:
        modules: Each after those it imports.
        function: Its name.
        arguments: Values that are what their `repr` says.
    """
    return _PROGRAM.format(sources=_sources(modules), function=function, arguments=arguments)


@functools.lru_cache
def _sources(modules: tuple[types.ModuleType, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((module.__name__, inspect.getsource(module)) for module in modules)
