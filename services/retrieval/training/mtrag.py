"""The mt-rag-benchmark's answers as a BEIR folder: a corpus that nothing here was trained on.

    python -m services.retrieval.training.mtrag --answers mtrag_answers.jsonl --out FOLDER
    switchboard eval retrieval --kb FOLDER --queries FOLDER/queries.jsonl

The corpus is every passage given with any task; those given with an answerable task count as
relevant to it; the query is the last two customer turns. A retriever had chosen these passages, so
the figures compare variants and nothing else. `unanswerable.jsonl` holds the questions without an
answer, for `calibrate`.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TURNS = 2  # of the customer: the last alone often says "and that one?"

Task = Mapping[str, Any]


def question_of(task: Task) -> str:
    """The last customer turns, oldest first."""
    turns = [turn["text"] for turn in task["input"] if turn["speaker"] == "user"]
    return "\n".join(turns[-TURNS:])


def write_beir(tasks: Sequence[Task], out: Path) -> None:
    """Write `corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv` and `unanswerable.jsonl`."""
    (out / "qrels").mkdir(parents=True, exist_ok=True)
    passages = {p["document_id"]: p for task in tasks for p in task.get("contexts") or ()}
    answerable = [task for task in tasks if task["answerability"] == ["ANSWERABLE"]]
    hopeless = [task for task in tasks if task["answerability"] == ["UNANSWERABLE"]]
    corpus = [{"_id": name, "title": (p.get("title") or "").strip(), "text": p["text"].strip()}
              for name, p in passages.items()]  # fmt: skip
    queries = [{"_id": task["task_id"], "text": question_of(task)} for task in answerable]
    judged = [f"{task['task_id']}\t{p['document_id']}\t1"
              for task in answerable for p in task.get("contexts") or ()]  # fmt: skip
    _write(out / "corpus.jsonl", map(json.dumps, corpus))
    _write(out / "queries.jsonl", map(json.dumps, queries))
    _write(out / "qrels" / "test.tsv", ["query-id\tcorpus-id\tscore", *dict.fromkeys(judged)])
    _write(out / "unanswerable.jsonl", (json.dumps({"query": question_of(t)}) for t in hopeless))


def _write(path: Path, lines: Any) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def main() -> None:
    """Read the arguments and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    lines = given.answers.read_text(encoding="utf-8").splitlines()
    write_beir([json.loads(line) for line in lines if line.strip()], given.out)


if __name__ == "__main__":
    main()
