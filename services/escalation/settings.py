"""Knobs of escalation."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Section


class EscalationSettings(Section):
    """Cases and the dashboard."""

    model_config = SettingsConfigDict(
        env_prefix="ESCALATION_", env_file=".env", extra="ignore", frozen=True
    )

    session_ttl_s: int = Field(
        12 * 3600, ge=60, le=7 * 86_400, description="an agent logs in again after so long"
    )
    login_attempts: int = Field(
        5, ge=1, le=100, description="wrong passwords per e-mail and address before a pause"
    )
    login_pause_s: int = Field(900, ge=1, le=86_400, description="length of that pause")
    reply_max_chars: int = Field(4000, ge=1, le=20_000, description="longest reply of an agent")
    page_limit: int = Field(100, ge=1, le=500, description="most cases in one list")
    secure_cookie: bool = Field(
        False, description="send the session over HTTPS only; set behind a TLS proxy"
    )
    retention_days: int = Field(
        90, ge=1, le=3650, description="a closed case is purged so long after its closing"
    )
    outbox_retry_s: float = Field(
        1.0, gt=0, le=60, description="pause before sending again while the broker is away"
    )
