"""Knobs of the gateway."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Section


class GatewaySettings(Section):
    """Limits at the door, waiting times, and what is kept for how long."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_", env_file=".env", extra="ignore", frozen=True
    )

    deadline_s: float = Field(
        10.0, gt=0, le=120, description="after it an honest text is sent instead of an answer"
    )
    rate_per_minute: int = Field(
        100, ge=1, le=1_000_000, description="messages of one user, conversation or address"
    )
    max_message_chars: int = Field(4000, ge=1, le=16_000, description="longest message")
    max_body_bytes: int = Field(65_536, ge=1024, description="largest request, documents aside")
    max_document_bytes: int = Field(5_242_880, ge=1024, description="largest document (5 MiB)")
    max_turns: int = Field(512, ge=1, description="questions in flight; more are told to come back")
    max_sockets: int = Field(2000, ge=1, description="open sockets of this process")
    max_sockets_per_user: int = Field(10, ge=1, description="open sockets of one user or address")
    max_frame_bytes: int = Field(32_768, ge=256, le=65_536, description="largest incoming frame")
    send_queue_frames: int = Field(256, ge=8, description="frames a slow client may lag behind")
    send_timeout_s: float = Field(10.0, gt=0, description="for one frame to a slow client")
    ping_every_s: float = Field(15.0, gt=0, description="comment in a silent event stream")
    frames_ttl_s: float = Field(600.0, gt=0, description="how long frames can be resumed")
    max_frames: int = Field(500, ge=10, description="frames kept per conversation")
    context_ttl_s: float = Field(86_400.0, gt=0, description="memory for follow-up questions")
    context_exchanges: int = Field(6, ge=0, le=50, description="exchanges of that memory")
    conversation_ttl_s: float = Field(
        90 * 86_400.0, gt=0, description="how long a conversation id cannot be claimed again"
    )
    publish_timeout_s: float = Field(1.5, gt=0, description="for the broker to take a question")
    probe_every_s: float = Field(1.0, gt=0, description="between looks for a broker that is away")
    outbox_messages: int = Field(10_000, ge=0, description="kept while the broker is away")
    history_url: str = Field("", description="history's API; empty: on this machine, by BASE_PORT")
    retrieval_url: str = Field(
        "", description="retrieval's API; empty: on this machine, by BASE_PORT"
    )
    history_timeout_s: float = Field(3.0, gt=0, description="for history and retrieval to answer")
    cors_origins: str = Field("*", description="sites that may embed the widget, by comma; *: any")
