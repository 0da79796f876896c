"""The interface argument: what is offered, and what a mistake is told."""

import pytest

from reachgym.envs.errors import ConfigError
from reachgym.envs.suites.interface import Interface, parse_interface


def test_none_means_the_familys_own_tools_with_information():
    assert parse_interface(None, default=("search",)) == Interface(("search",), True)


def test_what_is_not_given_takes_its_default():
    assert parse_interface({"information": False}, ("search",)) == Interface(("search",), False)
    assert parse_interface({"tools": []}, ("search",)) == Interface((), True)


def test_tools_are_offered_in_the_order_given():
    tools = parse_interface({"tools": ["python", "search"]}, ()).build_tools(0)
    assert [tool.spec.name for tool in tools] == ["python", "search"]


def test_withholding_information_leaves_the_search_tool_and_empties_it():
    offered, withheld = (
        parse_interface({"tools": ["search"], "information": given}, ()).build_tools(0)[0]
        for given in (True, False)
    )
    assert offered.spec == withheld.spec
    assert withheld.run({"query": "P"}) == "-"
    assert offered.run({"query": "P"}) != "-"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"tool": []}, "did you mean 'tools'"),
        ({"tools": ["serach"]}, "did you mean 'search'"),
        ({"tools": "search"}, "expects a list"),
        ({"tools": [7]}, "use one of search, python"),
        ({"tools": ["search", "search"]}, "twice"),
        ({"information": "no"}, "expects true or false"),
        (["search"], "expects a mapping"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(given, told):
    with pytest.raises(ConfigError, match=told):
        parse_interface(given, ())
