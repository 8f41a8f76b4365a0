"""Knobs of safety."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Section


class SafetySettings(Section):
    """Screening and checking."""

    model_config = SettingsConfigDict(
        env_prefix="SAFETY_", env_file=".env", extra="ignore", frozen=True
    )

    min_confidence: float = Field(
        0.7, ge=0, le=1, description="drafts below go to a person (the reference design's 0.7)"
    )
    pii_threshold: float = Field(
        0.5, ge=0, le=1, description="score from which Presidio's finding is masked"
    )
    vault_ttl_s: float = Field(86_400, gt=0, description="how long originals can be revealed")
    analyzer_timeout_s: float = Field(2.0, gt=0, description="for one text")
    analyzer_queue: int = Field(64, ge=1, description="texts waiting; more is Overloaded")
    allow_names: str = Field(
        "Morrow,Morrow One,Morrow Mini,Morrow Grind,Morrow Scale,Morrow Club,Solo,Duo,Household",
        description="words that are never personal data: brand and product names, by comma",
    )
