"""One training run: a network, what it has learned, and what it remembers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from services.intent.classifier import OOS
from services.intent.training.data import ROUTES, Message
from services.intent.training.loop import Encoded, Recipe, optimise
from services.intent.training.memory import Memory
from services.intent.training.model import IntentModel, set_prototypes
from shared.training import encoder
from shared.training.batching import pad

_LORA_RATE = 6  # adapters start at zero and take larger steps than the weights they adapt
_OOS_COPIES = 4  # a hundred out-of-scope rows would drown among thousands


class Trainer:
    """One run: the network, its labels and the folder it is written to."""

    def __init__(self, rows: Sequence[Message], out: Path, recipe: Recipe, checkpoint: str) -> None:
        self.out, self.recipe = out, recipe
        self.intents = sorted({m.intent for m in rows if m.intent})
        self.has_routes = any(m.route for m in rows)
        self.intent_routes = _routes_of(self.intents, rows) if self.has_routes else []
        base, source = encoder.load(checkpoint)
        base.config.save_pretrained(out)
        (out / "tokenizer.json").write_text(encoder.tokenizer_json(source), "utf-8")
        self.tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
        self.tokenizer.enable_truncation(recipe.max_tokens)
        self.model = IntentModel(
            base,
            base.config.dim,
            len(self.intents),
            len(ROUTES) if self.has_routes else 0,
            frustration=any(m.frustration is not None for m in rows),
        )

    def encoded(self, messages: Sequence[Message]) -> Encoded:
        """Texts and label numbers."""
        texts = [m.text for m in messages]
        known = {name: number for number, name in enumerate(self.intents)}
        unknown = float("nan")
        return Encoded(
            texts,
            [len(e.ids) for e in self.tokenizer.encode_batch(texts)],
            torch.tensor([known.get(m.intent or "", -1) for m in messages]),
            torch.tensor([ROUTES.index(m.route) if m.route else -1 for m in messages]),
            torch.tensor([unknown if m.frustration is None else m.frustration for m in messages]),
            known.get(OOS, -1),
            self.tokenizer,
        )

    def vectors(self, rows: Encoded) -> Tensor:
        """The pooled vector of each row as the network is now: [n, width]."""
        self.model.eval()
        found = torch.zeros(len(rows.texts), self.model.intent.weight.shape[1])
        order = sorted(range(len(rows.texts)), key=lambda row: rows.lengths[row])
        with torch.no_grad():
            for start in range(0, len(order), 64):
                part = order[start : start + 64]
                texts = [rows.texts[row] for row in part]
                ids = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
                found[part] = self.model.pool(*pad(ids))
        return found

    def memory(self, messages: Sequence[Message]) -> Memory:
        """The messages that carry a label of their own, as the network sees them now."""
        rows = self.encoded([m for m in messages if m.intent or m.route])
        return Memory(self.vectors(rows), rows.intents, rows.routes)

    def fit(self, messages: Sequence[Message], *, lora: bool, checkpoint: str) -> None:
        """Prototypes first, then the optimisation; 0 epochs leave the prototypes.

        `checkpoint` is the name of the file in `out` that an interrupted run goes on from.
        """
        more = [m for m in messages if m.intent == OOS] * (_OOS_COPIES - 1)
        rows = self.encoded([*messages, *more])
        vectors = self.vectors(rows)
        set_prototypes(self.model.intent, vectors, rows.intents)
        if self.model.route is not None:
            set_prototypes(self.model.route, vectors, rows.routes)
        if self.recipe.epochs == 0:
            return
        recipe = self.recipe
        if lora:
            self.model.encoder = _with_lora(self.model.encoder)
            recipe = replace(recipe, encoder_rate=recipe.encoder_rate * _LORA_RATE)
        optimise(self.model, rows, recipe, self.out / checkpoint)
        if lora:
            self.model.encoder = self.model.encoder.merge_and_unload()

    def document(self) -> dict[str, Any]:
        """labels.json before calibration."""
        return {
            "intents": self.intents,
            "routes": list(ROUTES) if self.has_routes else [],
            "intent_routes": self.intent_routes,
            "intent_temperature": 1.0,
            "route_temperature": 1.0,
            "frustration_temperature": 1.0,
            "oos_threshold": None,
            "max_tokens": self.recipe.max_tokens,
        }


def _routes_of(intents: Sequence[str], rows: Sequence[Message]) -> list[int]:
    """The number of the route that most rows of each intent take; [] if one takes none."""
    counted = Counter((m.intent, m.route) for m in rows if m.intent and m.route)
    found = [max(ROUTES, key=lambda route: counted[name, route]) for name in intents]
    if any(not counted[pair] for pair in zip(intents, found, strict=True)):
        return []
    return [ROUTES.index(route) for route in found]


def _with_lora(model: Any) -> Any:
    """Rank-16 adapters on attention and feed-forward. Source: Hu et al. 2021, arXiv:2106.09685."""
    from peft import LoraConfig, get_peft_model

    targets = ["q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"]
    return get_peft_model(
        model, LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=targets)
    )
