"""Vectors on disk by the text they are of, so that nothing is embedded twice for measurements."""

import hashlib
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from shared.embeddings import Embedder, Vectors

EMBED_AT_ONCE = 512  # also what an interrupted run loses at most
_WAIT_S = 30.0  # for another run that writes


def cached_vectors(embedder: Embedder, texts: Sequence[str], folder: Path) -> Vectors:
    """Vectors of `texts`, [n, dimensions], from `folder` where these texts were embedded before.

    Progress goes to standard error. A file per embedder; safe for several processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(embedder.name.encode()).hexdigest()[:12]
    keys = [hashlib.sha256(text.encode()).digest()[:16] for text in texts]
    with closing(sqlite3.connect(folder / f"{name}.sqlite", timeout=_WAIT_S)) as database:
        database.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB)")
        found = _known(database)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        found |= _embedded(embedder, missing, database)
    vectors = np.empty((len(texts), embedder.dimensions), np.float32)
    for row, key in enumerate(keys):
        vectors[row] = np.frombuffer(found[key], np.float32)
    return vectors


def _known(database: sqlite3.Connection) -> dict[bytes, bytes]:
    return dict(database.execute("SELECT key, vector FROM vectors"))


def _embedded(
    embedder: Embedder, missing: dict[bytes, str], database: sqlite3.Connection
) -> dict[bytes, bytes]:
    made: dict[bytes, bytes] = {}
    items = list(missing.items())
    for start in range(0, len(items), EMBED_AT_ONCE):
        print(f"embedding {start} of {len(items)} chunks", file=sys.stderr)
        some = items[start : start + EMBED_AT_ONCE]
        vectors = embedder.embed([text for _, text in some])
        new = {key: vector.tobytes() for (key, _), vector in zip(some, vectors, strict=True)}
        with database:
            database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", new.items())
        made |= new
    return made
