"""Tables of escalation. Everything is scoped by tenant."""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

_NOT_CLOSED = text("state <> 'closed'")
_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only INTEGER keys

cases = Table(
    "escalation_cases",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("tenant_id", String(100), nullable=False),
    Column("conversation_id", String(100), nullable=False),
    Column("turn_id", String(100), nullable=False),
    Column("reason", Text, nullable=False),
    Column("rule", String(100), nullable=False),
    Column("intent", String(100), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("summary", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("draft", Text, nullable=False),
    Column("locale", String(20), nullable=False),
    Column("user_id", String(200), nullable=False),
    Column("reply_to", String(200), nullable=False),
    Column("mode", String(50), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("opened_unix_ms", BigInteger, nullable=False),
    Column("updated_unix_ms", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),
    Column("agent", String(200), nullable=False),
    Column("agent_name", String(200), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("taken_unix_ms", BigInteger),
    Column("closed_unix_ms", BigInteger),
    Column("owner_changed_unix_ms", BigInteger, nullable=False),
    # The owner record: whatever a handler believes, a conversation has one open case.
    Index(
        "escalation_one_open_case",
        "tenant_id",
        "conversation_id",
        unique=True,
        sqlite_where=_NOT_CLOSED,
        postgresql_where=_NOT_CLOSED,
    ),
    Index("escalation_queue", "tenant_id", "state", "priority", "opened_unix_ms"),
)

messages = Table(
    "escalation_messages",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column(
        "case_id",
        ForeignKey("escalation_cases.case_id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("message_id", String(200), nullable=False),
    Column("role", String(10), nullable=False),
    Column("author", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Column("created_unix_ms", BigInteger, nullable=False),
    UniqueConstraint("case_id", "message_id", name="escalation_message_once"),
)

# Who did what and when; holds no customer text, so it outlives the case it speaks of.
audit = Table(
    "escalation_audit",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("tenant_id", String(100), nullable=False),
    Column("case_id", String(36), nullable=False, index=True),
    Column("agent", String(200), nullable=False),
    Column("action", String(50), nullable=False),
    Column("detail", String(300), nullable=False),
    Column("at_unix_ms", BigInteger, nullable=False),
)

# Written in the transaction that decides, sent after it: neither without the other.
outbox = Table(
    "escalation_outbox",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("topic", String(100), nullable=False),
    Column("value", Text, nullable=False),
)

tombstones = Table(
    "escalation_tombstones",
    metadata,
    Column("tenant_id", String(100), primary_key=True),
    Column("conversation_id", String(100), primary_key=True),
    Column("erased_unix_ms", BigInteger, nullable=False),
)
