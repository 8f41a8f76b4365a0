"""Times the semantic cache beside GPTCache and redisvl: `make bench-cache`. Runs in `.venv-bench`.

The same entries and the same embedder, in turns in one run: `--entries` questions, most of them
vectors drawn around those of real questions, so that filling does not take an hour. A filled Redis
is kept in `var/bench-cache` for the next run. redisvl gets a Redis with the query engine
(`query_engine.py`); BENCH_REDIS_URL names another one, such as the image redis:8.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import uvloop
from rich.console import Console
from rich.progress import track
from rich.table import Table

from infra.local import bench_cache_others as others
from infra.local.bench_cache_own import OwnCache, opened
from infra.local.broker import free_port
from infra.local.query_engine import running_query_engine
from services.cache.likeness import compared
from shared.embeddings import Embedder, open_embedder
from shared.embeddings.port import Vectors
from shared.errors import ConfigurationError
from shared.settings import Settings, load

SHOP = Path("infra/sample_shop")
VOCABULARY = Path("shared/embeddings/minilm_vocab.txt")
LOOKUPS = 300  # of each kind in a round
ROUNDS = 5
SPREAD = 0.55  # length of the noise added to a unit vector: cosine to its origin about 0.88


@dataclass(frozen=True)
class Entries:
    """What every cache is filled with; the first ones are real questions with real vectors."""

    questions: list[str]
    vectors: Vectors


def read_pairs(paths: Sequence[Path]) -> list[tuple[str, str, int]]:
    """Pairs of questions, and 1 where one answer serves both."""
    rows = [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]
    return [(row["text_a"], row["text_b"], int(row["label"])) for row in rows]


def drawn(real: list[str], embedder: Embedder, count: int) -> Entries:
    """The real questions, and others drawn around them up to `count`."""
    vectors = embedder.embed(real)
    random = np.random.default_rng(7)
    origins = random.integers(0, len(real), count - len(real))
    noise = random.standard_normal((len(origins), vectors.shape[1])).astype(np.float32)
    noise *= SPREAD / np.linalg.norm(noise, axis=1, keepdims=True)
    near = vectors[origins] + noise
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    names = list(_renamed(real, origins.tolist()))
    return Entries(real + names, np.concatenate([vectors, near]).astype(np.float32))


def _renamed(real: Sequence[str], origins: Sequence[int]) -> Iterator[str]:
    """Each origin's question with another rare word behind: one token more, as people differ."""
    words = [word for word in _lines(VOCABULARY) if word.isalpha() and len(word) > 4][8_000:]
    uses: Counter[int] = Counter()
    for origin in origins:
        yield f"{real[origin]} {words[uses[origin]]}"
        uses[origin] += 1


def real_questions(pairs: Sequence[tuple[str, str, int]]) -> list[str]:
    """What is remembered in truth: the first question of each pair, and the shop's messages."""
    messages = [json.loads(line) for line in _lines(SHOP / "messages" / "train.jsonl")]
    texts = [a for a, _, _ in pairs] + [row["text"] for row in messages]
    return list(dict.fromkeys(texts))


def _lines(path: Path) -> Iterator[str]:
    yield from path.read_text("utf-8").splitlines()


async def times_ms(
    name: str, texts: Sequence[str], look_up: Callable[[str], Awaitable[object]]
) -> list[float]:
    """How long each look-up took, one after the other, after a few that warm up."""
    for text in texts[:10]:
        await look_up(text)
    found = []
    for text in track(texts, name, console=Console(stderr=True)):
        started = time.perf_counter()
        await look_up(text)
        found.append((time.perf_counter() - started) * 1000)
    return found


def figures(rounds: Sequence[Sequence[float]]) -> list[str]:
    """p50, p95 and maximum of all rounds, and the p50 of each, as cells."""
    ordered = sorted(value for found in rounds for value in found)
    p95 = ordered[int(len(ordered) * 0.95)]
    cells = [f"{value:.2f}" for value in (statistics.median(ordered), p95, ordered[-1])]
    return [*cells, " ".join(f"{statistics.median(found):.1f}" for found in rounds)]


async def _speed(
    own: OwnCache, entries: Entries, embedder: Embedder, asked: list[str], engine_url: str
) -> Table:
    """All caches filled, then in turns: a slow moment of the machine meets each of them."""
    table = Table("cache", "look-up", "p50 ms", "p95 ms", "max ms", "p50 of each round")
    kinds = {"same words": entries.questions[:LOOKUPS], "other words": asked}
    with others.gptcache_of(entries.questions, entries.vectors, embedder) as gptcache:
        redisvl = others.redisvl_of(engine_url, entries.questions, entries.vectors, embedder)
        caches = {"Switchboard": own.look_up, "GPTCache": gptcache, "redisvl": redisvl}
        found: defaultdict[tuple[str, str], list[list[float]]] = defaultdict(list)
        for number, (name, kind) in product(range(ROUNDS), product(caches, kinds)):
            title = f"{name}, {kind}, round {number + 1} of {ROUNDS}"
            found[name, kind].append(await times_ms(title, kinds[kind], caches[name]))
    for (name, kind), rounds in found.items():
        table.add_row(name, kind, *figures(rounds))
    return table


@contextmanager
def _query_engine(folder: Path) -> Iterator[str]:
    if url := os.environ.get("BENCH_REDIS_URL"):
        if not others.has_query_engine(url):
            raise ConfigurationError(f"BENCH_REDIS_URL={url}: needs FT commands, as in redis:8")
        yield url
        return
    with running_query_engine(folder / "query_engine", free_port()) as url:
        yield url


async def _quality(
    own: OwnCache, embedder: Embedder, pairs: Sequence[tuple[str, str, int]]
) -> Table:
    """Would the answer to the first question be given to the second?"""
    labels = np.array([label for _, _, label in pairs])
    asked = compared([(b, a) for a, b, _ in pairs], embedder)
    cosines = np.array([pair.cosine for pair in asked])
    deciders = {
        "Switchboard (cosine, rules, verifier)": await own.accepts(asked),
        "GPTCache as it comes": others.gptcache_accepts(cosines),
        "redisvl as it comes": cosines >= 1 - others.redisvl_distance(),
        "cosine ≥ .95": cosines >= 0.95,
    }
    table = Table("decided by", "right hits", "wrong hits", "precision", "recall")
    for name, accepted in deciders.items():
        right = int((accepted & (labels == 1)).sum())
        wrong = int((accepted & (labels == 0)).sum())
        precision = f"{right / (right + wrong):.3f}" if right + wrong else "–"
        counts = (f"{right} of {labels.sum()}", f"{wrong} of {(labels == 0).sum()}")
        table.add_row(name, *counts, precision, f"{right / max(1, labels.sum()):.3f}")
    return table


async def run(entries_wanted: int, files: Sequence[Path], quality_files: Sequence[Path]) -> None:
    """Measure and print."""
    settings = load(Settings)
    embedder = open_embedder(settings.embedder_url)
    pairs = read_pairs(files)
    entries = drawn(real_questions(pairs), embedder, entries_wanted)
    asked = list(dict.fromkeys(b for _, b, _ in pairs))[:LOOKUPS]
    folder = settings.var_dir / "bench-cache"
    with _query_engine(folder) as url:
        async with opened(folder, entries.questions, entries.vectors) as own:
            speed = await _speed(own, entries, embedder, asked, url)
            quality = [
                (file.name, await _quality(own, embedder, read_pairs([file])))
                for file in quality_files
            ]
            both = await _quality(own, embedder, pairs)
            memory = await own.memory()
    out = Console()
    load_now = os.getloadavg()[0]
    out.print(f"{entries_wanted} entries, embedder {embedder.name}, load {load_now:.1f}, {memory}")
    out.print(speed)
    out.print("pairs of the sample shop: near misses (0) and rewordings (1)", both)
    for name, table in quality:
        out.print(name, table)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument(
        "--pairs", type=Path, action="append", default=[], help="more pairs to judge"
    )
    given = parser.parse_args()
    shop = [SHOP / "pairs_near_miss.jsonl", SHOP / "pairs_rewordings.jsonl"]
    try:
        uvloop.run(run(given.entries, shop, given.pairs))  # as a service does
    except ConfigurationError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
