"""Spaces of texts and messages: Unicode, Gymnasium's checker, both kinds of vectors."""

from __future__ import annotations

import json
import pickle

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

from reachgym.envs import Message, Task, ToolCall, register
from reachgym.envs.spaces import ConversationSpace, MessageSpace, TextSpace

HARD = "e\u0301 漢字 🙂\u202e\x00\n"
SPACES = [TextSpace, MessageSpace, lambda **kw: MessageSpace("user", **kw), ConversationSpace]

register(
    "test_spaces/Unicode-v0",
    tasks=[Task(f"t{i}", f"{HARD} {i}", f"{i} é") for i in range(4)],
)


def made(seed: int, kind) -> list:
    space = kind(seed=seed)
    return [space.sample() for _ in range(20)]


@pytest.mark.parametrize("kind", SPACES)
def test_samples_belong_to_their_space_and_follow_its_seed(kind):
    assert all(kind().contains(sample) for sample in made(1, kind))
    assert made(1, kind) == made(1, kind)
    assert made(1, kind) != made(2, kind)


@pytest.mark.parametrize("kind", SPACES)
def test_seeding_later_is_as_seeding_at_the_start(kind):
    space = kind()
    space.seed(1)
    assert [space.sample() for _ in range(20)] == made(1, kind)


@pytest.mark.parametrize("kind", SPACES)
def test_a_space_survives_pickling_and_equals_its_copy(kind):
    space = kind(seed=3)
    copy = pickle.loads(pickle.dumps(space))
    assert copy == space
    assert hash(copy) == hash(space)
    assert copy.sample() == space.sample()


@pytest.mark.parametrize("kind", SPACES)
def test_samples_go_to_json_and_back(kind):
    space = kind(seed=3)
    samples = [space.sample() for _ in range(5)]
    text = json.dumps(space.to_jsonable(samples))
    assert space.from_jsonable(json.loads(text)) == samples


def test_calls_go_to_json_and_back():
    call = ToolCall("c0", "search", {"query": HARD, "k": [1, None]})
    messages = [Message("assistant", "hm", (call, ToolCall("c1", "", parse_error="bad")))]
    text = json.dumps(MessageSpace().to_jsonable(messages))
    assert MessageSpace().from_jsonable(json.loads(text)) == messages


def test_spaces_that_differ_are_not_equal():
    spaces = [TextSpace(), MessageSpace(), MessageSpace("user"), ConversationSpace()]
    for row, one in enumerate(spaces):
        for column, other in enumerate(spaces):
            assert (one == other) is (row == column)


@pytest.mark.parametrize("text", ["", HARD, "x" * 10**6])
def test_any_text_of_any_length_is_contained(text):
    assert text in TextSpace()
    assert Message("user", text) in MessageSpace()
    assert (Message("user", text),) in ConversationSpace()


@pytest.mark.parametrize(
    "stranger",
    [
        "text",
        None,
        Message("robot", "hi"),
        Message("assistant", 3),
        Message("assistant", "", None),
        Message("assistant", "", [ToolCall("c", "t")]),
        Message("assistant", "", ({"name": "t"},)),
    ],
)
def test_what_is_no_message_is_not_contained(stranger):
    assert stranger not in MessageSpace()
    assert (stranger,) not in ConversationSpace()


def test_a_role_narrows_the_space():
    assert Message("user") not in MessageSpace("assistant")
    assert Message("assistant") in MessageSpace("assistant")
    assert {MessageSpace("tool", seed=0).sample().role for _ in range(9)} == {"tool"}


def test_a_conversation_is_a_tuple():
    assert [Message("user")] not in ConversationSpace()
    assert () in ConversationSpace()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "env_id", ["test_spaces/Unicode-v0", "reachgym/Lookup-v0", "reachgym/Compose-v0"]
)
def test_environments_pass_the_checker_of_gymnasium_without_a_warning(env_id):
    check_env(gymnasium.make(env_id).unwrapped)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_environments_run_in_vectors_with_unicode_texts(mode):
    options = {"shared_memory": False} if mode == "async" else {}
    vector = gymnasium.make_vec(
        "test_spaces/Unicode-v0", num_envs=3, vectorization_mode=mode, vector_kwargs=options
    )
    try:
        openings, _ = vector.reset(seed=[1, 2, 3])
        assert len(openings) == 3
        prompts = [opening[-1].content for opening in openings]
        assert all(prompt.startswith(HARD) for prompt in prompts)
        answers = [prompt.removeprefix(HARD).strip() + " é" for prompt in prompts]
        actions = tuple(Message("assistant", text) for text in [*answers[:2], "漢"])
        _, rewards, terminated, truncated, infos = vector.step(actions)
        assert rewards.tolist() == [1.0, 1.0, 0.0]
        assert terminated.all()
        assert not truncated.any()
        assert [verdict.passed for verdict in infos["verdict"]] == [True, True, False]
        again, *_ = vector.step(actions)  # Gymnasium resets ended episodes on the next step.
        assert all(opening[-1].content.startswith(HARD) for opening in again)
    finally:
        vector.close()


def test_the_passive_checker_of_gymnasium_lets_episodes_through():
    env = gymnasium.make("test_spaces/Unicode-v0")
    env.reset(seed=0)
    assert env.step(env.action_space.sample())[2] is True
