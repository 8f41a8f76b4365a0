"""The gateway's small parts: boards, texts, limits."""

import pytest

from services.gateway import core
from services.gateway.boards import Owners
from services.gateway.limiter import Limiter
from services.gateway.schemas_documents import DocumentRequest
from shared.events import BOT, Answered, Escalated, OwnerChanged
from shared.tokens import conversation_token, internal_token


async def test_limits_count_in_process_while_redis_is_away() -> None:
    limiter = Limiter("redis://127.0.0.1:1/0", per_minute=2)
    allowed = [(await limiter.hit("morrow", "u")).allowed for _ in range(3)]
    assert allowed == [True, True, False]
    assert (await limiter.hit("other", "u")).allowed
    await limiter.close()


def changed(owner: str) -> OwnerChanged:
    return OwnerChanged(
        tenant_id="t", conversation_id="c", owner=owner, agent_name="Sam", changed_unix_ms=1
    )


def test_an_agent_owns_a_conversation_until_it_is_handed_back() -> None:
    owners = Owners()
    owners.post(changed("sam@x.example"))
    assert owners.owner("t", "c") == "sam@x.example"
    assert owners.owner("other", "c") == BOT
    owners.post(changed(BOT))
    assert owners.agent("t", "c") is None


def test_a_comment_leaves_without_personal_data() -> None:
    masked = core.masked_comment("I am at a.b@c.example or 12345678")
    assert "c.example" not in masked and "12345678" not in masked


@pytest.mark.parametrize(
    ("rule", "start"),
    [
        ("intent.ask_for_human", "Of course"),
        ("safety.low_confidence", "I would rather not guess"),
        ("failure.retrieval", "Something went wrong"),
        ("topic.fraud_report", "A person should look at this"),
        ("topic.account_deletion.confirmed", "Of course"),
        ("keywords.self_harm", "If you or someone else is in danger"),
    ],
)
def test_a_hand_over_says_why(rule: str, start: str) -> None:
    event = Escalated(
        tenant_id="t", conversation_id="c", turn_id="x", deadline_unix_ms=1, reason="", rule=rule
    )
    assert core.hand_over_text(event).startswith(start)


def test_danger_is_answered_with_the_emergency_number_whichever_way_it_went() -> None:
    event = Escalated(
        tenant_id="t",
        conversation_id="c",
        turn_id="1",
        deadline_unix_ms=1,
        reason="",
        rule="generation.hand_over",
        intent="self_harm",
    )
    assert core.hand_over_text(event).startswith(core.DANGER_TEXT)


@pytest.mark.parametrize("route", ["chitchat", "out_of_scope", "faq"])
def test_templates_are_all_faq_to_the_outside(route: str) -> None:
    event = Answered.model_validate(
        {"tenant_id": "t", "conversation_id": "c", "turn_id": "x", "deadline_unix_ms": 1}
        | {"text": "hi", "route": route, "origin": "faq"}
    )
    assert core.answer_of(event, 1).route == "faq"


def test_a_message_from_the_outbox_is_late_by_its_acceptance() -> None:
    event = Escalated(
        tenant_id="t",
        conversation_id="c",
        turn_id="x",
        accepted_unix_ms=1_000,
        deadline_unix_ms=99_000,
        reason="",
        rule="",
    )
    assert core.is_late(event, 12_000, deadline_s=10)
    assert not core.is_late(event, 10_000, deadline_s=10)


def test_a_title_is_found_where_authors_put_it() -> None:
    def title_of(content: str) -> str:
        given = DocumentRequest(content=content)
        return core.title_of(core.submission("t", "x", given, content.encode(), 1))

    assert title_of("---\ntitle: Returns\nlocale: en\n---\n\nText") == "Returns"
    assert title_of("Intro\n\n# Heading #\n") == "Heading"
    assert title_of("<html><title>Page</title>") == "Page"
    assert title_of("Just text") == ""


def test_tokens_of_conversations_tenants_and_purposes_differ() -> None:
    tokens = {
        conversation_token("s", "t", "c"),
        conversation_token("s", "t", "d"),
        conversation_token("s", "u", "c"),
        conversation_token("z", "t", "c"),
        internal_token("s"),
    }
    assert len(tokens) == 5
