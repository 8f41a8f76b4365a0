"""Headless Chromium, and a gateway with neighbours in miniature whose answers a test can foresee.

What the pages do on the real cluster is in `test_cluster_pages.py`.
"""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.local_cluster import free_block

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
ROOT = Path(__file__).parents[2]


@contextmanager
def gateway_process(port: int, var_dir: Path) -> Iterator[str]:
    """A running gateway in miniature; its address."""
    url = f"http://127.0.0.1:{port}/"
    command = [sys.executable, str(Path(__file__).parent / "serve.py"), str(port), str(var_dir)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    try:
        _wait_ready(url)
        yield url
    finally:
        process.kill()
        process.wait()


def _wait_ready(url: str) -> None:
    for _ in range(200):
        try:
            with urllib.request.urlopen(url + "readyz", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the gateway did not come up")


@pytest.fixture(scope="session")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page is."""
    with gateway_process(free_block(2), tmp_path_factory.mktemp("gateway")) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, base_url: str) -> Iterator[Page]:
    """The help page with the chat open; a script error fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(base_url)
    page.get_by_role("button", name="Ask us").click()
    yield page
    context.close()
    assert errors == []
