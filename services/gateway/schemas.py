"""What goes over HTTP, with examples. Unknown fields of a request are ignored."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.events import Origin, Tier

ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
PublicRoute = Literal["faq", "knowledge_base", "escalate_human"]

_CONVERSATION = "0b6cbb5e-8f2b-4a6e-9f0e-2d9c6a1f7c11"
_TURN = "7f3f9b0a-52c1-4f0e-8a39-6f0d3c1b2a55"


class ChatRequest(BaseModel):
    """A question."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"message": "How long can I return an item?"}]}
    )
    message: str = Field(min_length=1, description="1 to 4000 characters")
    conversation_id: str | None = Field(None, pattern=ID_PATTERN, description="none: a new one")
    user_id: str | None = Field(None, max_length=128, description="the limit counts per user")
    locale: str = Field("en", min_length=2, max_length=16)


class CitationOut(BaseModel):
    """A source of an answer."""

    title: str
    source: str
    snippet: str
    score: float
    document_id: str = ""
    document_version: str = ""


class CacheOut(BaseModel):
    """Whether the answer had been given before, and how alike the questions are (cosine)."""

    hit: bool = False
    similarity: float | None = None


class ChatAnswer(BaseModel):
    """The final answer of a turn; an `answer` frame holds the same fields."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "conversation_id": _CONVERSATION,
                    "turn_id": _TURN,
                    "answer": "You can return unused items within 30 days of delivery.",
                    "citations": [
                        {
                            "title": "Return an item",
                            "source": "https://morrow.example/help/return-an-item",
                            "snippet": "You can return unused items within 30 days of delivery.",
                            "score": 0.82,
                            "document_id": "return-an-item",
                            "document_version": "3f1c9a0be2d45c11",
                        }
                    ],
                    "intent": "return_window",
                    "route": "knowledge_base",
                    "confidence": 0.91,
                    "origin": "knowledge",
                    "tier": "extractive",
                    "escalated": False,
                    "mode": "full",
                    "timings_ms": {"screen": 6.1, "route": 5.2, "retrieve": 31.0, "total": 88.4},
                    "cache": {"hit": False, "similarity": None},
                    "offer": None,
                    "options": [],
                    "stopped": False,
                    "late": False,
                    "relayed": False,
                }
            ]
        }
    )
    conversation_id: str
    turn_id: str
    answer: str
    citations: list[CitationOut] = Field(default_factory=list)
    intent: str = ""
    route: PublicRoute = "knowledge_base"
    confidence: float = 0.0
    origin: Origin = "degraded"
    tier: Tier = "none"
    escalated: bool = False
    mode: str = "full"
    timings_ms: dict[str, float] = Field(default_factory=dict)
    cache: CacheOut = Field(default_factory=CacheOut)
    offer: str | None = Field(
        None, description="`person` or `confirm`: answering yes brings in a colleague"
    )
    options: list[str] = Field(
        default_factory=list, description="replies to choose from; send one as `message`"
    )
    stopped: bool = Field(False, description="the customer stopped it; `answer` is what was shown")
    late: bool = Field(False, description="came after the deadline's text")
    relayed: bool = Field(False, description="a person has the conversation and got the message")


class ChatResponse(ChatAnswer):
    """An answer, and on the first one of a conversation the token to read it again."""

    conversation_token: str | None = None


class StopResponse(BaseModel):
    """The rest of the turn is not wanted any more."""

    turn_id: str
    stopping: bool = True


class FeedbackRequest(BaseModel):
    """A thumb."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"turn_id": _TURN, "rating": "up", "comment": "Clear, thank you."}]
        }
    )
    turn_id: str = Field(max_length=64)
    rating: Literal["up", "down"]
    comment: str = Field("", max_length=2000, description="personal data in it is masked")


class Accepted(BaseModel):
    """Taken, and on its way."""

    status: Literal["accepted"] = "accepted"


class ProblemOut(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"type": "about:blank", "title": "Too many messages", "status": 429}]
        },
    )
    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of the errors an operation may answer with."""
    meaning = {
        400: "Not understood",
        401: "The key is missing or unknown",
        403: "The token is missing or wrong",
        404: "Unknown",
        413: "Too large",
        422: "Not valid",
        429: "Too many messages of one user; see Retry-After and RateLimit",
        503: "Overloaded or cut off for a moment; see Retry-After",
    }
    content = {"application/problem+json": {"schema": ProblemOut.model_json_schema()}}
    return {status: {"description": meaning[status], "content": content} for status in statuses}
