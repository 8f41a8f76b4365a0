"""Times whole turns against the running system: `make bench-turns`.

200 questions that nobody asked before (`Cache-Control: no-cache`), then one remembered question 200
times, one after the other, as one customer would. Over loopback HTTP, real Kafka, real Redis.
"""

import itertools
import json
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import track
from rich.table import Table

from shared.settings import Settings, load

TURNS = 200
QUERIES = Path("infra/sample_shop/queries.jsonl")
WARM_QUESTION = "How do I descale my Morrow One?"


def ask(
    client: httpx.Client, message: str, user: int, fresh: bool
) -> tuple[float, dict[str, object]]:
    """Milliseconds and the answer; each hundred turns are another user, below the rate limit."""
    headers = {"Cache-Control": "no-cache"} if fresh else {}
    started = time.perf_counter()
    response = client.post(
        "/v1/chat", json={"message": message, "user_id": f"bench-{user}"}, headers=headers
    )
    elapsed_ms = (time.perf_counter() - started) * 1000
    response.raise_for_status()
    return elapsed_ms, response.json()


def summary(times_ms: Iterable[float]) -> tuple[float, float, float]:
    """Median, 95th percentile and maximum."""
    ordered = sorted(times_ms)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.95)], ordered[-1]


def main() -> None:
    """Measure and print."""
    settings = load(Settings)
    key = json.loads((settings.var_dir / "keys.json").read_text())["widget_key"]
    url = f"http://127.0.0.1:{settings.base_port}"
    queries = [json.loads(line)["query"] for line in QUERIES.read_text("utf-8").splitlines()]
    stamp = int(time.time())
    with httpx.Client(base_url=url, headers={"X-Switchboard-Key": key}, timeout=30) as client:
        for _ in range(5):
            ask(client, WARM_QUESTION, 0, fresh=False)
            time.sleep(0.1)
        asked = itertools.islice(itertools.cycle(queries), TURNS)
        uncached = [
            ask(client, query, stamp + n // 50, fresh=True)
            for n, query in enumerate(track(asked, "uncached", total=TURNS))
        ]
        cached = [
            ask(client, WARM_QUESTION, stamp + 100 + n // 50, fresh=False)
            for n in track(range(TURNS), "cached")
        ]
    table = Table("turns", "p50 ms", "p95 ms", "max ms", "what they were", title=f"{TURNS} each")
    for name, found in (("uncached", uncached), ("cached", cached)):
        origins = [str(answer["origin"]) for _, answer in found]
        kinds = ", ".join(f"{o} {origins.count(o)}" for o in sorted(set(origins)))
        figures = [f"{value:.1f}" for value in summary(ms for ms, _ in found)]
        table.add_row(name, *figures, kinds)
    Console().print(table)


if __name__ == "__main__":
    main()
