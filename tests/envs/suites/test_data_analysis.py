"""DataAnalysis: true answers, codes that tell nothing, evidence, and information taken away."""

from __future__ import annotations

import csv
import io
import random
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace

import pytest

from reachgym.agents.renderers.terse import ALPHABET, RESULT_CHARACTERS
from reachgym.envs.errors import ConfigError, SandboxError, TaskError
from reachgym.envs.sandbox.shared import shared_sandbox
from reachgym.envs.suites.data_analysis.environment import (
    FAMILY,
    DataAnalysisTaskset,
    guess,
    make_data_analysis,
    oracle,
)
from reachgym.envs.suites.data_analysis.questions import LEVELS, Question, entity_asked_for
from reachgym.envs.suites.data_analysis.schemas import SCHEMAS, names_of
from reachgym.envs.suites.data_analysis.tables import Entity, Fact, Item, Tables
from reachgym.envs.suites.data_analysis.wording import asked_in, prompt_for, query_for
from reachgym.envs.suites.oracle import call_tool
from reachgym.envs.taskset import check_task, content_hash, split_of
from reachgym.envs.tools.sql_tables import database_of
from reachgym.envs.types import SPLITS, Message

TEXTS = ("terse", "chat")
ways = pytest.mark.parametrize(
    ("level", "text"), [(level, text) for level in LEVELS for text in TEXTS]
)


@pytest.fixture(autouse=True)
def sandboxed():
    try:
        shared_sandbox()
    except SandboxError as error:
        pytest.skip(f"this machine gives no sandbox: {error}")


def tasks(level, text, split="train", n=20, world_seed=0):
    taskset = DataAnalysisTaskset(world_seed, level, text)
    return [taskset.task(split, index) for index in range(n)]


def play(env, task, act=oracle):
    """The episode's messages, its last info, and the milestones after each turn."""
    opening, _ = env.reset(options={"task": task})
    messages, reached = list(opening), []
    over = False
    while not over:
        action = act(tuple(messages))
        replies, _, terminated, truncated, info = env.step(action)
        messages += [action, *replies]
        reached.append(info["milestones"])
        over = terminated or truncated
    return messages, info, reached


def answers(task, query):
    connection = sqlite3.connect(":memory:")
    connection.deserialize(database_of(task.files))
    with closing(connection):
        return connection.execute(query).fetchall()


@ways
def test_the_gold_is_what_sqlite_gives_for_the_question(level, text):
    for split in SPLITS:
        for task in tasks(level, text, split, 15):
            assert answers(task, query_for(*asked_in(task.prompt))) == [(task.gold,)]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("level", [2, 3, 4, 5])
def test_half_of_a_question_has_another_answer(level, text):
    for task in tasks(level, text, n=20):
        question, schema = asked_in(task.prompt)
        query = query_for(question, schema)
        column = schema.kind if level == 4 else schema.group
        halves = [query.replace(f"where {column}='{question.key}' ", "")]
        if level == 4:
            halves.append(query_for(replace(question, at_least=0), schema))
        for half in halves:
            assert half != query
            assert answers(task, half) != [(task.gold,)]


@ways
def test_the_oracle_solves_every_split_in_two_worlds(level, text):
    for world_seed in (0, 7):
        env = make_data_analysis(level, world_seed, text)
        for split in SPLITS:
            for task in tasks(level, text, split, 2, world_seed):
                _, info, reached = play(env, task)
                assert info["verdict"].passed, task.prompt
                assert reached == [1, 1]


@ways
def test_the_oracle_uses_python_where_sql_is_not_offered(level, text):
    env = make_data_analysis(level, text=text, interface={"tools": ["python"]})
    for task in tasks(level, text, "held_out", 2):
        messages, info, reached = play(env, task)
        assert info["verdict"].passed, messages
        assert reached == [0, 1, 1]


@ways
def test_equal_seeds_give_equal_tasks_and_others_give_others(level, text):
    first, again, other = (DataAnalysisTaskset(seed, level, text) for seed in (3, 3, 4))
    for split in SPLITS:
        assert content_hash(first, split, 4) == content_hash(again, split, 4)
        assert content_hash(first, split, 4) != content_hash(other, split, 4)
        for task in (first.task(split, index) for index in range(4)):
            check_task(task)
            assert (task.split, task.family) == (split, f"{FAMILY.name}-{level}")


@pytest.mark.parametrize("text", TEXTS)
def test_the_splits_of_all_worlds_share_no_name_and_no_table(text):
    names = {split: set() for split in SPLITS}
    tables = {split: set() for split in SPLITS}
    prompts = {split: set() for split in SPLITS}
    for split in SPLITS:
        for world_seed in (0, 1):
            for schema in SCHEMAS[text]:
                drawn = names_of(world_seed, text, schema.entities, split)
                every = [*drawn.entities, *drawn.groups, *drawn.items, *drawn.kinds]
                assert len(set(every)) == len(every)
                names[split].update(every)
            for task in tasks(4, text, split, 100, world_seed):
                tables[split].update(task.files.values())
                prompts[split].add(task.prompt)
        assert {split_of(name) for name in names[split]} == {split}
        assert len(tables[split]) > 200
    for kept in (names, tables, prompts):
        assert len(set().union(*kept.values())) == sum(map(len, kept.values()))


def test_names_of_another_world_are_others():
    first, second = (set(names_of(seed, "chat", "sensors", "train").entities) for seed in (0, 1))
    assert len(first & second) < 3


@ways
def test_no_prompt_and_no_order_of_rows_tells_the_gold(level, text):
    schemas = {schema.entities: schema for schema in SCHEMAS[text]}
    places = Counter()
    for task in tasks(level, text, n=100):
        assert task.gold not in task.prompt
        question, schema = asked_in(task.prompt)
        rows = list(csv.DictReader(io.StringIO(task.files[f"{schema.entities}.csv"])))
        codes = [row[schema.code] for row in rows]
        assert task.gold in codes
        assert schemas[schema.entities] is schema
        assert question.level == level
        places[codes.index(task.gold) * 4 // len(codes)] += 1
    assert all(10 < places[quarter] < 45 for quarter in range(4))


def test_codes_are_uniform_letter_by_letter():
    counts = [Counter() for _ in range(5)]
    for task in tasks(1, "terse", n=60):
        for line in task.files["e.csv"].splitlines()[1:]:
            for place, letter in enumerate(line.rpartition(",")[2]):
                counts[place][letter] += 1
    number = 60 * 128
    for count in counts:
        squares = sum((count[chr(97 + i)] - number / 26) ** 2 for i in range(26)) * 26 / number
        # The 99.99 % point of chi-squared with 25 degrees of freedom.
        assert squares < 62


def test_the_chance_is_that_of_one_code_of_five_letters():
    (task,) = tasks(3, "chat", n=1)
    assert task.chance == 26**-5 < 2**-20
    rng = random.Random(0)
    assert {len(guess(task.prompt, rng)) for _ in range(50)} == {5}


@ways
def test_who_guesses_or_says_nothing_never_passes(level, text):
    rng = random.Random(level)
    env = make_data_analysis(level, text=text)
    for task in tasks(level, text, n=5):
        for said in (guess(task.prompt, rng), "", "é😀\ud800"):
            _, info, reached = play(env, task, lambda _, said=said: Message("assistant", said))
            assert (info["verdict"].passed, reached) == (False, [0])


@ways
def test_a_right_answer_that_no_tool_returned_is_a_guess(level, text):
    env = make_data_analysis(level, text=text)
    (task,) = tasks(level, text, n=1)
    _, info, _ = play(env, task, lambda _: Message("assistant", f" {task.gold}\n"))
    verdict = info["verdict"]
    assert (verdict.passed, verdict.reward, verdict.guess) == (False, 0.0, True)


def test_a_refusal_that_echoes_the_answer_is_no_evidence():
    env = make_data_analysis()
    (task,) = tasks(1, "chat", n=1)
    env.reset(options={"task": task})
    replies, *_ = env.step(call_tool((), "sql", {"query": f"select {task.gold}"}))
    assert task.gold in replies[0].content
    *_, info = env.step(Message("assistant", task.gold))
    assert (info["verdict"].guess, info["milestones"]) == (True, 0)


def test_a_part_of_a_longer_word_is_no_evidence():
    env = make_data_analysis()
    (task,) = tasks(1, "chat", n=1)
    env.reset(options={"task": task})
    env.step(call_tool((), "sql", {"query": f"select '{task.gold}x' as a"}))
    *_, info = env.step(Message("assistant", task.gold))
    assert info["verdict"].guess


def test_an_agent_without_tools_passes_by_the_answer_alone():
    env = make_data_analysis(interface={"tools": []})
    (task,) = tasks(1, "chat", n=1)
    _, info, _ = play(env, task, lambda _: Message("assistant", task.gold))
    assert info["verdict"].passed


@ways
@pytest.mark.parametrize("information", ["withheld", "shuffled"])
def test_without_its_information_no_task_is_solved(level, text, information):
    for tools in (["sql"], ["python"]):
        interface = {"tools": tools, "information": information}
        env = make_data_analysis(level, text=text, interface=interface)
        for task in tasks(level, text, "held_out", 2):
            messages, info, reached = play(env, task)
            assert not info["verdict"].passed
            assert set(reached) == {0}
            found = messages[-1].content
            if information == "shuffled":
                # The same query finds another task's code: interaction is kept.
                assert len(found) == 5, messages
                assert found != task.gold
            assert all(task.gold not in message.content for message in messages)


@pytest.mark.parametrize("information", ["withheld", "shuffled"])
def test_a_code_said_to_oneself_is_no_evidence_without_the_information(information):
    env = make_data_analysis(interface={"tools": ["sql", "python"], "information": information})
    (task,) = tasks(1, "chat", n=1)
    env.reset(options={"task": task})
    env.step(call_tool((), "python", {"code": f"print('{task.gold}')"}))
    *_, info = env.step(Message("assistant", task.gold))
    assert (info["verdict"].guess, info["milestones"]) == (True, 0)


def test_an_episode_goes_on_from_a_snapshot():
    env = make_data_analysis(3)
    (task,) = tasks(3, "chat", n=1)
    opening, _ = env.reset(options={"task": task})
    call = oracle(opening)
    env.step(call)
    snapshot = env.snapshot()
    env.step(Message("assistant", "wrong"))
    messages, info = env.restore(snapshot)
    assert info["milestones"] == 1
    *_, info = env.step(oracle(messages))
    assert info["verdict"].passed
    snapshot.close()


@pytest.mark.parametrize("level", LEVELS)
def test_terse_texts_keep_to_the_small_models_alphabet(level):
    env = make_data_analysis(level, text="terse")
    for task in tasks(level, "terse", n=3):
        messages, _, _ = play(env, task)
        for message in messages:
            calls = [str(v) for call in message.tool_calls for v in call.arguments.values()]
            for written in (message.content, *calls):
                assert set(written) <= set(ALPHABET)
            assert message.role != "tool" or len(message.content) <= RESULT_CHARACTERS


def test_a_key_is_looked_up_in_thirty_characters():
    (task,) = tasks(1, "terse", n=1)
    assert len(query_for(*asked_in(task.prompt))) == 30


def test_python_reads_both_kinds_of_files():
    env = make_data_analysis(4)
    (task,) = tasks(4, "chat", n=1)
    env.reset(options={"task": task})
    program = (
        "import csv, sqlite3\n"
        "tables = sqlite3.connect(':memory:')\n"
        "tables.executescript(open('data.sql', encoding='utf-8').read())\n"
        "[[str(v) for v in row] for row in tables.execute('select * from orders')] == "
        "list(csv.reader(open('orders.csv', encoding='utf-8')))[1:]"
    )
    replies, *_ = env.step(call_tool((), "python", {"code": program}))
    assert replies[0].content == "True"


# Three in a group and one outside it: by rating c, by total b; outside, d leads in everything.
SMALL = Tables(
    entities=(
        Entity("a", "g", 100, "aaaaa"),
        Entity("b", "g", 200, "bbbbb"),
        Entity("c", "g", 300, "ccccc"),
        Entity("d", "h", 400, "ddddd"),
    ),
    facts=(
        Fact("a", "i", 50, 1),
        Fact("a", "j", 10, 2),
        Fact("b", "i", 30, 9),
        Fact("b", "i", 40, 3),
        Fact("c", "j", 1, 5),
        Fact("c", "j", 2, 6),
        Fact("d", "j", 99, 8),
        Fact("d", "j", 1, 7),
    ),
    items=(Item("i", "k", 2), Item("j", "l", 1)),
)


@pytest.mark.parametrize(
    ("question", "name"),
    [
        (Question(1, "b"), "b"),
        (Question(2, "g", True), "c"),
        (Question(2, "g", False), "a"),
        (Question(2, None, True), "d"),
        (Question(3, "g", True), "b"),
        (Question(3, "g", False), "c"),
        (Question(4, "k", True, 2), "b"),
        (Question(4, "k", False, 0), "a"),
        (Question(4, "l", False, 2), "c"),
        (Question(5, "g", True), "c"),
        (Question(5, "g", False), "a"),
        (Question(5, "h", False), None),
        (Question(2, "nobody"), None),
        (Question(3, "h", True), "d"),
    ],
)
def test_questions_ask_for_whom_they_say(question, name):
    found = entity_asked_for(question, SMALL)
    assert (found and found.name) == name


def test_a_tie_asks_for_nobody():
    rated = tuple(entity._replace(rating=5) for entity in SMALL.entities)
    assert entity_asked_for(Question(2, "g"), Tables(rated, (), ())) is None


@pytest.mark.parametrize("text", TEXTS)
def test_every_question_is_read_back_from_its_prompt(text):
    for schema in SCHEMAS[text]:
        for level in LEVELS:
            for most in (True, False) if level > 1 else (True,):
                question = Question(level, "Käyé", most, 3 if level == 4 else 0)
                assert asked_in(prompt_for(question, schema, text)) == (question, schema)
    with pytest.raises(TaskError, match="expected a question about tables"):
        asked_in("L:PQ/abcd")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"difficulty": 6}, "difficulty expects an integer from 1 to 5"),
        ({"world_seed": -1}, "world_seed expects"),
        ({"text": "long"}, "text knows chat, terse"),
        ({"interface": {"tools": ["search"]}}, "interface.tools knows sql, python"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        make_data_analysis(**arguments)
