"""Routing one question, on a told classifier and the shop's own templates and topics."""

import pytest

from services.intent import texts
from services.intent.handlers import forget, route
from shared import offers
from shared.errors import Transient
from shared.events import Answered, ConversationErased, Escalated, PolicyChanged, Routed
from shared.policy import Policy
from tests.services.intent.conversation import OFFERED, Told, World, exchange, missed, scored


@pytest.fixture
def world() -> World:
    return World()


async def test_a_person_is_offered_once_and_the_second_wish_is_granted(world: World) -> None:
    first = await route(missed("agent"), world.deps)
    assert isinstance(first, Answered)
    assert (first.offer, first.options) == ("person", (offers.ACCEPT, offers.DECLINE))
    again = await route(missed("agent"), world.deps)  # the same turn, redelivered
    assert again == first
    second = await route(missed("agent", turn="2"), world.deps)
    assert isinstance(second, Escalated) and second.rule == "words.bare_again"


async def test_the_click_on_an_offer_hands_over(world: World) -> None:
    event = await route(missed(offers.ACCEPT, OFFERED), world.deps)
    assert isinstance(event, Escalated)
    event = await route(missed(offers.DECLINE, OFFERED), world.deps)
    assert isinstance(event, Answered) and event.text == texts.DECLINED


async def test_anger_that_lasts_is_answered_with_an_offer_under_it(world: World) -> None:
    angry = scored("knowledge_base", 0.9, "order_problem", frustration=0.9)
    world.told = Told({"WHERE IS IT": angry, "still nothing!!": angry})
    before = exchange("WHERE IS IT")
    event = await route(missed("still nothing!!", before), world.deps)
    assert isinstance(event, Routed) and event.offer == "person"
    event = await route(missed("still nothing!!", before, turn="2"), world.deps)
    assert isinstance(event, Routed) and not event.offer


async def test_an_angry_question_with_a_template_gets_answer_and_offer(world: World) -> None:
    angry = scored(frustration=0.9)
    world.told = Told({"WHEN ARE YOU OPEN": angry, "hello???": angry})
    event = await route(missed("WHEN ARE YOU OPEN", exchange("hello???")), world.deps)
    assert isinstance(event, Answered) and "Monday to Saturday" in event.text
    assert event.text.endswith(offers.LINE) and event.options == offers.OPTIONS


async def test_a_pick_by_number_or_by_a_word_is_answered(world: World) -> None:
    world.told.otherwise = scored("knowledge_base", 0.9)
    asked = exchange("cancel", "Which?", options=("Cancel an order", "Cancel Morrow Club"))
    for pick in ("2", "the second one", "the club"):
        event = await route(missed(pick, asked), world.deps)
        assert isinstance(event, Answered) and event.intent == "cancel_club"
    assert isinstance(await route(missed("both", asked), world.deps), Routed)


async def test_without_the_classifier_a_yes_is_still_a_yes(world: World) -> None:
    world.policy.post(
        PolicyChanged(tenant_id="-", policy=Policy(classify=False), reason="", changed_unix_ms=1)
    )
    event = await route(missed("yes please", OFFERED), world.deps)
    assert isinstance(event, Escalated) and event.rule == "offer.accepted"
    event = await route(missed("x", flags=("account_deletion",)), world.deps)
    assert isinstance(event, Answered) and event.offer == "confirm:account_deletion"


async def test_a_shadow_turn_takes_nobodys_offer(world: World) -> None:
    await route(missed("agent", shadow_of="0"), world.deps)
    assert isinstance(await route(missed("agent"), world.deps), Answered)


async def test_calm_messages_cost_one_look(world: World) -> None:
    await route(missed("When are you open?", exchange("Hello")), world.deps)
    assert world.told.asked == ["When are you open?"]


async def test_a_confirmed_deletion_goes_to_a_person_with_what_was_asked(world: World) -> None:
    event = await route(missed("Delete my account", flags=("account_deletion",)), world.deps)
    assert isinstance(event, Answered)
    assert event.offer == "confirm:account_deletion" and "cannot be undone" in event.text
    asked = exchange("Delete my account", event.text, event.offer)
    handed = await route(missed(texts.CONFIRM_YES, asked, turn="2"), world.deps)
    assert isinstance(handed, Escalated)
    assert "Delete my account" in handed.reason and handed.intent == "account_deletion"


async def test_close_intents_become_buttons_and_the_pick_is_answered(world: World) -> None:
    ranking = (("return_cost", 0.46), ("return_window", 0.40))
    world.told = Told(
        otherwise=scored(intent="return_cost", intent_confidence=0.46, ranking=ranking)
    )
    asked = await route(missed("what about returns"), world.deps)
    assert isinstance(asked, Answered) and len(asked.options) == 2
    world.told.otherwise = scored("out_of_scope", 0.99)
    picked = await route(missed(asked.options[1].upper() + "?", turn="2"), world.deps)
    assert isinstance(picked, Answered) and picked.intent == "return_window"
    assert "30 days" in picked.text


async def test_a_template_that_asks_back_offers_its_answers(world: World) -> None:
    world.told.otherwise = scored(intent="cancel_unclear")
    event = await route(missed("cancel"), world.deps)
    assert isinstance(event, Answered) and len(event.options) == 2
    assert "order" in event.options[0].lower()


async def test_unsure_messages_wait_for_a_label_and_are_bounded(world: World) -> None:
    world.told.otherwise = scored("faq", 0.3)
    for number in range(5):
        await route(missed(f"hm {number}", turn=str(number)), world.deps)
    await route(missed("hm 9", turn="9", shadow_of="8"), world.deps)  # nobody wrote that
    kept = await world.unsure.read("t")
    assert [row.text for row in kept] == ["hm 2", "hm 3", "hm 4"]
    assert (kept[0].guessed_intent, kept[0].confidence) == ("opening_hours", 0.3)
    await world.unsure.clear("t")
    assert await world.unsure.read("t") == []


async def test_an_erased_conversation_leaves_no_message_to_label(world: World) -> None:
    world.told.otherwise = scored("faq", 0.3)
    await route(missed("mine", turn="1"), world.deps)
    await route(missed("theirs", turn="2", conversation_id="other"), world.deps)
    erased = ConversationErased(tenant_id="t", conversation_id="c", erased_unix_ms=1)
    await forget(erased, world.deps)
    assert [row.text for row in await world.unsure.read("t")] == ["theirs"]
    await forget(erased, world.deps)  # delivered again
    assert [row.text for row in await world.unsure.read("t")] == ["theirs"]


async def test_without_the_classifier_words_decide(world: World) -> None:
    world.told.trouble = Transient("too slow")
    assert isinstance(await route(missed("What is it?"), world.deps), Routed)
    assert isinstance(await route(missed("I want to talk to a human"), world.deps), Escalated)
