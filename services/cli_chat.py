"""`switchboard chat`: the whole system in this process, in the terminal, without a broker."""

import asyncio
import fcntl
import logging
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from pydantic import SecretStr
from rich.console import Console

from infra.local.credentials import ensure_keys, ensure_secret, read_keys
from infra.local.knowledge import Document, articles, version_of
from services import cli_common as common
from services.cli_ask import source_lines, summary
from shared.errors import ConfigurationError, SwitchboardError, Unavailable
from shared.settings import Settings
from shared.telemetry import configure_logging

ARTICLES = common.ROOT / "infra" / "sample_shop" / "articles"
ANSWER_TIMEOUT_S = 60.0
READ_TIMEOUT_S = 300.0  # 80 articles take some seconds; a big folder on a slow machine, minutes
POLL_S = 0.1


def chat() -> None:
    """Talk to the whole system here, in one process: no broker, no Redis."""
    started_s = time.monotonic()
    settings = chat_settings(common.home())
    console = Console(highlight=False)
    with (
        only_one(settings.var_dir),
        logging_to(settings.var_dir / "chat.log", settings.log_level),
        suppress(KeyboardInterrupt),
        start_blocking_portal() as portal,
        ExitStack() as stack,
    ):
        # Nine services in one process share one interpreter, as in `shared.process.main`.
        sys.setswitchinterval(0.002)
        with console.status("starting nine services"):
            opening = portal.wrap_async_context_manager(opened_chat(settings))
            opened = stack.enter_context(opening)
        talk(portal, opened, console, time.monotonic() - started_s)


def chat_settings(base: Settings) -> Settings:
    """Settings of a system of its own under var/chat, with its keys made on first use."""
    var = (common.ROOT / base.var_dir / "chat").resolve()
    ensure_keys(var / "keys.json")
    embedder = re.sub(r"\W+", "-", base.embedder_url).strip("-")  # vectors of one do not fit others
    return Settings(
        bus_url="memory:",
        kv_url="memory:",
        vectors_url=f"edge:{var / f'vectors-{embedder}'}",
        database_url=f"sqlite+aiosqlite:///{var / 'switchboard.db'}",
        embedder_url=base.embedder_url,
        celery_broker_url="memory://",
        var_dir=var,
        bind_host=base.bind_host,
        base_port=0,
        log_level=base.log_level,
        cpu_threads=base.cpu_threads,
        secret_key=SecretStr(ensure_secret(var / "secret.env")),
        keys_file=var / "keys.json",
        default_tenant=base.default_tenant,
    )


@contextmanager
def only_one(var: Path) -> Iterator[None]:
    """Hold the folder: two systems in it would spoil each other's index."""
    with (var / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"another chat is open in {var}; close it first") from None
        yield


@contextmanager
def logging_to(path: Path, level: str) -> Iterator[None]:
    """Logs and warnings into a file of this run: the terminal is for talking."""
    with path.open("w") as file:
        configure_logging(level)
        logging.captureWarnings(True)
        handlers = [h for h in logging.getLogger().handlers if isinstance(h, logging.StreamHandler)]
        for handler in handlers:
            handler.setStream(file)
        try:
            yield
        finally:
            logging.captureWarnings(False)
            for handler in handlers:
                logging.getLogger().removeHandler(handler)


@dataclass
class Reading:
    """How far the articles are; `trouble` says why not further."""

    total: int = 0
    done: int = 0
    trouble: str = ""
    finished: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Chat:
    """A running system and one conversation with it."""

    gateway: httpx.AsyncClient
    widget_key: str
    reading: Reading
    conversation_id: str = ""

    async def ask(self, question: str) -> dict[str, Any]:
        """The answer's JSON, once all articles can be searched. Raises Unavailable."""
        await self.reading.finished.wait()
        body = {"message": question, "user_id": "terminal"}
        if self.conversation_id:
            body["conversation_id"] = self.conversation_id
        try:
            response = await self.gateway.post(
                "/v1/chat", json=body, headers={common.KEY_HEADER: self.widget_key}
            )
        except httpx.HTTPError as error:
            raise common.unreachable("the gateway", error) from None
        answer: dict[str, Any] = common.checked(response).json()
        self.conversation_id = str(answer["conversation_id"])
        return answer


@asynccontextmanager
async def opened_chat(settings: Settings, folder: Path = ARTICLES) -> AsyncIterator[Chat]:
    """All services started; the articles that changed are being read in the background."""
    from services.__main__ import opener
    from services.retrieval.handlers import Deps as RetrievalDeps
    from shared.process import http_app, opened_hosts, start_hosts
    from shared.service import NAMES

    openers = {name: opener(name) for name in NAMES}
    async with opened_hosts(openers, settings) as hosts:
        by_name = {host.service.name: host for host in hosts}
        transport = httpx.ASGITransport(http_app(by_name["gateway"]))
        await start_hosts(hosts)
        index = by_name["retrieval"].service.deps
        assert isinstance(index, RetrievalDeps)
        keys = read_keys(settings.var_dir / "keys.json")
        async with httpx.AsyncClient(
            transport=transport, base_url="http://gateway", timeout=ANSWER_TIMEOUT_S
        ) as gateway:
            tenant = settings.default_tenant
            wanted = {
                name: body
                for name, body in articles(folder)
                if await index.index.version(tenant, name) != version_of(body)
            }
            reading = Reading(len(wanted))
            task = asyncio.create_task(read_articles(gateway, keys["admin"], wanted, reading))
            try:
                yield Chat(gateway, keys["widget"], reading)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def read_articles(
    gateway: httpx.AsyncClient, admin_key: str, wanted: dict[str, Document], reading: Reading
) -> None:
    """Put documents in through the gateway and wait until each is searchable or refused."""
    headers = {common.KEY_HEADER: admin_key}
    try:
        for name, body in wanted.items():
            response = await gateway.put(f"/v1/documents/{name}", json=body, headers=headers)
            common.checked(response)
        async with asyncio.timeout(READ_TIMEOUT_S):
            while reading.done < reading.total:
                listed = common.checked(await gateway.get("/v1/documents", headers=headers)).json()
                states = [row["state"] for row in listed["documents"] if row["id"] in wanted]
                reading.done = sum(state != "pending" for state in states)
                refused = [row["id"] for row in listed["documents"] if row["state"] == "rejected"]
                reading.trouble = f"refused: {', '.join(refused)}" if refused else ""
                await asyncio.sleep(POLL_S)
    except (SwitchboardError, httpx.HTTPError, TimeoutError) as error:
        reading.trouble = f"not every article could be read: {error or 'it takes too long'}"
    finally:
        reading.finished.set()


def talk(portal: BlockingPortal, opened: Chat, console: Console, took_s: float) -> None:
    """Question and answer until Ctrl-D or Ctrl-C."""
    console.print(f"Switchboard, ready in {took_s:.1f} s. Ask the sample shop; Ctrl-D leaves.")
    while True:
        try:
            question = input("\nyou › ").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if not question:
            continue
        try:
            answer = _waited(portal, opened, question, console)
        except Unavailable as error:
            common.complain(str(error))
            continue
        common.say(f"\n{answer['answer']}")
        for line in source_lines(answer):
            common.say(line)
        console.print(
            f"\n{common.plain(summary(answer))}", style="dim", markup=False, soft_wrap=True
        )


def _waited(
    portal: BlockingPortal, opened: Chat, question: str, console: Console
) -> dict[str, Any]:
    reading = opened.reading
    pending = portal.start_task_soon(opened.ask, question)
    with console.status("thinking") as status:
        while not pending.done():
            if not reading.finished.is_set():
                status.update(f"reading the articles first: {reading.done} of {reading.total}")
            time.sleep(0.02)
    if reading.trouble:
        common.complain(reading.trouble)
        reading.trouble = ""
    answer: dict[str, Any] = pending.result()
    return answer
