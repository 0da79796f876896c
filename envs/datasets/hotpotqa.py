"""HotpotQA by path: questions over two paragraphs, which are searched for among others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from reachgym.envs.datasets.row_files import Row, open_rows, place
from reachgym.envs.datasets.scan import Shape
from reachgym.envs.datasets.sources import Paths, rows_taskset
from reachgym.envs.errors import ConfigError, TaskError
from reachgym.envs.graders.fields import described, text, wrong
from reachgym.envs.graders.short_answers import normalized, short_answer_verifier
from reachgym.envs.retrieval.bm25 import BM25Index
from reachgym.envs.retrieval.corpus import Document, Hit
from reachgym.envs.retrieval.shared import search_index
from reachgym.envs.sandbox.shared import sandbox_for
from reachgym.envs.suites.interface import Interface, parse_interface
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.tools.base import Tool, WorkspaceTool
from reachgym.envs.tools.search import search_tool
from reachgym.envs.types import JSON, Budget, Split, Task
from reachgym.envs.workspace import Workspace

TOOLS = ("search", "search_corpus")

_BUDGET = Budget(turns=16)
_ASKED = "Answer with a name, a date, a few words, or yes or no, and nothing else."
_SHOWN = 2


def hotpotqa_task(row: Row, name: str, split: Split) -> Task:
    """The task of a row: question, answer, context, supporting_facts, type and level.

    Context and supporting facts may be lists, as in the original files, or columns, as in those of
    the Hugging Face hub. The chance of a question of yes or no is a half.

    Raises:
        TaskError: A field is missing or malformed, e.g. the answer, as in the data set's test file.
    """
    question, answer = text(row, "question"), text(row, "answer")
    own_id = row.get("_id", row.get("id"))
    metadata: dict[str, JSON] = {
        "paragraphs": dict(_paragraphs(row)),
        "supporting": list(_supporting(row)),
        **{field: str(row[field]) for field in ("type", "level") if row.get(field) is not None},
    }
    return Task(
        f"hotpotqa/{own_id}" if own_id else name,
        f"{question.strip()}\n{_ASKED}",
        answer,
        family="hotpotqa",
        split=split,
        chance=0.5 if normalized(answer) in ("yes", "no") else 0.0,
        metadata=metadata,
    )


SHAPE = Shape("hotpotqa", hotpotqa_task)


def _paragraphs(row: Row) -> list[tuple[str, str]]:
    """Title and text of each paragraph."""
    expected = "pairs of a title and sentences, or an object with lists 'title' and 'sentences'"
    match row.get("context"):
        case {"title": [*titles], "sentences": [*several]} if len(titles) == len(several):
            pairs = list(zip(titles, several, strict=True))
        case [*several] if all(isinstance(pair, list) and len(pair) == 2 for pair in several):
            pairs = [(title, sentences) for title, sentences in several]
        case _:
            raise wrong("context", expected, described(row, "context"))
    for title, sentences in pairs:
        if not isinstance(title, str) or not _are_texts(sentences):
            raise wrong("context", expected, repr((title, sentences))[:60])
    return [(title, "".join(sentences).strip()) for title, sentences in pairs]


def _supporting(row: Row) -> list[str]:
    """The titles of the paragraphs that hold the facts, each once."""
    match row.get("supporting_facts"):
        case {"title": [*titles]}:
            found = titles
        case [*pairs] if all(isinstance(pair, list) and pair for pair in pairs):
            found = [pair[0] for pair in pairs]
        case _:
            expected = "pairs of a title and a number, or an object with lists of them"
            raise wrong("supporting_facts", expected, described(row, "supporting_facts"))
    return list(dict.fromkeys(map(str, found)))


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


@dataclass(frozen=True, slots=True)
class _OwnParagraphs:
    """An index of the paragraphs that come with the task at work."""

    workspace: Workspace

    def search(self, query: str, k: int) -> list[Hit]:
        paragraphs = self.workspace.task.metadata.get("paragraphs")
        if not isinstance(paragraphs, dict):
            raise TaskError(
                f"task '{self.workspace.task.id}': expected metadata with paragraphs, as rows of "
                "HotpotQA bring them, got none; take tasks from the environment's own taskset"
            )
        return _index(tuple((title, str(told)) for title, told in paragraphs.items())).search(
            query, k
        )


@lru_cache(maxsize=256)
def _index(paragraphs: tuple[tuple[str, str], ...]) -> BM25Index:
    # Numbered, so that ties go by the order in which the row has them.
    return BM25Index(
        _document(f"{number:03}", title, told) for number, (title, told) in enumerate(paragraphs)
    )


def _document(name: str, title: str, told: str) -> Document:
    return Document(name, title, f"{title}: {told}")


def _own_search(workspace: Workspace) -> Tool:
    tool = search_tool(_OwnParagraphs(workspace), _SHOWN)
    described = "Search the paragraphs at hand. You get those that match best, a line each."
    return replace(tool, spec=replace(tool.spec, description=described))


def _corpus_search(path: str) -> Tool:
    about = Path(path).stat() if Path(path).exists() else None
    version = (about.st_size, about.st_mtime_ns) if about else (0, 0)
    tool = search_tool(_corpus_index(Path(path), version), _SHOWN)
    described = "Search the corpus. You get the paragraphs that match best, a line each."
    return replace(tool, spec=replace(tool.spec, name="search_corpus", description=described))


@lru_cache(maxsize=2)
def _corpus_index(path: Path, version: tuple[int, int]) -> BM25Index:
    del version  # A file that has changed is another.
    return search_index(_corpus_documents(path))


def _corpus_documents(path: Path) -> Iterator[Document]:
    for index, row in enumerate(open_rows(path).scan()):
        try:
            title, told = text(row, "title"), text(row, "text")
        except TaskError as error:
            raise TaskError(f"{place(path, index)}: {error}") from None
        yield _document(str(row.get("id") or f"{index:09}"), title, told)


def _tools(offered: Interface, corpus: str | None) -> Mapping[str, Tool | WorkspaceTool]:
    if "search_corpus" not in offered.tools:
        return {"search": _own_search}
    if corpus is None:
        raise ConfigError(
            "the tool search_corpus needs a corpus, got none; give corpus=, the path of a file of "
            "rows with title and text"
        )
    if offered.information == "shuffled":
        raise ConfigError(
            "a corpus is the same for all tasks, so its information cannot be shuffled across "
            "them; offer search, or withhold the information"
        )
    return {"search": _own_search, "search_corpus": _corpus_search(corpus)}


def make_hotpotqa(
    path: Paths = None,
    train: Paths = None,
    validation: Paths = None,
    held_out: Paths = None,
    unusable: str = "refuse",
    corpus: str | None = None,
    interface: Mapping[str, JSON] | None = None,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/HotpotQA-v0`.

    Args:
        path: A file of rows, or several, split by a hash of the content.
        train: Or the files of each split.
        unusable: `"refuse"` files with malformed rows or splits with common content, or `"drop"`
            such rows.
        corpus: A file of rows with title, text and, if they are there, ids, to be searched by
            `search_corpus`.
        interface: Tools and information: `search` finds among the paragraphs of the task's own row
            and is the default, unless there is a corpus. Without tools the book is closed.
        sandbox: Where code is run, as `parse_sandbox` reads it.
        render_mode: As Gymnasium has it; `"ansi"` or None.

    Raises:
        ConfigError: An argument is out of range.
        InputError: A file cannot be read, or its rows are refused.
    """
    splits: dict[Split, Paths] = {"train": train, "validation": validation, "held_out": held_out}
    default = "search" if corpus is None else "search_corpus"
    offered = parse_interface(interface, known=TOOLS, default=(default,))
    return ToolEnv(
        rows_taskset(SHAPE, path, splits, unusable),
        tools=offered.chosen(_tools(offered, corpus)),
        verifier=short_answer_verifier,
        information=offered.information,
        budget=_BUDGET,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )
