"""The knobs that a degradation mode sets. Services read knobs; only the controller knows modes."""

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict

Retrieval = Literal["hybrid", "lexical", "off"]
GenerationTier = Literal["small", "large", "extractive"]


ANSWER_RECIPE = "1"  # raise it when prompt or output check change what an answer may say


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

    answer_rules: str = ""  # the operator's name for what may be said; another one, other answers

    @property
    def answer_version(self) -> str:
        """Changes with everything here that changes which answer a question gets.

        What decides whether old answers may be *given* (`use_cache`, `serve_stale`) or who is asked
        to answer at all (`escalate_all`, `fixed_text`, `bypassed`) makes no other answers.
        """
        making = (self.answer_rules, self.classify, self.retrieval, self.rerank, self.tiers)
        return hashlib.sha256(f"{ANSWER_RECIPE}|{making}".encode()).hexdigest()[:8]

    @property
    def best_answer_version(self) -> str:
        """`answer_version` of a healthy system under the same rules."""
        return Policy(answer_rules=self.answer_rules).answer_version

    @classmethod
    def normal(cls) -> "Policy":
        """Everything works."""
        return cls()
