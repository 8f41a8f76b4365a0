"""Messages that people have labelled: what the weekly look measures the model on."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from shared.fingerprint import fingerprint
from shared.kv.port import KeyValue

MOST = (
    5_000  # of each tenant; the oldest go first. The labelled file itself is for its owner to keep
)
KEEP_S = 365 * 86_400.0


@dataclass(frozen=True)
class Label:
    """A screened message and the route that a person says is right."""

    text: str
    route: str
    intent: str = ""


class LabelLog:
    """The latest labels of each tenant. Calls raise Unavailable."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    async def add(self, tenant_id: str, labels: Sequence[Label]) -> None:
        """Keep labels; the same one again changes nothing, another one for a text replaces it."""
        known = await self._by_text(tenant_id)
        given = {fingerprint(label.text): label for label in labels}
        items = {
            f"{name}:{uuid.uuid4()}": json.dumps(asdict(label)).encode()
            for name, label in given.items()
            if known.get(name) != label
        }
        if items:
            await self._kv.append_once(_key(tenant_id), items, ttl_s=KEEP_S, max_items=MOST)

    async def read(self, tenant_id: str) -> Sequence[Label]:
        """One label for each text, the last that was given."""
        return list((await self._by_text(tenant_id)).values())

    async def _by_text(self, tenant_id: str) -> dict[str, Label]:
        rows = await self._kv.read_after(_key(tenant_id), 0)
        labels = [Label(**json.loads(value)) for _, value in rows]
        return {fingerprint(label.text): label for label in labels}


def _key(tenant_id: str) -> str:
    return f"labels:{tenant_id}"
