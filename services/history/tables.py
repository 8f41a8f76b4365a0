"""Tables of history. Everything is keyed by tenant first."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
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

# What coverage reports are made of. Text and embedding only where no passage answers.
questions = Table(
    "history_questions",
    metadata,
    Column("tenant_id", String(100), primary_key=True),
    Column("conversation_id", String(100), primary_key=True),
    Column("turn_id", String(100), primary_key=True),
    Column("asked_unix_ms", BigInteger, nullable=False),
    Column("answerable", Float, nullable=False),
    Column("text", Text, nullable=False),
    Column("embedding", LargeBinary),  # [dimensions] float16, unit length
    ForeignKeyConstraint(*_OF_CONVERSATION, ondelete="CASCADE"),
    Index("history_questions_by_time", "tenant_id", "asked_unix_ms"),
)

uses = Table(
    "history_uses",
    metadata,
    Column("tenant_id", String(100), primary_key=True),
    Column("conversation_id", String(100), primary_key=True),
    Column("turn_id", String(100), primary_key=True),
    Column("document_id", String(128), primary_key=True),
    Column("used_unix_ms", BigInteger, nullable=False),
    ForeignKeyConstraint(*_OF_CONVERSATION, ondelete="CASCADE"),
    Index("history_uses_by_time", "tenant_id", "used_unix_ms"),
)

documents = Table(
    "history_documents",
    metadata,
    Column("tenant_id", String(100), primary_key=True),
    Column("document_id", String(128), primary_key=True),
    Column("title", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("is_indexed", Boolean, nullable=False),
    Column("changed_unix_ms", BigInteger, nullable=False),
)

reports = Table(
    "history_reports",
    metadata,
    Column("tenant_id", String(100), primary_key=True),
    Column("week", String(10), primary_key=True),  # ISO, e.g. 2026-W48
    Column("report", JSON, nullable=False),
)
