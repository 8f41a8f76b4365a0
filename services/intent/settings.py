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
    topics_file: Path = Field(
        Path("infra/sample_shop/topics.yaml"),
        description="what the bot never settles alone; reloaded when changed",
    )
    min_faq_confidence: float = Field(
        0.75, ge=0, le=1, description="below, a FAQ question goes to the documents"
    )
    min_faq_nearness: float = Field(
        0.65, ge=0, le=1, description="to known messages (cosine); below, a FAQ goes to documents"
    )
    min_intent_confidence: float = Field(
        0.65, ge=0, le=1, description="of the fine intent; below, no template is picked"
    )
    min_escalate_confidence: float = Field(
        0.6, ge=0, le=1, description="below, a wish for a person is not taken for one"
    )
    min_topic_confidence: float = Field(
        0.35,
        ge=0,
        le=1,
        description="of a fine intent that is a sensitive topic, to be taken for it",
    )
    min_topic_nearness: float = Field(
        0.5, ge=0, le=1, description="to known messages (cosine); below, a topic is chance"
    )
    min_chitchat_confidence: float = Field(0.75, ge=0, le=1, description="for small talk")
    min_out_of_scope_confidence: float = Field(
        0.85, ge=0, le=1, description="for saying that a question is not ours to answer"
    )
    min_choice_confidence: float = Field(
        0.2, ge=0, le=1, description="of one fine intent to be worth asking about"
    )
    min_choices_confidence: float = Field(
        0.75, ge=0, le=1, description="of two or three together, to ask which was meant"
    )
    min_frustration: float = Field(
        0.6, ge=0, le=1, description="from here on a message is angry; two of three: an offer"
    )
    min_label_confidence: float = Field(
        0.6, ge=0, le=1, description="of the route; below, a message is kept for labelling"
    )
    offer_ttl_s: float = Field(
        90 * 86_400, gt=0, description="a person is offered once in so long in a conversation"
    )
    unsure_messages: int = Field(
        2_000, ge=1, le=100_000, description="messages kept for labelling, per tenant"
    )
    unsure_ttl_s: float = Field(
        30 * 86_400, gt=0, description="how long a message waits for its label"
    )
    reference_file: Path = Field(
        Path("infra/sample_shop/messages/test.jsonl"),
        description="usual messages that the model never saw; drift is measured against them",
    )
    labelled_file: Path | None = Field(
        None, description="CSV or JSONL of labelled messages; the weekly look measures on them"
    )
    drift_refresh_s: float = Field(
        300.0, gt=0, description="how often the drift metrics are read again"
    )
    classify_timeout_s: float = Field(1.0, gt=0, description="for one message")
    classify_queue: int = Field(128, ge=1, description="messages waiting; more is Overloaded")
