"""Any OpenAI-compatible server (OpenAI, vLLM, llama.cpp, Ollama…) through the `openai` client."""

import asyncio
from collections.abc import AsyncIterator

import openai
from openai.types.chat import ChatCompletionMessageParam

from shared.errors import InvalidEvent, Overloaded, SwitchboardError, Transient, Unavailable
from shared.llm.port import Piece, Request

_PING_TIMEOUT_S = 0.7


class OpenAiChat:
    """Chat completions, streamed. Retries are the caller's: another tier beats a second try."""

    def __init__(self, url: str, *, model: str, api_key: str = "") -> None:
        self._client = openai.AsyncOpenAI(
            base_url=url, api_key=api_key or "not-needed", max_retries=0
        )
        self._model = model

    @property
    def name(self) -> str:
        return self._model

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        """Source: OpenAI API reference, chat completions with `stream_options.include_usage`."""
        messages: list[ChatCompletionMessageParam] = [
            {"role": message.role, "content": message.content}  # type: ignore[misc]
            for message in request.messages
        ]
        try:
            async with asyncio.timeout(request.timeout_s):
                async with await self._client.chat.completions.create(
                    model=self._model,
                    messages=messages,
                    max_tokens=request.max_tokens,
                    temperature=request.temperature,
                    stop=list(request.stop) or None,
                    stream=True,
                    stream_options={"include_usage": True},
                    timeout=request.timeout_s,
                ) as chunks:
                    async for chunk in chunks:
                        if chunk.choices and chunk.choices[0].delta.content:
                            yield Piece(chunk.choices[0].delta.content)
                        if chunk.usage is not None:
                            usage = chunk.usage
                            yield Piece("", usage.prompt_tokens, usage.completion_tokens)
        except (TimeoutError, openai.OpenAIError) as error:
            raise _our_error(error, self._model) from error

    async def ping(self) -> bool:
        try:
            await self._client.models.list(timeout=_PING_TIMEOUT_S)
        except openai.APIStatusError as error:
            return error.status_code < 500  # it answers, if not this question
        except openai.OpenAIError:
            return False
        return True

    async def close(self) -> None:
        await self._client.close()


def _our_error(error: Exception, model: str) -> SwitchboardError:
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return Transient(f"{model} did not finish in time")
    if isinstance(error, openai.APIStatusError):
        if error.status_code in (429, 503):
            return Overloaded(f"{model} is overloaded ({error.status_code})", retry_after_s=1.0)
        if error.status_code >= 500:
            return Unavailable(f"{model} failed with {error.status_code}")
        return InvalidEvent(f"{model} refused the request with {error.status_code}")
    return Unavailable(f"{model} cannot be reached")
