"""What all tests share. Nothing here, or anywhere in tests/, patches our own code."""

import os

import pytest
from hypothesis import settings

# Nobody's real keys, endpoints or settings may leak into a test.
for name in list(os.environ):
    if name.startswith(("OTEL_", "OPENAI_", "SMALL_LLM", "LARGE_LLM")) or name.endswith("_URL"):
        del os.environ[name]
os.environ["HF_HUB_OFFLINE"] = "1"

# A busy machine is no failure: hypothesis would call an example of more than 200 ms one.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

pytest_plugins = ["tests.live_servers", "tests.local_cluster"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright keeps an event loop of its own running until it is closed."""
    items.sort(key=lambda item: "tests/browser/" in item.path.as_posix())
