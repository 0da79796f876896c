"""The policy keeps its ids, its limits and its version."""

import numpy as np
import pytest
import torch

from reachgym.agents.protocol import (
    Completion,
    Conversation,
    Exchange,
    FinishReason,
    Limits,
    TokenSequence,
)
from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.agents.tiny import TinyConfig, build_tiny
from reachgym.agents.transformers_policy import TransformersPolicy
from reachgym.envs.errors import CheckpointError, InputError
from reachgym.envs.types import Message

SHAPE = TinyConfig(hidden=32, layers=2, heads=2, mlp=32, max_positions=48)
SIX_TOKENS = Limits(action_tokens=6)


class NeverStopping(TerseRenderer):
    """Terse without stop ids, so that only limits end a turn."""

    stop_ids = frozenset()


def model_of(seed=0):
    return build_tiny(SHAPE, TerseRenderer.vocab_size, seed)


def policy_of(seed=0, renderer=None, **options):
    return TransformersPolicy(model_of(seed), renderer or NeverStopping(), **options)


def asking(text="L1:abcd/R"):
    return Conversation((Message("user", text),))


def act(policy, chat, limits=SIX_TOKENS, seed=1):
    return policy.act([chat], [()], [limits], [seed])[0]


def test_later_turns_stand_on_the_ids_that_were_sampled_not_on_their_text():
    policy = policy_of()
    odd = (TerseRenderer.unk_id, 0, 1)
    text = Message("assistant", "what it says is not looked at")
    first = Completion(text, prompt_ids=(1, 20), sampled_ids=odd)
    chat = Conversation(asking().opening, (Exchange(first, (Message("tool", "wxyz"),)),))
    second = act(policy, chat)
    assert policy.renderer.decode(second.prompt_ids) == "{wxyz}"
    ids = (1, 20, *odd, *second.prompt_ids, *second.sampled_ids)
    mask = [False] * (len(ids) - len(second.sampled_ids)) + [True] * len(second.sampled_ids)
    (scored,) = policy.score([TokenSequence(np.array(ids, np.int32), np.array(mask))])
    np.testing.assert_allclose(scored, second.logprobs, atol=1e-5)


def test_the_tighter_bound_names_why_a_completion_ended():
    policy = policy_of()
    opened = len(policy.renderer.open(asking().opening, ()))
    tokens = act(policy, asking(), Limits(action_tokens=4, context_tokens=opened + 4))
    assert (len(tokens.sampled_ids), tokens.finish) == (4, FinishReason.ACTION_TOKENS)
    context = act(policy, asking(), Limits(action_tokens=4, context_tokens=opened + 3))
    assert (len(context.sampled_ids), context.finish) == (3, FinishReason.CONTEXT_TOKENS)


def test_the_models_own_length_bounds_an_unlimited_completion():
    taken = act(policy_of(), asking(), Limits())
    assert len(taken.prompt_ids) + len(taken.sampled_ids) == SHAPE.max_positions
    assert taken.finish is FinishReason.CONTEXT_TOKENS


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(action_tokens=0), FinishReason.ACTION_TOKENS),
        (Limits(context_tokens=3), FinishReason.CONTEXT_TOKENS),
        (Limits(action_tokens=9, context_tokens=3), FinishReason.CONTEXT_TOKENS),
    ],
)
def test_a_row_without_room_is_empty_and_the_rows_beside_it_act(limits, reason):
    rows = policy_of().act([asking(), asking()], [(), ()], [limits, Limits(6)], [1, 2])
    assert (rows[0].sampled_ids, rows[0].logprobs, rows[0].finish) == ((), (), reason)
    assert rows[0].message == Message("assistant", "")
    assert rows[0].prompt_ids == rows[1].prompt_ids
    assert len(rows[1].sampled_ids) == 6


def test_a_sampled_stop_id_ends_the_turn_and_is_kept():
    policy = policy_of(renderer=TerseRenderer())
    rows = policy.act([asking()] * 60, [()] * 60, [Limits(30)] * 60, range(60))
    stopped = [row for row in rows if row.finish is FinishReason.STOP]
    assert 0 < len(stopped) < 60
    for row in stopped:
        assert row.sampled_ids[-1] in policy.renderer.stop_ids
        assert not set(row.sampled_ids[:-1]) & policy.renderer.stop_ids
        assert row.message == policy.renderer.parse(row.sampled_ids, 0)


def test_completions_come_in_the_order_of_the_conversations():
    policy = policy_of(max_batch=3)
    prompts = ["a" * length for length in (9, 2, 5, 2, 7, 1, 9)]
    rows = policy.act([asking(p) for p in prompts], [()] * 7, [Limits(4)] * 7, range(7))
    assert [policy.renderer.decode(row.prompt_ids[1:-1]) for row in rows] == prompts
    for prompt, seed, row in zip(prompts, range(7), rows, strict=True):
        assert row.sampled_ids == act(policy, asking(prompt), Limits(4), seed).sampled_ids


def test_no_conversations_give_no_completions():
    assert policy_of().act([], [], [], []) == []
    assert policy_of().score([]) == []


@pytest.mark.parametrize("kind", ["tensors", "arrays", "without the tied name"])
def test_published_weights_are_acted_with_under_their_version(kind):
    policy, other = policy_of(seed=0), policy_of(seed=9)
    state = other.model.state_dict()
    if kind == "arrays":
        state = {name: tensor.numpy() for name, tensor in state.items()}
        for array in state.values():
            array.flags.writeable = False
    elif kind == "without the tied name":
        state = {name: tensor for name, tensor in state.items() if name != "lm_head.weight"}
    before = act(policy, asking())
    policy.load_weights(state, version=7)
    after = act(policy, asking())
    assert (before.policy_version, after.policy_version, policy.version) == (0, 7, 7)
    assert after.sampled_ids == act(other, asking()).sampled_ids != before.sampled_ids


@pytest.mark.parametrize("fault", ["missing", "unknown", "shape"])
def test_weights_of_another_model_are_refused_and_the_version_stays(fault):
    policy = policy_of()
    state = dict(model_of().state_dict())
    name = "model.norm.weight"
    if fault == "missing":
        del state[name]
    elif fault == "unknown":
        state["model.extra.weight"] = torch.zeros(1)
    else:
        state[name] = torch.zeros(3)
    with pytest.raises(CheckpointError, match="expected the weights of this LlamaForCausalLM"):
        policy.load_weights(state, version=3)
    assert policy.version == 0


def test_scores_come_in_order_for_sequences_of_any_length_and_mask():
    policy = policy_of(max_batch=2)
    rng = np.random.default_rng(0)
    sequences = [
        TokenSequence(rng.integers(1, 80, n).astype(np.int32), np.arange(n) % every == every - 1)
        for n, every in ((9, 2), (3, 2), (1, 2), (20, 7), (4, 9))
    ]
    scores = policy.score(sequences)
    assert [len(score) for score in scores] == [4, 1, 0, 2, 0]
    for sequence, score in zip(sequences, scores, strict=True):
        (alone,) = policy.score([sequence])
        np.testing.assert_allclose(score, alone, atol=1e-5)


def test_a_mask_over_the_first_id_is_refused():
    with pytest.raises(InputError, match="first id"):
        policy_of().score([TokenSequence(np.array([1, 2], np.int32), np.array([True, False]))])


def test_a_checkpoint_acts_as_the_policy_that_was_saved(tmp_path):
    policy = policy_of(seed=4)
    policy.model.save_pretrained(tmp_path)
    again = TransformersPolicy.from_checkpoint(tmp_path, NeverStopping())
    assert act(again, asking()).sampled_ids == act(policy, asking()).sampled_ids


@pytest.mark.parametrize("content", [None, {}, {"config.json": "{}"}, {"config.json": "no"}])
def test_a_folder_that_is_no_checkpoint_is_refused_with_what_to_do(tmp_path, content):
    folder = tmp_path / "model"
    if content is not None:
        folder.mkdir()
        for name, text in content.items():
            (folder / name).write_text(text)
    with pytest.raises(CheckpointError, match="save_pretrained"):
        TransformersPolicy.from_checkpoint(folder, TerseRenderer())


def test_a_batch_without_rows_is_refused():
    with pytest.raises(InputError, match="max_batch >= 1"):
        policy_of(max_batch=0)


def test_negative_memory_is_refused():
    with pytest.raises(InputError, match="cache_bytes >= 0"):
        policy_of(cache_bytes=-1)


def test_a_renderer_with_more_ids_than_the_model_is_refused():
    with pytest.raises(InputError, match="tokenizer"):
        TransformersPolicy(build_tiny(SHAPE, 20, seed=0), TerseRenderer())
