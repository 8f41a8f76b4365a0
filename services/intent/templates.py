"""FAQ templates: short answers with slots, in a YAML file that an agent can edit while we run."""

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from services.intent.reloading import ReloadedFile
from shared.errors import ConfigurationError
from shared.events import Citation


@dataclass(frozen=True)
class Template:
    """One answer, its slots filled, or a question back when `options` are given."""

    template_id: str
    intent: str
    text: str
    title: str = ""
    article: str = ""
    url: str = ""  # where a customer reads the article
    options: tuple[str, ...] = ()  # ids of the templates to choose from

    def citation(self) -> tuple[Citation, ...]:
        """The article that the answer sums up."""
        if not self.article:
            return ()
        return (
            Citation(
                document_id=self.article,
                document_version="",
                title=self.title,
                source=self.url or self.article,
                snippet=self.text,
                score=1.0,
            ),
        )


def parse_templates(content: str, source: str) -> "Library":
    """The templates. Raises ConfigurationError naming the entry and what is wrong with it."""
    try:
        document = yaml.safe_load(content)
        slots: dict[str, Any] = document.get("slots", {})
        templates = [_template(entry, slots, source) for entry in document["answers"]]
    except (yaml.YAMLError, KeyError, AttributeError, TypeError) as error:
        raise ConfigurationError(f"{source}: not a template file: {error!r}") from None
    by_id = {template.template_id: template for template in templates}
    for template in templates:
        if missing := set(template.options) - by_id.keys():
            name = template.template_id
            raise ConfigurationError(f"{source}: {name}: no answer with the id {sorted(missing)}")
    by_intent = {template.intent: template for template in templates}
    by_title = {t.title.lower(): t for t in templates if t.title and not t.options}
    return Library(by_intent, by_id, by_title)


def _template(entry: dict[str, Any], slots: dict[str, Any], source: str) -> Template:
    name = entry["id"]
    if "clarify" in entry:
        options = tuple(entry["options"])
        return Template(name, entry["intent"], entry["clarify"], entry["title"], options=options)
    wanted = {field for _, field, _, _ in string.Formatter().parse(entry["answer"]) if field}
    if missing := wanted - slots.keys():
        raise ConfigurationError(f"{source}: {name}: no value for slot {sorted(missing)}")
    text = entry["answer"].format(**slots)
    article = entry.get("article", "")
    url = f"{slots['help_url']}{article}" if article and "help_url" in slots else ""
    return Template(name, entry["intent"], text, entry["title"], article, url)


@dataclass(frozen=True)
class Library:
    """All templates of a file."""

    by_intent: Mapping[str, Template]
    by_id: Mapping[str, Template]
    by_title: Mapping[str, Template]  # as a customer picks one; lower case

    def picked(self, text: str) -> Template | None:
        """The template whose title that is, word for word."""
        return self.by_title.get(" ".join(text.split()).strip(".!? ").lower())

    def titles(self, template_ids: Iterable[str]) -> tuple[str, ...]:
        """What a customer may pick from."""
        return tuple(self.by_id[name].title for name in template_ids)


def open_templates(path: Path) -> ReloadedFile[Library]:
    """The templates of a file. Raises ConfigurationError."""
    return ReloadedFile(path, parse_templates)


SMALL_TALK = {
    "greeting": "Hello! I can help with orders, delivery, returns, your subscription and your "
    "machine. What would you like to know?",
    "thanks": "You're welcome! Is there anything else I can help with?",
    "goodbye": "Goodbye, and enjoy your coffee!",
    "bot_identity": "I'm the shop's assistant, a program that answers from our help articles. "
    "You can ask for a person at any time.",
}
SMALL_TALK_DEFAULT = (
    "I'm here to help with orders, delivery, returns, your subscription and your machine."
)
