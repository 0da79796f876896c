"""Examples stand before the task as the format packs episodes, and count as its context."""

import pytest

from reachgym.agents.protocol import (
    Completion,
    Conversation,
    Exchange,
    FinishReason,
    Limits,
)
from reachgym.agents.renderers.chat import ChatRenderer
from reachgym.agents.renderers.few_shot import FewShot
from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.agents.tiny import TinyConfig, build_tiny
from reachgym.agents.transformers_policy import TransformersPolicy
from reachgym.envs.errors import ConfigError, InputError
from reachgym.envs.types import Message, ToolCall, ToolSpec

TOOLS = [ToolSpec("search", "Find.", {"type": "object", "properties": {}})]
TASK = (Message("user", "L:P/mnop"),)


def episode(prompt, *results, answer, system=()):
    """Searches that found `results`, and an answer; its agent had no tokens."""
    exchanges = []
    for turn, result in enumerate(results):
        call = ToolCall(f"call_{turn}_0", "search", {"query": f"q{turn}"})
        said = Completion(Message("assistant", "", (call,)))
        exchanges.append(Exchange(said, (Message("tool", result, tool_call_id=call.id),)))
    exchanges.append(Exchange(Completion(Message("assistant", answer)), ()))
    return Conversation((*system, Message("user", prompt)), tuple(exchanges))


EXAMPLES = (episode("L:R/abcd", "wxyz", answer="wxyz"), episode("A:2*3", answer="6"))


def test_terse_examples_are_documents_of_their_own_before_the_real_one():
    terse = TerseRenderer()
    ids = FewShot(terse, EXAMPLES).open(TASK, TOOLS)
    starts = [place for place, token in enumerate(ids) if token == terse.bos_id]
    assert len(starts) == 3
    texts = [terse.decode(ids[a + 1 : b]) for a, b in zip(starts, [*starts[1:], None], strict=True)]
    assert texts == ["L:R/abcd\n[s:q0]{wxyz}=wxyz;", "A:2*3\n=6;", "L:P/mnop\n"]
    assert ids[starts[2] :] == terse.open(TASK, TOOLS)


def entry(message):
    calls = [
        {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
        for c in message.tool_calls
    ]
    return {"role": message.role, "content": message.content, "tool_calls": calls}


@pytest.mark.parametrize("system", [(), (Message("system", "Be brief."),)])
@pytest.mark.parametrize("tools", [(), TOOLS])
def test_chat_examples_are_the_templates_own_earlier_turns(chat_tokenizer, system, tools):
    few = FewShot(ChatRenderer(chat_tokenizer), EXAMPLES)
    messages = [*system, *EXAMPLES[0].messages, *EXAMPLES[1].messages, *TASK]
    schemas = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
            },
        }
        for tool in tools
    ]
    whole = chat_tokenizer.apply_chat_template(
        [entry(message) for message in messages],
        tools=schemas or None,
        add_generation_prompt=True,
        return_dict=False,
    )
    assert few.open((*system, *TASK), tools) == whole


def test_a_chat_conversation_keeps_its_own_system_message_and_none_of_the_examples(chat_tokenizer):
    example = episode("q", answer="a", system=(Message("system", "Shout."),))
    few = FewShot(ChatRenderer(chat_tokenizer), [example])
    text = few.decode(few.open((Message("system", "Be brief."), *TASK), ()))
    assert text.startswith("<|im_start|>system\nBe brief.")
    assert "Shout" not in text


def test_turns_after_the_opening_are_the_renderers_own():
    terse = TerseRenderer()
    few = FewShot(terse, EXAMPLES)
    reply = (Message("tool", "wxyz"),)
    ids = few.encode(Message("assistant", "6"))
    assert ids == terse.encode(Message("assistant", "6"))
    assert few.reply(reply) == terse.reply(reply)
    assert few.parse(ids, 2) == terse.parse(ids, 2)


def policy_of(renderer):
    shape = TinyConfig(hidden=32, layers=2, heads=2, mlp=32, max_positions=96)
    return TransformersPolicy(build_tiny(shape, renderer.vocab_size, seed=0), renderer)


def test_the_examples_count_as_context_and_not_as_actions():
    few = FewShot(TerseRenderer(), EXAMPLES)
    opened = len(few.open(TASK, TOOLS))
    policy, chat = policy_of(few), Conversation(TASK)
    (taken,) = policy.act([chat], [TOOLS], [Limits(2, opened + 9)], [0])
    assert len(taken.prompt_ids) == opened
    assert len(taken.sampled_ids) <= 2
    (full,) = policy.act([chat], [TOOLS], [Limits(9, opened)], [0])
    assert (full.sampled_ids, full.finish) == ((), FinishReason.CONTEXT_TOKENS)


def test_a_policy_reads_the_examples_once_and_goes_on_behind_them():
    few = FewShot(TerseRenderer(), EXAMPLES)
    policy, chat = policy_of(few), Conversation(TASK)
    (first,) = policy.act([chat], [TOOLS], [Limits(3)], [0])
    chat = Conversation(TASK, (Exchange(first, (Message("tool", "wxyz"),)),))
    (second,) = policy.act([chat], [TOOLS], [Limits(3)], [0])
    assert few.decode(second.prompt_ids) == "{wxyz}"
    (plain,) = policy_of(TerseRenderer()).act([Conversation(TASK)], [TOOLS], [Limits(3)], [0])
    assert first.logprobs != plain.logprobs


def test_the_grammar_is_the_renderers(chat_tokenizer):
    few = FewShot(TerseRenderer(), EXAMPLES)
    assert few.grammar(TOOLS) is TerseRenderer().grammar(TOOLS)
    with pytest.raises(ConfigError, match="ChatRenderer"):
        FewShot(ChatRenderer(chat_tokenizer), EXAMPLES).grammar(TOOLS)


@pytest.mark.parametrize(
    ("examples", "told"),
    [
        ([], "at least one example"),
        ([Conversation(TASK)], "finished episodes"),
        ([Conversation(TASK, EXAMPLES[0].exchanges[:1])], "finished episodes"),
        ([episode("q", answer="a;b")], "syntax"),
    ],
)
def test_examples_that_cannot_be_shown_are_refused(examples, told):
    with pytest.raises(InputError, match=told):
        FewShot(TerseRenderer(), examples)
