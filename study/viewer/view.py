"""What a page asks of a run: its facets, its lists, an episode."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from reachgym.envs.types import JSON
from reachgym.study.viewer.episodes import MOST_SIBLINGS, SIBLING, Episodes, Query
from reachgym.study.viewer.records import episode_record
from reachgym.study.viewer.stores import find_stores, summaries
from reachgym.study.viewer.tokens import TokenTexts


class RunView:
    """The stores of a run, as they were when `refresh` was called last."""

    def __init__(self, run: Path, texts: TokenTexts) -> None:
        """Read the lines of all attempts.

        Raises:
            InputError: There is no store at or below the folder, or one is damaged.
        """
        self._run = run.resolve()
        self._texts = texts
        # A store's reader is for one thread at a time.
        self._reading = threading.Lock()
        self._sources = find_stores(self._run)
        self._counts = [source.rows.refresh() for source in self._sources]
        self.episodes = Episodes(summaries(self._sources))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.episodes.close()

    def refresh(self) -> None:
        """Take in what was appended to the stores since, and stores that are new.

        Raises:
            StoreError: A store is damaged.
        """
        with self._reading:
            sources = find_stores(self._run)
            counts = [source.rows.refresh() for source in sources]
            names = [source.name for source in sources]
            if (names, counts) == ([source.name for source in self._sources], self._counts):
                return
            self.episodes = Episodes(summaries(sources))
            self._sources, self._counts = sources, counts

    def run(self) -> dict[str, JSON]:
        """The run's name, its stores, and the facets of all episodes."""
        everything = Query()
        return {
            "name": self._run.name,
            "episodes": self.episodes.count(everything),
            "stores": [source.name for source in self._sources],
            "facets": self.episodes.facets(everything),
        }

    def page(self, query: Query, offset: int, limit: int) -> dict[str, JSON]:
        """A page of the list."""
        episodes = self.episodes
        return {
            "total": episodes.count(query),
            "offset": offset,
            "rows": [*episodes.page(query, offset, limit)],
            "facets": episodes.facets(query),
        }

    def position(self, name: str, query: Query) -> dict[str, JSON]:
        """Where an episode is in a list, and its neighbours."""
        place, previous, following = self.episodes.position(name, query)
        return {"position": place, "previous": previous, "next": following}

    def episode(self, name: str) -> dict[str, JSON] | None:
        """All of an episode; None where there is none of this id.

        Raises:
            StoreError: Its shard is damaged.
        """
        with self._reading:
            found = self.episodes.find(name)
            if found is None:
                return None
            row, source, place = found
            trajectory = self._sources[source].rows.read(place)
            siblings = self.episodes.siblings(row)
        return episode_record(row, trajectory, siblings, self._texts)

    def every(self) -> Iterator[dict[str, JSON]]:
        """All of every episode, in the order of the list; to be read on by one thread.

        Raises:
            StoreError: A shard is damaged.
        """
        sources, found = self._sources, self.episodes.every()
        of_task: dict[str, list[JSON]] = defaultdict(list)
        for row, _, _ in found:
            # One more than is told, because an episode is none of its own siblings.
            if len(others := of_task[str(row["task_hash"])]) <= MOST_SIBLINGS:
                others.append({name: row[name] for name in SIBLING})
        for row, source, place in found:
            others = of_task[str(row["task_hash"])]
            own: JSON = {name: row[name] for name in SIBLING}
            siblings = [other for other in others if other != own][:MOST_SIBLINGS]
            trajectory = sources[source].rows.read(place)
            yield episode_record(row, trajectory, siblings, self._texts)
