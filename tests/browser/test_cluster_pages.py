"""Both pages on the running system: a customer here, an agent there, nine processes in between."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.local_cluster import ROOT, LocalCluster

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.timeout(300)]

SHOTS = ROOT / "var" / "screenshots"  # for people to look at; overwritten by every run
SIZES = {
    "desktop": ViewportSize(width=1280, height=860),
    "phone": ViewportSize(width=390, height=844),
}


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def customer(browser: Browser, local_cluster: LocalCluster, size: str) -> Iterator[Page]:
    """The help page with the chat open."""
    with browser.new_context(viewport=SIZES[size]) as context:
        page = context.new_page()
        page.goto(local_cluster.page_url)
        page.get_by_role("button", name="Ask us").click()
        yield page


@pytest.fixture
def agent(browser: Browser, local_cluster: LocalCluster, size: str) -> Iterator[Page]:
    """The dashboard, logged in."""
    with browser.new_context(viewport=SIZES[size]) as context:
        page = context.new_page()
        page.goto(local_cluster.desk_url)
        login = local_cluster.keys["agent"]
        page.get_by_label("E-mail").fill(login["email"])
        page.get_by_label("Password").fill(login["password"])
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name=re.compile("^Waiting"))).to_be_visible()
        yield page


def ask(page: Page, text: str) -> None:
    page.get_by_label("Your question").fill(text)
    page.keyboard.press("Enter")


def shoot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    path = SHOTS / f"{name}.png"
    page.screenshot(path=path)
    assert path.stat().st_size > 5_000  # an empty page is smaller


def test_an_answer_quotes_the_help_article(customer: Page, size: str) -> None:
    ask(customer, "How often should I descale my Morrow One?")
    answer = customer.locator("article.bot").last
    expect(answer).to_contain_text("200 cups")
    source = answer.locator("details.source").first
    source.locator("summary").click()
    expect(source.get_by_role("link")).to_have_attribute("href", re.compile("/help/one-descale$"))
    shoot(customer, f"{size}-answer")
    assert customer.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]


def test_an_agent_takes_over_answers_and_hands_back(customer: Page, agent: Page, size: str) -> None:
    wish = f"I want to talk to a human about my {size} order"
    ask(customer, wish)
    expect(customer.get_by_text(re.compile("in the queue|You are next"))).to_be_visible()
    shoot(customer, f"{size}-queue")
    agent.get_by_role("button", name=re.compile(wish)).click()
    agent.get_by_role("button", name="Take over").click()
    expect(customer.get_by_text("has joined the chat")).to_be_visible()
    agent.get_by_label("Your answer").fill("Hello, I am looking at your order now.")
    agent.get_by_role("button", name="Send").click()
    expect(customer.locator("article.agent").last).to_contain_text("looking at your order")
    shoot(customer, f"{size}-agent-reply")
    shoot(agent, f"{size}-dashboard")
    ask(customer, "Do you have opening hours on Monday?")
    expect(agent.get_by_role("log")).to_contain_text("opening hours on Monday")
    expect(customer.locator("article.bot").last).not_to_contain_text("9:00")  # the bot is silent
    agent.get_by_role("button", name="Hand back to the bot").click()
    expect(customer.get_by_text("Our assistant is answering again")).to_be_visible()
    ask(customer, "What are your opening hours?")
    expect(customer.locator("article.bot").last).to_contain_text("9:00")


def test_an_offer_is_taken_with_a_click(customer: Page, size: str) -> None:
    ask(customer, "agent")
    offer = customer.get_by_role("group", name="Choose an answer")
    expect(offer.get_by_role("button")).to_have_text(["Talk to a person", "No, thanks"])
    shoot(customer, f"{size}-offer")
    offer.get_by_role("button", name="Talk to a person").click()
    expect(customer.get_by_text(re.compile("in the queue|You are next"))).to_be_visible()
    expect(offer).to_have_count(0)


def test_people_see_each_other_write_and_an_agent_may_reveal_an_address(
    customer: Page, agent: Page, size: str
) -> None:
    wish = f"A human please, it is about my {size} invoice"
    ask(customer, wish)
    agent.get_by_role("button", name=re.compile(wish)).click()
    agent.get_by_role("button", name="Take over").click()
    expect(customer.get_by_text("has joined the chat")).to_be_visible()
    customer.get_by_label("Your question").fill("Please wri")
    expect(agent.get_by_text("The customer is typing")).to_be_visible()
    shoot(agent, f"{size}-customer-typing")
    agent.get_by_label("Your answer").fill("Hello, which address may I use?")
    expect(customer.get_by_text("is writing…")).to_be_visible()
    shoot(customer, f"{size}-agent-typing")
    agent.get_by_role("button", name="Send").click()
    expect(agent.get_by_text("Seen")).to_be_visible()
    ask(customer, "Please write to ada@example.org")
    hidden = agent.get_by_role("log").get_by_role("button", name="<EMAIL_1>")
    expect(hidden).to_be_visible()
    expect(agent.get_by_role("log")).not_to_contain_text("ada@example.org")
    hidden.click()
    agent.get_by_role("button", name="Show it").click()
    expect(agent.get_by_role("log")).to_contain_text("ada@example.org")
    shoot(agent, f"{size}-revealed")


def test_a_killed_gateway_comes_back_to_the_same_chat(
    browser: Browser, local_cluster: LocalCluster
) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(local_cluster.page_url)
        page.get_by_role("button", name="Ask us").click()
        ask(page, "What are your opening hours?")
        expect(page.locator("article.bot").last).to_contain_text("9:00")
        local_cluster.kill("gateway")
        expect(page.get_by_text("Connection lost")).to_be_visible()
        ask(page, "How often should I descale my Morrow One?")
        expect(page.locator("article.bot").last).to_contain_text("200 cups", timeout=30_000)
        expect(page.locator("article.you")).to_have_count(2)
