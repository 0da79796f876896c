"""The controls on information: tools that tell nothing, or tell of another task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from reachgym.envs.errors import TaskError
from reachgym.envs.seeding import derive_seed
from reachgym.envs.taskset import ENDLESS, Taskset
from reachgym.envs.tools.base import Tool
from reachgym.envs.types import JSON, Information, Task
from reachgym.envs.workspace import without_files

NOTHING = "-"

_MOST_DRAWS = 1000


def worked_on(task: Task, taskset: Taskset, information: Information) -> Task:
    """The task in whose workspace the tools of an episode run.

    Raises:
        TaskError: Information is shuffled, and no other task was found to take it from.
    """
    if information == "full":
        return task
    return without_files(task) if information == "withheld" else donor(task, taskset)


def donor(task: Task, taskset: Taskset) -> Task:
    """Another task of the same split with another gold answer, drawn by hash.

    Raises:
        TaskError: None was found.
    """
    size = taskset.size(task.split)
    tasks = ENDLESS if size is None else size
    start = derive_seed("donor", task.hash)
    for draw in range(min(tasks, _MOST_DRAWS)):
        other = taskset.task(task.split, (start + draw) % tasks)
        if other.gold != task.gold and other.prompt != task.prompt:
            return other
    raise TaskError(
        f"task '{task.id}': information is to be shuffled across tasks, and {taskset.name} has no "
        f"other {task.split} task with another prompt and gold answer; add one, or withhold it"
    )


def told(tool: Tool, information: Callable[[], Information]) -> Tool:
    """The tool, which tells nothing while information is withheld if it informs."""
    if not tool.informs:
        return tool

    def run(arguments: Mapping[str, JSON]) -> str:
        return NOTHING if information() == "withheld" else tool.run(arguments)

    return replace(tool, run=run)
