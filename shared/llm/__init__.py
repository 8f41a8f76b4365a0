"""Language models behind one port. `open_llm(url, …)`: any OpenAI-compatible URL; empty is off."""

from shared.llm.port import ChatModel, Message, Piece, Request

__all__ = ["ChatModel", "Message", "Piece", "Request", "open_llm"]


def open_llm(url: str, *, model: str, api_key: str = "") -> ChatModel | None:
    """The model that `url` names, or None when `url` is empty: that tier is off."""
    if not url:
        return None
    from shared.llm.openai_chat import OpenAiChat

    return OpenAiChat(url, model=model, api_key=api_key)
