"""The search tool: texts of the best hits, a dash for none."""

import pytest

from reachgym.envs.errors import ToolError
from reachgym.envs.retrieval.bm25 import BM25Index
from reachgym.envs.retrieval.corpus import Document
from reachgym.envs.tools.search import search_tool

DOCUMENTS = [Document("1", "abcd R", "wxyz"), Document("2", "efgh R", "mnop")]


def test_it_returns_the_text_of_the_best_hit():
    assert search_tool(BM25Index(DOCUMENTS)).run({"query": "efgh/R"}) == "mnop"


def test_it_returns_several_texts_a_line_each():
    assert search_tool(BM25Index(DOCUMENTS), k=2).run({"query": "efgh/R"}) == "mnop\nwxyz"


@pytest.mark.parametrize("documents", [DOCUMENTS, []])
def test_it_says_so_when_nothing_is_found(documents):
    assert search_tool(BM25Index(documents)).run({"query": "qqqq"}) == "-"


def test_its_name_and_argument_are_those_that_agents_know():
    spec = search_tool(BM25Index(DOCUMENTS)).spec
    assert spec.name == "search"
    assert list(spec.parameters["properties"]) == ["query"]


def test_an_error_of_the_agent_does_not_reach_the_index():
    with pytest.raises(ToolError, match="query"):
        search_tool(BM25Index(DOCUMENTS)).run({"text": "abcd"})
