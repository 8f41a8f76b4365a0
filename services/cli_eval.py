"""`switchboard eval`: how good each part is on data of one's own. No cluster is needed."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from services import cli_common as common
from shared.errors import ConfigurationError

app = typer.Typer(cls=common.Group, no_args_is_help=True, help="Measure a part on labelled data.")

Folder = Annotated[
    Path,
    typer.Option("--kb", exists=True, file_okay=False, resolve_path=True,
                 help="folder of documents, or a BEIR folder"),
]  # fmt: skip
_FILE: dict[str, Any] = {"exists": True, "dir_okay": False, "resolve_path": True}
Queries = Annotated[Path, typer.Option("--queries", **_FILE, help="JSONL: query and doc")]
Conversations = Annotated[
    Path,
    typer.Option("--conversations", **_FILE,
                 help="JSONL: conversation, last, rewrite; or input and contexts (mt-rag)"),
]  # fmt: skip
Data = Annotated[Path, typer.Option("--data", **_FILE, help="JSONL: text and intent")]
Train = Annotated[
    list[Path] | None,
    typer.Option("--train", **_FILE, help="train anew on these first; several are allowed"),
]
Pairs = Annotated[
    Path, typer.Option("--pairs", **_FILE, help="JSONL: text_a, text_b, label 1 for the same")
]


@app.command()
def retrieval(kb: Folder, queries: Queries, as_json: common.AsJson = False) -> None:
    """How well and how fast the right document is found, per variant."""
    from services.retrieval.evaluate import as_table, evaluate
    from services.retrieval.rerank import open_reranker
    from services.retrieval.settings import RetrievalSettings
    from shared.embeddings import open_embedder
    from shared.settings import load

    settings = common.home()
    with _bad_data():
        threads = common.all_cores(settings)
        embedder = open_embedder(settings.embedder_url, threads=threads)
        reranker = open_reranker(load(RetrievalSettings).reranker_dir, threads=threads)
        report = evaluate(kb, queries, embedder, reranker, settings.var_dir / "embeddings")
    _print(report, as_json, as_table)


@app.command()
def followups(conversations: Conversations, as_json: common.AsJson = False) -> None:
    """How much better follow-up questions are searched with what they lean on."""
    from services.retrieval.evaluate_followups import evaluate
    from shared.embeddings import open_embedder

    settings = common.home()
    with _bad_data():
        embedder = open_embedder(settings.embedder_url, threads=settings.cpu_threads)
        report = evaluate(conversations, embedder, settings.var_dir / "embeddings")
    _print(report, as_json, lines_of)


@app.command()
def intent(data: Data, train: Train = None, as_json: common.AsJson = False) -> None:
    """How well messages are sorted, and how honest the confidence is."""
    evaluate = _function("services.intent.evaluate")
    common.home()
    with _bad_data():
        report = evaluate(data, tuple(train or ()))
    _print(report, as_json, lines_of)


@app.command()
def decisions(data: Data, as_json: common.AsJson = False) -> None:
    """What the router would do with first messages, and how often that is right."""
    from services.intent.rehearsal import rehearse
    from services.intent.settings import IntentSettings
    from shared.settings import load

    common.home()
    _print(rehearse(data, load(IntentSettings)), as_json, lines_of)


@app.command()
def cache(pairs: Pairs, as_json: common.AsJson = False) -> None:
    """How often a cached answer is reused rightly, and wrongly."""
    evaluate = _function("services.cache.evaluate")
    common.home()
    with _bad_data():
        report = evaluate(pairs)
    _print(report, as_json, lines_of)


def _function(module: str) -> Callable[..., Mapping[str, object]]:
    """A part's `evaluate`, which not every part has."""
    try:
        found: Callable[..., Mapping[str, object]] = import_module(module).evaluate
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        part = module.split(".")[1]
        raise ConfigurationError(f"{part} cannot be evaluated in this version") from None
    return found


@contextmanager
def _bad_data() -> Iterator[None]:
    """What evaluation raises about its files, as one clear error."""
    try:
        yield
    except KeyError as error:
        raise ConfigurationError(f"a row lacks the field {error}") from None
    except (ValueError, OSError) as error:
        raise ConfigurationError(str(error)) from None


def _print(
    report: Mapping[str, object], as_json: bool, table: Callable[[Mapping[str, object]], str]
) -> None:
    common.say(json.dumps(report, ensure_ascii=False) if as_json else table(report))


def lines_of(report: Mapping[str, object], indent: int = 0) -> str:
    """A report for people: a line per figure, nested ones indented."""
    lines: list[str] = []
    for name, value in report.items():
        if isinstance(value, Mapping):
            lines += [f"{' ' * indent}{name}", lines_of(value, indent + 2)]
        else:
            lines.append(f"{' ' * indent}{name:<{24 - indent}} {_figure(value)}")
    return "\n".join(lines)


def _figure(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_figure, value))
    return "–" if value is None else str(value)
