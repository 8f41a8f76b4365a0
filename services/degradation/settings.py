"""Knobs of the degradation controller."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Section


class DegradationSettings(Section):
    """When something counts as down, and as back."""

    model_config = SettingsConfigDict(
        env_prefix="DEGRADATION_", env_file=".env", extra="ignore", frozen=True
    )

    doubt_s: float = Field(
        0.6, gt=0, description="silent for so long: see whether its port refuses connections"
    )
    silent_s: float = Field(3.0, gt=0, description="a service without a report for so long is dead")
    down_after_s: float = Field(1.0, ge=0, description="a trouble must last so long to count")
    up_after_s: float = Field(5.0, ge=0, description="a recovery must last so long to count")
    grace_s: float = Field(30.0, ge=0, description="after its own start, nobody is dead so long")
    answer_rules: str = Field(
        "",
        max_length=64,
        description="name of what may be answered; a new one leaves all cached answers behind",
    )
    forced_mode: str = Field("", description="keep this mode whatever health says; empty: off")
