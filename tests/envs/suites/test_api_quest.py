"""ApiQuest: solved only by calls of its API in the right order."""

import gc
import os
import threading
from itertools import combinations, product

import pytest

from reachgym.agents.renderers.terse import ALPHABET, GRAMMAR_CHARACTERS, RESULT_CHARACTERS
from reachgym.envs.errors import TaskError
from reachgym.envs.information import donor
from reachgym.envs.suites.api_quest.api import quest_in
from reachgym.envs.suites.api_quest.environment import (
    DIFFICULTIES,
    guess,
    make_api_quest,
    oracle,
)
from reachgym.envs.suites.api_quest.respond import EARNED, STAGES, respond
from reachgym.envs.suites.api_quest.server import open_doors
from reachgym.envs.suites.api_quest.tasks import ApiQuestTaskset
from reachgym.envs.suites.interface import TEXTS
from reachgym.envs.suites.oracle import call_tool
from reachgym.envs.taskset import split_of
from reachgym.envs.types import SPLITS, Message, Task

ways = pytest.mark.parametrize(("level", "text"), list(product(DIFFICULTIES, TEXTS)))


def task_of(level, text="terse", split="train", index=0, world_seed=0):
    return ApiQuestTaskset(world_seed, level, text).task(split, index)


def http(request):
    return call_tool((), "http", {"request": request})


def play(env, task, act=oracle):
    """The messages, the last info, and the milestones after every turn."""
    opening, info = env.reset(options={"task": task})
    messages, reached = list(opening), [info["milestones"]]
    while info["verdict"] is None:
        action = act(messages)
        replies, *_, info = env.step(action)
        messages += [action, *replies]
        reached.append(info["milestones"])
    return messages, info, reached


@ways
def test_the_oracle_solves_every_split_and_reaches_every_milestone_in_turn(level, text):
    env = make_api_quest(level, text=text)
    for split in SPLITS:
        task = task_of(level, text, split)
        messages, info, reached = play(env, task)
        assert info["verdict"].passed, messages
        assert reached == sorted(reached)
        assert sorted(set(reached)) == list(range(len(STAGES[level]) + 1))
        shown = [message.content for message in messages if message.role != "assistant"]
        assert all(task.gold not in content for content in shown[:-1])


@pytest.mark.parametrize("level", DIFFICULTIES)
def test_a_subject_belongs_to_one_split_in_every_world(level):
    seen = {split: set() for split in SPLITS}
    for world_seed, split, index in product((0, 1), SPLITS, range(150)):
        subject = task_of(level, "terse", split, index, world_seed).metadata["subject"]
        assert split_of("api-quest", subject) == split
        seen[split].add(subject)
    assert all(not seen[a] & seen[b] for a, b in combinations(SPLITS, 2))


def test_equal_seeds_give_equal_tasks_and_other_worlds_others():
    assert task_of(4) == task_of(4)
    assert task_of(4).gold != task_of(4, world_seed=1).gold
    assert quest_in(task_of(4)).api != quest_in(task_of(4, world_seed=1)).api


@ways
def test_the_right_answer_without_the_api_is_a_guess(level, text, rng):
    env = make_api_quest(level, text=text)
    task = task_of(level, text)
    _, info, _ = play(env, task, lambda _: Message("assistant", task.gold))
    assert (info["verdict"].passed, info["verdict"].guess) == (False, True)
    _, info, _ = play(env, task, lambda _: Message("assistant", guess(task.prompt, rng)))
    assert (info["verdict"].passed, info["verdict"].guess) == (False, False)


@ways
@pytest.mark.parametrize("information", ["withheld", "shuffled"])
def test_without_its_information_no_task_is_solved(level, text, information):
    env = make_api_quest(level, text=text, interface={"information": information})
    for index in range(20):
        task = task_of(level, text, index=index)
        messages, info, reached = play(env, task)
        assert (info["verdict"].passed, set(reached)) == (False, {0})
        assert all(task.gold not in message.content for message in messages)
        _, info, _ = play(env, task, lambda _, task=task: Message("assistant", task.gold))
        assert (info["verdict"].passed, info["verdict"].guess) == (False, True)


def test_the_secret_of_another_tasks_api_is_no_evidence():
    env = make_api_quest(1, interface={"information": "shuffled"})
    task = task_of(1, "chat")
    other = quest_in(donor(task, env.taskset))
    env.reset(options={"task": task})
    (reply,), *_ = env.step(http(f"GET {other.api.paths[0]}?{other.api.name}={other.subject}"))
    assert other.secret in reply.content
    *_, info = env.step(Message("assistant", task.gold))
    assert (info["verdict"].passed, info["verdict"].guess) == (False, True)


@pytest.mark.parametrize("level", DIFFICULTIES)
def test_an_episode_goes_on_twice_from_every_one_of_its_moments(level):
    env = make_api_quest(level)
    messages, _ = env.reset(options={"task": task_of(level, "chat")})
    messages, over = list(messages), False
    while not over:
        moment = env.snapshot()
        for _ in range(2):
            again, info = env.restore(moment)
            again = list(again)
            while info["verdict"] is None:
                action = oracle(again)
                replies, *_, info = env.step(action)
                again += [action, *replies]
            assert info["verdict"].passed
        env.restore(moment)
        moment.close()
        action = oracle(messages)
        replies, _, over, *_ = env.step(action)
        messages += [action, *replies]


@pytest.mark.parametrize("level", DIFFICULTIES)
def test_terse_texts_keep_to_the_small_models_alphabet(level):
    for index in range(30):
        messages, *_ = play(make_api_quest(level, text="terse"), task_of(level, index=index))
        for message in messages:
            calls = [str(v) for call in message.tool_calls for v in call.arguments.values()]
            for written in (message.content, *calls):
                assert set(written) <= set(ALPHABET) - set("[];")
                assert len(written) <= min(RESULT_CHARACTERS, GRAMMAR_CHARACTERS)


def test_two_thousand_episodes_leave_nothing_behind():
    env = make_api_quest(1, text="terse")
    task = task_of(1)
    play(env, task)
    call = http(f"GET {quest_in(task).api.paths[0]}")
    gc.collect()
    before = open_doors(), threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _ in range(2000):
        env.reset(options={"task": task})
        env.step(call)
        assert open_doors() == before[0] + 1
    env.close()
    assert (open_doors(), threading.active_count(), len(os.listdir("/proc/self/fd"))) == before


def test_a_forked_process_has_a_server_of_its_own():
    env, task = make_api_quest(1), task_of(1, "chat")
    play(env, task)
    child = os.fork()
    if child == 0:
        os._exit(0 if play(env, task)[1]["verdict"].passed else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert play(env, task)[1]["verdict"].passed


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /", 404),
        ("GET /nowhere/Zoë", 404),
        ("GET {first}", 405),
        ("DELETE {first}", 405),
        ("POST {first} nonsense", 400),
        ("POST {first} []", 400),
        ("POST {first} " + "[" * 4000, 400),
        ("POST {first} {{}}", 422),
        ('POST {first} {{"🧪":1}}', 422),
        ('POST {first} {{"{name}":"nobody"}}', 404),
        ("GET {second}", 401),
        ("GET {second}?{given}={issued}", 401),
        ("GET {second}?x=%0d%0a", 400),
    ],
)
def test_a_wrong_request_is_refused_as_apis_do_and_earns_nothing(request_, status):
    task = task_of(2, "chat")
    quest = quest_in(task)
    first, second = quest.api.paths
    written = request_.format(
        first=first, second=second, name=quest.api.name, given=quest.api.given, issued=quest.issued
    )
    env = make_api_quest(2)
    env.reset(options={"task": task})
    (reply,), *_, info = env.step(http(written))
    assert reply.content.startswith(f"HTTP {status}\n")
    assert not any(word in reply.content for word in (quest.issued, quest.secret, quest.api.name))
    assert info["milestones"] == 0


def test_the_secret_is_told_only_after_every_stage_and_the_old_state_is_left_alone():
    quest = quest_in(task_of(3))
    first, second, third = quest.api.paths
    created = respond(quest, {}, "POST", first, {}, {quest.api.name: quest.subject})
    assert created[0] == 201
    assert respond(quest, {}, "GET", f"{third}/{quest.issued}", {}, None)[0] == 404
    early = respond(quest, created[2], "GET", f"{third}/{quest.issued}", {}, None)
    assert early[0] == 409
    assert EARNED not in early[2]
    change = {quest.api.setting: quest.api.value}
    changed = respond(quest, created[2], "POST", f"{second}/{quest.issued}", {}, change)
    assert set(created[2]) == {"created"}
    told = respond(quest, changed[2], "GET", f"{third}/{quest.issued}", {}, None)
    assert told[:2] == (200, {quest.api.secret: quest.secret})


def test_a_foreign_task_is_refused():
    with pytest.raises(TaskError, match="is no quest"):
        make_api_quest().reset(options={"task": Task("t", "p", "g")})
