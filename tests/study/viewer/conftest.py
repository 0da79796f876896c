"""A run of two stores: ordinary attempts, hostile ones, failures, and the page of it."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace

import pytest

from reachgym.agents.protocol import Completion
from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.envs.types import Message, StopReason, ToolCall, ToolResult, Verdict
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import (
    AttemptKey,
    Failure,
    Timings,
    Trajectory,
    Turn,
    Usage,
)
from reachgym.study.viewer.server import serving
from reachgym.study.viewer.tokens import TerseTexts
from reachgym.study.viewer.view import RunView

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)></textarea>'\"&lt;<!--"
    "]]>\x00\x07\x1b[31mred\x1b[0m\r\u202eright to left\u2066\u200bzero\ufeff\u2028line"
    "\U000e0041tag {{7*7}} ${7*7} javascript:alert(3) \U0001f600\ufe0f"
)
_RENDERER = TerseRenderer()


def attempt(number, *, policy="base", passed=False, **changed):
    """An attempt of two turns whose numbers follow from its own."""
    asked = f"[s:q{number}]"
    ids = tuple(_RENDERER.encode_text(asked))
    logprobs = tuple(-0.05 * (1 + (number + place) % 7) ** 2.4 for place in range(len(ids)))
    call = ToolCall("call_0_0", "search", {"query": f"q{number}"})
    answer = f"a{number}"
    answered = tuple(_RENDERER.encode_text(f"={answer};"))
    turns = (
        Turn(
            Completion(
                Message("assistant", tool_calls=(call,), reasoning=f"thought {number}"),
                prompt_ids=(1, 2),
                sampled_ids=ids,
                logprobs=logprobs,
                seconds=0.5,
            ),
            (ToolResult("call_0_0", f"found {number}", seconds=0.02),),
            (Message("tool", f"found {number}", tool_call_id="call_0_0"),),
        ),
        Turn(
            Completion(
                Message("assistant", answer),
                sampled_ids=answered,
                logprobs=(-0.01,) * len(answered),
                seconds=0.25,
            ),
            reward=float(passed),
        ),
    )
    made = Trajectory(
        key=AttemptKey(f"hash{number % 5}", 2**62 + number, policy),
        task_id=f"lookup/{number % 5}",
        family="lookup",
        split="train" if number % 2 else "test",
        env='{"id": "reachgym/Lookup-v0", "kwargs": {"difficulty": 2}}',
        policy_version=0,
        opening=(Message("user", f"Question {number}?"),),
        turns=turns,
        verdict=Verdict(float(passed), passed, "as it should be" if passed else "wrong value"),
        stop_reason=StopReason.ANSWERED if passed else StopReason.TURNS,
        usage=Usage(turns=2, action_tokens=len(ids) + number, tool_calls=1, tool_errors=number % 2),
        timings=Timings(0.75, 0.02, 0.8 + (number * 7919 % 100) / 10),
    )
    return replace(made, **changed)


def broken(number, policy="base"):
    """An attempt whose sandbox died."""
    return attempt(
        number,
        policy=policy,
        verdict=Verdict(None, None),
        stop_reason=StopReason.FAILED,
        failure=Failure("SandboxError", f"it died: {HOSTILE}"),
    )


def hostile(number):
    """An attempt in which every text is hostile, and one is very long."""
    call = ToolCall(HOSTILE, HOSTILE, {HOSTILE: HOSTILE, "lone": "\ud800", "nan": float("nan")})
    wrong = ToolCall("call_1", HOSTILE, parse_error=HOSTILE)
    message = Message("assistant", HOSTILE, (call, wrong), reasoning=HOSTILE)
    turn = Turn(
        Completion(message, sampled_ids=(5, 100_000), logprobs=(float("-inf"), float("nan"))),
        (ToolResult(HOSTILE, "W" * 150_000, error=True, truncated=True, seconds=float("nan")),),
        (Message("user", HOSTILE),),
        reward=float("inf"),
    )
    return attempt(
        number,
        key=AttemptKey("h" + HOSTILE, number, HOSTILE),
        task_id=HOSTILE + "w" * 3000,
        family=HOSTILE,
        split=HOSTILE,
        env=HOSTILE,
        opening=(Message("user", HOSTILE),),
        turns=(turn,),
        verdict=Verdict(float("nan"), False, HOSTILE),
        sandbox=HOSTILE,
    )


@pytest.fixture(scope="session")
def attempts():
    """The run's attempts in the order of its list, as (store, trajectory)."""
    first = [attempt(n, policy="base" if n % 3 else "rl", passed=n % 4 == 0) for n in range(230)]
    first.insert(7, hostile(7))
    second = [attempt(n, policy="oracle", passed=True) for n in range(20)]
    failed = [broken(1000), broken(1001)]
    return [("one", row) for row in [*first, *failed]] + [("two", row) for row in second]


@pytest.fixture(scope="session")
def run(tmp_path_factory, attempts):
    """A folder with two stores; one failure was made up for."""
    folder = tmp_path_factory.mktemp("view") / "run"
    for name in ("one", "two"):
        rows = [row for store, row in attempts if store == name]
        with closing(TrajectoryStore(folder / name)) as store:
            store.append([broken(0, rows[0].key.policy)])
            store.append(rows)
    return folder


@pytest.fixture(scope="session")
def view(run):
    with RunView(run, TerseTexts()) as opened:
        yield opened


@pytest.fixture(scope="session")
def url(view):
    with serving(view) as at:
        yield at


@pytest.fixture(scope="session")
def browser():
    """A Chromium without windows."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium to look at the page with")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser):
    """A page that must neither complain nor ask anything of elsewhere."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    opened = context.new_page()
    complaints = []
    opened.on("console", lambda told: complaints.append(told.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    opened.on("request", lambda asked: _note_foreign(asked.url, complaints))
    opened.set_default_timeout(5000)
    yield opened
    context.close()
    assert complaints == []


def _note_foreign(url, complaints):
    if not url.startswith(("http://127.0.0.1:", "file://", "data:")):
        complaints.append(f"asked of elsewhere: {url}")
