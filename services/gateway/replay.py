"""For a client that comes back: what is stored when frames are gone, and turns left unanswered."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from services.gateway import core, frames
from services.gateway.clients import HistoryClient
from services.gateway.desk import Desk
from services.gateway.frames import Frame
from services.gateway.rooms import Key
from shared.errors import Transient


async def stored_frames(history: HistoryClient, key: Key) -> list[Frame]:
    """The stored messages of a conversation, as frames; empty while history is away."""
    return [frames.stored_frame(message) for message in await _messages(history, key)]


async def _messages(history: HistoryClient, key: Key) -> Sequence[Mapping[str, Any]]:
    try:
        found = await history.conversation(key)
    except Transient:
        return []
    messages: Sequence[Mapping[str, Any]] = (found or {}).get("messages", [])
    return messages


async def settle_pending(desk: Desk, key: Key) -> None:
    """Answer turns whose gateway died before their answer came: from history, or honestly."""
    now_ms = desk.clock.unix_ms()
    overdue = [
        turn_id
        for turn_id, deadline_ms in (await desk.conversations.pending_turns(key)).items()
        if deadline_ms < now_ms and desk.rooms.turn(key, turn_id) is None
    ]
    if not overdue or desk.broker.waits(key):
        return
    stored = {
        message.get("turn_id"): str(message.get("text", ""))
        for message in await _messages(desk.history, key)
        if message.get("role") in ("bot", "assistant")
    }
    mode = desk.policy.current.mode
    for turn_id in overdue:
        text = stored.get(turn_id)
        answer = core.degraded_answer(key[1], turn_id, text or core.LATE_TEXT, mode)
        await desk.delivery.send(
            key, frames.answer_frames(answer, "answer" if text else "deadline")
        )
    await asyncio.gather(
        *(desk.conversations.end_turn(key, turn_id) for turn_id in overdue if turn_id in stored)
    )
