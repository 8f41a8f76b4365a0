"""Training of the intent model, apart from the product: needs requirements/train.txt.

data.py         labelled messages from CSV or JSONL, split and hashed
model.py        one pooled encoder, two cosine heads
loop.py         the optimisation: what is learned how fast
graph.py        its heads as nodes of an ONNX graph
export.py       the same with int8 weights
calibration.py  temperatures, expected calibration error, out-of-scope threshold
report.py       report.md and its pictures
trainer.py      one run: fit, vectors, memory
recipe.py       all of it in order
public.py       rows of public data that help the sample shop
The encoder, its graph, batches and checkpoints: shared/training.
"""
