"""Documents as they go over HTTP, with examples. Unknown fields of a request are ignored."""

import base64
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.ingestions import STATES, Step

DOCUMENT_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
INGESTION_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
DocumentState = Literal["pending", "indexed", "rejected"]
MediaType = Literal[
    "text/markdown",
    "text/plain",
    "text/html",
    "text/csv",
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/octet-stream",
]
_OF_IMPORT = "2026-11-24-help"


class DocumentFacts(BaseModel):
    """What is known about a document beside its content. Empty: what the document itself says."""

    title: str = Field("", max_length=300, description="empty: its own title or first heading")
    name: str = Field("", max_length=500, description="file name, for people")
    source: str = Field("", max_length=1000, description="URL for people to open")
    locale: str = Field("en", min_length=2, max_length=16)
    product: str = Field("", max_length=100)
    visibility: str = Field("", max_length=50, description="empty: public")
    updated_unix_ms: int = Field(0, ge=0, description="last change of the document")
    collection: str = Field("", max_length=1000, description="folder or sitemap it came with")
    ingestion_id: str = Field(
        "", pattern=r"^$|" + INGESTION_ID_PATTERN, description="an id of yours for this import"
    )
    again: bool = Field(False, description="read and embed it even if nothing changed")


class DocumentRequest(DocumentFacts):
    """A document, or its new content."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": "Return an item",
                    "content": "# Return an item\n\nYou can return items within 30 days.",
                    "source": "https://morrow.example/help/return-an-item",
                    "ingestion_id": _OF_IMPORT,
                }
            ]
        }
    )
    content: str = Field("", description="the text, or else `content_base64`")
    content_base64: str = Field("", description="a file that is no text, e.g. a PDF")
    media_type: MediaType = Field(
        "text/markdown", description="a hint: the content decides what a file is"
    )

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if bool(self.content) == bool(self.content_base64):
            raise ValueError("give `content` or `content_base64`, not empty, and not both")
        return self

    @property
    def content_bytes(self) -> bytes:
        """The file. Raises binascii.Error."""
        if self.content:
            return self.content.encode()
        return base64.b64decode(self.content_base64, validate=True)


class DocumentAccepted(BaseModel):
    """A document on its way into the index."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"id": "return-an-item", "version": "3f1c9a0be2d45c11", "state": "pending"}
            ]
        }
    )
    id: str
    version: str
    state: Literal["pending"] = "pending"


class DocumentOut(BaseModel):
    """A document in the catalogue."""

    id: str
    title: str = ""
    version: str = ""
    state: DocumentState
    reason: str = Field("", description="of a rejection")
    chunks: int = 0
    source: str = ""
    locale: str = "en"
    product: str = ""
    visibility: str = ""
    collection: str = Field("", description="the folder, zip or sitemap it came with")
    updated: str = Field("", description="last change in the catalogue: ISO 8601, UTC")


_ROW: dict[str, Any] = {
    "id": "return-an-item",
    "title": "Return an item",
    "version": "3f1c9a0be2d45c11",
    "state": "indexed",
    "reason": "",
    "chunks": 3,
    "source": "https://morrow.example/help/return-an-item",
    "locale": "en",
    "product": "",
    "visibility": "public",
    "collection": "help-articles",
    "updated": "2026-11-24T08:15:00+00:00",
}


class DocumentList(BaseModel):
    """The tenant's catalogue."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "documents": [_ROW],
                    "counts": {"pending": 0, "indexed": 1, "rejected": 0},
                    "chunks": 3,
                    "knowledge_version": "all-MiniLM-L6-v2-2",
                }
            ]
        }
    )
    documents: list[DocumentOut]
    counts: dict[DocumentState, int] = Field(default_factory=dict)
    chunks: int = 0
    knowledge_version: str = ""


class DocumentContent(BaseModel):
    """A document as answers are made from it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "return-an-item",
                    "title": "Return an item",
                    "version": "3f1c9a0be2d45c11",
                    "content": "# Return an item\n\nYou can return items within 30 days.\n",
                    "source": "https://morrow.example/help/return-an-item",
                    "locale": "en",
                    "product": "",
                    "visibility": "public",
                    "updated_unix_ms": 1795507200000,
                    "chunks": 3,
                }
            ]
        }
    )
    id: str
    title: str
    version: str
    content: str = Field(description="Markdown")
    source: str = ""
    locale: str = "en"
    product: str = ""
    visibility: str = "public"
    updated_unix_ms: int = 0
    chunks: int = 0


class FailedDocument(BaseModel):
    """A document that could not be used, and why."""

    id: str
    name: str = ""
    reason: str


class IngestionOut(BaseModel):
    """How far an import is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _OF_IMPORT,
                    "total": 80,
                    "done": False,
                    "counts": {
                        "submitted": 12,
                        "prepared": 1,
                        "indexed": 60,
                        "unchanged": 6,
                        "rejected": 1,
                        "removed": 0,
                    },
                    "rejected": [
                        {
                            "id": "prices-2026",
                            "name": "prices-2026.pdf",
                            "reason": "the PDF is encrypted: save it without a password",
                        }
                    ],
                }
            ]
        }
    )
    id: str
    total: int
    done: bool = Field(description="nothing of it is on its way any more")
    counts: dict[str, int] = Field(description="documents by where they are now")
    rejected: list[FailedDocument] = Field(default_factory=list)

    @classmethod
    def of(cls, ingestion_id: str, steps: Mapping[str, Step]) -> "IngestionOut":
        """The sum of the steps."""
        states = [step.state for step in steps.values()]
        counts = {name: states.count(name) for name in STATES}
        rejected = [
            FailedDocument(id=document, name=step.name, reason=step.reason)
            for document, step in sorted(steps.items())
            if step.state == "rejected"
        ]
        return cls(
            id=ingestion_id,
            total=len(states),
            done=not counts["submitted"] + counts["prepared"],
            counts=counts,
            rejected=rejected,
        )
