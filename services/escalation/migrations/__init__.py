"""Alembic migrations of escalation; run at start-up by `shared.database.migrate`."""
