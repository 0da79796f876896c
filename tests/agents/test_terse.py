"""The terse transcript, as the small world's models write and read it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reachgym.agents.renderers.terse import ALPHABET, TerseRenderer
from reachgym.envs.errors import InputError
from reachgym.envs.types import Message, ToolCall

terse = TerseRenderer()
plain = st.text(st.sampled_from([c for c in ALPHABET if c not in "[]=;"]))


def parse(text, turn=0):
    return terse.parse(terse.encode_text(text), turn)


def call(name, argument, turn=0):
    parameter = {"search": "query", "python": "code"}[name]
    return ToolCall(f"call_{turn}_0", name, {parameter: argument})


def test_a_whole_episode_reads_as_the_transcript_of_the_small_world():
    ids = terse.open([Message("user", "L1:abcd/R")], ())
    ids += terse.encode(Message("assistant", "", (call("search", "abcd/R"),)))
    ids += terse.reply([Message("tool", "wxyz", tool_call_id="call_0_0")])
    ids += terse.encode(Message("assistant", "wxyz"))
    assert ids[0] == terse.bos_id
    assert terse.decode(ids[1:]) == "L1:abcd/R\n[s:abcd/R]{wxyz}=wxyz;"


def test_a_call_keeps_the_scratch_text_before_it_and_numbers_itself_by_its_turn():
    assert parse("so [p:12*3]", turn=4) == Message("assistant", "so ", (call("python", "12*3", 4),))


def test_an_answer_is_what_stands_between_the_last_equals_sign_and_the_semicolon():
    assert parse("a=b, c=mnop;") == Message("assistant", "mnop")


@pytest.mark.parametrize("text", ["", "abc", "=abc", "abc;", "abc]", "[s:abc"])
def test_a_turn_that_ends_otherwise_is_its_raw_text(text):
    assert parse(text) == Message("assistant", text)


def test_an_unknown_letter_or_a_missing_colon_is_a_parse_error_with_advice():
    (unknown,) = parse("[x:abc]").tool_calls
    assert (unknown.name, dict(unknown.arguments)) == ("x", {})
    assert "'x'" in unknown.parse_error
    assert "[s:QUERY]" in unknown.parse_error
    (bare,) = parse("[abc]").tool_calls
    assert (bare.name, bare.id) == ("", "call_0_0")
    assert "':'" in bare.parse_error


@given(st.lists(st.integers(0, terse.vocab_size - 1), max_size=40), st.integers(0, 50))
def test_whatever_a_model_samples_is_parsed_into_an_assistant_message(ids, turn):
    message = terse.parse(ids, turn)
    assert message.role == "assistant"
    assert all(made.id == f"call_{turn}_0" for made in message.tool_calls)


@given(plain, plain, st.sampled_from(["search", "python"]))
def test_well_formed_messages_survive_encoding_and_parsing(scratch, argument, name):
    calling = Message("assistant", scratch, (call(name, argument),))
    answering = Message("assistant", argument)
    for message in (calling, answering):
        ids = terse.encode(message)
        assert ids[-1] in terse.stop_ids
        assert terse.parse(ids, 0) == message


@given(st.text(st.sampled_from(ALPHABET)))
def test_every_character_of_the_alphabet_has_its_own_id(text):
    ids = terse.encode_text(text)
    assert terse.decode(ids) == text
    assert all(2 < i < terse.vocab_size for i in ids)


def test_characters_outside_the_alphabet_become_the_unknown_id_and_show_as_a_replacement():
    assert terse.encode_text("é🎉") == [terse.unk_id] * 2
    assert parse("=né;").content == "n\ufffd"


def test_padding_inside_an_answer_shows_so_that_it_cannot_pass_for_a_right_one():
    ids = [*terse.encode_text("=mn"), terse.pad_id, *terse.encode_text("op;")]
    assert terse.parse(ids, 0).content == "mn\ufffdop"


def test_results_are_cut_at_thirty_two_characters_and_come_in_order():
    replies = [Message("tool", "x" * 40), Message("tool", "second")]
    assert terse.decode(terse.reply(replies)) == "{" + "x" * 32 + "}{second}"


@pytest.mark.parametrize(
    "message",
    [
        Message("assistant", "a;b"),
        Message("assistant", "", (ToolCall("c", "fetch", {"url": "x"}),)),
        Message("assistant", "", (ToolCall("c", "search", {"code": "x"}),)),
        Message("assistant", "", (ToolCall("c", "python", {"code": "a[0]"}),)),
        Message("assistant", "", (ToolCall("c", "search", parse_error="no colon"),)),
        Message("assistant", "", (call("search", "a"), call("search", "b"))),
    ],
)
def test_what_the_syntax_cannot_write_is_refused(message):
    with pytest.raises(InputError):
        terse.encode(message)
