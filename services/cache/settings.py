"""Knobs of the cache."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Section


class CacheSettings(Section):
    """Remembering answers."""

    model_config = SettingsConfigDict(
        env_prefix="CACHE_", env_file=".env", extra="ignore", frozen=True
    )

    ttl_s: float = Field(3600, gt=0, description="how long an answer is fresh")
    ttl_jitter: float = Field(0.1, ge=0, le=0.5, description="share of the TTL drawn at random")
    stale_s: float = Field(86_400, ge=0, description="kept so much longer for degraded modes")
    min_similarity: float = Field(
        0.30, ge=0, le=1, description="cosine from which a neighbour is a candidate at all"
    )
    candidates: int = Field(3, ge=1, le=50, description="neighbours the second check looks at")
    model_dir: Path | None = Field(
        Path("services/cache/model"),
        description="folder of the pair classifier that confirms candidates; empty: rules alone",
    )
    min_probability: float = Field(
        0.75, ge=0, le=1, description="chance, by the classifier, from which an answer is reused"
    )
    min_confidence: float = Field(
        0.5, ge=0, le=1, description="of an answer itself; weaker ones serve the same words alone"
    )
    verify_timeout_s: float = Field(0.5, gt=0, description="for the candidates of one question")
    verify_threads: int = Field(
        2, ge=1, description="candidates of one question that are checked at the same time"
    )
    verify_queue: int = Field(128, ge=1, description="questions waiting; more: not looked up")
    max_entries: int = Field(100_000, ge=1, description="per tenant; the least used make room")
    sweep_every_s: float = Field(15, gt=0, description="between steps that clear expired entries")
    flight_wait_s: float = Field(
        4.0, ge=0, description="longest wait for the first of identical questions; 0: nobody waits"
    )
    flight_followers: int = Field(
        24, ge=0, le=48, description="questions of one process that wait so; others go on alone"
    )
    flight_alone_s: float = Field(
        60, gt=0, description="so long nobody waits for a question that has no shareable answer"
    )
    audit_share: float = Field(
        0.01, ge=0, le=1, description="share of hits answered afresh aside, to estimate false hits"
    )
    audit_agreement: float = Field(
        0.80, ge=0, le=1, description="cosine from which two answers say the same"
    )
    warm_questions: int = Field(
        50, ge=0, le=1000, description="most asked questions kept warm; 0: none"
    )
    embed_timeout_s: float = Field(1.0, gt=0, description="for one question")
    embed_queue: int = Field(128, ge=1, description="questions waiting; more is Overloaded")
