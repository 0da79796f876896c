"""What every renderer promises: deltas add up, parsing never fails, encoding is read back."""

import numpy as np
import pytest

from reachgym.agents.protocol import Completion, Conversation, Exchange
from reachgym.agents.renderers.chat import ChatRenderer
from reachgym.agents.renderers.few_shot import FewShot
from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.envs.types import Message, ToolCall, ToolSpec

TOOLS = [ToolSpec("search", "Find.", {"type": "object", "properties": {}})]
OPENING = (Message("user", "L1:abcd/R"),)
CALL = Message("assistant", "", (ToolCall("call_0_0", "search", {"query": "abcd/R"}),))
ANSWER = Message("assistant", "wxyz")
REPLY = (Message("tool", "wxyz", tool_call_id="call_0_0"),)
EXAMPLE = Conversation(
    OPENING, (Exchange(Completion(CALL), REPLY), Exchange(Completion(ANSWER), ()))
)


@pytest.fixture(params=["terse", "chat", "terse with examples", "chat with examples"])
def renderer(request, chat_tokenizer):
    terse = request.param.startswith("terse")
    plain = TerseRenderer() if terse else ChatRenderer(chat_tokenizer)
    return FewShot(plain, [EXAMPLE]) if request.param.endswith("examples") else plain


def test_all_ids_lie_in_the_vocabulary(renderer):
    parts = [renderer.open(OPENING, TOOLS), renderer.encode(CALL), renderer.reply(REPLY)]
    assert all(0 <= token < renderer.vocab_size for part in parts for token in part)
    assert 0 <= renderer.pad_id < renderer.vocab_size
    assert renderer.stop_ids


@pytest.mark.parametrize("message", [CALL, ANSWER])
def test_an_encoded_turn_ends_with_its_only_stop_id_and_parses_back(renderer, message):
    ids = renderer.encode(message)
    assert [i for i, token in enumerate(ids) if token in renderer.stop_ids] == [len(ids) - 1]
    assert renderer.parse(ids, 0) == message


def test_the_number_of_the_turn_makes_call_ids_unique(renderer):
    ids = renderer.encode(CALL)
    assert {renderer.parse(ids, turn).tool_calls[0].id for turn in range(3)} == {
        "call_0_0",
        "call_1_0",
        "call_2_0",
    }


def test_random_ids_parse_into_an_assistant_message(renderer):
    rng = np.random.default_rng(0)
    for length in (0, 1, 5, 60):
        for _ in range(50):
            ids = rng.integers(0, renderer.vocab_size, length).tolist()
            assert renderer.parse(ids, 0).role == "assistant"


def test_a_reply_does_not_depend_on_the_turns_before_it(renderer):
    assert renderer.reply(REPLY) == renderer.reply(REPLY)
    assert renderer.decode(renderer.reply(REPLY)).count("wxyz") == 1
