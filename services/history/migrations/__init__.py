"""Alembic migrations of history; run at start-up by `shared.database.migrate`."""
