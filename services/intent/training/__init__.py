"""Training of the intent model, apart from the product: needs requirements/train.txt.

data.py         labelled messages from CSV or JSONL, split and hashed
encoder.py      DistilBERT with exactly the weights of MiniLM-L6
model.py        one pooled encoder, two cosine heads
loop.py         the optimisation: batches, learning rates, averaging, checkpoints
graph.py        the network as an ONNX graph of fused operators
export.py       the same with int8 weights
calibration.py  temperatures, expected calibration error, out-of-scope threshold
report.py       report.md and its pictures
recipe.py       all of it in order
public.py       rows of public data that help the sample shop
"""
