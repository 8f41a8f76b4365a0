"""What the Qdrant server is asked: pure functions from our values to its request models."""

from collections.abc import Mapping
from typing import Any

from qdrant_client import models

from shared.vectors import layout
from shared.vectors.layout import DENSE, LEXICAL
from shared.vectors.lexical import encode_chunk, encode_query, language_of
from shared.vectors.port import Chunk, Query, Vectors

OVERSAMPLING = 2.0  # candidates by int8, rescored with the float vectors


def equals(key: str, value: str) -> models.FieldCondition:
    """The payload field `key` holds exactly `value`."""
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def chunk_filter(tenant_id: str, *more: models.FieldCondition) -> models.Filter:
    """Chunks of one tenant that meet all further conditions."""
    return models.Filter(must=[equals("tenant_id", tenant_id), equals("kind", "chunk"), *more])


def head_filter(tenant_id: str) -> models.Filter:
    """The heads of all documents of one tenant."""
    return models.Filter(must=[equals("tenant_id", tenant_id), equals("kind", "head")])


def query_filter(query: Query) -> models.Filter:
    """Which points a query may see."""
    may_see = models.MatchAny(any=list(query.visibility))
    more = [models.FieldCondition(key="visibility", match=may_see)]
    if query.locale:
        more.append(equals("language", language_of(query.locale)))
    if query.product:
        more.append(equals("product", query.product))
    return chunk_filter(query.tenant_id, *more)


def legs_of(query: Query) -> dict[str, models.QueryRequest]:
    """One request per leg the query has: `dense` and `lexical`, or one of them, or none."""
    allowed = query_filter(query)
    wanted: list[str] | bool = [DENSE] if query.vector is not None else False
    legs: dict[str, models.QueryRequest] = {}
    if query.vector is not None:
        rescore = models.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING)
        legs[DENSE] = models.QueryRequest(
            query=query.vector.tolist(), using=DENSE, filter=allowed, limit=query.candidates,
            with_payload=True, with_vector=wanted,
            params=models.SearchParams(quantization=rescore),
        )  # fmt: skip
    words = encode_query(query.text, query.locale)
    if words:
        own_words = models.IdfCorpusParams(corpus=chunk_filter(query.tenant_id))
        legs[LEXICAL] = models.QueryRequest(
            query=sparse(words), using=LEXICAL, filter=allowed, limit=query.candidates,
            with_payload=True, with_vector=wanted, params=models.SearchParams(idf=own_words),
        )  # fmt: skip
    return legs


def point_of(chunk: Chunk, vector: Vectors, generation: str) -> models.PointStruct:
    """The point that stores a chunk."""
    return models.PointStruct(
        id=layout.chunk_point_id(generation, chunk.id),
        vector={DENSE: vector.tolist(), LEXICAL: sparse(encode_chunk(chunk))},
        payload=layout.chunk_payload(chunk, generation),
    )


def collection_settings(dimensions: int) -> dict[str, Any]:
    """Named vectors, int8 in RAM with the originals on disk, and graphs per tenant only.

    `m=0` with `payload_m=16` builds no graph over all tenants together.
    Source: Qdrant documentation, "Multitenancy" and "Quantization".
    """
    int8 = models.ScalarQuantizationConfig(
        type=models.ScalarType.INT8, quantile=0.99, always_ram=True
    )
    dense = models.VectorParams(
        size=dimensions,
        distance=models.Distance.COSINE,
        on_disk=True,
        quantization_config=models.ScalarQuantization(scalar=int8),
        hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),
    )
    words = models.SparseVectorParams(modifier=models.Modifier.IDF)
    return {"vectors_config": {DENSE: dense}, "sparse_vectors_config": {LEXICAL: words}}


def sparse(weights: Mapping[int, float]) -> models.SparseVector:
    """Word hashes and their weights as the server wants them."""
    return models.SparseVector(indices=list(weights.keys()), values=list(weights.values()))
