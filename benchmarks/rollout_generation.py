"""How fast the in-process engine samples, beside transformers' `generate` and without its caches.

    .venv/bin/python benchmarks/rollout_generation.py

One thread. Every round takes each way in turn, so that the machine's noise meets all alike, and
what a goal says is taken round by round. A token counts if it belongs to its turn: what `generate`
samples in a row that has ended does not.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GenerationConfig, LlamaForCausalLM

from reachgym.agents.generation.engine import TransformersEngine
from reachgym.agents.protocol import (
    Completion,
    Conversation,
    Exchange,
    Limits,
    Request,
    TokenSequence,
)
from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.agents.tiny import TinyConfig, build_tiny
from reachgym.agents.transformers_policy import TransformersPolicy
from reachgym.envs.types import Message

Array = NDArray[np.float64]

BATCH, ROWS, LONGEST = 256, 768, 128
EPISODES, TURNS, REPLY_TOKENS, ACTION_TOKENS = 16, 8, 64, 16
TOLERANCE = 1e-5
VOCABULARY = TerseRenderer.vocab_size


class Plain(TerseRenderer):
    """Text as it is; only limits end a turn, and replies are not cut."""

    stop_ids = frozenset()

    def reply(self, messages: Sequence[Message]) -> list[int]:
        return [token for message in messages for token in self.encode_text(message.content)]


class Stopping(Plain):
    """Four ids end a turn, so that a model that knows nothing ends turns after about 24 tokens."""

    stop_ids = frozenset(range(VOCABULARY - 4, VOCABULARY))


@dataclass(slots=True)
class Timed:
    """One way of doing a thing, and its rounds.

    Attributes:
        name: What it is.
        do: Does it once; returns how many tokens were sampled, or turns taken.
        rates: Of each round, a second.
    """

    name: str
    do: Callable[[], int]
    rates: list[float] = field(default_factory=list)

    def run_round(self) -> None:
        started_s = time.perf_counter()
        done = self.do()
        self.rates.append(done / (time.perf_counter() - started_s))


def prompts(rows: int, seed: int) -> list[Conversation]:
    rng = np.random.default_rng(seed)
    texts = ("".join(rng.choice([*"abcdefgh"], rng.integers(16, 49))) for _ in range(rows))
    return [Conversation((Message("user", text),)) for text in texts]


def act(policy: TransformersPolicy, chats: Sequence[Conversation], limit: int) -> list[Completion]:
    count = len(chats)
    return policy.act(chats, [()] * count, [Limits(limit)] * count, range(count))


def by_generate(
    model: LlamaForCausalLM, renderer: Plain, chats: Sequence[Conversation], limit: int
) -> int:
    """Tokens that transformers' own loop samples, in batches of equal prompts' lengths."""
    histories = sorted((renderer.open(chat.opening, ()) for chat in chats), key=len)
    config = GenerationConfig(
        do_sample=True,
        top_k=0,
        max_new_tokens=limit,
        eos_token_id=sorted(renderer.stop_ids) or None,
        pad_token_id=renderer.pad_id,
        bos_token_id=renderer.bos_id,
    )
    tokens = 0
    for start in range(0, len(histories), BATCH):
        batch = histories[start : start + BATCH]
        longest = max(map(len, batch))
        padded = [[renderer.pad_id] * (longest - len(ids)) + ids for ids in batch]
        mask = [[0] * (longest - len(ids)) + [1] * len(ids) for ids in batch]
        with torch.inference_mode():
            sampled = model.generate(
                torch.tensor(padded),
                attention_mask=torch.tensor(mask),
                generation_config=config,
            )[:, longest:]
        ended = torch.isin(sampled, torch.tensor(sorted(renderer.stop_ids)))
        first = torch.where(ended.any(1), ended.int().argmax(1) + 1, sampled.shape[1])
        tokens += int(first.sum())
    return tokens


def of_sampling(model: LlamaForCausalLM, renderer: Plain, rows: int, limit: int) -> list[Timed]:
    policy = TransformersPolicy(model, renderer, max_batch=BATCH)
    chats = prompts(rows, seed=0)

    def ours() -> int:
        return sum(len(taken.sampled_ids) for taken in act(policy, chats, limit))

    return [
        Timed("transformers' generate", lambda: by_generate(model, renderer, chats, limit)),
        Timed("engine", ours),
    ]


def rounding(model: LlamaForCausalLM) -> float:
    """Largest difference between log-probabilities as sampled and by a pass over the whole."""
    policy = TransformersPolicy(model, Stopping(), max_batch=BATCH)
    taken = act(policy, prompts(BATCH, seed=1), LONGEST)
    sequences = [
        TokenSequence(
            np.array(one.prompt_ids + one.sampled_ids, np.int32),
            np.arange(len(one.prompt_ids) + len(one.sampled_ids)) >= len(one.prompt_ids),
        )
        for one in taken
    ]
    scores = policy.score(sequences)
    return max(
        float(np.abs(score - np.array(one.logprobs)).max())
        for score, one in zip(scores, taken, strict=True)
    )


def episodes(engine: TransformersEngine, *, forgetful: bool) -> int:
    """Turns of episodes that run side by side; the forgetful re-read their history at each."""
    rng = np.random.default_rng(0)
    chats = dict(enumerate(prompts(EPISODES, seed=2)))
    turns = dict.fromkeys(chats, 0)
    due = list(chats)
    while due or not engine.idle:
        for ticket in due:
            if forgetful:
                engine.forget(ticket)
            seed = TURNS * ticket + turns[ticket]
            engine.submit(ticket, Request(chats[ticket], (), Limits(ACTION_TOKENS), seed))
        due = []
        for ticket, taken in engine.step():
            if isinstance(taken, Exception):
                raise taken
            turns[ticket] += 1
            reply = Message("tool", "".join(rng.choice([*"abcdefgh"], REPLY_TOKENS)))
            exchanges = (*chats[ticket].exchanges, Exchange(taken, (reply,)))
            chats[ticket] = Conversation(chats[ticket].opening, exchanges)
            if turns[ticket] < TURNS:
                due.append(ticket)
    for ticket in chats:
        engine.forget(ticket)
    return sum(turns.values())


def of_episodes(model: LlamaForCausalLM) -> list[Timed]:
    # A prompt's cache would serve the forgetful too, at the first turn; no two prompts are equal.
    policy = TransformersPolicy(model, Plain(), max_batch=EPISODES)

    def play(forgetful: bool) -> int:
        return episodes(policy.engine(lambda: None), forgetful=forgetful)

    return [
        Timed("histories read anew", lambda: play(True)),
        Timed("caches kept", lambda: play(False)),
    ]


def report(title: str, unit: str, timed: Sequence[Timed]) -> Array:
    """Print medians; returns how many times faster the last is than the first, by round."""
    print(f"\n{title}")
    for one in timed:
        low, middle, high = np.quantile(one.rates, (0.25, 0.5, 0.75))
        print(f"  {one.name:<24}{middle:10,.0f} {unit} a second [{low:,.0f}, {high:,.0f}]")
    return np.array(timed[-1].rates) / np.array(timed[0].rates)


def goal(
    what: str, values: Array, *, at_most: float = float("inf"), at_least: float = -float("inf")
) -> None:
    low, value, high = np.quantile(values, (0.25, 0.5, 0.75))
    bound = f"at most {at_most:g}" if at_least == -float("inf") else f"at least {at_least:g}"
    reached = "reached" if at_least <= value <= at_most else "MISSED"
    print(f"  {what}: {value:.3g} [{low:.3g}, {high:.3g}] ({bound}: {reached})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    model = build_tiny(TinyConfig(), VOCABULARY, seed=0).eval()
    roomy = build_tiny(TinyConfig(max_positions=1024), VOCABULARY, seed=0).eval()
    ending = of_sampling(model, Stopping(), ROWS, LONGEST)
    equal = of_sampling(model, Plain(), BATCH, LONGEST)
    played = of_episodes(roomy)
    everything = [*ending, *equal, *played]
    for one in everything:
        one.do()
    load_before = os.getloadavg()[0]
    for _ in range(rounds):
        for one in everything:
            one.run_round()
    load = f"load {load_before:.1f} before and {os.getloadavg()[0]:.1f} after"
    print(f"{os.cpu_count()} processors, one thread, {load}, {rounds} rounds")
    title = f"Sampling, {ROWS} rows, batch {BATCH}, turns end by a stop id or at {LONGEST} tokens"
    goal("engine over generate", report(title, "tokens", ending), at_least=2)
    title = f"Sampling, {BATCH} rows at once, all of {LONGEST} tokens: nothing to refill"
    goal("engine over generate", report(title, "tokens", equal), at_least=2)
    goal("log-probabilities: largest error", np.array([rounding(model)]), at_most=TOLERANCE)
    title = f"{EPISODES} episodes side by side, {TURNS} turns of {ACTION_TOKENS} tokens"
    faster = report(f"{title}, replies of {REPLY_TOKENS}", "turns", played)
    goal("cost with caches over without", 1 / faster, at_most=0.5)


if __name__ == "__main__":
    main()
