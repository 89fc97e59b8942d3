"""A collection of Milvus: a server, or a file of Milvus Lite, which runs in the process and serves tests.

Fixed fields hold the point's id, vector, digest, ranks, `clades`, `image_id`, `uri` and `common_name`; all other columns are dynamic fields (JSON),
which filters read by their names. The vector's index is HNSW by cosine. Ranks and `clades` have inverted indexes, made with the
collection. The client is loaded when a collection is opened: it is an extra.
"""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from cladescope.errors import StoreError
from cladescope.index.publishing.clades import FIELD, keys_within
from cladescope.index.publishing.points import DIGEST, Points
from cladescope.index.publishing.target import MEMBER, Held, retried
from cladescope.index.store_reader import StoreReader
from cladescope.taxonomy import RANKS

T = TypeVar("T")

URL = "http://localhost:19530"
"""Where a server of one's own listens."""
TIMEOUT = 60.0
"""Seconds a request may take."""
LONGEST = 65_535
"""Bytes of a text that a field of Milvus holds."""
TEXTS = ("image_id", "uri", "common_name", DIGEST, *RANKS)
"""Texts with fields of their own; null where a row has none."""
GRAPH = {"M": 16, "efConstruction": 200}
"""Links a node and width of the search while the graph is built."""
PAGE = 1 << 12
"""Ids asked for at a time."""
PASSING = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "Fail connecting", "rate limit", "not ready", "Connection refused")
"""Words of faults that may pass."""


class MilvusTarget:
    """One collection of a Milvus client."""

    def __init__(self, client: Any, collection: str, *, url: str, is_local: bool) -> None:
        self._client, self._collection, self._is_local = client, collection, is_local
        self.longest = LONGEST
        self.place = f"collection {collection!r} of Milvus at {url}"
        self._half = not is_local

    def held(self) -> Held | None:
        """The collection, or None where there is none yet. Raises StoreError where it has other fields."""
        if not self._ask(lambda: self._client.has_collection(self._collection)):
            return None
        about = self._ask(lambda: self._client.describe_collection(self._collection))
        fields = {field["name"]: field for field in about["fields"]}
        vector = fields.get("vector")
        if vector is None or not {"id", *TEXTS, FIELD} <= fields.keys():
            raise StoreError(
                f"{self.place} lacks fields of a store's points: name another collection, or delete this one"
            )
        self._half = vector["type"].name == "FLOAT16_VECTOR"
        index = self._ask(lambda: self._client.describe_index(self._collection, "vector")) or {}
        record = (about.get("properties") or {}).get(MEMBER)
        return Held(
            dim=int(vector["params"]["dim"]),
            metric=str(index.get("metric_type", "COSINE")).lower(),
            n_points=self.count(),
            record=None if record is None else json.loads(record),
        )

    def create(self, dim: int, schema: pa.Schema) -> None:
        """Make the collection with its indexes, and load it."""
        from pymilvus import DataType

        made = self._client.create_schema(auto_id=False, enable_dynamic_field=True)
        made.add_field("id", DataType.VARCHAR, max_length=36, is_primary=True)
        # Milvus Lite knows no float16.
        made.add_field("vector", DataType.FLOAT16_VECTOR if self._half else DataType.FLOAT_VECTOR, dim=dim)
        for name in TEXTS:
            made.add_field(name, DataType.VARCHAR, max_length=LONGEST, nullable=True)
        made.add_field(
            FIELD, DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=len(RANKS), max_length=LONGEST
        )
        indexes = self._client.prepare_index_params()
        indexes.add_index("vector", index_type="HNSW", metric_type="COSINE", params=GRAPH)
        # Nor does it index lists.
        for name in (*RANKS, *(() if self._is_local else (FIELD,))):
            indexes.add_index(name, index_type="INVERTED")
        # A later run must see what an earlier one wrote.
        self._ask(
            lambda: self._client.create_collection(
                self._collection, schema=made, index_params=indexes, consistency_level="Strong"
            )
        )

    def prepare(self) -> None:
        """Load the collection; its indexes came with it."""
        self._ask(lambda: self._client.load_collection(self._collection))

    def note(self, record: dict[str, Any]) -> None:
        """Keep the record among the properties of the collection."""
        told = {MEMBER: json.dumps(record, sort_keys=True)}
        self._ask(lambda: self._client.alter_collection_properties(self._collection, told))

    def digests(self, ids: Sequence[str]) -> dict[str, str]:
        """What those of some points that are there were made of."""
        found = self._ask(lambda: self._client.get(self._collection, list(ids), output_fields=["id", DIGEST]))
        return {row["id"]: row[DIGEST] for row in found}

    def put(self, points: Points) -> None:
        """Add points, or put them in the place of those of the same ids."""
        empty = dict.fromkeys(TEXTS)
        vectors = points.vectors.astype(np.float16 if self._half else np.float32)
        rows = [
            {**empty, **payload, "id": one, "vector": vector}
            for one, payload, vector in zip(points.ids, points.payloads, vectors, strict=True)
        ]
        self._ask(lambda: self._client.upsert(self._collection, rows))

    def count(self) -> int:
        """How many points there are."""
        found = self._ask(
            lambda: self._client.query(
                self._collection, filter="", output_fields=["count(*)"], consistency_level="Strong"
            )
        )
        return int(found[0]["count(*)"])

    def ids(self) -> Iterator[list[str]]:
        """Ids of all points, in blocks."""
        pages = self._ask(
            lambda: self._client.query_iterator(
                self._collection, batch_size=PAGE, output_fields=["id"], consistency_level="Strong"
            )
        )
        while page := self._ask(pages.next):
            yield [row["id"] for row in page]
        pages.close()

    def delete(self, ids: Sequence[str]) -> None:
        """Take points out."""
        self._ask(lambda: self._client.delete(self._collection, ids=list(ids)))

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _ask(self, ask: Callable[[], T]) -> T:
        from pymilvus import MilvusException

        try:
            return retried(ask, what=self.place, passing=_passing)
        except MilvusException as error:
            raise StoreError(f"{self.place} refuses ({_said(error)}): see what the server's log says of it") from error


def connect(url: str, collection: str, *, api_key: str | None = None, is_local: bool = False) -> MilvusTarget:
    """A collection of a server, or of a file of Milvus Lite where `is_local`; such a file ends in `.db`.

    Raises StoreError where nothing answers there, or the file cannot be opened.
    """
    from pymilvus import MilvusClient, MilvusException

    # It writes the traceback of every error into the log, of those too that we look after.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    if is_local and not url.endswith(".db"):
        raise StoreError(f"found {url}, expected the address of a server, or a file of Milvus Lite, which ends in .db")
    place = f"Milvus at {url}"
    try:
        client = retried(lambda: MilvusClient(url, token=api_key or "", timeout=TIMEOUT), what=place, passing=_passing)
    except (MilvusException, ImportError) as error:
        raise StoreError(
            f"{place} cannot be opened ({_said(error)}): see that it runs, and the key is right"
        ) from error
    return MilvusTarget(client, collection, url=url, is_local=is_local)


def within(store: StoreReader, taxa: str | Sequence[str]) -> str:
    """The filter for a clade of a store, or for a union of several, as `--within` means them.

    Raises TaxonError for a clade that the store does not know, or a name that has several meanings.
    """
    return f"array_contains_any({FIELD}, {json.dumps(keys_within(store, taxa), ensure_ascii=False)})"


def _passing(error: Exception) -> str | None:
    """What is at fault where that may pass, in a few words."""
    said = _said(error)
    return said if any(word.lower() in said.lower() for word in PASSING) else None


def _said(error: Exception) -> str:
    return " ".join(str(getattr(error, "message", None) or error).split())[:200]
