"""Knobs of retrieval."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.retrieval.reading.limits import Limits
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
    rerank_timeout_s: float = Field(0.5, gt=0, description="for re-ranking; later: as found")
    rerank_queue: int = Field(256, ge=16, description="passages waiting for the re-ranker")
    index_timeout_s: float = Field(60.0, gt=0, description="for writing one document")
    reranker_dir: Path | None = Field(
        Path("services/retrieval/reranker"), description="folder of the cross-encoder; empty: none"
    )
    sync_dir: Path | None = Field(
        None, description="folder of documents that the nightly job keeps in step"
    )
    sync_sources: str = Field(
        "", description="more of them, by comma: folders, files, zips, sitemaps (path or URL)"
    )
    sync_max_removed: float = Field(
        0.3, ge=0, le=1, description="a sync that would remove a larger share removes nothing"
    )
    fetch_private: bool = Field(
        False, description="may pages of a sitemap come from private addresses?"
    )
    read_memory_mb: int = Field(512, ge=64, description="for reading one file; more is rejected")
    read_cpu_s: int = Field(60, ge=1, description="computing for reading one file")
    read_timeout_s: float = Field(90.0, gt=0, description="time for reading one file")
    job_threads: int = Field(2, ge=1, le=64, description="threads that embed documents")
    job_nice: int = Field(10, ge=0, le=19, description="how far jobs stand back behind questions")

    @property
    def read_limits(self) -> Limits:
        """What reading one file may cost."""
        return Limits(self.read_memory_mb << 20, self.read_cpu_s, self.read_timeout_s)

    @property
    def sources(self) -> tuple[str, ...]:
        """Everything that the nightly job keeps in step."""
        listed = [place.strip() for place in self.sync_sources.split(",")]
        return tuple(filter(None, [str(self.sync_dir or ""), *listed]))
