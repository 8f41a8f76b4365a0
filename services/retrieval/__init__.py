"""Retrieval: from a question to the passages that may answer it, and documents into the index.

job            search (dense + BM25, fused, re-ranked); ingest submitted documents
consumes       Routed; DocumentSubmitted, DocumentPrepared
produces       Grounded; KnowledgeChanged (and, from the Celery job, DocumentPrepared)
when degraded  lexical only, or stepped past without passages: generation then hands over
data it owns   the index at VECTORS_URL; with `edge:` exactly one retrieval process may run
"""
