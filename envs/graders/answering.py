"""Runs in the sandbox, with the candidate: calls its functions and answers with plain values.

Everything here is in the candidate's reach, and is believed no more than the candidate itself.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from typing import Any

from reachgym.envs.graders.frames import READY, FrameWriter
from reachgym.envs.graders.plain import NotPlainError, decode, encode


def answer_calls(nonce: str, source: str, calls: list[str]) -> None:
    """Load the candidate as a module, then answer each call with a frame."""
    writer = FrameWriter(nonce)
    module = types.ModuleType("solution")
    sys.modules["solution"] = module
    # Running the candidate is what this program is for; the sandbox holds it.
    exec(compile(source, "<solution>", "exec"), module.__dict__)  # noqa: S102
    writer.write(READY)
    for call in calls:
        writer.write(_answer(module.__dict__, call))
    os._exit(0)


def _answer(names: dict[str, Any], call: str) -> str:
    packed: Any = decode(call)
    name, arguments, keywords = packed
    try:
        return encode({"value": _find(names, name)(*arguments, **keywords)})
    except NotPlainError as error:
        return encode({"refused": str(error)})
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
        return encode({"raised": kinds, "message": str(error)})
    except BaseException as error:
        return encode({"refused": f"it raised {type(error).__name__}"})


def _find(names: dict[str, Any], name: str) -> Callable[..., Any]:
    if name in names:
        return names[name]  # type: ignore[no-any-return]  # whatever the candidate made it
    if "Solution" in names:
        return getattr(names["Solution"](), name)  # type: ignore[no-any-return]
    raise NotPlainError(f"expected a function {name!r}, it defines none")
