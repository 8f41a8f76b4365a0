"""`switchboard cache`: what is remembered; make it forget, judge more strictly, warm up."""

import json
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from services import cli_common as common
from shared.errors import ConfigurationError, Unavailable
from shared.identity import port_of

app = typer.Typer(cls=common.Group, no_args_is_help=True, help="Remembered answers.")
Url = Annotated[str, typer.Option("--url", help="where the cache listens, if not here")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="the most used ones")]
Question = Annotated[str, typer.Option("--question", help="its answers in all languages")]
Document = Annotated[str, typer.Option("--document", help="every answer that cites it")]
Everything = Annotated[bool, typer.Option("--all", help="every answer of the tenant")]
Conversation = Annotated[str, typer.Argument(help="the conversation's id")]
Turn = Annotated[str, typer.Argument(help="the turn whose cached answer was wrong")]


@app.command()
def show(
    limit: Limit = 20, url: Url = "", key: common.Key = "", as_json: common.AsJson = False
) -> None:
    """The most used answers, and how many there are."""
    found = _call("GET", url, key, "", params={"limit": limit})
    if as_json:
        common.say(json.dumps(found, ensure_ascii=False))
        return
    table = Table("question", "language", "hits", "fresh for", "documents", "must be closer than")
    for row in found["entries"]:
        bound = f"{row['min_similarity']:.2f}" if row["min_similarity"] else ""
        fresh = f"{row['fresh_for_s'] // 60} min"
        cells = (row["question"], row["locale"], f"{row['hits']:.0f}", fresh)
        table.add_row(*map(common.plain, (*cells, ", ".join(row["documents"]), bound)))
    Console(highlight=False, markup=False).print(table)
    common.say(f"{found['count']} answers remembered")


@app.command()
def forget(
    question: Question = "",
    document: Document = "",
    everything: Everything = False,
    url: Url = "",
    key: common.Key = "",
) -> None:
    """Forget the answers to a question, all that cite a document, or all."""
    if bool(question) + bool(document) + everything != 1:
        raise ConfigurationError("give one of --question, --document, --all")
    wanted = {"question": question, "document": document, "everything": everything}
    found = _call("DELETE", url, key, "", params={k: v for k, v in wanted.items() if v})
    common.say(f"{found['forgotten']} forgotten")


@app.command()
def wrong(conversation: Conversation, turn: Turn, url: Url = "", key: common.Key = "") -> None:
    """A cached answer did not fit: forget it, and judge what is near it more strictly."""
    body = {"conversation_id": conversation, "turn_id": turn}
    _call("POST", url, key, "/disputes", json=body)
    common.say("taken; the answer is gone in a moment")


@app.command()
def warm(url: Url = "", key: common.Key = "") -> None:
    """Answer the most asked questions ahead (CACHE_WARM_QUESTIONS of them)."""
    _call("POST", url, key, "/warm-up")
    common.say("taken; `cache show` lists the answers as they come")


def _call(method: str, url: str, key: str, path: str, **more: Any) -> dict[str, Any]:
    url = url or f"http://127.0.0.1:{port_of('cache', common.home())}"
    with common.client(url, common.key_of("admin", key)) as http:
        try:
            response = http.request(method, f"/v1/cache{path}", **more)
        except httpx.HTTPError as error:
            raise common.unreachable(url, error) from None
        try:
            found: dict[str, Any] = common.checked(response).json()
        except ValueError:
            raise Unavailable(f"what answers at {url} is not Switchboard's cache") from None
        return found
