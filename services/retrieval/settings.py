"""Knobs of retrieval."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Section


class RetrievalSettings(Section):
    """Searching and ingesting."""

    model_config = SettingsConfigDict(
        env_prefix="RETRIEVAL_", env_file=".env", extra="ignore", frozen=True
    )

    passages: int = Field(5, ge=1, le=20, description="passages handed to generation")
    chunk_tokens: int = Field(200, ge=32, le=500, description="size of a chunk at most")
    search_timeout_s: float = Field(2.0, gt=0, description="for one question")
    search_queue: int = Field(128, ge=1, description="questions waiting; more is Overloaded")
    index_timeout_s: float = Field(60.0, gt=0, description="for writing one document")
    reranker_dir: Path | None = Field(
        Path("services/retrieval/reranker"), description="folder of the cross-encoder; empty: none"
    )
    sync_dir: Path | None = Field(
        None, description="folder of documents that the nightly job keeps in step"
    )
