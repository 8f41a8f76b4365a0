"""The YAML head of a Markdown file: what a document says about itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import yaml

from services.retrieval.reading.limits import MAX_FRONT_MATTER_CHARACTERS, Rejected

_HEAD = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_SCALARS = (str, int, float, date)  # a list or a map could be a bomb of aliases: never printed


@dataclass(frozen=True)
class FrontMatter:
    """The fields that are plain values, by lower-case name, and the text below the head."""

    fields: Mapping[str, str]
    body: str


def split_front_matter(content: str) -> FrontMatter:
    """The YAML head and the rest. Raises Rejected when the head is not YAML."""
    match = _HEAD.match(content)
    if match is None:
        return FrontMatter({}, content)
    head = match.group(1)
    if len(head) > MAX_FRONT_MATTER_CHARACTERS:
        raise Rejected(f"the front matter is longer than {MAX_FRONT_MATTER_CHARACTERS} characters")
    try:
        found = yaml.safe_load(head)
    except (yaml.YAMLError, ValueError) as error:
        line = str(error).splitlines()[0]
        raise Rejected(
            f"the front matter between the --- lines is not valid YAML: {line}"
        ) from None
    fields = found if isinstance(found, dict) else {}
    plain = {str(k).lower(): str(v) for k, v in fields.items() if isinstance(v, _SCALARS)}
    return FrontMatter(plain, content[match.end() :])


def unix_ms_of(text: str) -> int:
    """A date or time in ISO 8601 as Unix milliseconds; 0 when it is none. No zone means UTC."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, int(moment.timestamp() * 1000))
