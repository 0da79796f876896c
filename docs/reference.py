"""Writes the reference from the docstrings, a page for every part that is meant to be used.

Change a docstring, then write the pages again: `python docs/reference.py docs/reference`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import griffe
import typer.core
import typer.main

from reachgym.study.cli import app

ROOT = Path(__file__).resolve().parents[1]
# Every page: its title, and the modules it is made of. Of a package that says what it exports,
# that; of others, what their modules define.
PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "envs": ("Environments", ("envs", "envs.registration", "envs.errors", "envs.milestones")),
    "tools": (
        "Tools",
        (
            "envs.tools.base",
            "envs.tools.python",
            "envs.tools.session",
            "envs.tools.sql",
            "envs.tools.http",
            "envs.tools.search",
            "envs.tools.web_search",
            "envs.tools.fetch",
            "envs.tools.mcp",
        ),
    ),
    "graders": ("Graders", ("envs.graders",)),
    "datasets": (
        "Data sets",
        (
            "envs.datasets.mathematics",
            "envs.datasets.hotpotqa",
            "envs.datasets.programs",
            "envs.datasets.trainer_rows",
            "envs.datasets.reasoning_gym",
            "envs.datasets.gold",
        ),
    ),
    "retrieval": (
        "Search",
        (
            "envs.retrieval.corpus",
            "envs.retrieval.corpora",
            "envs.retrieval.bm25",
            "envs.retrieval.dense",
            "envs.retrieval.hybrid",
            "envs.retrieval.stored",
            "envs.retrieval.shared",
            "envs.retrieval.remote",
            "envs.retrieval.search_server",
            "envs.retrieval.web",
            "envs.retrieval.web_cache",
            "envs.retrieval.web_providers",
            "envs.retrieval.fetching",
        ),
    ),
    "wrappers": ("Wrappers", ("envs.wrappers",)),
    "checking": ("Checking an environment", ("envs.checking",)),
    "sandbox": ("Sandboxes", ("envs.sandbox.protocol", "envs.sandbox.levels")),
    "serving": ("Serving", ("envs.serving.server", "envs.serving.client")),
    "agents": (
        "Agents",
        (
            "agents.protocol",
            "agents.scripted",
            "agents.sampling",
            "agents.transformers_policy",
            "agents.endpoint.settings",
            "agents.endpoint.agent",
        ),
    ),
    "rollout": (
        "Rollouts",
        (
            "rollout.episode",
            "rollout.trajectory",
            "rollout.scheduler",
            "rollout.fleet",
            "rollout.store",
            "rollout.splitting",
        ),
    ),
    "learners": (
        "Learners",
        (
            "learners.settings",
            "learners.batch",
            "learners.sft",
            "learners.rft",
            "learners.rl",
            "learners.checkpoint",
        ),
    ),
    "support": ("Measuring support", ("support",)),
}
_INDEX = """# Reference

Made from the docstrings by `python docs/reference.py docs/reference`.

"""


def pages() -> dict[str, str]:
    """The pages as Markdown, by file name."""
    package = griffe.load("reachgym", search_paths=[ROOT], docstring_parser="google")
    made = {
        f"{name}.md": _page(package, title, modules) for name, (title, modules) in PAGES.items()
    }
    made["command-line.md"] = _command_line()
    titles = {f"{name}.md": title for name, (title, _) in PAGES.items()}
    titles["command-line.md"] = "The command line"
    index = _INDEX + "".join(f"- [{title}]({name})\n" for name, title in titles.items())
    return {"README.md": index, **made}


def undocumented() -> list[str]:
    """Public names on the pages that have no docstring."""
    package = griffe.load("reachgym", search_paths=[ROOT], docstring_parser="google")
    found = []
    for _, modules in PAGES.values():
        for path in modules:
            for item in _public(package[path]):
                inner = _methods(item) if isinstance(item, griffe.Class) else ()
                found += [each.path for each in (item, *inner) if not each.docstring]
    return [path for path in found if not path.endswith("__init__")]


def _page(package: griffe.Object, title: str, modules: tuple[str, ...]) -> str:
    parts = [f"# {title}"]
    seen: set[str] = set()
    for path in modules:
        module = package[path]
        parts.append(f"## `reachgym.{path}`\n\n{_text(module)}")
        for item in _public(module):
            # What a package exports stands there, and not again where it is defined.
            if item.path not in seen:
                seen.add(item.path)
                parts += _item(item)
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _public(module: griffe.Object) -> Iterator[griffe.Class | griffe.Function]:
    names = module.exports or [
        name
        for name, member in module.members.items()
        if not name.startswith("_") and not member.is_alias
    ]
    for name in map(str, names):
        item = module.members[name]
        if item.is_alias:
            item = item.final_target
        if isinstance(item, griffe.Class | griffe.Function):
            yield item


def _item(item: griffe.Class | griffe.Function) -> list[str]:
    if isinstance(item, griffe.Function):
        return [f"### `{item.signature(name=item.name)}`", _text(item)]
    bases = ", ".join(str(base) for base in item.bases)
    parts = [f"### class `{item.name}{f'({bases})' if bases else ''}`", _text(item)]
    for method in _methods(item):
        if method.name == "__init__":
            parts.append(f"**`{method.signature(name=item.name)}`**\n\n{_text(method)}")
        elif "property" in method.labels:
            parts.append(f"**`{method.name}`**: `{_annotation(method)}`. {_text(method)}")
        else:
            parts.append(f"**`.{method.signature(name=method.name)}`**\n\n{_text(method)}")
    return parts


def _methods(item: griffe.Class) -> Iterator[griffe.Function | griffe.Attribute]:
    for name, member in item.members.items():
        if member.is_alias or (name.startswith("_") and name != "__init__"):
            continue
        is_property = isinstance(member, griffe.Attribute) and "property" in member.labels
        if isinstance(member, griffe.Function) or is_property:
            if name == "__init__" and not member.docstring:
                continue
            yield member


def _annotation(member: griffe.Function | griffe.Attribute) -> str:
    found = member.returns if isinstance(member, griffe.Function) else member.annotation
    return str(found)


def _text(item: griffe.Object) -> str:
    if item.docstring is None:
        return ""
    return "\n\n".join(filter(None, map(_section, item.docstring.parsed)))


def _section(section: griffe.DocstringSection) -> str:
    match section.kind:
        case griffe.DocstringSectionKind.text:
            return str(section.value)
        case griffe.DocstringSectionKind.parameters:
            return "Args:\n\n" + _rows((row.name, row.description) for row in section.value)
        case griffe.DocstringSectionKind.attributes:
            return "Attributes:\n\n" + _rows((row.name, row.description) for row in section.value)
        case griffe.DocstringSectionKind.raises:
            rows = ((str(row.annotation), row.description) for row in section.value)
            return "Raises:\n\n" + _rows(rows)
        case griffe.DocstringSectionKind.returns:
            return "Returns: " + " ".join(_line(row.description) for row in section.value)
        case griffe.DocstringSectionKind.admonition:
            return _line(section.value.description)
    raise ValueError(f"expected no section of kind {section.kind.value} in a docstring")


def _rows(rows: Iterator[tuple[str, str]]) -> str:
    return "\n".join(f"- `{name}`: {_line(description)}" for name, description in rows)


def _line(text: str) -> str:
    return " ".join(text.split())


def _command_line() -> str:
    command = typer.main.get_command(app)
    parts = ["# The command line", "`reachgym --help` and `reachgym COMMAND --help` say the same."]
    parts += _commands(command, "reachgym")
    return "\n\n".join(parts) + "\n"


def _commands(command: typer.core.TyperCommand, name: str) -> Iterator[str]:
    if isinstance(command, typer.core.TyperGroup):
        for inner in command.commands.values():
            yield from _commands(inner, f"{name} {inner.name}")
        return
    yield f"## `{name}`"
    yield _line(command.help or "")
    context = command.make_context(name, [], resilient_parsing=True)
    records = (parameter.get_help_record(context) for parameter in command.params)
    rows = [(record[0], record[1]) for record in records if record and "--help" not in record[0]]
    if rows:
        yield _rows(iter(rows))


def main() -> None:
    """Write the pages into the folder that is named."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for path in target.glob("*.md"):
        path.unlink()
    for name, text in pages().items():
        (target / name).write_text(text)


if __name__ == "__main__":
    main()
