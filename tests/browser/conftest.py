"""Headless Chromium, and a page to look at: `SWITCHBOARD_PAGE` or a gateway of the test's own."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
ROOT = Path(__file__).parents[2]


class GatewayProcess:
    """A gateway with neighbours in miniature, that a test may kill and start again."""

    def __init__(self, port: int, var_dir: Path) -> None:
        self.url = f"http://127.0.0.1:{port}/"
        self._command = [sys.executable, str(Path(__file__).parent / "serve.py")]
        self._command += [str(port), str(var_dir)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(self._command, env=environment, cwd=ROOT)
        for _ in range(200):
            try:
                with urllib.request.urlopen(self.url + "readyz", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the gateway did not come up")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _two_free_ports() -> int:
    """A port that is free, and the one after it too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


@pytest.fixture(scope="session")
def gateway_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(_two_free_ports(), tmp_path_factory.mktemp("gateway"))
    process.start()
    yield process
    process.kill()


@pytest.fixture(scope="session")
def base_url(request: pytest.FixtureRequest) -> str:
    """Where the page is; of a running cluster if `SWITCHBOARD_PAGE` names one."""
    if given := os.environ.get("SWITCHBOARD_PAGE"):
        return given
    process: GatewayProcess = request.getfixturevalue("gateway_process")
    return process.url


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
