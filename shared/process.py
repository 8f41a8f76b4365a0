"""A process: one or more hosts behind HTTP, from start to a clean stop on SIGTERM."""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)

import uvicorn
import uvloop
from fastapi import FastAPI

from shared.bus import open_bus
from shared.bus.port import Bus, TopicSpec
from shared.clock import SystemClock
from shared.codec import EVENT_BY_TOPIC
from shared.events import dead_letter_topic
from shared.identity import port_of
from shared.kv import open_kv
from shared.opening import Opening
from shared.runner import Host, Runtime
from shared.service import Service
from shared.settings import Settings
from shared.telemetry import configure_logging
from shared.web import install_health, install_problems

log = logging.getLogger(__name__)

OpenService = Callable[[Runtime], AbstractAsyncContextManager[Service]]
DEAD_LETTER_RETENTION_HOURS = 24 * 14  # long enough for a person to come back from a holiday


def topic_specs() -> list[TopicSpec]:
    """Every topic and its dead-letter twin, from the events themselves."""
    specs = []
    for event in EVENT_BY_TOPIC.values():
        specs.append(
            TopicSpec(
                event.topic,
                event.partitions,
                event.retention_hours,
                event.compacted,
                event.max_message_bytes,
            )
        )
        specs.append(
            TopicSpec(
                dead_letter_topic(event.topic),
                1,
                DEAD_LETTER_RETENTION_HOURS,
                max_message_bytes=2 * event.max_message_bytes,  # encrypted: 4/3 of the size
            )
        )
    return specs


@asynccontextmanager
async def opened_hosts(
    openers: Mapping[str, OpenService], settings: Settings, bus: Bus | None = None
) -> AsyncIterator[list[Host]]:
    """Open services on one shared bus and store, not yet started; stop them in reverse order."""
    async with AsyncExitStack() as stack:
        shared_bus = bus or open_bus(settings.bus_url, client_id="-".join(openers))
        kv = open_kv(settings.kv_url)
        stack.push_async_callback(kv.close)
        stack.push_async_callback(shared_bus.close)
        hosts = []
        for name, open_service in openers.items():
            runtime = Runtime.open(name, settings, shared_bus, kv, SystemClock())
            service = await stack.enter_async_context(open_service(runtime))
            hosts.append(Host(service, runtime))
            stack.push_async_callback(hosts[-1].stop)
        yield hosts


async def start_hosts(hosts: Sequence[Host]) -> None:
    """Make sure of the topics, then join the groups; the first service of the path comes last."""
    await hosts[0].create_topics(topic_specs())
    for host in reversed(hosts):
        await host.start()


def http_app(host: Host) -> FastAPI:
    """The service's API, or an empty one, with health and metrics."""
    app = host.service.api or FastAPI(title=f"Switchboard {host.service.name}")
    install_problems(app)
    install_health(
        app,
        ready=lambda: host.ready,
        details=lambda: {"service": host.service.name, "dependencies": host.dependencies},
    )
    return app


async def serve(openers: dict[str, OpenService], settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with opened_hosts(openers, settings) as hosts:
        servers = [_server(host, settings) for host in hosts]
        tasks: list[asyncio.Task[object]] = [asyncio.create_task(s.serve()) for s in servers]
        tasks.append(asyncio.create_task(stopping.wait()))
        starting = asyncio.create_task(start_hosts(hosts))
        await asyncio.wait([starting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()  # a service that cannot start ends the process with its reason
            log.info("ready: %s", ", ".join(openers))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks[:-1], return_exceptions=True)


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: `serve` decides when to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(host: Host, settings: Settings) -> uvicorn.Server:
    config = uvicorn.Config(
        Opening(http_app(host), lambda: host.ready, SystemClock()),
        host=settings.bind_host,
        port=port_of(host.service.name, settings),
        log_config=None,
        access_log=False,
        ws_max_size=64 * 1024,
        timeout_graceful_shutdown=5,
        lifespan="off",
    )
    return _Server(config)


def main(openers: Sequence[tuple[str, OpenService]], settings: Settings) -> None:
    """Entry point of a process."""
    configure_logging(settings.log_level)
    # Three services in one small process share one interpreter; a shorter switch interval keeps
    # a model's bookkeeping from holding up the loop.
    sys.setswitchinterval(0.002)
    uvloop.run(serve(dict(openers), settings))
