"""Writes `.env.example` from the settings classes, so that it cannot lie."""

import inspect
from importlib import import_module
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from shared.settings import Section

_HEAD = """# Every setting, with its default. Copy to `.env` and take the `# ` off what you change.
# The environment wins over `.env`. Written by `make docs`; a test fails when it is stale.
"""
_STANDARD = """
# --- names other programs know, with their usual meaning ---
# where traces go besides var/traces
# OTEL_EXPORTER_OTLP_ENDPOINT=
"""


def _modules(root: Path) -> list[str]:
    services = sorted(
        f"services.{path.parent.name}.settings" for path in root.glob("services/*/settings.py")
    )
    return ["shared.settings", "infra.local.settings", *services]


def sections(root: Path) -> list[type[Section]]:
    """Every settings class, in the order of the file."""
    found = []
    for name in _modules(root):
        for _, member in inspect.getmembers(import_module(name), inspect.isclass):
            if issubclass(member, Section) and member is not Section and member.__module__ == name:
                found.append(member)
    return found


def variable(section: type[Section], name: str, field: FieldInfo) -> str:
    """The environment variable of one field."""
    alias = field.validation_alias
    return (
        alias if isinstance(alias, str) else f"{section.model_config.get('env_prefix', '')}{name}"
    )


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=False)
    if value is None or value is PydanticUndefined or isinstance(value, SecretStr):
        return ""
    return str(value)


def render(root: Path) -> str:
    """The text of `.env.example`. A name is listed once, where it first appears."""
    text, seen = _HEAD, set[str]()
    for section in sections(root):
        text += f"\n# --- {section.__module__}: {(section.__doc__ or '').splitlines()[0]} ---\n"
        for name, field in section.model_fields.items():
            key = variable(section, name, field).upper()
            if key in seen:
                continue
            seen.add(key)
            text += f"# {field.description}\n" if field.description else ""
            text += f"# {key}={_default(field)}".rstrip() + "\n"
    return text + _STANDARD
