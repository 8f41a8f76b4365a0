"""Wires escalation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from services.escalation import handlers
from services.escalation.adapters import SqlCases
from services.escalation.api import build_api
from services.escalation.board import ChangeBoard
from services.escalation.entrance import ApiDeps
from services.escalation.jobs import PURGE_EVERY_S, purge_once
from services.escalation.outbox import Outbox
from services.escalation.sessions import LoginLimit, Sessions
from services.escalation.settings import EscalationSettings
from shared.database import migrate, open_database
from shared.keys import KeyRing
from shared.periodic import Periodic
from shared.runner import Runtime
from shared.service import Service
from shared.settings import load
from shared.vault import Vault

MIGRATIONS = Path(__file__).parent / "migrations"


def _api_deps(
    runtime: Runtime, settings: EscalationSettings, cases: SqlCases, outbox: Outbox
) -> ApiDeps:
    ring, clock = KeyRing.open(runtime.settings), runtime.clock
    secret = runtime.settings.secret_key.get_secret_value()
    return ApiDeps(
        desk=cases,
        outbox=outbox,
        board=ChangeBoard(),
        keys=ring,
        sessions=Sessions(secret, ring, clock, settings.session_ttl_s),
        limit=LoginLimit(runtime.kv, clock, settings.login_attempts, settings.login_pause_s),
        policy=runtime.policy,
        clock=clock,
        sender=runtime.publisher,
        vault=Vault(runtime.kv, runtime.cipher),
        settings=settings,
    )


@asynccontextmanager
async def open_service(runtime: Runtime) -> AsyncIterator[Service]:
    """Escalation with its tables up to date; the outbox starts once the broker is there."""
    settings = load(EscalationSettings)
    database = open_database(runtime.settings.database_url)
    cases, sending = SqlCases(database), list[asyncio.Task[None]]()
    outbox = Outbox(database, runtime.publisher, settings.outbox_retry_s)
    purge = partial(purge_once, cases, settings.retention_days, runtime.clock)
    retention = Periodic("retention", purge, PURGE_EVERY_S)
    api = _api_deps(runtime, settings, cases, outbox)

    async def start() -> None:
        await retention.start()
        sending.append(asyncio.create_task(outbox.run()))

    async def stop() -> None:
        api.board.close()
        outbox.close()
        await asyncio.gather(retention.stop(), *sending)

    try:
        await migrate(database, MIGRATIONS, "escalation_version")
        yield Service(
            "escalation",
            handlers.Deps(cases, api.board, runtime.clock),
            handlers=handlers.HANDLERS,
            broadcast=handlers.BROADCAST,
            probes={"database": database.ping},
            api=build_api(api),
            start=start,
            stop=stop,
        )
    finally:
        await stop()
        await database.close()
