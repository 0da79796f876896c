"""The crafted study, as the tests of the report read it."""

import sys
from pathlib import Path

import pytest

from reachgym.study.results import Results

# Test modules are imported from their files; what several share lies in a folder of its own.
sys.path.insert(0, str(Path(__file__).parent / "crafted"))

from crafted_attempts import HOSTILE
from crafted_looks import further
from crafted_size import large as large_study
from crafted_study import core


@pytest.fixture(scope="session")
def hostile_text():
    return HOSTILE


@pytest.fixture(scope="session")
def results():
    return Results.model_validate(core() | further())


@pytest.fixture(scope="session")
def large():
    return Results.model_validate(large_study())


@pytest.fixture(scope="session")
def one_base(results):
    """The same study with the arms of the first base alone."""
    kept = {policy.name for policy in results.setting.policies if policy.base == "base"}
    return _of_policies(results, kept)


def _of_policies(results, kept):
    data = results.model_dump(mode="json")
    data["setting"]["policies"] = [p for p in data["setting"]["policies"] if p["name"] in kept]
    for name, rows in data.items():
        if isinstance(rows, list) and name != "notes":
            data[name] = [r for r in rows if r.get("policy", r.get("base", "base")) in kept]
    return Results.model_validate(data)
