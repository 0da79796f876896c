"""The ApiQuest family's tasks and prompts, and the documentation that they need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import count

from reachgym.envs.errors import TaskError
from reachgym.envs.retrieval.bm25 import BM25Index
from reachgym.envs.retrieval.corpus import Document
from reachgym.envs.retrieval.shared import search_index
from reachgym.envs.seeding import derive_seed
from reachgym.envs.suites.api_quest.api import WORD_LETTERS, Api, api_of, quest_for, topics
from reachgym.envs.suites.interface import Text
from reachgym.envs.suites.world import spell
from reachgym.envs.taskset import check_index, check_split, split_of
from reachgym.envs.types import Split, Task

CHANCE = 26.0**-WORD_LETTERS

_TERSE = re.compile(r"Q:(?P<level>\d)/(?P<subject>\w+)/(?P<topic>\w+)")
_CHAT = re.compile(
    r"code for `(?P<subject>\w+)` under the topic `(?P<topic>\w+)`.*`\w+ (?P<level>\d)`\. Then",
    re.DOTALL,
)
_PLACEHOLDER = re.compile(r"<\w+>")


class ApiQuestTaskset:
    """Subjects without end, each under a topic of its world; a hash of the subject tells its split.

    The secret is five letters by hash from world, level, topic and subject, uniform and
    independent of all else; no document holds it. So a policy to which the API told nothing
    passes with a chance of `26**-5`, less than `2**-23`.
    """

    def __init__(self, world_seed: int, level: int, text: Text = "chat") -> None:
        self.name = f"api_quest-{level}"
        self._world_seed = world_seed
        self._level = level
        self._text = text

    def task(self, split: Split, index: int) -> Task:
        """The task at `index` of a split.

        Raises:
            TaskError: There is no such split or index.
        """
        check_index(self, split, index)
        place = (self.name, self._world_seed, split, int(index))
        words = (spell(derive_seed("api-quest", *place, i), WORD_LETTERS) for i in count())
        subject = next(word for word in words if split_of("api-quest", word) == split)
        known = topics(self._world_seed)
        topic = known[derive_seed("api-quest", *place, "topic") % len(known)]
        quest = quest_for(self._world_seed, self._level, topic, subject)
        return Task(
            id=f"{self.name}/{split}/{index}",
            prompt=prompt_for(self._level, topic, subject, self._text),
            gold=quest.secret,
            family=self.name,
            split=split,
            chance=CHANCE,
            metadata={
                "world_seed": self._world_seed,
                "level": self._level,
                "topic": topic,
                "subject": subject,
            },
        )

    def size(self, split: Split) -> None:
        """None: a split does not end."""
        check_split(split)


def prompt_for(level: int, topic: str, subject: str, text: Text) -> str:
    """What the agent is told."""
    if text == "terse":
        # The topic stands last, where the small model finds what it searches for first.
        return f"Q:{level}/{subject}/{topic}"
    pages = f"`{topic} 1`" if level == 1 else f"`{topic} 1` to `{topic} {level}`"
    return (
        f"An HTTP API keeps a secret code for `{subject}` under the topic `{topic}`. Find it out.\n"
        f"Read the API's documentation with `search`, an endpoint at a time: search for {pages}. "
        "Then make the calls that it asks for with `http`, in an order "
        "that works.\n"
        "Answer with the code and nothing else."
    )


def asked_in(prompt: str) -> tuple[int, str, str]:
    """Level, topic and subject.

    Raises:
        TaskError: The prompt is no quest's.
    """
    match = _TERSE.match(prompt) or _CHAT.search(prompt)
    if match is None:
        raise TaskError(f"expected a quest's prompt, got {prompt!r}")
    return int(match["level"]), match["topic"], match["subject"]


@lru_cache(maxsize=16)
def documentation(world_seed: int, level: int, text: Text) -> BM25Index:
    """All documents of a world's APIs, one for every endpoint, indexed; built once a process."""
    return search_index(_documents(world_seed, level, text))


def _documents(world_seed: int, level: int, text: Text) -> Iterator[Document]:
    for topic in topics(world_seed):
        pages = endpoints(level, api_of(world_seed, level, topic))
        for step, (line, prose) in enumerate(pages, start=1):
            shown = _shortened(line) if text == "terse" else f"{line}\n{prose}"
            yield Document(f"{topic}/{step}", f"{topic} {step}", shown)


def _shortened(line: str) -> str:
    """A request's form as the small model reads it: it fills in `#`, or what a query ends with."""
    form = _PLACEHOLDER.sub("#", line)
    return form.removesuffix("#") if "=" in form else form


def endpoints(level: int, api: Api) -> list[tuple[str, str]]:
    """The documentation of every endpoint: the form of a request, and what it does."""
    secret = f'Gives the code: {{"{api.secret}": <code>}}.'
    if level == 1:
        return [(f"GET {api.paths[0]}?{api.name}=<name>", secret)]
    given = f'{{"{api.given}": <{"token" if level == 2 else "id"}>}}'
    opening = f'POST {api.paths[0]} {{"{api.name}":"<name>"}}'
    if level == 2:
        reading = (f"GET {api.paths[1]}?{api.given}=<token>", secret)
        return [(opening, f"Gives a token for the name: {given}."), reading]
    pages = [
        (opening, f"Creates a record for the name and gives its id: {given}."),
        (
            f'POST {api.paths[1]}/<id> {{"{api.setting}":"{api.value}"}}',
            "Opens a record, which has to be done before it is read."
            + (
                f' If it is locked, the 409 tells the lock: {{"{api.lock}": <lock>}}.' * (level > 3)
            ),
        ),
    ]
    if level == 3:
        return [*pages, (f"GET {api.paths[2]}/<id>", secret)]
    return [
        *pages,
        (f"POST {api.paths[2]}/<lock>", "Releases a lock. What it kept off can then be repeated."),
        (
            f"GET {api.paths[3]}/<id>?{api.cursor}=<cursor>",
            f"Reads a record page by page. The first page is read without {api.cursor} and gives "
            f'the next one\'s cursor: {{"{api.cursor}": <cursor>}}. The last page holds the code: '
            f'{{"{api.secret}": <code>}}.',
        ),
    ]
