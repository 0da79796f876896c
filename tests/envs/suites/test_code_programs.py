"""Generated programs: steps that do what their sentences say, none of them for nothing."""

import random

import pytest

from reachgym.envs.errors import TaskError
from reachgym.envs.suites.code_repair.packages import CALL
from reachgym.envs.suites.programs.catalogue import KINDS, SEALS
from reachgym.envs.suites.programs.drawing import (
    FEWEST_WORDS,
    draw_program,
    draw_word,
    no_simpler,
)
from reachgym.envs.suites.programs.languages import ENGLISH, SHORT, fits, read_steps, spell_steps
from reachgym.envs.suites.programs.steps import (
    Step,
    compiled,
    expression_of,
    function_of,
    read_step,
    source_of,
)
from reachgym.envs.taskset import split_of
from reachgym.envs.types import SPLITS

BY_NAME = {kind.name: kind for kind in ENGLISH.every}
LETTERS = {kind.name: kind for kind in SHORT.every}

# What a person gets who follows the sentence.
ENGLISH_EXAMPLES = [
    ("reverse", (), "abc", "cba"),
    ("rotate", ("2",), "abcde", "cdeab"),
    ("rotate", ("3",), "ab", "ab"),
    ("every", ("3",), "abcdefgh", "adg"),
    ("repeat", ("3",), "ab", "ababab"),
    ("shift", ("2",), "xyz1", "zab1"),
    ("drop", ("ace",), "abcdea", "bd"),
    ("stretch", ("ab",), "abca", "aabbcaa"),
    ("runs", (), "aabcccd", "a2b1c3d1"),
    ("runs", (), "", ""),
    ("firsts", (), "abacbd", "abcd"),
    ("sort", (), "cab", "abc"),
    ("by_length", ("5",), "abcdef", "fedcba"),
    ("by_length", ("5",), "abcde", "abcdeabcde"),
    ("by_ends", (), "cba", "acb"),
    ("by_ends", (), "abc", "abc"),
    ("by_ends", (), "", ""),
    ("toggle", ("bd",), "abcdefbg", "aef"),
    ("counter", ("abc", "3", "5"), "axbx", "a3x1b4x2"),
    ("pairs", (), "abcde", "badce"),
    ("deal", (), "abcde", "acebd"),
    ("places", ("96",), "abd", [1, 2, 4]),
    ("polynomial", ("1", "3", "97"), "ab", (((1 * 3 + 97) % 97) * 3 + 98) % 97),
    ("totals", (), [1, 2, 3], [1, 3, 6]),
    ("differences", (), [5, 7, 4], [5, 2, -3]),
    ("affine", ("2", "3"), [1, 0], [5, 3]),
    ("parity", ("3", "2"), [4, 5], [2, 17]),
    ("above", ("3",), [3, 4, 9], [4, 9]),
    ("turn", (), [1, 2, 3], [3, 2, 1]),
    ("falling", (), [1, 3, 2], [3, 2, 1]),
    ("clip", ("3", "14"), [1, 7, 20], [3, 7, 14]),
    ("peaks", ("3",), [1, 6, 2, 4, 3, 1], [1, 6, 2, 4, 4, 1]),
    ("neighbours", (), [1, 2, 5], [3, 7, 6]),
    ("neighbours", (), [], []),
    ("fold", ("2", "3", "97"), [4, 5], ((2 * 3 + 4) * 3 + 5) % 97),
    ("alternate", (), [9, 2, 4], 11),
    ("letters", (), [0, 27, -1], "abz"),
    ("line", ("3", "7"), 5, 22),
    ("square", ("1009",), 50, 2500 - 2 * 1009),
    ("hail", ("3", "3", "1"), 6, 5),
    ("recurrence", ("2", "3", "5", "97", "3"), 4, (3 * 26 + 5 * 2) % 97),
    ("orbit", ("4", "2", "3", "97"), 50, [50, 6, 15, 33]),
    ("digits", (), -407, [4, 0, 7]),
    ("decimal", (), -40, "-40"),
    ("behind", ("word",), "ab", "abword"),
    ("before", ("word",), "ab", "wordab"),
    ("written", ("word",), -4, "-4word"),
    ("listed", ("word",), [1, -2], "word,1,-2"),
]
SHORT_EXAMPLES = [
    ("d", "aB", "aBaB"),
    ("t", "aB", "aBaBaB"),
    ("u", "aB", "AB"),
    ("l", "aB", "ab"),
    ("w", "aB", "Ab"),
    ("c", "aBC", "Abc"),
    ("r", "aB", "Ba"),
    ("s", "baB", "Bab"),
    ("n", "aB", "2"),
    ("a", "baB", "B"),
    ("z", "baB", "b"),
    ("p", "aB", "0000000aB"),
    ("m", "aB", "aB-------"),
]


@pytest.mark.parametrize(("name", "values", "value", "expected"), ENGLISH_EXAMPLES)
def test_a_step_does_what_its_sentence_says(name, values, value, expected):
    assert function_of(Step(BY_NAME[name], values))(value) == expected


@pytest.mark.parametrize(("name", "value", "expected"), SHORT_EXAMPLES)
def test_a_letter_does_what_it_stands_for(name, value, expected):
    assert function_of(Step(LETTERS[name]))(value) == expected


def test_the_examples_know_every_kind():
    assert {name for name, *_ in ENGLISH_EXAMPLES} == BY_NAME.keys()
    assert {name for name, *_ in SHORT_EXAMPLES} == {kind.name for kind in SHORT.kinds}
    assert len(BY_NAME) == len(KINDS) + sum(map(len, SEALS.values()))


@pytest.mark.parametrize("kind", ENGLISH.every, ids=lambda kind: kind.name)
def test_a_sentence_is_read_back_and_no_other_kind_says_it(kind):
    steps = list(kind.variants()) or [Step(kind, ("abcde",))]
    for step in steps:
        assert read_step(step.sentence, ENGLISH.every) == step
        said_by = [k.name for k in (*ENGLISH.every, CALL) if k.pattern.fullmatch(step.sentence)]
        assert said_by == [kind.name]


def test_a_sentence_of_no_step_is_refused():
    with pytest.raises(TaskError, match="sentence of a known step"):
        read_step("Improve it.", ENGLISH.every)


def test_letters_are_read_back_and_others_refused():
    steps = read_steps("urs-abcde")
    assert spell_steps(steps) == "urs-abcde"
    assert expression_of(steps) == "'abcde'+''.join(sorted(''.join(reversed(x.upper()))))"
    for wrong in ("urs", "uy+abcde", "u+", "+abcde", ""):
        with pytest.raises(TaskError, match="letters of steps"):
            read_steps(wrong)


@pytest.mark.parametrize("spelt", ["dtdu+abcde", "td-abcde", "nd+abcde", "rsdc-abcde"])
def test_an_expression_does_what_the_steps_do_without_idle_brackets(spelt):
    steps = read_steps(spelt)
    by_steps = compiled(source_of("f", steps), "f")
    by_expression = compiled(f"f = lambda x: {expression_of(steps)}", "f")
    for value in ("aBc", "b", "AbbaCD"):
        assert by_steps(value) == by_expression(value)
    assert "))" not in expression_of(read_steps("d+abcde"))


DRAWN = [(ENGLISH, depth) for depth in (1, 2, 3, 4)] + [(SHORT, depth) for depth in (1, 2, 3)]


def drawn(language, depth, number=25, **more):
    return [
        draw_program(language, depth, "qkzrt", ("test", depth, i), shown=3, hidden=12, **more)
        for i in range(number)
    ]


@pytest.mark.parametrize(("language", "depth"), DRAWN)
def test_every_step_of_a_drawn_program_is_needed(language, depth):
    for program in drawn(language, depth):
        assert len(program.steps) == depth + 1
        for place in range(depth):
            kind = program.steps[place].kind
            if kind.takes == kind.gives:
                rest = (*program.steps[:place], *program.steps[place + 1 :])
                without = compiled(source_of("f", rest), "f")
                assert any(without(value) != output for value, output in program.hidden)


@pytest.mark.parametrize(("language", "depth"), DRAWN)
def test_outputs_hold_the_word_and_differ_and_inputs_are_not_shown(language, depth):
    for program in drawn(language, depth):
        outputs = [output for _, output in program.hidden]
        assert len(set(outputs)) >= 4
        assert max(map(outputs.count, outputs)) <= 6
        assert all(output.startswith("qkzrt") or output.endswith("qkzrt") for output in outputs)
        shown = [value for value, _ in program.shown]
        assert not [value for value, _ in program.hidden if value in shown]
        for value, output in program.hidden:
            assert program.run(value) == output


@pytest.mark.parametrize(("language", "depth"), DRAWN)
def test_another_word_changes_the_word_alone(language, depth):
    for number in range(10):
        one, other = (
            draw_program(language, depth, word, ("test", number), shown=3, hidden=12)
            for word in ("qkzrt", "abcde")
        )
        assert [step.kind for step in one.steps] == [step.kind for step in other.steps]
        for (value, output), (same, another) in zip(one.hidden, other.hidden, strict=True):
            assert value == same
            assert output.replace("qkzrt", "abcde") == another
            assert output != another


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ([("reverse", ()), ("shift", ("1",))], True),
        ([("reverse", ()), ("reverse", ())], False),
        ([("sort", ()), ("sort", ())], False),
        ([("reverse", ()), ("sort", ())], False),
        ([("firsts", ()), ("runs", ()), ("firsts", ())], True),
        ([("shift", ("2",)), ("shift", ("3",))], False),
        ([("repeat", ("2",)), ("deal", ()), ("every", ("2",))], True),
        ([("drop", ("abc",)), ("drop", ("abc",))], False),
        ([("every", ("3",)), ("places", ("97",)), ("above", ("11",))], False),
    ],
)
def test_idle_steps_and_dull_outputs_are_refused(steps, kept):
    rng = random.Random(5)
    inputs = [ENGLISH.inputs["text"](rng) for _ in range(12)]
    chain = [Step(BY_NAME[name], values) for name, values in steps]
    assert no_simpler(ENGLISH, chain, inputs) is kept


def test_a_short_program_does_what_no_shorter_one_does():
    # Swapping the case of capitals is making them small.
    chain = read_steps("uwm+abcde")[:-1]
    rng = random.Random(5)
    inputs = [SHORT.inputs["text"](rng) for _ in range(12)]
    assert not no_simpler(SHORT, chain, inputs)
    assert no_simpler(SHORT, chain[1:], inputs)


def test_a_program_builds_on_another():
    (base,) = drawn(ENGLISH, 2, 1)
    for program in drawn(ENGLISH, 2, 10, base=base):
        own = compiled(source_of("f", program.steps), "f")
        assert program.takes == base.takes
        for value, output in program.hidden:
            assert own(base.run(value)) == output == program.run(value)


def test_words_belong_to_their_split_and_are_as_many_as_is_said():
    for split in SPLITS:
        words = {draw_word(split, "test", i) for i in range(300)}
        assert {split_of(word) for word in words} == {split}
        assert len(words) > 290
    rng = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    sample = ["".join(rng.choices(letters, k=5)) for _ in range(20_000)]
    share = sum(split_of(word) == "held_out" for word in sample) / len(sample)
    assert share == pytest.approx(FEWEST_WORDS / 26**5, abs=0.01)
    assert FEWEST_WORDS > 2**20


def test_what_fits_is_within_constrained_decoding_for_one_step():
    assert fits(read_steps("c-abcde"))
    assert not fits(read_steps("r-abcde"))
    assert fits(read_steps("rs-abcde"))
