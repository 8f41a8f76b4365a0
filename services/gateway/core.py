"""Pure decisions of the gateway: public answers from events, and the honest texts."""

import re
from collections.abc import Mapping, Sequence

from services.gateway.schemas import (
    ID_PATTERN,
    CacheOut,
    ChatAnswer,
    CitationOut,
    PublicRoute,
)
from services.gateway.schemas_documents import DocumentFacts, DocumentRequest
from shared.documents import version_of
from shared.events import (
    Answered,
    Citation,
    DocumentSubmitted,
    Escalated,
    Route,
    TurnEvent,
    TurnStopped,
)
from shared.keywords import route_by_keywords
from shared.screening import mask_by_rules

LATE_TEXT = (
    "I could not finish an answer in time. Your question is kept: if you leave this chat open, "
    "the answer will appear here as soon as I have it."
)
KEPT_TEXT = (
    "We have a technical problem at the moment, so I cannot answer straight away. Your message is "
    "kept safely: if you leave this chat open, the answer will appear here once we are back."
)
KEPT_FOR_PERSON_TEXT = (
    "We have a technical problem at the moment and I cannot reach my colleagues. Your message is "
    "kept safely, and a person gets it as soon as we are back."
)
DANGER_TEXT = "If you or someone else is in danger, please call your local emergency number now. "
_HAND_OVER_TEXTS = {
    "asked": "Of course. I am bringing in a colleague, who will answer you here.",
    "failure": (
        "Something went wrong on our side, so I am passing your question to a colleague, "
        "who will answer you here."
    ),
    "matter": (
        "A person should look at this, so I am passing it to a colleague, who will answer you here."
    ),
    "unsure": (
        "I would rather not guess, so I am passing your question to a colleague, "
        "who will answer you here."
    ),
}
_TITLE_WITHIN_CHARACTERS = 20_000
_VERSIONED = ("title", "source", "locale", "product", "visibility")
_ASKED = re.compile(
    r"ask_for_human|ask_for_person|keywords\.person|human|agent|bare_again|accepted|confirmed", re.I
)


_PUBLIC: Mapping[Route, PublicRoute] = {
    "faq": "faq",
    "knowledge_base": "knowledge_base",
    "escalate_human": "escalate_human",
    "chitchat": "faq",
    "out_of_scope": "faq",
}


def public_route(route: Route) -> PublicRoute:
    """The three routes of API v1; small talk and refusals are templates, like FAQ answers."""
    return _PUBLIC[route]


def citation_out(citation: Citation) -> CitationOut:
    """A source as the customer sees it."""
    return CitationOut(
        title=citation.title,
        source=citation.source,
        snippet=citation.snippet,
        score=round(citation.score, 4),
        document_id=citation.document_id,
        document_version=citation.document_version,
    )


def timings(event: TurnEvent, now_ms: int) -> dict[str, float]:
    """Time of each step, and from acceptance until now."""
    if not event.accepted_unix_ms:
        return dict(event.timings_ms)
    return {**event.timings_ms, "total": float(max(0, now_ms - event.accepted_unix_ms))}


def answer_of(event: Answered, now_ms: int, *, late: bool = False) -> ChatAnswer:
    """The public answer in an `Answered`."""
    return ChatAnswer(
        conversation_id=event.conversation_id,
        turn_id=event.turn_id,
        answer=event.text,
        citations=[citation_out(citation) for citation in event.citations],
        intent=event.intent,
        route=public_route(event.route),
        confidence=round(event.confidence, 4),
        origin=event.origin,
        tier=event.tier,
        mode=event.mode,
        timings_ms=timings(event, now_ms),
        cache=CacheOut(hit=event.origin == "cache", similarity=event.similarity),
        offer=event.offer.partition(":")[0] or None,
        options=list(event.options),
        late=late,
    )


def hand_over_text(event: Escalated) -> str:
    """What the customer is told when a person takes over."""
    if "self_harm" in f"{event.rule} {event.intent}":
        return DANGER_TEXT + _HAND_OVER_TEXTS["matter"]
    if event.rule.startswith("failure."):
        return _HAND_OVER_TEXTS["failure"]
    if _ASKED.search(event.rule):
        return _HAND_OVER_TEXTS["asked"]
    return _HAND_OVER_TEXTS["matter" if event.rule.startswith("topic.") else "unsure"]


def hand_over_of(event: Escalated, now_ms: int, *, late: bool = False) -> ChatAnswer:
    """The public answer of a turn that goes to a person."""
    return ChatAnswer(
        conversation_id=event.conversation_id,
        turn_id=event.turn_id,
        answer=hand_over_text(event),
        intent=event.intent,
        route="escalate_human",
        confidence=round(event.confidence, 4),
        origin="human",
        escalated=True,
        mode=event.mode,
        timings_ms=timings(event, now_ms),
        late=late,
    )


def degraded_answer(
    conversation_id: str, turn_id: str, text: str, mode: str, *, escalate: bool = False
) -> ChatAnswer:
    """An honest text in place of an answer."""
    return ChatAnswer(
        conversation_id=conversation_id,
        turn_id=turn_id,
        answer=text,
        route="escalate_human" if escalate else "knowledge_base",
        origin="degraded",
        mode=mode,
    )


def relayed_answer(conversation_id: str, turn_id: str, agent_name: str, mode: str) -> ChatAnswer:
    """What a customer's message gets while a person has the conversation."""
    return ChatAnswer(
        conversation_id=conversation_id,
        turn_id=turn_id,
        answer=f"{agent_name or 'A colleague'} has this conversation and will answer you here.",
        route="escalate_human",
        confidence=1.0,
        origin="human",
        escalated=True,
        mode=mode,
        relayed=True,
    )


def stopped_answer(event: TurnStopped, shown: str) -> ChatAnswer:
    """A turn that ends with what was shown of it."""
    return ChatAnswer(
        conversation_id=event.conversation_id,
        turn_id=event.turn_id,
        answer=shown,
        origin="knowledge",
        mode=event.mode,
        stopped=True,
    )


def kept_answer_text(text: str) -> tuple[str, bool]:
    """Keyword rules on a message that nobody can process now: what to say; is it for a person?"""
    verdict = route_by_keywords(text)
    if verdict.route != "escalate_human":
        return KEPT_TEXT, False
    danger = DANGER_TEXT if verdict.intent == "self_harm" else ""
    return danger + KEPT_FOR_PERSON_TEXT, True


def is_late(event: TurnEvent, now_ms: int, deadline_s: float) -> bool:
    """Whether the customer has already been given the deadline's text.

    Counted from acceptance: a message that waited in the outbox travels with a later deadline.
    """
    accepted_ms = event.accepted_unix_ms or event.deadline_unix_ms - deadline_s * 1000
    return now_ms > accepted_ms + deadline_s * 1000


def masked_comment(comment: str) -> str:
    """A comment without personal data that rules can see, and without any digit run left."""
    return re.sub(r"\d{4,}", "<NUMBER>", mask_by_rules(comment).text)


def shown_text(parts: Sequence[tuple[int, str]]) -> str:
    """The parts of an answer that were shown, in order."""
    return " ".join(text.strip() for _, text in sorted(parts))


def title_of(event: DocumentSubmitted) -> str:
    """A title to show until the document has been read; empty when there is none to see."""
    if event.title or event.encoding:
        return event.title or event.name
    start = event.content[:_TITLE_WITHIN_CHARACTERS]
    front = re.search(r"\A---\n.*?^title:\s*(.+?)\s*$.*?^---$", start, re.DOTALL | re.MULTILINE)
    found = (
        front
        or re.search(r"^#\s+(.+?)\s*#*$", start, re.MULTILINE)
        or re.search(r"<title[^>]*>(.+?)</title>", start, re.IGNORECASE | re.DOTALL)
    )
    return found.group(1).strip().strip("\"'")[:300] if found else event.name


def submission(
    tenant_id: str, document_id: str, given: DocumentRequest, content: bytes, now_ms: int
) -> DocumentSubmitted:
    """A document as an event; its version changes with its content and with what is said of it."""
    facts = given.model_dump(include=set(DocumentFacts.model_fields))
    said = {name: str(facts[name]) for name in _VERSIONED}
    return DocumentSubmitted(
        tenant_id=tenant_id,
        document_id=document_id,
        version=version_of(content, **said),
        content=given.content or given.content_base64,
        encoding="" if given.content else "base64",
        media_type=given.media_type,
        submitted_unix_ms=now_ms,
        **facts,
    )


def is_conversation_id(value: str) -> bool:
    """Whether a client may use this as the id of a conversation."""
    return re.fullmatch(ID_PATTERN, value) is not None
