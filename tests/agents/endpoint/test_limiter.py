"""How many requests are in flight: fewer under overload, more again after it, and never a herd."""

from __future__ import annotations

import asyncio

from loopback import http, said

from reachgym.agents.endpoint.limiter import Limiter
from reachgym.agents.endpoint.settings import Retries


async def round_of(limiter: Limiter, *, overloaded: bool | None) -> int:
    """Start as many as may be in flight, end them all, and say how many there were."""
    count = limiter.limit
    started = [await limiter.acquire() for _ in range(count)]
    await asyncio.sleep(0.001)
    for at_s in started:
        limiter.release(at_s, overloaded=overloaded)
    return count


def test_overload_halves_once_a_round_and_success_adds_a_step_a_round():
    async def play():
        limiter = Limiter(64)
        down = [await round_of(limiter, overloaded=True) for _ in range(8)]
        up = [await round_of(limiter, overloaded=False) for _ in range(4)]
        return down, up, limiter

    down, up, limiter = asyncio.run(play())
    assert down == [64, 32, 16, 8, 4, 2, 1, 1]
    assert up == [1, 3, 4, 6]
    assert limiter.limit <= 8


def test_the_limit_comes_back_to_the_most_and_no_further():
    async def play():
        limiter = Limiter(64)
        for _ in range(7):
            await round_of(limiter, overloaded=True)
        rounds = 0
        while limiter.limit < 64:
            await round_of(limiter, overloaded=False)
            rounds += 1
        await round_of(limiter, overloaded=False)
        return rounds, limiter.limit

    rounds, limit = asyncio.run(play())
    assert rounds < 45
    assert limit == 64


def test_what_tells_nothing_of_the_load_changes_nothing():
    async def play():
        limiter = Limiter(8)
        return [await round_of(limiter, overloaded=None) for _ in range(3)]

    assert asyncio.run(play()) == [8, 8, 8]


def test_a_waiter_that_is_cancelled_takes_no_place():
    async def play():
        limiter = Limiter(1)
        at_s = await limiter.acquire()
        tasks = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        limiter.release(at_s, overloaded=None)
        # Given a place, and cancelled before it knew.
        tasks[1].cancel()
        return await asyncio.wait_for(tasks[2], 1.0)

    assert asyncio.run(play()) > 0


def test_places_are_given_in_order():
    async def play():
        limiter = Limiter(1)
        order: list[int] = []

        async def use(number: int) -> None:
            at_s = await limiter.acquire()
            order.append(number)
            await asyncio.sleep(0)
            limiter.release(at_s, overloaded=None)

        await asyncio.gather(*(use(number) for number in range(20)))
        return order

    assert asyncio.run(play()) == list(range(20))


def test_after_a_pause_requests_start_one_after_the_other():
    async def play():
        limiter = Limiter(20)
        limiter.hold(0.2)
        asked_s = asyncio.get_running_loop().time()
        starts = await asyncio.gather(*(limiter.acquire() for _ in range(20)))
        return [at_s - asked_s for at_s in sorted(starts)]

    starts = asyncio.run(play())
    assert starts[0] >= 0.19
    # Nineteen gaps of a hundredth of a second each, give or take half of it.
    assert starts[-1] - starts[0] > 0.09


def test_never_more_are_in_flight_than_settings_allow(serve, agent, ask, turns):
    server = serve(lambda call: [0.005, said("42")])
    turns(agent(server, concurrency=3), [ask(str(i)) for i in range(40)])
    assert server.most_in_flight == 3


def test_a_server_that_can_serve_few_is_soon_asked_for_few(serve, agent, ask, turns):
    def script(call):
        busy = server.in_flight > 4
        return [http(429, "busy")] if busy else [0.005, said("42")]

    server = serve(script)
    patient = Retries(attempts=60, total_s=20.0, first_s=0.02, longest_s=0.05)
    done = turns(agent(server, concurrency=64, retries=patient), [ask(str(i)) for i in range(200)])
    assert {turn.message.content for turn in done} == {"42"}
    # 64 at once to begin with; afterwards far fewer are refused than would be without a limit.
    late = server.calls[len(server.calls) // 2 :]
    assert len(server.calls) < 600
    assert len(late) < 2 * 100 + 100


def test_no_herd_comes_back_after_a_rate_limit(serve, agent, ask, turns):
    def script(call):
        return (
            [http(429, "wait", retry_after_ms="300")] if call.number < 50 else [0.005, said("42")]
        )

    server = serve(script)
    turns(agent(server, concurrency=50), [ask(str(i)) for i in range(50)])
    again = sorted(call.at_s for call in server.calls[50:])
    assert again[0] - server.calls[0].at_s >= 0.3
    fullest = max(sum(at_s <= other < at_s + 0.05 for other in again) for at_s in again)
    assert fullest < 25
