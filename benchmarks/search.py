"""Search over a million short documents: latency beside the peers' own, and memory of workers.

    python benchmarks/search.py
    python benchmarks/search.py --documents 100000 --rounds 9

Documents are drawn from a vocabulary of Zipf's shape with English stopwords among it, and questions
are sentences with stopwords and two to four words of one document. bm25s (numba) and tantivy are
used bare, each installed from PyPI into a virtual environment of its own under --venvs; every
contender searches in a process of its own, one question at a time, and rounds of all take turns.
Ratios are medians over rounds. Scores of the best hits must be those of bm25s.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sandbox_peer_tools import Peer, install

_STOPWORDS = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or"
    " had an they which one you were all her she there would their we him been has when who will no"
    " more if out so said what up its about than into them can only other time new some could these"
    " two may first then do any like my now over such our man me even most made after also did many"
)
STOPWORDS = tuple(_STOPWORDS.split())
QUESTIONS = 300
OTHERS = 200_000
LENGTH = 30
STOPPED = 0.45
K = 5
FEW = 100_000
_DRIVER = """
import json, sys, time
from pathlib import Path
answers, sys.stdout = sys.stdout, sys.stderr
corpus, folder = map(Path, sys.argv[1:])
def texts():
    with corpus.open() as lines:
        for line in lines:
            yield json.loads(line)["text"]
{make}
print("ready", file=answers, flush=True)
for line in sys.stdin:
    took_s, scores = [], []
    for question in json.loads(line):
        started_s = time.perf_counter()
        found = search(question)
        took_s.append(time.perf_counter() - started_s)
        scores.append([float(score) for score in found])
    told = dict(line.split()[:2] for line in open("/proc/self/smaps_rollup") if "kB" in line)
    private = int(told["Private_Clean:"]) + int(told["Private_Dirty:"])
    answer = dict(took_s=took_s, scores=scores, resident_kb=int(told["Rss:"]), private_kb=private)
    print(json.dumps(answer), file=answers, flush=True)
"""
OURS = f"""
from reachgym.envs.retrieval.shared import corpus_index
index = corpus_index(corpus, folder)
def search(question): return [hit.score for hit in index.search(question, {K})]
"""
BM25S = Peer(
    "bm25s 0.3.16, numba",
    ("bm25s==0.3.16", "numba>=0.62", "tqdm"),
    "",
    f"""
import bm25s
numbers = {{}}
words = [[numbers.setdefault(word, len(numbers)) for word in text.split()] for text in texts()]
index = bm25s.BM25(method="lucene", backend="numba")
index.index((words, numbers), show_progress=False)
del words
index.activate_numba_scorer()
def search(question):
    known = [numbers[word] for word in question.split() if word in numbers]
    return index.retrieve(
        [known], k={K}, show_progress=False, backend_selection="numba", n_threads=1
    ).scores[0]
""",
)
TANTIVY = Peer(
    "tantivy 0.27.0",
    ("tantivy==0.27.0",),
    "",
    f"""
import tantivy
schema = tantivy.SchemaBuilder()
schema.add_text_field("body", stored=False, tokenizer_name="whitespace", index_option="freq")
index = tantivy.Index(schema.build(), path=str(folder))
writer = index.writer(500_000_000, 1)
for text in texts():
    writer.add_document(tantivy.Document(body=text))
writer.commit()
writer.wait_merging_threads()
index.reload()
searcher = index.searcher()
def search(question):
    hits = searcher.search(index.parse_query(question, ["body"]), {K}).hits
    return [score for score, _ in hits]
""",
)
RANK_BM25 = Peer(
    "rank_bm25 0.2.2",
    ("rank_bm25==0.2.2",),
    "",
    f"""
import numpy, rank_bm25
index = rank_bm25.BM25Okapi([text.split() for text in texts()])
def search(question):
    return numpy.sort(index.get_scores(question.split()))[:-{K} - 1:-1]
""",
)


class Contender:
    """A process that searches."""

    def __init__(self, name: str, python: Path, make: str, corpus: Path, folder: Path) -> None:
        self.name = name
        self.p50_s: list[float] = []
        self.p99_s: list[float] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [str(python), "-c", _DRIVER.replace("{make}", make), str(corpus), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._line()

    def ask(self, questions: list[str]) -> dict[str, Any]:
        if self._process.stdin is None:
            raise SystemExit("expected a pipe to the process")
        self._process.stdin.write(json.dumps(questions) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._line())
        return answer

    def time(self, questions: list[str]) -> None:
        took_s = self.ask(questions)["took_s"]
        self.p50_s.append(statistics.median(took_s))
        self.p99_s.append(float(np.quantile(took_s, 0.99)))

    def end(self) -> None:
        self._process.communicate()

    def _line(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise SystemExit(f"{self.name} ended by itself; its last words are above")
        return line


def write_corpus(path: Path, documents: int) -> list[str]:
    """A corpus of JSONL, and questions over it."""
    rng = np.random.default_rng(0)
    words = np.array([f"{number:x}" for number in rng.permutation(OTHERS) + 16**5])
    shares = 1 / (np.arange(OTHERS) + 31)
    stop_shares = 1 / (np.arange(len(STOPWORDS)) + 1)
    asked = set(rng.choice(documents, min(QUESTIONS, documents), replace=False).tolist())
    questions = []
    with path.open("w") as file:
        for begin in range(0, documents, 50_000):
            shape = (min(50_000, documents - begin), LENGTH)
            rare = words[rng.choice(OTHERS, shape, p=shares / shares.sum())]
            often = rng.choice(len(STOPWORDS), shape, p=stop_shares / stop_shares.sum())
            stopped = rng.random(shape) < STOPPED
            texts = np.where(stopped, np.array(STOPWORDS)[often], rare)
            for number, row in enumerate(texts.tolist(), begin):
                file.write(json.dumps({"id": f"{number:09}", "text": " ".join(row)}) + "\n")
                if number in asked:
                    questions.append(_question([w for w in row if w not in STOPWORDS], rng))
    return questions


def _question(words: list[str], rng: np.random.Generator) -> str:
    first, *others = rng.choice(words, min(len(words), int(rng.integers(2, 5)))).tolist()
    rest = " and the ".join(others)
    return f"what is the {first} of the {rest} in which it was the first"


def compare(contenders: list[Contender], questions: list[str], rounds: int) -> None:
    """Latencies of rounds in turn; the first contender is ours."""
    for contender in contenders:
        contender.ask(questions[:20])
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for contender in contenders:
            contender.time(questions)
    ours = contenders[0]
    print("| contender | p50 | p99 | our p50 to its | our p99 to its |")
    print("|---|---|---|---|---|")
    for one in contenders:
        p50, p99 = (
            statistics.median(a / b for a, b in zip(mine, its, strict=True))
            for mine, its in ((ours.p50_s, one.p50_s), (ours.p99_s, one.p99_s))
        )
        figures = [f"{1000 * statistics.median(times):.2f} ms" for times in (one.p50_s, one.p99_s)]
        print(f"| {one.name} | {' | '.join(figures)} | {p50:.4f} | {p99:.4f} |")


def require_equal_scores(ours: Contender, other: Contender, questions: list[str]) -> None:
    mine, its = (np.array(one.ask(questions)["scores"]) for one in (ours, other))
    if not np.allclose(mine, its, rtol=1e-5):
        raise SystemExit(f"expected the scores of {other.name}, got others")


def report_memory(first: Contender, second: Contender, questions: list[str]) -> None:
    """What a worker holds that came first and built, and one that came second."""
    one, two = (worker.ask(questions) for worker in (first, second))
    own_mb, of_mb = two["private_kb"] / 1024, one["resident_kb"] / 1024
    print(
        f"memory after {len(questions)} questions: first worker resident {of_mb:,.0f} MB, second "
        f"worker's own {own_mb:,.0f} MB ({own_mb / of_mb:.1%}); goal: below 10 %"
    )


def main() -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--venvs", type=Path, metavar="FOLDER", default=cache / "reachgym" / "peers"
    )
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="search-")))

        def started(peer: Peer | None, corpus: Path) -> Contender:
            python = (
                Path(sys.executable) if peer is None else install(peer, given.venvs) / "bin/python"
            )
            name, make = ("reachgym", OURS) if peer is None else (peer.name, peer.make)
            folder = root / corpus.stem / name.replace(" ", "-")
            contender = Contender(name, python, make, corpus, folder)
            stack.callback(contender.end)
            return contender

        large = root / "large.jsonl"
        questions = write_corpus(large, given.documents)
        print(f"{given.documents:,} documents, {len(questions)} questions, {os.cpu_count()} cores")
        first, second = started(None, large), started(None, large)
        bm25s = started(BM25S, large)
        require_equal_scores(second, bm25s, questions)
        compare([second, bm25s, started(TANTIVY, large)], questions, given.rounds)
        report_memory(first, second, questions)
        few = root / "few.jsonl"
        questions = write_corpus(few, FEW)[:30]
        print(f"\n{FEW:,} documents, {len(questions)} questions; goal: ratios below 0.02")
        compare([started(None, few), started(RANK_BM25, few)], questions, 3)


if __name__ == "__main__":
    main()
