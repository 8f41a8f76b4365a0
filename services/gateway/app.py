"""Wires the gateway."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from services.gateway import (
    api_chat,
    api_documents,
    api_page,
    api_records,
    api_socket,
    handlers,
)
from services.gateway.adapters import (
    Conversations,
    KeptAnswers,
    StoredAnswers,
)
from services.gateway.boards import Catalogue, Owners
from services.gateway.broker import Broker
from services.gateway.clients import HistoryClient, LibraryClient
from services.gateway.delivery import Delivery
from services.gateway.desk import Desk
from services.gateway.door import BodyLimit, Door
from services.gateway.limiter import Limiter
from services.gateway.outbox import Outbox
from services.gateway.presence import Presence
from services.gateway.rooms import Rooms
from services.gateway.settings import GatewaySettings
from services.gateway.turns import TurnDeps, Turns
from shared.answers import KeyValueExactAnswers
from shared.identity import port_of
from shared.ingestions import Ingestions
from shared.keys import KeyRing
from shared.runner import Runtime
from shared.service import Service
from shared.settings import load

_ABOUT = "Support chat that answers from a company's own documents, and hands over to people."
_EXPOSED = ["RateLimit", "RateLimit-Policy", "Retry-After"]
_JSON_ESCAPES = 2  # a document's JSON may be this much larger than the document


@dataclass(frozen=True)
class Parts:
    """What is opened before HTTP and handlers are built on it."""

    rooms: Rooms
    owners: Owners
    catalogue: Catalogue
    delivery: Delivery
    conversations: Conversations
    broker: Broker


def _parts(runtime: Runtime, settings: GatewaySettings) -> Parts:
    kv = runtime.kv
    rooms = Rooms()
    outbox = Outbox(
        runtime.settings.var_dir / "outbox",
        runtime.instance,
        runtime.cipher,
        settings.outbox_messages,
    )
    return Parts(
        rooms=rooms,
        owners=Owners(),
        catalogue=Catalogue(),
        delivery=Delivery(kv, rooms, ttl_s=settings.frames_ttl_s, max_frames=settings.max_frames),
        conversations=Conversations(
            kv,
            conversation_ttl_s=settings.conversation_ttl_s,
            context_ttl_s=settings.context_ttl_s,
            context_exchanges=settings.context_exchanges,
        ),
        broker=Broker(
            runtime.bus,
            runtime.publisher,
            outbox,
            runtime.clock,
            runtime.tracer,
            publish_timeout_s=settings.publish_timeout_s,
            probe_every_s=settings.probe_every_s,
            deadline_s=settings.deadline_s,
        ),
    )


def _desk(runtime: Runtime, settings: GatewaySettings, parts: Parts, stored: StoredAnswers) -> Desk:
    secret = runtime.settings.secret_key.get_secret_value()
    keys = KeyRing.from_file(runtime.settings.keys_path, runtime.settings.default_tenant)
    local = "http://127.0.0.1:{}".format
    history = settings.history_url or local(port_of("history", runtime.settings))
    retrieval = settings.retrieval_url or local(port_of("retrieval", runtime.settings))
    turn_deps = TurnDeps(
        settings=settings,
        rooms=parts.rooms,
        delivery=parts.delivery,
        conversations=parts.conversations,
        owners=parts.owners,
        catalogue=parts.catalogue,
        broker=parts.broker,
        stored=stored,
        policy=runtime.policy,
        tracer=runtime.tracer,
        clock=runtime.clock,
        instance=runtime.instance,
    )
    return Desk(
        settings=settings,
        door=Door(keys, secret),
        limiter=Limiter(runtime.settings.kv_url, settings.rate_per_minute),
        conversations=parts.conversations,
        rooms=parts.rooms,
        delivery=parts.delivery,
        turns=Turns(turn_deps),
        broker=parts.broker,
        presence=Presence(parts.broker, parts.owners, runtime.clock),
        catalogue=parts.catalogue,
        ingestions=Ingestions(runtime.kv),
        history=HistoryClient(history, secret, settings.history_timeout_s),
        library=LibraryClient(retrieval, secret, settings.history_timeout_s),
        policy=runtime.policy,
        clock=runtime.clock,
    )


def _api(desk: Desk, widget_key: str) -> FastAPI:
    app = FastAPI(
        title="Switchboard", version="1", description=_ABOUT, docs_url=None, redoc_url=None
    )
    settings = desk.settings
    routers: Sequence[object] = (
        api_chat.routes(desk),
        api_socket.routes(desk),
        api_documents.document_routes(desk),
        api_documents.knowledge_routes(desk),
        api_records.conversation_routes(desk),
        api_page.routes(widget_key),
    )
    for router in routers:
        app.include_router(router)  # type: ignore[arg-type]

    def limit_of(path: str) -> int:
        if path.startswith("/v1/documents"):
            return settings.max_document_bytes * _JSON_ESCAPES
        return settings.max_body_bytes

    app.add_middleware(BodyLimit, limit_of=limit_of)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins.split(","),
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=_EXPOSED,
    )
    return app


@asynccontextmanager
async def open_service(runtime: Runtime) -> AsyncIterator[Service]:
    """The gateway, with its outbox opened and its limits ready."""
    settings = load(GatewaySettings)
    parts = _parts(runtime, settings)
    stored = KeptAnswers(KeyValueExactAnswers(runtime.kv), parts.catalogue, runtime.policy)
    desk = _desk(runtime, settings, parts, stored)
    key_file = runtime.settings.keys_path
    deps = handlers.Deps(
        settings=settings,
        instance=runtime.instance,
        rooms=parts.rooms,
        delivery=parts.delivery,
        conversations=parts.conversations,
        owners=parts.owners,
        catalogue=parts.catalogue,
        stops=runtime.stops,
        clock=runtime.clock,
    )

    async def start() -> None:
        parts.broker.start()

    try:
        yield Service(
            "gateway",
            deps,
            broadcast=handlers.BROADCAST,
            replayed=handlers.REPLAYED,
            probes={"bus": runtime.bus.ping},
            api=_api(desk, json.loads(key_file.read_text())["widget_key"]),
            start=start,
        )
    finally:
        await desk.turns.close()
        await parts.broker.close()
        await desk.limiter.close()
        await desk.history.close()
        await desk.library.close()
