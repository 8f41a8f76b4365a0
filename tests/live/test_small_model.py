"""The small tier with a real model behind llama.cpp's server. `make test` installs both."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from infra.local.broker import free_port
from shared.llm import Message, Request, open_llm
from tests.flow.cluster import ARTICLES, running_cluster, settings_for

pytestmark = pytest.mark.live

PYTHON = Path(__file__).parents[2] / ".venv-llm" / "bin" / "python"
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    """llama.cpp with SmolLM2-135M."""
    port = free_port()
    command = [PYTHON, "infra/local/language_model.py", "--port", str(port)]
    command += ["--threads", "1"]  # two would wait for each other on a busy machine
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_healthy(process, url)
        yield f"{url}/v1"
    finally:
        process.terminate()
        assert process.wait(20) == 0, "it stops cleanly on SIGTERM"


def _wait_healthy(process: "subprocess.Popen[bytes]", url: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=1).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    pytest.fail("the model server did not come up")


async def test_a_real_model_streams_and_counts_its_tokens(model_url: str) -> None:
    model = open_llm(model_url, model="small")
    assert model is not None and await model.ping()
    request = Request([Message("user", "Say hello.")], max_tokens=8, timeout_s=60)
    pieces = [piece async for piece in model.stream(request)]
    await model.close()
    assert "".join(piece.text for piece in pieces)
    assert pieces[-1].input_tokens > 0 and 0 < pieces[-1].output_tokens <= 8


async def test_a_tiny_model_that_invents_things_cannot_harm(model_url: str, tmp_path: Path) -> None:
    """SmolLM2-135M makes up numbers and sources: what is shown is supported, or a person has it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SMALL_LLM_URL", model_url)
        environment.setenv("GENERATION_TIER_TIMEOUT_S", "40")
        environment.setenv("GATEWAY_DEADLINE_S", "60")
        articles = [ARTICLES / "one-descale.md"]
        async with running_cluster(settings_for(tmp_path), articles) as cluster:
            answer = await cluster.ask("How often should I descale my Morrow One?")
    held = {number for path in articles for number in NUMBER.findall(path.read_text())}
    # On a machine too slow for a model within the limit, quotes stand in: also supported.
    assert answer["escalated"] or (
        answer["tier"] in ("small", "extractive") and answer["citations"]
    )
    assert answer["escalated"] or set(NUMBER.findall(answer["answer"])) <= held
