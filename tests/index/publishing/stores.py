"""Small stores with homonyms, gaps in lineages and columns of many types, and the databases that they are published to."""

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cladescope.arrays import normalise
from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.tables import failures_table
from cladescope.index.publishing import qdrant
from cladescope.index.publishing.clades import keys_within
from cladescope.index.store import Store
from cladescope.schema import images_schema, vector_type
from cladescope.taxonomy import RANKS

DIM = 16
CARD = EncoderCard(name="made-up", dim=DIM, weight_hash="0" * 64, transform=None, has_text=False)
LINEAGES = (
    ("Animalia", "Chordata", "Aves", "Passeriformes", "Muscicapidae", "Oenanthe", "Oenanthe oenanthe"),
    ("Plantae", "Tracheophyta", "Magnoliopsida", "Apiales", "Apiaceae", "Oenanthe", "Oenanthe crocata"),
    ("Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Panthera", "Panthera leo"),
    ("Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Felis", "Felis catus"),
    ("ANIMALIA", None, "Aves", None, None, "Parus", "Parus major"),
    (None,) * 7,
)
CLADES = ("Animalia", "Felidae", "Aves", "Plantae > Oenanthe", "Animalia > Oenanthe", "Felis catus", "genus:Parus")


def add(store, n=60, *, first=0, seed=0, extra=None):
    """Write rows with random vectors, and columns of a source's own."""
    vectors = normalise(np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32)).astype(np.float16)
    lineages = [LINEAGES[row % len(LINEAGES)] for row in range(n)]
    own = {} if extra is None else extra
    fields = [pa.field(name, values.type) for name, values in own.items()]
    store.add_fields(fields)
    columns = {
        "image_id": [f"i{first + row}" for row in range(n)],
        "uri": [f"/pictures/{first + row}.jpg" for row in range(n)],
        "source": ["s"] * n,
        "width": [640 + row for row in range(n)],
        **{rank: [lineage[place] for lineage in lineages] for place, rank in enumerate(RANKS)},
        "common_name": ["wheatear" if row % len(LINEAGES) == 0 else None for row in range(n)],
    }
    schema = images_schema(DIM, fields)
    flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIM).cast(vector_type(DIM))
    arrays = {
        field.name: own.get(field.name, flat if field.name == "vector" else columns.get(field.name)) for field in schema
    }
    table = pa.table(
        [pa.nulls(n, field.type) if arrays[field.name] is None else pa.array(arrays[field.name], field.type)
         if not isinstance(arrays[field.name], pa.Array) else arrays[field.name] for field in schema],
        schema=schema,
    )  # fmt: skip
    store.write(table, failures_table([]))
    store.refresh()
    return vectors


def make(path, n=60, *, seed=0, card=CARD, extra=None):
    """A store of such rows."""
    store = Store.create(path, card)
    add(store, n, seed=seed, extra=extra)
    return store


def exact(store, query, k, *, within=None):
    """Ids and scores of the nearest rows by the store's own exact search."""
    hits = store.search(vector=query, k=k, within=within, exact=True).hits
    return [hit.image_id for hit in hits], [hit.score for hit in hits]


@dataclass
class Base:
    """A database in which collections can be looked at."""

    client: Any
    url: str

    def target(self, name="birds"):
        """One collection."""
        return qdrant.QdrantTarget(self.client, name, url=self.url, is_local=True)

    def rows(self, name="birds"):
        """Payloads by image_id."""
        points, _ = self.client.scroll(name, limit=10_000)
        return {point.payload["image_id"]: point.payload for point in points}

    def nearest(self, query, k, *, store=None, within=None):
        """Ids and scores of the nearest points."""
        only = None if within is None else qdrant.within(store, within)
        found = self.client.query_points("birds", query=query.tolist(), query_filter=only, limit=k).points
        return [point.payload["image_id"] for point in found], [point.score for point in found]

    def drop(self, image_ids):
        """Take points out behind the back of `publish`."""
        from qdrant_client import models

        any_of = models.FieldCondition(key="image_id", match=models.MatchAny(any=list(image_ids)))
        self.client.delete("birds", models.FilterSelector(filter=models.Filter(must=[any_of])))


def has_milvus():
    """Whether Milvus Lite and its client are installed, as they are where `.ci/milvus` runs these tests."""
    return all(importlib.util.find_spec(name) for name in ("milvus_lite", "pymilvus"))


DATABASES = [
    "memory",
    "folder",
    pytest.param(
        "milvus", marks=pytest.mark.skipif(not has_milvus(), reason="no Milvus Lite: .ci/publishing runs this")
    ),
]


def open_base(kind, folder):
    """A database of one of the kinds that are tested."""
    from qdrant_client import QdrantClient

    if kind == "memory":
        return Base(QdrantClient(":memory:"), ":memory:")
    if kind == "folder":
        return Base(QdrantClient(path=str(folder / "q")), str(folder / "q"))
    from tests.index.publishing.milvus_base import MilvusBase

    return MilvusBase.open(folder / "m.db")


__all__ = ["CARD", "CLADES", "DATABASES", "DIM", "add", "exact", "keys_within", "make", "open_base"]
