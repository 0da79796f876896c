"""The interface argument: what is offered, and what a mistake is told."""

import pytest

from reachgym.envs import Budget, EnvRef, Message, ToolCall, make
from reachgym.envs.errors import ConfigError
from reachgym.envs.suites.interface import Interface, parse_interface
from reachgym.envs.suites.world import world
from reachgym.envs.suites.world_search import TOOLS
from reachgym.envs.wrappers import InformationWrapper


def test_none_means_the_familys_own_tools_with_information():
    assert parse_interface(None, known=TOOLS, default=("search",)) == Interface(("search",), "full")


def test_what_is_not_given_takes_its_default():
    withheld = {"information": "withheld"}
    assert parse_interface(withheld, known=TOOLS, default=("search",)) == Interface(
        ("search",), "withheld"
    )
    assert parse_interface({"tools": []}, known=TOOLS, default=("search",)) == Interface((), "full")


def test_tools_are_offered_in_the_order_given():
    env = make(EnvRef("reachgym/Lookup-v0", {"interface": {"tools": ["python", "search"]}}))
    assert [spec.name for spec in env.tool_specs] == ["python", "search"]


def searching(information):
    """A search of the world as an agent meets it, and how it is told of it."""
    interface = {"tools": ["search"], "information": information}
    env = make(EnvRef("reachgym/Lookup-v0", {"text": "terse", "interface": interface}))

    def search(query):
        call = ToolCall("c", "search", {"query": query})
        return env.step(Message("assistant", tool_calls=(call,)))[0][0].content

    env.budget = Budget()
    env.reset(options={"split": "train", "index": 0})
    return search, env.tool_specs


def test_withholding_information_leaves_the_search_tool_and_empties_it():
    (full, specs), (withheld, specs_then) = searching("full"), searching("withheld")
    assert specs == specs_then
    assert withheld("P") == "-"
    assert full("P") != "-"


def test_shuffling_information_leaves_the_search_tool_and_answers_with_other_texts():
    (full, specs), (shuffled, specs_then) = searching("full"), searching("shuffled")
    assert specs == specs_then
    for question, value in list(world(0).facts.items())[:50]:
        query = "/".join(question)
        assert full(query) == value
        assert shuffled(query) not in ("-", value)


def test_a_wrapper_shuffles_what_all_tasks_share_as_well():
    env = InformationWrapper(make(EnvRef("reachgym/Lookup-v0", {"text": "terse"})), "shuffled")
    env.reset(options={"split": "train", "index": 0})
    query = env.unwrapped.task.prompt[2:]
    (reply,), *_ = env.step(
        Message("assistant", tool_calls=(ToolCall("c", "search", {"query": query}),))
    )
    assert reply.content not in ("-", env.unwrapped.task.gold)
    *_, info = env.step(Message("assistant", env.unwrapped.task.gold))
    assert info["verdict"].guess


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"tool": []}, "did you mean 'tools'"),
        ({"tools": ["serach"]}, "did you mean 'search'"),
        ({"tools": "search"}, "expects a list"),
        ({"tools": [7]}, "use one of search, python"),
        ({"tools": ["search", "search"]}, "twice"),
        ({"information": "shufled"}, "did you mean 'shuffled'"),
        ({"information": False}, "use one of full, withheld, shuffled"),
        ({"information": ["full"]}, "did you mean 'full'"),
        (["search"], "expects a mapping"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(given, told):
    with pytest.raises(ConfigError, match=told):
        parse_interface(given, known=TOOLS, default=())
