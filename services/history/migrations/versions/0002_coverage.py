"""What coverage reports are made of."""

import sqlalchemy as sa
from alembic import op

revision = "history_0002"
down_revision = "history_0001"
branch_labels = None
depends_on = None


def _of_conversation() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "conversation_id"],
        ["history_conversations.tenant_id", "history_conversations.conversation_id"],
        ondelete="CASCADE",
    )


def upgrade() -> None:
    op.create_table(
        "history_questions",
        sa.Column("tenant_id", sa.String(length=100), nullable=False),
        sa.Column("conversation_id", sa.String(length=100), nullable=False),
        sa.Column("turn_id", sa.String(length=100), nullable=False),
        sa.Column("asked_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("answerable", sa.Float(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("embedding", sa.LargeBinary(), nullable=True),
        _of_conversation(),
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id", "turn_id"),
    )
    op.create_index(
        "history_questions_by_time", "history_questions", ["tenant_id", "asked_unix_ms"]
    )
    op.create_table(
        "history_uses",
        sa.Column("tenant_id", sa.String(length=100), nullable=False),
        sa.Column("conversation_id", sa.String(length=100), nullable=False),
        sa.Column("turn_id", sa.String(length=100), nullable=False),
        sa.Column("document_id", sa.String(length=128), nullable=False),
        sa.Column("used_unix_ms", sa.BigInteger(), nullable=False),
        _of_conversation(),
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id", "turn_id", "document_id"),
    )
    op.create_index("history_uses_by_time", "history_uses", ["tenant_id", "used_unix_ms"])
    op.create_table(
        "history_documents",
        sa.Column("tenant_id", sa.String(length=100), nullable=False),
        sa.Column("document_id", sa.String(length=128), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("is_indexed", sa.Boolean(), nullable=False),
        sa.Column("changed_unix_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "document_id"),
    )
    op.create_table(
        "history_reports",
        sa.Column("tenant_id", sa.String(length=100), nullable=False),
        sa.Column("week", sa.String(length=10), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "week"),
    )


def downgrade() -> None:
    op.drop_table("history_reports")
    op.drop_table("history_documents")
    op.drop_index("history_uses_by_time", table_name="history_uses")
    op.drop_table("history_uses")
    op.drop_index("history_questions_by_time", table_name="history_questions")
    op.drop_table("history_questions")
