"""The interface argument: what is offered, and what a mistake is told."""

import pytest

from reachgym.envs import EnvRef, make
from reachgym.envs.errors import ConfigError
from reachgym.envs.suites.interface import Interface, parse_interface
from reachgym.envs.suites.world import world
from reachgym.envs.suites.world_search import TOOLS, world_tools


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
    return world_tools(0, "terse", information)["search"]


def test_withholding_information_leaves_the_search_tool_and_empties_it():
    assert searching("full").spec == searching("withheld").spec
    assert searching("withheld").run({"query": "P"}) == "-"
    assert searching("full").run({"query": "P"}) != "-"


def test_shuffling_information_leaves_the_search_tool_and_answers_with_other_texts():
    assert searching("full").spec == searching("shuffled").spec
    for question, value in list(world(0).facts.items())[:50]:
        query = {"query": "/".join(question)}
        assert searching("full").run(query) == value
        assert searching("shuffled").run(query) not in ("-", value)


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
