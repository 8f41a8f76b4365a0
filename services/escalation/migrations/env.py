"""Alembic's entry point."""

from services.escalation.tables import metadata
from shared.database import run_migrations

run_migrations(metadata)
