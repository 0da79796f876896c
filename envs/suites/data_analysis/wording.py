"""How questions are put in both texts, read back from a prompt, and written as SQL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache

from reachgym.envs.errors import TaskError
from reachgym.envs.suites.data_analysis.questions import LEVELS, Question
from reachgym.envs.suites.data_analysis.schemas import SCHEMAS, Schema
from reachgym.envs.suites.data_analysis.tables import DUMP
from reachgym.envs.suites.interface import Text

# How many of its schema's tables a question needs.
TABLES: Mapping[int, int] = {1: 1, 2: 1, 3: 2, 4: 3, 5: 2}

_TERSE: Mapping[int, str] = {
    1: "D:v/{key}",
    2: "D:{sign}r/{key}",
    3: "D:{sign}n/{key}",
    4: "D:{sign}np{at_least}/{key}",
    5: "D:{sign}nd/{key}",
}
_CHAT: Mapping[int, str] = {
    1: "Which {code} does the {entity} `{key}` have?",
    2: "Among the {entities} whose {group} is `{key}`, one has the {highest} {rating}.",
    3: "Among the {entities} whose {group} is `{key}`, one has the {largest} total {amount} over "
    "all its rows in {facts}.",
    4: "Consider the rows of {facts} whose {item} has the {kind} `{key}`. Among the {entities} "
    "with at least {at_least} such rows, one has the {largest} total of {amount} times {price} "
    "over these rows.",
    5: "Order the rows of {facts} of every {entity} by {day}. Among the {entities} whose {group} "
    "is `{key}`, one has the largest {rise} of {amount} from one row to its next.",
}
_WORDS: Mapping[bool, Mapping[str, str]] = {
    True: {"sign": "+", "highest": "highest", "largest": "largest", "rise": "rise"},
    False: {"sign": "-", "highest": "lowest", "largest": "smallest", "rise": "fall"},
}
_FACTS = "select {code} from {entities} join {facts} using ({entity})"
_RISES = (
    "with changes as (select {entity}, {amount} - lag({amount}) over "
    "(partition by {entity} order by {day}) as change from {facts}) "
)
_QUERIES: Mapping[int, str] = {
    1: "select {code} from {entities} where {entity}='{key}'",
    2: "select {code} from {entities} where {group}='{key}' order by {rating}{order} limit 1",
    3: _FACTS + " where {group}='{key}' group by {entity} order by sum({amount}){order} limit 1",
    4: _FACTS + " join {items} using ({item}) where {kind}='{key}' group by {entity} "
    "having count(*)>={at_least} order by sum({amount}*{price}){order} limit 1",
    5: _RISES + "select {code} from {entities} join changes using ({entity}) "
    "where {group}='{key}' group by {entity} order by {extreme}(change){order} limit 1",
}


def prompt_for(question: Question, schema: Schema, text: Text) -> str:
    """What the agent is told."""
    if text == "terse":
        return _TERSE[question.level].format(**_fields(question, schema))
    asked = _CHAT[question.level].format(**_fields(question, schema))
    shown = TABLES[question.level]
    tables = [
        f"- {name}({', '.join(columns)})"
        for other in SCHEMAS[text]
        for name, columns in list(other.columns().items())[:shown]
    ]
    return "\n".join(
        [
            "A database has these tables:",
            *tables,
            "Each is also a file of the working directory, such as "
            f"{schema.entities}.csv, and {DUMP} holds all of them as SQL statements.",
            "",
            asked,
            f"Answer with the {schema.code} of that {schema.entity} and nothing else.",
        ]
    )


def asked_in(prompt: str) -> tuple[Question, Schema]:
    """The question of a prompt, and what it is about.

    Raises:
        TaskError: It asks nothing that is known.
    """
    for question, schema, pattern in _patterns():
        match = pattern.search(prompt)
        if match is not None:
            given = match.groupdict()
            at_least = int(given.get("at_least", 0))
            return Question(question.level, given["key"], question.most, at_least), schema
    raise TaskError(f"expected a question about tables, got {prompt!r}")


@lru_cache
def _patterns() -> tuple[tuple[Question, Schema, re.Pattern[str]], ...]:
    """Every way of asking, with a pattern for its open places."""
    questions = [Question(level, "KEY", most, 999) for level in LEVELS for most in (True, False)]
    return tuple(
        (question, schema, _pattern(templates[question.level], question, schema))
        for schemas, templates in ((SCHEMAS["terse"], _TERSE), (SCHEMAS["chat"], _CHAT))
        for schema in schemas
        for question in questions
    )


def _pattern(template: str, question: Question, schema: Schema) -> re.Pattern[str]:
    asked = re.escape(template.format(**_fields(question, schema)))
    return re.compile(asked.replace("KEY", r"(?P<key>\w+)").replace("999", r"(?P<at_least>\d+)"))


def query_for(question: Question, schema: Schema) -> str:
    """The question in SQL; it gives one value, the code."""
    return _QUERIES[question.level].format(
        order=" desc" if question.most else "",
        extreme="max" if question.most else "min",
        **_fields(question, schema),
    )


def _fields(question: Question, schema: Schema) -> dict[str, object]:
    return {
        **asdict(schema),
        **_WORDS[question.most],
        "key": question.key,
        "at_least": question.at_least,
    }
