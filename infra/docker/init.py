"""What a fresh installation in containers needs once; running it again changes nothing.

`python -m infra.docker.init keys /keys` · `… knowledge /keys http://gateway:8080`
"""

import os
import secrets
from pathlib import Path

import typer

from infra.local.credentials import ensure_keys, ensure_secret, read_keys
from infra.local.knowledge import Knowledge, missing, version_of

ARTICLES = Path("infra/sample_shop/articles")
INDEX_TIMEOUT_S = 600.0  # the first document waits for the worker to load its model

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def keys(folder: Path) -> None:
    """Make the keys, the cluster's secret and the passwords of the stores."""
    created = ensure_keys(folder / "keys.json")
    ensure_secret(folder / "secret.env")
    password = ensure_password(folder / "postgres-password", 0o600)
    # Read by asyncpg through PGPASSFILE; it insists on 0600. Nobody sees it in an environment.
    ensure_file(folder / "pgpass", f"*:*:*:switchboard:{password}\n", 0o600)
    ensure_password(folder / "grafana-password", 0o640)  # Grafana runs as a user of its own
    print(f"keys: {'created' if created else 'kept'} in the volume; to see them:")
    print("  docker compose exec gateway cat /keys/keys.json")


@app.command()
def knowledge(folder: Path, gateway_url: str) -> None:
    """Give the system the sample company's articles that it does not have yet."""
    shelf = Knowledge(gateway_url, read_keys(folder / "keys.json")["admin"])
    new = missing(shelf.listed(), ARTICLES)
    for name, body in new.items():
        shelf.put(name, body)
    wanted = {name: version_of(body) for name, body in new.items()}
    for done in shelf.wait_indexed(wanted, INDEX_TIMEOUT_S):
        print(f"knowledge: {done} of {len(wanted)} new articles indexed", flush=True)


def ensure_password(path: Path, mode: int) -> str:
    """The password in this file, made up on first start."""
    ensure_file(path, secrets.token_urlsafe(24), mode)
    return path.read_text()


def ensure_file(path: Path, text: str, mode: int) -> None:
    """Write the file unless it is there; whole or not at all, private from the first moment."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    unfinished.chmod(mode)
    unfinished.replace(path)


if __name__ == "__main__":
    app()
