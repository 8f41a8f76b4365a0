"""The knobs that a degradation mode sets. Services read knobs; only the controller knows modes."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Retrieval = Literal["hybrid", "lexical", "off"]
GenerationTier = Literal["small", "large", "extractive"]


class Policy(BaseModel):
    """How everybody works right now. `Policy.normal()` is a healthy system."""

    model_config = ConfigDict(frozen=True)
    mode: str = "full"  # a name for people: shown to customer and agent, never tested by code
    use_cache: bool = True  # semantic and exact look-up
    serve_stale: bool = False  # answers past their TTL may be given, marked so
    classify: bool = True  # the model; False: keyword rules
    retrieval: Retrieval = "hybrid"
    rerank: bool = True
    tiers: tuple[GenerationTier, ...] = ("small", "large", "extractive")  # tried in this order
    escalate_all: bool = False  # every question goes to a person
    fixed_text: bool = False  # not even people can be reached: say so kindly
    bypassed: frozenset[str] = frozenset()  # dead services that upstream steps around

    @classmethod
    def normal(cls) -> "Policy":
        """Everything works."""
        return cls()
