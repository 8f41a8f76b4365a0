"""Knobs of generation."""

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.settings import Section

OPENAI_URL = "https://api.openai.com/v1"


class GenerationSettings(Section):
    """The tiers and the bounds of an answer. An empty URL turns a tier off."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, populate_by_name=True
    )

    small_llm_url: str = Field("", description="OpenAI-compatible URL of the small model")
    small_llm_model: str = Field("small", description="its model name")
    small_llm_api_key: SecretStr = Field(SecretStr(""), description="its key, if it wants one")
    large_llm_url: str = Field(
        "",
        validation_alias=AliasChoices("LARGE_LLM_URL", "OPENAI_BASE_URL"),
        description="OpenAI-compatible URL of the large model",
    )
    large_llm_model: str = Field("gpt-4o-mini", description="its model name")
    large_llm_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("LARGE_LLM_API_KEY", "OPENAI_API_KEY"),
        description="its key; with a key and no URL, the OpenAI API is used",
    )
    max_tokens: int = Field(150, ge=16, le=4096, validation_alias="GENERATION_MAX_TOKENS")
    temperature: float = Field(0.3, ge=0, le=2, validation_alias="GENERATION_TEMPERATURE")
    tier_timeout_s: float = Field(6.0, gt=0, validation_alias="GENERATION_TIER_TIMEOUT_S")
    breaker_failures: int = Field(3, ge=1, validation_alias="GENERATION_BREAKER_FAILURES")
    breaker_pause_s: float = Field(10.0, gt=0, validation_alias="GENERATION_BREAKER_PAUSE_S")
    small_usd_per_million: float = Field(
        0.0, ge=0, validation_alias="GENERATION_SMALL_USD_PER_MILLION"
    )
    large_usd_per_million: float = Field(
        0.6, ge=0, validation_alias="GENERATION_LARGE_USD_PER_MILLION"
    )

    @property
    def effective_large_url(self) -> str:
        """The large tier's URL; the OpenAI API when there is only a key."""
        if self.large_llm_url or not self.large_llm_api_key.get_secret_value():
            return self.large_llm_url
        return OPENAI_URL
