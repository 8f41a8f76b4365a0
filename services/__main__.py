"""`python -m services safety intent` or `--all`: the same code in many processes or in one."""

import sys
from importlib import import_module

from shared.errors import ConfigurationError
from shared.process import OpenService, main
from shared.service import NAMES
from shared.settings import Settings, load


def opener(name: str) -> OpenService:
    """How to open the service called `name`."""
    function: OpenService = import_module(f"services.{name}.app").open_service
    return function


def _chosen(arguments: list[str]) -> list[str]:
    names = list(NAMES) if arguments == ["--all"] else arguments
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        wanted = ", ".join(NAMES)
        sys.exit(f"usage: python -m services NAME… | --all   (unknown: {unknown}; have: {wanted})")
    return names


if __name__ == "__main__":
    try:
        main([(name, opener(name)) for name in _chosen(sys.argv[1:])], load(Settings))
    except ConfigurationError as error:
        sys.exit(f"configuration: {error}")
