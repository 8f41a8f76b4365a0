"""The page as a customer meets it, in headless Chromium."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser


def ask(page: Page, text: str) -> None:
    page.get_by_label("Your question").fill(text)
    page.keyboard.press("Enter")


def test_an_answer_comes_with_its_source(page: Page) -> None:
    ask(page, "How long can I return an item?")
    expect(page.get_by_role("button", name="Stop the answer")).to_be_visible()
    source = page.locator("details.source")
    expect(source).to_have_count(1)
    source.locator("summary").click()
    link = source.get_by_role("link")
    expect(link).to_have_attribute("href", "https://morrow.example/help/return-an-item")
    page.get_by_role("button", name="Yes, helpful").last.click()
    expect(page.get_by_text("Thank you for telling us.")).to_be_visible()
    expect(link).to_be_visible()


def test_a_person_joins_and_speaks(page: Page) -> None:
    page.get_by_role("button", name="Talk to a person").click()
    expect(page.get_by_text("You are number 2 in the queue.")).to_be_visible()
    expect(page.get_by_text("Sam has joined the chat.")).to_be_visible()
    expect(page.locator("article.agent")).to_contain_text("this is Sam")
    ask(page, "It leaks")
    expect(page.locator("article.agent").last).to_contain_text("I see: It leaks")
    expect(page.locator("article.bot")).to_have_count(2)  # the greeting and the hand-over


@pytest.mark.parametrize("width", [1280, 390])
def test_an_offer_is_taken_with_a_click_and_then_gone(
    browser: Browser, base_url: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844})
    page = context.new_page()
    page.goto(base_url)
    page.get_by_role("button", name="Ask us").click()
    ask(page, "agent")
    offer = page.get_by_role("group", name="Choose an answer")
    expect(offer.get_by_role("button")).to_have_text(["Talk to a person", "No, thanks"])
    for button in offer.get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None and box["height"] >= 24  # WCAG 2.2, success criterion 2.5.8
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
    offer.get_by_role("button", name="Talk to a person").click()
    expect(page.get_by_text("You are number 2 in the queue.")).to_be_visible()
    expect(offer).to_have_count(0)
    # Where the buttons were: not lost at the top of the page, and no phone's keyboard comes up.
    assert page.evaluate("document.activeElement.localName") == "switchboard-chat"
    context.close()


def test_a_choice_is_made_by_keyboard_and_outlives_a_reload(page: Page) -> None:
    ask(page, "cancel")
    choices = page.get_by_role("group", name="Choose an answer").get_by_role("button")
    expect(choices).to_have_count(3)
    page.reload()
    page.get_by_role("button", name="Ask us").click()
    choices.nth(1).focus()
    page.keyboard.press("Enter")
    expect(page.locator("article.bot").last).to_contain_text("You said: Cancel Morrow Club")
    expect(choices).to_have_count(0)


def test_a_typed_answer_takes_the_buttons_away_too(page: Page) -> None:
    ask(page, "cancel")
    expect(page.get_by_role("group", name="Choose an answer")).to_be_visible()
    ask(page, "something else")
    expect(page.get_by_role("group", name="Choose an answer")).to_have_count(0)


def test_a_stopped_answer_stays_as_it_was(page: Page) -> None:
    ask(page, "How long can I return an item?")
    expect(page.locator("article.bot").last).to_contain_text("You can return")
    page.get_by_role("button", name="Stop the answer").click()
    expect(page.get_by_text("Stopped.")).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_a_reload_keeps_the_conversation_without_doubling(page: Page) -> None:
    ask(page, "First question")
    expect(page.locator("article.bot").last).to_contain_text("You said: First question")
    page.reload()
    page.get_by_role("button", name="Ask us").click()
    ask(page, "Second question")
    expect(page.locator("article.bot").last).to_contain_text("You said: Second question after 1")
    expect(page.locator("article.you")).to_have_count(2)
    expect(page.locator("article.bot")).to_have_count(3)


def test_a_cut_line_loses_and_doubles_nothing(page: Page) -> None:
    ask(page, "Before")
    expect(page.locator("article.bot").last).to_contain_text("You said: Before")
    page.context.set_offline(True)
    page.evaluate("document.querySelector('switchboard-chat').link.socket.close()")
    expect(page.get_by_text("Connection lost")).to_be_visible()
    ask(page, "During")
    page.context.set_offline(False)
    expect(page.locator("article.bot").last).to_contain_text("You said: During", timeout=20_000)
    expect(page.locator("article.you")).to_have_count(2)


def test_text_is_never_markup(page: Page) -> None:
    ask(page, "<img src=x onerror=alert(1)> <b>bold</b>")
    expect(page.locator("article.bot").last).to_contain_text("<b>bold</b>")
    expect(page.locator("switchboard-chat img")).to_have_count(0)


def test_it_works_by_keyboard_alone(page: Page) -> None:
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.type("Hello")
    page.keyboard.press("Enter")
    expect(page.locator("article.bot").last).to_contain_text("You said: Hello")
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Ask us")).to_be_focused()
    page.keyboard.press("Enter")
    log = page.get_by_role("log")
    expect(log).to_have_attribute("aria-live", "polite")


def test_calls_before_the_script_has_loaded_are_kept(browser: Browser, base_url: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script("window.Switchboard = [['send', 'An early question']]")
    page.goto(base_url)
    expect(page.locator("article.bot").last).to_contain_text("You said: An early question")
    context.close()


def test_it_fills_a_phone_and_nothing_hangs_over(browser: Browser, base_url: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    page = context.new_page()
    page.goto(base_url)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Ask us").click()
    box = page.get_by_role("dialog").bounding_box()
    assert box is not None and (box["width"], box["height"]) == (390, 844)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser: Browser, base_url: str, scheme: str) -> None:
    """Source: WCAG 2.2, success criterion 1.4.3: 4.5 to 1."""
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    page.goto(base_url)
    page.get_by_role("button", name="Ask us").click()
    names = ("ink", "soft", "paper", "well", "accent", "accent-ink", "you", "you-ink")
    names += ("agent", "agent-ink", "warn", "warn-bg")
    read = "(n) => getComputedStyle(document.querySelector('switchboard-chat')).getPropertyValue(n)"
    colours = {name: page.evaluate(read, f"--{name}").strip() for name in names}
    pairs = [("ink", "paper"), ("soft", "paper"), ("ink", "well"), ("soft", "well")]
    pairs += [(f"{name}-ink", name) for name in ("accent", "you", "agent")]
    pairs += [("warn", "warn-bg"), ("accent", "well")]
    weak = {pair for pair in pairs if _contrast(*(colours[name] for name in pair)) < 4.5}
    assert weak == set()
    context.close()


def _contrast(one: str, two: str) -> float:
    """Source: WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(pair, 16) / 255 for pair in re.findall("..", colour.lstrip("#"))]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(two)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)
