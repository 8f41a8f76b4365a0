"""History as it began."""

import sqlalchemy as sa
from alembic import op

revision = "history_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "history_conversations",
        sa.Column("tenant_id", sa.String(length=100), nullable=False),
        sa.Column("conversation_id", sa.String(length=100), nullable=False),
        sa.Column("user_id", sa.String(length=200), nullable=False),
        sa.Column("locale", sa.String(length=20), nullable=False),
        sa.Column("created_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_unix_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id"),
    )
    op.create_index(
        "history_conversations_by_update",
        "history_conversations",
        ["tenant_id", "updated_unix_ms", "conversation_id"],
        unique=False,
    )
    op.create_table(
        "history_tombstones",
        sa.Column("tenant_id", sa.String(length=100), nullable=False),
        sa.Column("conversation_id", sa.String(length=100), nullable=False),
        sa.Column("erased_unix_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id"),
    )
    op.create_index(
        op.f("ix_history_tombstones_erased_unix_ms"),
        "history_tombstones",
        ["erased_unix_ms"],
        unique=False,
    )
    op.create_table(
        "history_feedback",
        sa.Column("tenant_id", sa.String(length=100), nullable=False),
        sa.Column("conversation_id", sa.String(length=100), nullable=False),
        sa.Column("turn_id", sa.String(length=100), nullable=False),
        sa.Column("given_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("rating", sa.String(length=4), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            ["history_conversations.tenant_id", "history_conversations.conversation_id"],
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id", "turn_id", "given_unix_ms"),
    )
    op.create_table(
        "history_messages",
        sa.Column("tenant_id", sa.String(length=100), nullable=False),
        sa.Column("conversation_id", sa.String(length=100), nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("turn_id", sa.String(length=100), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("origin", sa.String(length=20), nullable=False),
        sa.Column("tier", sa.String(length=20), nullable=False),
        sa.Column("mode", sa.String(length=50), nullable=False),
        sa.Column("route", sa.String(length=30), nullable=False),
        sa.Column("intent", sa.String(length=100), nullable=False),
        sa.Column("rule", sa.String(length=100), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("citations", sa.JSON(), nullable=False),
        sa.Column("created_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            ["history_conversations.tenant_id", "history_conversations.conversation_id"],
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id", "message_id"),
    )


def downgrade() -> None:
    op.drop_table("history_messages")
    op.drop_table("history_feedback")
    op.drop_index(op.f("ix_history_tombstones_erased_unix_ms"), table_name="history_tombstones")
    op.drop_table("history_tombstones")
    op.drop_index("history_conversations_by_update", table_name="history_conversations")
    op.drop_table("history_conversations")
