"""Tables of history. Everything is keyed by tenant first."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

conversations = Table(
    "history_conversations",
    metadata,
    Column("tenant_id", String(100), primary_key=True),
    Column("conversation_id", String(100), primary_key=True),
    Column("user_id", String(200), nullable=False),
    Column("locale", String(20), nullable=False),
    Column("created_unix_ms", BigInteger, nullable=False),
    Column("updated_unix_ms", BigInteger, nullable=False),
    Index("history_conversations_by_update", "tenant_id", "updated_unix_ms", "conversation_id"),
)

_OF_CONVERSATION = (
    ("tenant_id", "conversation_id"),
    ("history_conversations.tenant_id", "history_conversations.conversation_id"),
)

messages = Table(
    "history_messages",
    metadata,
    Column("tenant_id", String(100), primary_key=True),
    Column("conversation_id", String(100), primary_key=True),
    Column("message_id", String(200), primary_key=True),
    Column("role", String(10), nullable=False),
    Column("text", Text, nullable=False),
    Column("turn_id", String(100), nullable=False),
    Column("author", String(200), nullable=False),
    Column("origin", String(20), nullable=False),
    Column("tier", String(20), nullable=False),
    Column("mode", String(50), nullable=False),
    Column("route", String(30), nullable=False),
    Column("intent", String(100), nullable=False),
    Column("rule", String(100), nullable=False),
    Column("confidence", Float),
    Column("citations", JSON, nullable=False),
    Column("created_unix_ms", BigInteger, nullable=False),
    Column("sequence", Integer, nullable=False),
    ForeignKeyConstraint(*_OF_CONVERSATION, ondelete="CASCADE"),
)

feedback = Table(
    "history_feedback",
    metadata,
    Column("tenant_id", String(100), primary_key=True),
    Column("conversation_id", String(100), primary_key=True),
    Column("turn_id", String(100), primary_key=True),
    Column("given_unix_ms", BigInteger, primary_key=True),
    Column("rating", String(4), nullable=False),
    Column("comment", Text, nullable=False),
    ForeignKeyConstraint(*_OF_CONVERSATION, ondelete="CASCADE"),
)

tombstones = Table(
    "history_tombstones",
    metadata,
    Column("tenant_id", String(100), primary_key=True),
    Column("conversation_id", String(100), primary_key=True),
    Column("erased_unix_ms", BigInteger, nullable=False, index=True),
)
