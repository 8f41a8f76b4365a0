"""What the training of several services shares; needs requirements/train.txt.

encoder.py    DistilBERT with exactly the weights of MiniLM-L6
batching.py   batches of similar length
fit.py        the optimisation
precision.py  bf16 where the CPU has it
state.py      averaged weights, checkpoints
graph.py      the encoder as an ONNX graph, int8
quantized.py  float weights out of such a graph
"""
