"""FAQ templates: short answers with slots, in a YAML file that an agent can edit while we run."""

import logging
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shared.errors import ConfigurationError
from shared.events import Citation

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Template:
    """One answer, its slots filled, or a question back when `options` are given."""

    template_id: str
    intent: str
    text: str
    title: str = ""
    article: str = ""
    url: str = ""  # where a customer reads the article
    options: tuple[str, ...] = ()

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


def parse_templates(content: str, source: str) -> dict[str, Template]:
    """Templates by intent. Raises ConfigurationError naming the entry and what is wrong with it."""
    try:
        document = yaml.safe_load(content)
        slots: dict[str, Any] = document.get("slots", {})
        templates = [_template(entry, slots, source) for entry in document["answers"]]
    except (yaml.YAMLError, KeyError, AttributeError, TypeError) as error:
        raise ConfigurationError(f"{source}: not a template file: {error!r}") from None
    return {template.intent: template for template in templates}


def _template(entry: dict[str, Any], slots: dict[str, Any], source: str) -> Template:
    name = entry["id"]
    if "clarify" in entry:
        return Template(name, entry["intent"], entry["clarify"], options=tuple(entry["options"]))
    wanted = {field for _, field, _, _ in string.Formatter().parse(entry["answer"]) if field}
    if missing := wanted - slots.keys():
        raise ConfigurationError(f"{source}: {name}: no value for slot {sorted(missing)}")
    text = entry["answer"].format(**slots)
    article = entry.get("article", "")
    url = f"{slots['help_url']}{article}" if article and "help_url" in slots else ""
    return Template(name, entry["intent"], text, entry["title"], article, url)


class TemplateFile:
    """The templates of a file, read again when it changes; a broken edit keeps the last good."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at_ns = -1
        self._templates: dict[str, Template] = {}
        self.reload()

    def reload(self) -> None:
        """Read the file. Raises ConfigurationError, which `find` only logs."""
        try:
            changed_ns = self._path.stat().st_mtime_ns
            content = self._path.read_text()
        except OSError as error:
            raise ConfigurationError(f"{self._path}: {error.strerror}") from None
        self._read_at_ns = changed_ns
        self._templates = parse_templates(content, str(self._path))

    def find(self, intent: str) -> Template | None:
        """The template of an intent, from the file as it is now."""
        try:
            if self._path.stat().st_mtime_ns != self._read_at_ns:
                self.reload()
        except (OSError, ConfigurationError) as error:
            log.error("templates not reloaded: %s", error)
        return self._templates.get(intent)


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
