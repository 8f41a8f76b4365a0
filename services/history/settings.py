"""Knobs of history."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Section


class HistorySettings(Section):
    """How long transcripts live and how they are given out."""

    model_config = SettingsConfigDict(
        env_prefix="HISTORY_", env_file=".env", extra="ignore", frozen=True
    )

    retention_days: int = Field(
        90, ge=1, le=3650, description="a conversation is purged so long after its last message"
    )
    tombstone_days: int = Field(
        30, ge=8, le=3650, description="how long an erased id is refused; above topic retention"
    )
    purge_every_s: float = Field(3600.0, ge=1, description="pause between two purges")
    purge_batch: int = Field(500, ge=1, le=10_000, description="conversations per transaction")
    page_limit: int = Field(100, ge=1, le=1000, description="most conversations in one list")
