"""Training of the embedder and the re-ranker on pairs mined from documents. Needs `train.txt`."""
