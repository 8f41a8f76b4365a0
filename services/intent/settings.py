"""Knobs of the intent router."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Section


class IntentSettings(Section):
    """Classification and the templates."""

    model_config = SettingsConfigDict(
        env_prefix="INTENT_", env_file=".env", extra="ignore", frozen=True
    )

    model_dir: Path = Field(
        Path("services/intent/model"), description="folder of the ONNX model and its labels"
    )
    faq_file: Path = Field(
        Path("infra/sample_shop/faq.yaml"), description="FAQ templates; reloaded when changed"
    )
    min_faq_confidence: float = Field(
        0.75, ge=0, le=1, description="below, a FAQ question goes to the documents"
    )
    min_intent_confidence: float = Field(
        0.5, ge=0, le=1, description="of the fine intent; below, no template is picked"
    )
    min_escalate_confidence: float = Field(
        0.65, ge=0, le=1, description="below, a wish for a person is not taken for one"
    )
    min_chitchat_confidence: float = Field(0.75, ge=0, le=1, description="for small talk")
    min_out_of_scope_confidence: float = Field(
        0.85, ge=0, le=1, description="for saying that a question is not ours to answer"
    )
    classify_timeout_s: float = Field(1.0, gt=0, description="for one message")
    classify_queue: int = Field(128, ge=1, description="messages waiting; more is Overloaded")
