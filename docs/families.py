"""Writes a page for every family of environments, its episodes played by its oracle.

Change a family, then write the pages again: `python docs/families.py docs/families`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from reachgym.envs.registration import EnvRef, make
from reachgym.envs.suites import families
from reachgym.envs.suites.family import FamilyInfo
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import JSON, Message

_TEXTS = {"chat": "For chat models", "terse": "For the small model"}
_LONGEST_FILE_LINES = 5
_INDEX = """# Families of environments

Every family draws its tasks by hash from a seed: equal seeds give equal tasks on every machine.
`reachgym envs describe ID` shows a task, `reachgym envs play ID`
lets you solve it by hand. All take `difficulty`, `world_seed`, `text` (`chat` or `terse`),
`interface` (`{"tools": [...], "information": "full" | "withheld" | "shuffled"}`) and `sandbox`.

| id | what it asks | levels | tools |
|---|---|---|---|
"""


def pages() -> dict[str, str]:
    """The pages as Markdown, by file name."""
    rows = [
        f"| [`{family.id}`]({family.name}.md) | {family.description} | {len(family.levels)} | "
        f"{', '.join(family.tools)} |"
        for family in families()
    ]
    index = _INDEX + "\n".join(rows) + "\n"
    return {"README.md": index} | {f"{family.name}.md": _page(family) for family in families()}


def _page(family: FamilyInfo) -> str:
    parts = [
        f"# {family.name.replace('_', ' ').capitalize()}",
        f"`{family.id}`. {family.description}",
        family.about,
        "\n".join(
            ["| difficulty | asks | chance |", "|---|---|---|", *(_levels(family))],
        ),
    ]
    # The second level shows most families' point, and the last one of a longer way is too long.
    level = family.difficulties[min(1, len(family.difficulties) - 1)]
    for text, title in _TEXTS.items():
        parts += [f"## {title}", f"An episode at difficulty {level}, played by the oracle."]
        parts.append(_episode(family, level, text))
    return "\n\n".join(parts) + "\n"


def _levels(family: FamilyInfo) -> Iterator[str]:
    for level, asks in family.levels.items():
        env = _made(family, level, "chat")
        env.reset(options={"split": "train", "index": 0})
        yield f"| {level} | {asks} | {env.task.chance:.3g} |"
        env.close()


def _episode(family: FamilyInfo, level: int, text: str) -> str:
    env = _made(family, level, text)
    opening, info = env.reset(options={"split": "train", "index": 0})
    messages = list(opening)
    lines = [*_files(env.task.files), *(_line(message) for message in opening)]
    while info["verdict"] is None:
        action = family.oracle(messages)
        replies, *_, info = env.step(action)
        messages += [action, *replies]
        lines += [_line(message) for message in (action, *replies)]
    lines.append(f"reward {info['verdict'].reward:g}: {info['verdict'].explanation}")
    env.close()
    return "~~~text\n" + "\n".join(lines) + "\n~~~"


def _files(files: Mapping[str, str]) -> Iterator[str]:
    for path, content in files.items():
        lines = content.splitlines()
        yield f"--- {path}"
        yield from lines[:_LONGEST_FILE_LINES]
        if len(lines) > _LONGEST_FILE_LINES:
            yield f"... {len(lines) - _LONGEST_FILE_LINES} more lines"
    if files:
        yield "---"


def _line(message: Message) -> str:
    calls = [f"{call.name}({_arguments(dict(call.arguments))})" for call in message.tool_calls]
    return f"{message.role}: " + "\n".join(
        [*([message.content] if message.content else []), *calls]
    )


def _arguments(arguments: dict[str, JSON]) -> str:
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())


def _made(family: FamilyInfo, level: int, text: str) -> ToolEnv:
    return make(EnvRef(family.id, {"difficulty": level, "text": text}))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for name, content in pages().items():
        (folder / name).write_text(content)
