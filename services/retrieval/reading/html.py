"""Web pages to Markdown: the main part, without what stands around it on every page."""

import re
from dataclasses import dataclass

from bs4 import BeautifulSoup
from markdownify import markdownify

from services.retrieval.reading.limits import MAX_NESTING, Rejected

_DROPPED = ["script", "style", "noscript", "template", "svg", "iframe", "object", "form", "button",
            "nav", "footer", "aside", "head"]  # fmt: skip
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)\b[^<>]*?(/?)>")
# Tags that may stand without an end, or that HTML ends by itself: they do not nest.
_OPEN_ENDED = frozenset(
    "area base br col embed hr img input link meta source track wbr p li td th tr dt dd option "
    "thead tbody tfoot colgroup rt rp body html head".split()
)


@dataclass(frozen=True)
class Page:
    """A page's main part and what its head says."""

    markdown: str
    title: str = ""
    source: str = ""
    locale: str = ""


def read_html(html: str) -> Page:
    """The main part as Markdown. Raises Rejected when tags nest too deep to be a page."""
    check_nesting(html)
    soup = BeautifulSoup(html, "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    canonical = soup.find("link", rel="canonical")
    source = str(canonical.get("href", "")) if canonical else ""
    language = soup.html.get("lang", "") if soup.html else ""
    for tag in soup(_DROPPED):
        tag.decompose()
    main = soup.find("main") or soup.find("article") or soup.body or soup
    if main.name in ("main", "article"):
        for tag in main.find_all("header"):
            tag.unwrap()  # an article's header holds its title
    headlines = main.find_all("h1")
    if len(headlines) == 1:  # the head's title often ends in the name of the site
        title = headlines[0].get_text(" ", strip=True) or title
    markdown = markdownify(
        str(main),
        heading_style="ATX",
        escape_asterisks=False,
        escape_underscores=False,
        escape_misc=False,
    )
    return Page(
        markdown=str(markdown).strip(),
        title=" ".join(title.split()),
        source=source,
        locale=str(language),
    )


def check_nesting(html: str) -> None:
    """Raises Rejected for a tower of tags, before anything recursive looks at it."""
    depth = 0
    for end, name, closed in _TAG.findall(html):
        if closed or name.lower() in _OPEN_ENDED:
            continue
        depth = max(0, depth - 1) if end else depth + 1
        if depth > MAX_NESTING:
            raise Rejected(f"tags are nested more than {MAX_NESTING} deep")
