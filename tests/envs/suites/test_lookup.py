"""Lookup: solved only by what a search of the episode returned."""

from functools import partial

import pytest

from reachgym.envs.errors import ConfigError, TaskError
from reachgym.envs.suites import lookup
from reachgym.envs.suites.world import shuffled_index, world
from reachgym.envs.types import Message, ToolCall

make_lookup = partial(lookup.make_lookup, text="terse")


def search(query, call_id="c"):
    return Message("assistant", tool_calls=(ToolCall(call_id, "search", {"query": query}),))


def verdict_of(env, *actions, task=None):
    env.reset(options={"task": task} if task else {"split": "train", "index": 0})
    for action in actions:
        *_, info = env.step(action)
    return info["verdict"]


def task_of(env, index=0):
    return env.taskset.task("train", index)


def test_a_prompt_names_a_start_and_its_relations():
    env = make_lookup(difficulty=2)
    head, _, start = task_of(env).prompt.partition("/")
    assert head.startswith("L:")
    assert len(start) == 5
    assert len(head) == 4
    assert set(head[2:]) <= set("PQR")
    assert task_of(env).family == "lookup-2"


def test_a_retrieved_answer_passes():
    env = make_lookup()
    task = task_of(env)
    verdict = verdict_of(env, search(task.prompt[2:]), Message("assistant", f" {task.gold}\n"))
    assert (verdict.passed, verdict.reward, verdict.guess) == (True, 1.0, False)


def test_a_right_answer_that_was_not_retrieved_is_a_guess():
    env = make_lookup()
    task = task_of(env)
    verdict = verdict_of(env, search("zz"), Message("assistant", task.gold))
    assert (verdict.passed, verdict.reward, verdict.guess) == (False, 0.0, True)
    assert f"no search returned {task.gold}" in verdict.explanation


def test_the_first_hop_is_no_evidence_for_the_second():
    env = make_lookup(difficulty=2)
    task = task_of(env)
    verdict = verdict_of(
        env,
        search(task.prompt[2:].replace(task.prompt[2], "Z", 1)),
        Message("assistant", task.gold),
    )
    assert verdict.guess


def test_a_right_answer_that_python_printed_is_a_guess():
    env = make_lookup(interface={"tools": ["search", "python"]})
    task = task_of(env)
    printed = Message(
        "assistant", tool_calls=(ToolCall("c", "python", {"code": f"print('{task.gold}')"}),)
    )
    verdict = verdict_of(env, printed, search("zz"), Message("assistant", task.gold))
    assert verdict.guess


def test_an_error_that_repeats_the_answer_is_no_evidence():
    env = make_lookup()
    task = task_of(env)
    echoed = Message(
        "assistant", tool_calls=(ToolCall("c", "search", {f"\n{task.gold}\n": "", "query": "z"}),)
    )
    assert verdict_of(env, echoed, Message("assistant", task.gold)).guess


def test_the_end_of_a_way_is_no_evidence_before_its_beginning():
    env = make_lookup(difficulty=2)
    task = task_of(env)
    head, _, start = task.prompt.partition("/")
    first, last = f"{start}/{head[2]}", f"{task.metadata['path'][0]}/{head[3]}"
    answer = Message("assistant", task.gold)
    assert verdict_of(env, search(last), search(first), answer).guess
    assert verdict_of(env, search(first), search(last), answer).passed


def test_every_hop_is_a_milestone_and_only_in_turn():
    env = make_lookup(difficulty=2)
    task = task_of(env)
    head, _, start = task.prompt.partition("/")
    first, last = f"{start}/{head[2]}", f"{task.metadata['path'][0]}/{head[3]}"
    _, info = env.reset(options={"task": task})
    reached = [info["milestones"]]
    for query in ("zz", last, first, last):
        *_, info = env.step(search(query))
        reached.append(info["milestones"])
    assert reached == [0, 0, 0, 1, 2]


def test_the_chat_text_says_the_same_task_in_sentences():
    terse, chat = make_lookup(difficulty=3), lookup.make_lookup(difficulty=3)
    for index in range(20):
        short, long = terse.taskset.task("train", index), chat.taskset.task("train", index)
        assert (short.id, short.gold) == (long.id, long.gold)
        assert f"name `{short.prompt.rpartition('/')[2]}`" in long.prompt
    chat.reset(options={"task": long})
    found, *_ = chat.step(search(short.prompt[2:].replace("/", " ")))
    assert len(found[0].content.splitlines()) == 3
    assert all(": " in line for line in found[0].content.splitlines())


def test_an_unknown_text_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'terse'"):
        lookup.make_lookup(text="ters")


def test_evidence_counts_whichever_of_several_calls_brought_it():
    env = make_lookup()
    task = task_of(env)
    calls = (
        ToolCall("a", "search", {"query": "zz"}),
        ToolCall("b", "search", {"query": task.prompt[2:]}),
    )
    assert verdict_of(
        env, Message("assistant", tool_calls=calls), Message("assistant", task.gold)
    ).passed


def test_without_a_search_tool_a_right_answer_passes_by_itself():
    env = make_lookup(interface={"tools": []})
    assert verdict_of(env, Message("assistant", task_of(env).gold)).passed


def test_with_information_withheld_a_right_answer_is_a_guess():
    env = make_lookup(interface={"tools": ["search"], "information": "withheld"})
    task = task_of(env)
    env.reset(options={"task": task})
    replies, *_ = env.step(search(task.prompt[2:]))
    assert replies[0].content == "-"
    *_, info = env.step(Message("assistant", task.gold))
    assert info["verdict"].guess


SHUFFLED = {"tools": ["search"], "information": "shuffled"}


def showing(text):
    """A query that makes a shuffled search show this text."""
    shuffled = shuffled_index(0).texts
    return next(place for place, shown in shuffled.items() if shown == text)


def test_a_right_answer_that_came_back_for_another_title_is_a_guess():
    env = make_lookup(interface=SHUFFLED)
    task = task_of(env)
    env.reset(options={"task": task})
    replies, *_ = env.step(search(showing(task.gold)))
    assert replies[0].content == task.gold
    *_, info = env.step(Message("assistant", task.gold))
    verdict = info["verdict"]
    assert (verdict.passed, verdict.reward, verdict.guess) == (False, 0.0, True)
    assert "shuffled" in verdict.explanation


def test_a_shuffled_search_for_the_task_shows_another_name_and_that_name_is_wrong():
    env = make_lookup(interface=SHUFFLED)
    task = task_of(env)
    env.reset(options={"task": task})
    replies, *_ = env.step(search(task.prompt[2:]))
    shown = replies[0].content
    assert (len(shown), shown == task.gold) == (5, False)
    *_, info = env.step(Message("assistant", shown))
    assert (info["verdict"].passed, info["verdict"].guess) == (False, False)


def test_a_shuffled_chain_can_be_followed_to_its_end():
    env = make_lookup(difficulty=3, interface=SHUFFLED)
    facts = world(0).facts
    for index in range(20):
        head, _, name = task_of(env, index).prompt.partition("/")
        env.reset(options={"split": "train", "index": index})
        for relation in head[2:]:
            assert (name, relation) in facts
            replies, *_ = env.step(search(f"{name}/{relation}"))
            assert replies[0].content not in ("-", facts[name, relation])
            name = replies[0].content


def test_without_search_shuffled_information_changes_nothing():
    env = make_lookup(interface={"tools": [], "information": "shuffled"})
    assert verdict_of(env, Message("assistant", task_of(env).gold)).passed


def test_a_wrong_answer_is_wrong_and_no_guess():
    env = make_lookup()
    verdict = verdict_of(env, Message("assistant", "-"))
    assert (verdict.passed, verdict.reward, verdict.guess) == (False, 0.0, False)
    assert task_of(env).gold in verdict.explanation


def test_an_agent_that_never_answers_fails_when_its_turns_are_spent():
    env = make_lookup()
    env.reset(options={"split": "train", "index": 0})
    for _ in range(16):
        _, _, terminated, truncated, info = env.step(search("zz"))
    assert (terminated, truncated) == (False, True)
    assert info["verdict"].passed is False
    assert "No answer" in info["verdict"].explanation


def test_every_way_from_every_start_is_a_task_once():
    taskset = make_lookup(difficulty=2).taskset
    assert [taskset.size(s) for s in ("train", "validation", "held_out")] == [1152, 288, 576]
    prompts = {taskset.task("held_out", index).prompt for index in range(576)}
    assert len(prompts) == 576
    with pytest.raises(TaskError):
        taskset.task("held_out", 576)


def test_the_first_tasks_come_from_many_starts():
    taskset = make_lookup(difficulty=3).taskset
    starts = {taskset.task("held_out", index).prompt.rpartition("/")[2] for index in range(64)}
    assert len(starts) > 30


def test_no_fact_on_the_way_serves_two_splits():
    taskset = make_lookup(difficulty=3).taskset
    met = {
        split: {
            name
            for index in range(taskset.size(split))
            for name in taskset.task(split, index).metadata["path"]
        }
        for split in ("train", "validation", "held_out")
    }
    assert not met["train"] & (met["validation"] | met["held_out"])
    assert not met["validation"] & met["held_out"]


@pytest.mark.parametrize("letters", [2, 9])
def test_name_lengths_out_of_range_are_refused(letters):
    with pytest.raises(ConfigError, match="letters"):
        make_lookup(letters=letters)
