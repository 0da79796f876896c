"""BlackBox: solved only by as many probes as the function has unknowns."""

from collections import Counter
from itertools import combinations, product

import pytest

from reachgym.agents.renderers.terse import ALPHABET, RESULT_CHARACTERS
from reachgym.envs.errors import ConfigError, TaskError
from reachgym.envs.suites.black_box import DIFFICULTIES, guess, make_black_box, oracle
from reachgym.envs.suites.black_box_tasks import (
    INPUTS,
    PRIME,
    BlackBoxTaskset,
    asked_in,
    hidden_in,
    prompt_for,
    value_at,
)
from reachgym.envs.suites.interface import TEXTS
from reachgym.envs.suites.oracle import call_tool
from reachgym.envs.taskset import split_of
from reachgym.envs.types import SPLITS, Message, Task, ToolCall

ways = pytest.mark.parametrize(("level", "text"), list(product(DIFFICULTIES, TEXTS)))
PROBE = {"tools": ["probe"]}


def probe(x):
    return call_tool((), "probe", {"x": x})


def answer(text):
    return Message("assistant", str(text))


def task_of(level=2, text="chat", split="train", index=0, world_seed=0):
    return BlackBoxTaskset(world_seed, level, text).task(split, index)


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


def steps(env, task, *actions):
    """What the tools answered to the actions, and the last info."""
    env.reset(options={"task": task})
    shown = []
    for action in actions:
        replies, *_, info = env.step(action)
        shown += [reply.content for reply in replies]
    return shown, info


@pytest.mark.parametrize("level", DIFFICULTIES)
def test_with_fewer_probes_than_unknowns_every_answer_is_equally_likely(level):
    # All functions over a small field, and all ways to probe it once too little.
    prime = 5
    functions = list(product(range(prime), repeat=level))
    for asked, *probed in combinations(range(prime), level):
        seen = Counter(
            (
                tuple(value_at(function, x, prime) for x in probed),
                value_at(function, asked, prime),
            )
            for function in functions
        )
        assert set(seen.values()) == {1}
        assert len(seen) == prime**level


@pytest.mark.parametrize("level", DIFFICULTIES)
def test_with_as_many_probes_as_unknowns_one_answer_is_left(level):
    prime = 5
    for probed in combinations(range(1, prime), level):
        answers = {}
        for function in product(range(prime), repeat=level):
            shown = tuple(value_at(function, x, prime) for x in probed)
            answers.setdefault(shown, set()).add(value_at(function, 0, prime))
        assert {len(left) for left in answers.values()} == {1}


def test_the_modulus_is_a_prime_of_more_than_twenty_bits_and_no_two_inputs_are_equal_in_it():
    assert all(PRIME % divisor for divisor in range(2, int(PRIME**0.5) + 1))
    assert PRIME > 2**20
    assert INPUTS[-1] < PRIME


@pytest.mark.parametrize("level", DIFFICULTIES)
def test_answers_are_spread_evenly_over_all_values_in_every_split(level):
    bins, n = 16, 1600
    for split in SPLITS:
        golds = [int(task_of(level, "terse", split, index).gold) for index in range(n)]
        counts = Counter(gold * bins // PRIME for gold in golds)
        chi_squared = sum((counts[i] - n / bins) ** 2 / (n / bins) for i in range(bins))
        assert chi_squared < 50  # Fifteen degrees of freedom: once in a hundred thousand.


def test_a_guesser_meets_the_chance_on_a_small_field(rng):
    prime, n, level = 11, 5000, 3
    functions = [hidden_in(task_of(level, "terse", index=i))[1] for i in range(n)]
    solved = sum(value_at(f, 7, prime) == rng.randrange(prime) for f in functions)
    chance = 1 / prime
    assert abs(solved - n * chance) < 4 * (n * chance * (1 - chance)) ** 0.5


def test_the_guess_is_uniform_over_all_values(rng):
    guesses = [int(guess("", rng)) for _ in range(2000)]
    assert 0 <= min(guesses) < PRIME // 100
    assert PRIME - PRIME // 100 < max(guesses) < PRIME


@ways
def test_the_oracle_solves_every_split_and_reaches_every_milestone_in_turn(level, text):
    env = make_black_box(level, text=text)
    for split in SPLITS:
        messages, info, reached = play(env, task_of(level, text, split))
        assert info["verdict"].passed, messages
        assert reached[: level + 1] == list(range(level + 1))
        assert reached[level:] == [level] * (len(reached) - level)


@ways
def test_the_oracle_extrapolates_in_its_head_where_python_is_not_offered(level, text):
    env = make_black_box(level, text=text, interface=PROBE)
    for split, index in product(SPLITS, range(20)):
        _, info, _ = play(env, task_of(level, text, split, index))
        assert info["verdict"].passed


@ways
def test_terse_and_chat_ask_the_same_and_prompts_are_read_back(level, text):
    for index in range(20):
        task = task_of(level, text, index=index)
        asked, coefficients = hidden_in(task)
        assert asked_in(task.prompt) == (asked, level)
        assert task.gold == str(value_at(coefficients, asked))
        assert task.gold == task_of(level, "terse", index=index).gold
        assert task.gold not in task.prompt


@pytest.mark.parametrize("level", DIFFICULTIES)
def test_what_is_asked_for_belongs_to_one_split_in_every_world(level):
    seen = {split: set() for split in SPLITS}
    for world_seed, split, index in product((0, 1), SPLITS, range(300)):
        asked, _ = hidden_in(task_of(level, "terse", split, index, world_seed))
        assert split_of("black-box", asked) == split
        seen[split].add(asked)
    assert all(not seen[a] & seen[b] for a, b in combinations(SPLITS, 2))


def test_equal_seeds_hide_equal_functions_and_other_worlds_others():
    first, again, other = (task_of(3, "terse", world_seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert hidden_in(first)[1] != hidden_in(other)[1]
    assert (first.gold, hidden_in(first)) == ("685295", (150936, [132884, 874978, 583730]))


@pytest.mark.parametrize("level", DIFFICULTIES)
def test_a_right_answer_after_too_few_different_inputs_is_a_guess(level):
    env = make_black_box(level, interface=PROBE)
    task = task_of(level)
    for distinct in range(level):
        probes = [probe(str(x)) for x in range(distinct)] + [probe("0")] * (distinct > 0)
        _, info = steps(env, task, *probes, answer(task.gold))
        verdict = info["verdict"]
        assert (verdict.passed, verdict.reward, verdict.guess) == (False, 0.0, True)
        assert f"{distinct} were probed" in verdict.explanation
        assert info["milestones"] == distinct


def test_a_wrong_answer_is_wrong_and_no_guess():
    env = make_black_box(1)
    task = task_of(1)
    for text in ("", "-", "Zoë ٣", task.gold + "0"):
        _, info = steps(env, task, probe("3"), answer(text))
        assert (info["verdict"].passed, info["verdict"].guess) == (False, False)
        assert task.gold in info["verdict"].explanation


def test_any_inputs_in_any_order_will_do_and_calls_may_share_a_turn():
    env = make_black_box(3, interface=PROBE)
    task = task_of(3)
    calls = [ToolCall(f"c{x}", "probe", {"x": x}) for x in ("999999", " 007 ", 31)]
    turn = Message("assistant", tool_calls=tuple(calls))
    shown, info = steps(env, task, turn, answer(task.gold))
    coefficients = hidden_in(task)[1]
    assert shown == [str(value_at(coefficients, x)) for x in (999999, 7, 31)]
    assert info["verdict"].passed


def test_the_input_that_is_asked_for_cannot_be_probed():
    env = make_black_box(1)
    task = task_of(1)
    asked, _ = hidden_in(task)
    shown, info = steps(env, task, probe(str(asked)), answer(task.gold))
    assert shown == [f"{asked} may not be probed, it is asked for; probe other inputs"]
    assert info["verdict"].guess


@pytest.mark.parametrize(
    "x", ["", "-1", "1000000", "1.0", "٣", "²", "0x1", "1 2", "a", "🧪", "1_0"]
)
def test_what_is_no_input_is_refused_and_costs_no_probe(x):
    env = make_black_box(1, interface=PROBE)
    task = task_of(1)
    shown, info = steps(env, task, probe(x), probe(x), probe("0"), probe("1"), answer(task.gold))
    assert shown[0].startswith("expected a whole number from 0 to 999999, got ")
    assert shown[2:] == [task.gold, task.gold]
    assert info["verdict"].passed


def test_probes_are_limited_and_a_repeated_one_counts():
    env = make_black_box(2, interface=PROBE)
    shown, info = steps(env, task_of(2), *[probe("5")] * 4, probe("6"))
    assert len(set(shown[:4])) == 1
    assert shown[4] == "no probe is left, all 4 are used; answer from what they returned"
    assert info["milestones"] == 1


@pytest.mark.parametrize("level", DIFFICULTIES)
def test_no_tool_shows_the_answer_before_it_is_earned(level):
    env = make_black_box(level)
    for split in SPLITS:
        task = task_of(level, split=split)
        messages, *_ = play(env, task)
        shown = [message.content for message in messages if message.role == "tool"]
        assert all(task.gold not in content for content in shown[: level - 1])
        coefficients = [str(number) for number in hidden_in(task)[1]]
        assert all(number not in task.prompt for number in coefficients)


@ways
@pytest.mark.parametrize("information", ["withheld", "shuffled"])
def test_without_its_information_no_task_is_solved(level, text, information):
    env = make_black_box(
        level, text=text, interface={"tools": ["probe"], "information": information}
    )
    for index in range(20):
        task = task_of(level, text, index=index)
        messages, info, reached = play(env, task)
        assert (info["verdict"].passed, set(reached)) == (False, {0})
        shown = [message.content for message in messages if message.role == "tool"]
        # Where it is shuffled, interaction is kept: outputs come, another function's.
        assert all(content == "-" for content in shown) == (information == "withheld")
        assert task.gold not in shown
        _, info = steps(env, task, *map(probe, "0123"), answer(task.gold))
        assert (info["verdict"].passed, info["verdict"].guess) == (False, True)


def test_without_a_probe_tool_a_right_answer_passes_by_itself():
    task = task_of(3)
    for tools in ([], ["python"]):
        _, info = steps(make_black_box(3, interface={"tools": tools}), task, answer(task.gold))
        assert (info["verdict"].passed, info["milestones"]) == (True, 0)


def test_an_agent_that_never_answers_fails_when_its_turns_are_spent():
    env = make_black_box(1, interface=PROBE)
    _, info, reached = play(env, task_of(1), lambda _: probe("0"))
    assert (info["stop_reason"], info["verdict"].passed) == ("turns", False)
    assert len(reached) == 17


def test_an_episode_goes_on_from_a_snapshot_with_the_probes_it_had():
    env = make_black_box(2, interface=PROBE)
    task = task_of(2)
    steps(env, task, probe("0"))
    with_one = env.snapshot()
    for _ in range(2):
        messages, info = env.restore(with_one)
        assert (len(messages), info["milestones"]) == (3, 1)
        for x in "567":
            env.step(probe(x))
        refused, *_ = env.step(probe("8"))
        assert "no probe is left" in refused[0].content
    messages, _ = env.restore(with_one)
    env.step(oracle(messages))
    *_, info = env.step(answer(task.gold))
    assert info["verdict"].passed
    with_one.close()


@pytest.mark.parametrize("level", DIFFICULTIES)
def test_terse_texts_keep_to_the_small_models_alphabet(level):
    env = make_black_box(level, text="terse")
    messages, *_ = play(env, task_of(level, "terse"))
    for message in messages:
        calls = [str(v) for call in message.tool_calls for v in call.arguments.values()]
        for written in (message.content, *calls):
            assert set(written) <= set(ALPHABET)
            assert not set(written) & set("[];") or message.role == "user"
        assert message.role != "tool" or len(message.content) <= RESULT_CHARACTERS


def test_the_terse_prompt_ends_with_inputs_that_are_enough():
    assert prompt_for(1, 4821, "terse") == "B:4821/0"
    assert prompt_for(3, 4821, "terse") == "B:4821/0,1,2"


def test_a_foreign_task_is_refused():
    env = make_black_box(interface=PROBE)
    with pytest.raises(TaskError, match="none of a black box"):
        env.reset(options={"task": Task("t", "p", "g")})
    with pytest.raises(TaskError, match="expected a black box's prompt"):
        asked_in("L:PQ/abcd")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"difficulty": 5}, "difficulty expects an integer from 1 to 4"),
        ({"difficulty": True}, "difficulty expects an integer"),
        ({"world_seed": -1}, "world_seed expects"),
        ({"text": "long"}, "text knows chat, terse"),
        ({"interface": {"tools": ["prob"]}}, "did you mean 'probe'"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        make_black_box(**arguments)
