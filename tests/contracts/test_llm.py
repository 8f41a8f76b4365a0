"""What `shared.llm` promises, over a real socket to a server that speaks the OpenAI protocol."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from infra.local.broker import free_port
from shared.errors import InvalidEvent, Overloaded, Transient, Unavailable
from shared.llm import ChatModel, Message, Piece, Request, open_llm
from tests.model_server import ModelServer, Script, model_server

QUESTION = Request(messages=[Message("user", "How are you?")], stop=("\nQuestion:",), timeout_s=5.0)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest_asyncio.fixture
async def model(server: ModelServer) -> AsyncIterator[ChatModel]:
    opened = open_llm(server.url, model="scripted")
    assert opened is not None
    yield opened
    await opened.close()


async def read(model: ChatModel, request: Request = QUESTION) -> list[Piece]:
    return [piece async for piece in model.stream(request)]


def test_an_empty_url_turns_the_tier_off() -> None:
    assert open_llm("", model="any") is None


async def test_an_answer_comes_in_pieces_and_tells_its_tokens(
    server: ModelServer, model: ChatModel
) -> None:
    server.script = Script(pieces=("I am ", "well."))
    pieces = await read(model)
    assert [piece.text for piece in pieces if piece.text] == ["I am ", "well."]
    assert (pieces[-1].input_tokens, pieces[-1].output_tokens) == (7, 3)


async def test_the_bounds_of_an_answer_reach_the_server(
    server: ModelServer, model: ChatModel
) -> None:
    await read(model)
    asked = server.requests[-1]
    assert (asked["max_tokens"], asked["temperature"]) == (150, 0.3)
    assert asked["stop"] == ["\nQuestion:"]


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, Overloaded), (503, Overloaded), (500, Unavailable), (400, InvalidEvent)],
)
async def test_a_refusal_is_one_of_our_signals(
    server: ModelServer, model: ChatModel, status: int, error: type[Exception]
) -> None:
    server.script = Script(status=status)
    with pytest.raises(error, match=str(status)):
        await read(model)
    assert len(server.requests) == 1  # another tier beats a second try


async def test_a_slow_model_is_given_up_in_time(server: ModelServer, model: ChatModel) -> None:
    server.script = Script(pieces=("a",) * 100, pause_s=0.1)
    with pytest.raises(Transient):
        await read(model, Request(messages=QUESTION.messages, timeout_s=0.5))


async def test_a_broken_stream_is_unavailable_after_what_came(
    server: ModelServer, model: ChatModel
) -> None:
    server.script = Script(pieces=("Half of", " it"), cut_after=1)
    seen = []
    with pytest.raises(Unavailable):
        async for piece in model.stream(QUESTION):
            seen.append(piece.text)
    assert seen == ["Half of"]


async def test_nobody_there_is_unavailable() -> None:
    model = open_llm(f"http://127.0.0.1:{free_port()}/v1", model="any")
    assert model is not None
    with pytest.raises(Unavailable):
        await read(model)
    assert not await model.ping()
    await model.close()


async def test_a_server_that_answers_is_alive(model: ChatModel) -> None:
    assert await model.ping()
