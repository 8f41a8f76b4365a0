"""Every event and its topic, in the order a turn meets them. Read this first.

A turn is one question in and one answer out. Each event carries all that the next step needs, so no
service ever asks another. The happy path, top to bottom:

    Received → Screened → Missed → Routed → Grounded → Drafted (one per sentence) → Answered

and the ways off it: `Answered` early (cache hit, FAQ template, refusal), `Escalated` (a person
takes over), `Relayed` (a person already has it). Beside the path: what agents, documents, health
and policy have to say. Names are past participles: an event is a fact.

Adding a field with a default keeps the version in the topic; anything else makes a `.v2`.
"""

import base64
import uuid
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from shared.markdown import snippet_of
from shared.policy import Policy

Route = Literal["faq", "knowledge_base", "escalate_human", "chitchat", "out_of_scope"]
Origin = Literal["cache", "faq", "knowledge", "human", "degraded"]
Tier = Literal["small", "large", "extractive", "none"]

BOT = "bot"  # the owner of a conversation that no agent has taken over

WARM_UP = "warm-up"  # `shadow_of` of a question that is asked ahead of customers

TurnEventT = TypeVar("TurnEventT", bound="TurnEvent")

EVENT_NAMESPACE = uuid.UUID("6f1c3c0e-5a5b-5d7a-9d0c-73770ac4b0a4")


def _from_base64(value: object) -> object:
    return base64.b64decode(value) if isinstance(value, str) else value


Float32Bytes = Annotated[
    bytes,
    BeforeValidator(_from_base64),
    PlainSerializer(lambda raw: base64.b64encode(raw).decode(), return_type=str, when_used="json"),
]
"""A unit vector as little-endian float32 bytes; base64 in JSON, a quarter the size of a list."""


SNIPPET_CHARACTERS = 280  # three lines in the widget


class Event(BaseModel):
    """A fact on a topic. `event_id` is derived, so a repeated handler repeats its ids."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    topic: ClassVar[str]
    partitions: ClassVar[int] = 4
    retention_hours: ClassVar[int] = 24
    max_message_bytes: ClassVar[int] = 1_000_000
    compacted: ClassVar[bool] = False
    raw: ClassVar[bool] = False  # holds text that no screen has seen

    tenant_id: str

    @property
    def key(self) -> str:
        """What keeps its order: events of one key arrive as they were sent."""
        return self.tenant_id

    @property
    def event_id(self) -> str:
        """A UUID that depends only on what happened, never on when or where."""
        return str(uuid.uuid5(EVENT_NAMESPACE, f"{self.topic}|{self.identity()}"))

    def identity(self) -> str:
        """What makes two events of this type the same event."""
        return self.key


class Conversational(Event):
    """An event of one conversation; ordered within it."""

    conversation_id: str

    @property
    def key(self) -> str:
        return self.conversation_id


class Exchange(BaseModel):
    """One earlier question and its answer, both screened; the context of a follow-up."""

    model_config = ConfigDict(frozen=True)
    question: str
    answer: str
    offer: str = ""  # what the answer offered: a plain yes means this
    options: tuple[str, ...] = ()  # what it gave to choose from


class TurnEvent(Conversational):
    """The envelope that travels with a turn from door to door."""

    turn_id: str
    locale: str = "en"
    user_id: str = ""
    accepted_unix_ms: int = 0
    deadline_unix_ms: int
    reply_to: str = ""  # the gateway process that holds the client
    cache_control: Literal["", "no-cache", "no-store"] = ""
    knowledge_version: str = ""
    policy_version: str = ""  # `Policy.answer_version` when the turn began
    mode: str = "full"
    offer: str = ""  # "person", or "confirm:<topic>": what a plain yes to the answer accepts
    shadow_of: str = ""  # nobody waits: the turn it checks, or WARM_UP; ends in `Shadowed`
    timings_ms: dict[str, float] = Field(default_factory=dict)

    def identity(self) -> str:
        return self.turn_id

    def then(self, event_type: type[TurnEventT], **more: Any) -> TurnEventT:
        """The next event of this turn: every field both types have, plus `more`."""
        shared = event_type.model_fields.keys() & type(self).model_fields.keys()
        carried = {name: getattr(self, name) for name in shared}
        return event_type(**{**carried, **more})


class Received(TurnEvent):
    """A customer's message as typed. The only event with raw text; shortest retention."""

    topic = "turn.received.v1"
    raw = True
    retention_hours = 1

    text: str
    context: tuple[Exchange, ...] = ()
    owner: str = BOT


class Finding(BaseModel):
    """One piece of personal data that a placeholder stands for, e.g. `<EMAIL_1>`."""

    model_config = ConfigDict(frozen=True)
    placeholder: str
    kind: str


class Screened(TurnEvent):
    """Personal data is out, the text is judged harmless enough to go on."""

    topic = "turn.screened.v1"

    text: str
    fingerprint: str  # of the normalised text; the key of an exact match
    findings: tuple[Finding, ...] = ()
    flags: tuple[str, ...] = ()  # sensitive topics the screen saw, e.g. "self_harm"
    context: tuple[Exchange, ...] = ()


class Missed(Screened):
    """The cache had no answer. The embedding travels on, so nobody computes it again."""

    topic = "turn.missed.v1"

    embedding: Float32Bytes | None = None  # [384] float32, unit length; None: nobody could embed


class Routed(Missed):
    """The router chose a path. Only `knowledge_base` turns get this far."""

    topic = "turn.routed.v1"

    route: Route
    intent: str
    intent_confidence: float = Field(ge=0, le=1)


class Passage(BaseModel):
    """A piece of a document that may hold the answer."""

    model_config = ConfigDict(frozen=True)
    passage_id: str
    document_id: str
    document_version: str
    title: str
    heading: str = ""
    source: str = ""
    text: str
    score: float


class Citation(BaseModel):
    """What an answer leans on, as the customer may see it."""

    model_config = ConfigDict(frozen=True)
    document_id: str
    document_version: str
    passage_id: str = ""
    title: str
    source: str
    snippet: str
    score: float

    @classmethod
    def of(cls, passage: Passage) -> "Citation":
        """The citation of a passage, with the first words of it to look at."""
        return cls(
            document_id=passage.document_id,
            document_version=passage.document_version,
            passage_id=passage.passage_id,
            title=passage.title,
            source=passage.source,
            snippet=snippet_of(passage.text, SNIPPET_CHARACTERS),
            score=round(passage.score, 4),
        )


RELEVANT = 0.5  # of `answerable`: from here on, the passages more likely answer than not


class Grounded(Routed):
    """Passages that may answer, best first, and the probability that they do."""

    topic = "turn.grounded.v1"

    passages: tuple[Passage, ...] = ()
    answerable: float = Field(default=0.0, ge=0, le=1)
    resolved: str = ""  # a follow-up as it was searched, with what it leans on; else empty


class Drafted(TurnEvent):
    """One sentence of an answer that no check has let out yet."""

    topic = "turn.drafted.v1"

    part: int = 0
    last: bool = True
    text: str
    question: str
    context: tuple[Exchange, ...] = ()
    embedding: Float32Bytes | None = None
    fingerprint: str = ""
    personal: bool = False
    route: Route
    intent: str
    confidence: float = Field(ge=0, le=1)
    tier: Tier
    origin: Origin = "knowledge"
    passages: tuple[Passage, ...] = ()
    cited: tuple[str, ...] = ()  # passage ids this sentence leans on
    hand_over: str = ""  # the model's structured wish for a person, with its reason
    cost_usd: float = 0.0

    def identity(self) -> str:
        return f"{self.turn_id}|{self.part}"


class Answered(TurnEvent):
    """A part of an answer that may be shown; the last part is authoritative and holds the whole."""

    topic = "turn.answered.v1"

    part: int = 0
    last: bool = True
    text: str  # of this part; of the whole answer when `last`
    question: str = ""
    embedding: Float32Bytes | None = None
    fingerprint: str = ""
    route: Route
    intent: str = ""
    rule: str = ""  # for machines: why the router answered so; empty when documents did
    origin: Origin
    tier: Tier = "none"
    confidence: float = Field(default=1.0, ge=0, le=1)
    citations: tuple[Citation, ...] = ()
    similarity: float | None = None
    cacheable: bool = False
    stale: bool = False
    cost_usd: float = 0.0
    options: tuple[str, ...] = ()  # replies to choose from, each sent as it stands
    told: bool = False  # said by the gateway while the broker was away: only for the record

    def identity(self) -> str:
        return f"{self.turn_id}|{self.part}|{self.last}"


class Escalated(TurnEvent):
    """A person should take this conversation, and why."""

    topic = "turn.escalated.v1"
    retention_hours = 168

    reason: str  # for people: "The customer asked for a person."
    rule: str  # for machines: "intent.ask_for_human"
    question: str = ""
    draft: str = ""  # what the bot would have said
    summary: str = ""
    context: tuple[Exchange, ...] = ()
    intent: str = ""
    confidence: float = 0.0


class Shadowed(TurnEvent):
    """How a turn ended that no customer waits for: with an answer, or with none."""

    topic = "turn.shadowed.v1"

    question: str = ""
    answer: Answered | None = None  # None: a person would have been asked


class Relayed(TurnEvent):
    """A customer's screened message to the agent who has the conversation."""

    topic = "turn.relayed.v1"
    retention_hours = 168

    text: str
    owner: str


class TurnStopped(TurnEvent):
    """The customer does not want the rest of this answer."""

    topic = "turn.stopped.v1"


class CaseOpened(TurnEvent):
    """Escalation has a case for this conversation; the customer may be told where they stand."""

    topic = "case.opened.v1"

    case_id: str
    queue_position: int


class OwnerChanged(Conversational):
    """Who may speak in a conversation from now on: the bot or one named agent."""

    topic = "conversation.owner_changed.v1"
    compacted = True

    owner: str  # BOT or the agent's e-mail
    agent_name: str = ""
    case_id: str = ""
    changed_unix_ms: int

    def identity(self) -> str:
        return f"{self.conversation_id}|{self.owner}|{self.changed_unix_ms}"


class AgentReplied(Conversational):
    """An agent said something to the customer."""

    topic = "conversation.agent_replied.v1"
    retention_hours = 168

    message_id: str
    agent: str
    agent_name: str
    text: str
    sent_unix_ms: int
    reply_to: str = ""

    def identity(self) -> str:
        return self.message_id


class PresenceNoticed(Conversational):
    """One side of a conversation with a person types, or has read everything so far."""

    topic = "conversation.presence_noticed.v1"
    retention_hours = 1

    side: Literal["customer", "agent"]
    state: Literal["typing", "read"]
    agent_name: str = ""
    at_unix_ms: int

    def identity(self) -> str:
        return f"{self.conversation_id}|{self.side}|{self.state}|{self.at_unix_ms}"


class FeedbackGiven(Conversational):
    """A thumb up or down for one turn."""

    topic = "feedback.given.v1"
    retention_hours = 168

    turn_id: str
    rating: Literal["up", "down"]
    comment: str = ""  # screened before it is sent
    given_unix_ms: int

    def identity(self) -> str:
        return f"{self.turn_id}|{self.given_unix_ms}"


class AnswerDisputed(Conversational):
    """Somebody who knows says that a remembered answer did not fit this turn's question."""

    topic = "answer.disputed.v1"
    retention_hours = 168

    turn_id: str = ""
    question: str = ""  # as screened; names the turn where its id is not known
    disputed_by: str  # an agent's e-mail, or "admin"
    disputed_unix_ms: int

    def identity(self) -> str:
        return f"{self.conversation_id}|{self.turn_id or self.question}|{self.disputed_by}"


class ConversationErased(Conversational):
    """Everybody who keeps something about this conversation deletes it."""

    topic = "conversation.erased.v1"

    erased_unix_ms: int


class DocumentEvent(Event):
    """An event of one document; ordered within it."""

    document_id: str

    @property
    def key(self) -> str:
        return f"{self.tenant_id}/{self.document_id}"


class DocumentSubmitted(DocumentEvent):
    """An admin gave, replaced or withdrew a document. `content` is empty when withdrawn.

    Files that are no text travel as base64: what a file is, its content says later.
    """

    topic = "knowledge.submitted.v1"
    retention_hours = 168
    max_message_bytes = 16_000_000  # a 5 MiB document, escaped as JSON

    version: str  # of the content and what is said about it: `shared.documents.version_of`
    title: str = ""
    content: str = ""
    encoding: Literal["", "base64"] = ""  # of `content`
    media_type: str = "text/markdown"
    name: str = ""  # of the file, as people know it
    source: str = ""
    locale: str = "en"
    product: str = ""
    visibility: str = ""
    updated_unix_ms: int = 0  # the document's last change, as far as is known
    collection: str = ""  # the folder, archive or sitemap that it came with
    ingestion_id: str = ""  # the import it belongs to
    again: bool = False  # also when nothing changed
    withdrawn: bool = False
    submitted_unix_ms: int

    @property
    def content_bytes(self) -> bytes:
        """The file itself. Raises ValueError for base64 that is none."""
        if self.encoding == "base64":
            return base64.b64decode(self.content, validate=True)
        return self.content.encode()

    def identity(self) -> str:
        return f"{self.key}|{self.version}|{self.submitted_unix_ms}"


class PreparedChunk(BaseModel):
    """A piece of a document, ready to be indexed."""

    model_config = ConfigDict(frozen=True)
    text: str
    heading: str = ""
    vector: Float32Bytes  # [384] float32, unit length


class DocumentPrepared(DocumentEvent):
    """A background job has read, cut and embedded a document; `rejection` says why it could not."""

    topic = "knowledge.prepared.v1"
    max_message_bytes = 16_000_000

    version: str
    title: str = ""
    name: str = ""
    source: str = ""
    locale: str = "en"
    product: str = ""
    visibility: str = ""
    updated_unix_ms: int = 0
    collection: str = ""
    ingestion_id: str = ""
    chunks: tuple[PreparedChunk, ...] = ()
    rejection: str = ""
    submitted_unix_ms: int

    def identity(self) -> str:
        return f"{self.key}|{self.version}|{self.submitted_unix_ms}"


class KnowledgeChanged(DocumentEvent):
    """What became of a document. Compacted: the topic is the catalogue of what is indexed."""

    topic = "knowledge.changed.v1"
    compacted = True

    version: str
    title: str = ""
    name: str = ""
    source: str = ""
    locale: str = "en"
    product: str = ""
    visibility: str = ""
    updated_unix_ms: int = 0
    collection: str = ""
    ingestion_id: str = ""
    state: Literal["indexed", "rejected", "removed"]
    reason: str = ""  # of a rejection
    chunks: int = 0
    knowledge_version: str = ""  # of the tenant's whole knowledge after this change
    changed_unix_ms: int

    def identity(self) -> str:
        return f"{self.key}|{self.version}|{self.state}|{self.changed_unix_ms}"


class WarmUpRequested(Event):
    """The most asked questions of a tenant should have answers before somebody asks them."""

    topic = "cache.warm_up_requested.v1"
    partitions = 1

    requested_unix_ms: int

    def identity(self) -> str:
        return f"{self.tenant_id}|{self.requested_unix_ms}"


class HealthReported(Event):
    """What one process knows about itself and the things it leans on, once a second."""

    topic = "health.reported.v1"
    partitions = 1
    retention_hours = 1

    service: str
    instance: str
    dependencies: dict[str, bool] = Field(default_factory=dict)  # name → reachable
    handled: int = 0
    address: str = ""  # host:port that refuses connections once the process is dead
    reported_unix_ms: int

    @property
    def key(self) -> str:
        return self.service

    def identity(self) -> str:
        return f"{self.instance}|{self.reported_unix_ms}"


class PolicyChanged(Event):
    """The controller's word on how everybody works from now on. Compacted: the last one counts."""

    topic = "policy.changed.v1"
    partitions = 1
    compacted = True

    policy: Policy
    reason: str
    changed_unix_ms: int

    @property
    def key(self) -> str:
        return "policy"

    def identity(self) -> str:
        return f"{self.policy.mode}|{self.changed_unix_ms}"


TURN_PATH: tuple[type[TurnEvent], ...] = (Received, Screened, Missed, Routed, Grounded, Drafted)
"""The events that somebody is waiting behind; past the deadline they are late."""

ALL_EVENTS: tuple[type[Event], ...] = (
    *TURN_PATH,
    Answered,
    Escalated,
    Shadowed,
    Relayed,
    TurnStopped,
    CaseOpened,
    OwnerChanged,
    AgentReplied,
    PresenceNoticed,
    FeedbackGiven,
    AnswerDisputed,
    ConversationErased,
    DocumentSubmitted,
    DocumentPrepared,
    KnowledgeChanged,
    WarmUpRequested,
    HealthReported,
    PolicyChanged,
)


def dead_letter_topic(topic: str) -> str:
    """Where the messages of `topic` go that can never work."""
    return f"{topic}.dlq"
