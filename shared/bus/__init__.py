"""Topics and who reads them. `open_bus(url)` picks the variant; nothing else does.

| URL | variant |
|---|---|
| `memory:` | in this process; the same promises, nothing on disk |
| `kafka://host:port[,host:port]` | kafka-python 3, the default |
| `kafka+rd://host:port[,…]` | confluent-kafka, for who needs the last milliseconds |
"""

from shared.bus.port import Bus, Message, Outgoing, Subscription, TopicSpec
from shared.errors import ConfigurationError

__all__ = ["Bus", "Message", "Outgoing", "Subscription", "TopicSpec", "open_bus"]


def open_bus(url: str, *, client_id: str = "switchboard") -> Bus:
    """The bus that `url` names. Raises ConfigurationError for any other scheme."""
    scheme, _, rest = url.partition(":")
    servers = rest.removeprefix("//")
    if scheme == "memory":
        from shared.bus.memory import MemoryBus

        return MemoryBus()
    if scheme == "kafka" and servers:
        from shared.bus.kafka import KafkaBus

        return KafkaBus(servers, client_id=client_id)
    if scheme == "kafka+rd" and servers:
        from shared.bus.confluent import ConfluentBus

        return ConfluentBus(servers, client_id=client_id)
    raise ConfigurationError(
        f"BUS_URL={url!r}: expected memory:, kafka://host:port or kafka+rd://host:port"
    )
