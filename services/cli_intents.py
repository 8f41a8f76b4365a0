"""`switchboard intents`: messages worth a label, and whether the router has drifted."""

import csv
import json
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from services import cli_common as common
from shared.errors import ConfigurationError, Unavailable
from shared.identity import port_of

app = typer.Typer(cls=common.Group, no_args_is_help=True, help="The router's own learning.")
Url = Annotated[str, typer.Option("--url", help="where the intent service listens, if not here")]
Target = Annotated[
    Path, typer.Argument(dir_okay=False, resolve_path=True, help="a CSV to label; written anew")
]
Labelled = Annotated[
    Path,
    typer.Argument(
        exists=True, dir_okay=False, resolve_path=True, help="CSV or JSONL: text, route, intent"
    ),
]
AT_ONCE = 500  # labels in one request
Clear = Annotated[bool, typer.Option("--clear", help="forget them afterwards")]
COLUMNS = ("text", "intent", "route", "guessed_intent", "guessed_route", "confidence")


@app.command()
def unsure(file: Target, clear: Clear = False, url: Url = "", key: common.Key = "") -> None:
    """Write the messages the model was unsure of, for people to label; then train on the file."""
    messages = _call("GET", url, key, "/unsure").json()["messages"]
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**each, "text": for_a_sheet(each["text"])} for each in messages)
    if clear:
        _call("DELETE", url, key, "/unsure")
    common.say(f"{len(messages)} messages in {file}")
    common.say(
        "fill in `intent` and `route`, delete the rest, then: make train-intent DATA=… OUT=…; "
        "`switchboard intents label FILE` has the model measured on them every week"
    )


@app.command()
def label(file: Labelled, url: Url = "", key: common.Key = "") -> None:
    """Send labelled messages back: the weekly look measures the model on them."""
    from services.intent.training.data import read

    try:
        rows = [row for row in read(file) if row.route]
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"{file}: {error}") from None
    if not rows:
        raise ConfigurationError(f"{file}: no row has a `route`")
    labels = [{"text": r.text, "route": r.route, "intent": r.intent or ""} for r in rows]
    for start in range(0, len(labels), AT_ONCE):
        _call("POST", url, key, "/labels", {"labels": labels[start : start + AT_ONCE]})
    common.say(f"{len(labels)} labelled messages taken")


@app.command()
def drift(url: Url = "", key: common.Key = "", as_json: common.AsJson = False) -> None:
    """What the latest weekly look found."""
    found: dict[str, Any] = _call("GET", url, key, "/drift").json()
    if as_json:
        common.say(json.dumps(found))
        return
    if found["week"] is None:
        common.say("no look yet; the first one is on Monday night")
        return
    index = "too few messages" if found["index"] is None else f"{found['index']:.3f}"
    accuracy = "no labels" if found["accuracy"] is None else f"{found['accuracy']:.1%}"
    common.say(f"week {found['week']}: stability index {index} (above 0.25: retrain)")
    common.say(f"route accuracy on {found['labelled']} labelled messages: {accuracy}")


def for_a_sheet(text: str) -> str:
    """A customer's words as a cell that no spreadsheet takes for a formula. Source: OWASP."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _call(method: str, url: str, key: str, path: str, body: object | None = None) -> httpx.Response:
    url = url or f"http://127.0.0.1:{port_of('intent', common.home())}"
    with common.client(url, common.key_of("admin", key)) as http:
        try:
            response = common.checked(http.request(method, f"/v1/intents{path}", json=body))
        except httpx.HTTPError as error:
            raise common.unreachable(url, error) from None
        if response.status_code != 204 and "json" not in response.headers.get("content-type", ""):
            raise Unavailable(f"what answers at {url} is not Switchboard's intent service")
        return response
