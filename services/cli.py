"""`switchboard`: the command line. `python -m services.cli` is the same.

Results go to stdout, progress and errors to stderr; with `--json` stdout holds JSON alone. Exit
code 1: something failed, and a line says what.
"""

import typer

from services import cli_cache, cli_dlq, cli_eval, cli_intents, cli_knowledge
from services import cli_common as common
from services.cli_ask import ask

app = typer.Typer(
    cls=common.Group,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals may hold keys and what customers typed
    help="Switchboard: support chat that answers from your documents.",
)
app.command()(ask)
app.add_typer(cli_knowledge.app, name="knowledge")
app.add_typer(cli_cache.app, name="cache")
app.add_typer(cli_intents.app, name="intents")
app.add_typer(cli_dlq.app, name="dlq")
app.add_typer(cli_eval.app, name="eval")


@app.command()
def chat() -> None:
    """Talk to the whole system here, in one process: no broker, no Redis."""
    from services import cli_chat

    cli_chat.chat()


@app.command()
def doctor() -> None:
    """What this machine lacks, and what to do. Exit code 1 when `make up` could not work."""
    from infra.local.__main__ import doctor as examine

    examine()


@app.command()
def docs() -> None:
    """Generate docs/flow.md and docs/asyncapi.yaml from the handlers' signatures."""
    from services.contracts import render

    common.home()
    for path, content in render().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        common.say(f"wrote {path}")


if __name__ == "__main__":
    app()
