"""A collection of Qdrant: a server, or a folder of the client's own local mode, which searches exactly and serves tests.

Vectors are kept as float16 (2 d bytes) and compared by cosine. Ranks and `clades` are indexed when the collection is made, before
the first point: Qdrant's graph gets the links that a filter needs only for fields that are indexed when it is built
(https://qdrant.tech/documentation/concepts/indexing/#filterable-index).
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from cladescope.errors import StoreError
from cladescope.index.publishing.clades import FIELD, keys_within
from cladescope.index.publishing.points import DIGEST, Points
from cladescope.index.publishing.target import MEMBER, Held, retried
from cladescope.index.store_reader import StoreReader
from cladescope.taxonomy import RANKS

logger = logging.getLogger(__name__)

T = TypeVar("T")

URL = "http://localhost:6333"
"""Where a server of one's own listens."""
TIMEOUT = 60
"""Seconds a request may take."""
BUSY = (408, 429, 502, 503, 504)
"""Answers of a server that may pass."""
PAGE = 1 << 12
"""Ids asked for at a time."""


class QdrantTarget:
    """One collection of a Qdrant client."""

    def __init__(self, client: QdrantClient, collection: str, *, url: str, is_local: bool) -> None:
        self._client, self._collection, self._is_local = client, collection, is_local
        self.longest = None
        self.place = f"collection {collection!r} of Qdrant at {url}"

    def held(self) -> Held | None:
        """The collection, or None where there is none yet. Raises StoreError where its vectors have names."""
        if not self._ask(lambda: self._client.collection_exists(self._collection)):
            return None
        config = self._ask(lambda: self._client.get_collection(self._collection)).config
        vectors = config.params.vectors
        record = (config.metadata or {}).get(MEMBER)
        if not isinstance(vectors, models.VectorParams):
            raise StoreError(
                f"{self.place} has vectors of several names, expected one without: name another collection"
            )
        return Held(dim=vectors.size, metric=vectors.distance.value.lower(), n_points=self.count(), record=record)

    def create(self, dim: int, schema: pa.Schema) -> None:
        """Make the collection and the indexes of its payload."""
        vectors = models.VectorParams(size=dim, distance=models.Distance.COSINE, datatype=models.Datatype.FLOAT16)
        self._ask(lambda: self._client.create_collection(self._collection, vectors_config=vectors))
        self.prepare()

    def prepare(self) -> None:
        """Index ranks and clades; what is indexed stays so."""
        for name in (*RANKS, FIELD):
            self._ask(partial(self._index, name))

    def _index(self, name: str) -> None:
        with warnings.catch_warnings():
            if self._is_local:
                # Local mode has no indexes, and says so each time.
                warnings.simplefilter("ignore", UserWarning)
            self._client.create_payload_index(
                self._collection, name, field_schema=models.PayloadSchemaType.KEYWORD, wait=True
            )

    def note(self, record: dict[str, Any]) -> None:
        """Keep the record in the metadata of the collection."""
        self._ask(lambda: self._client.update_collection(self._collection, metadata={MEMBER: record}))

    def digests(self, ids: Sequence[str]) -> dict[str, str]:
        """What those of some points that are there were made of."""
        found = self._ask(
            lambda: self._client.retrieve(self._collection, list(ids), with_payload=[DIGEST], with_vectors=False)
        )
        return {str(point.id): str((point.payload or {}).get(DIGEST, "")) for point in found}

    def put(self, points: Points) -> None:
        """Add points, or put them in the place of those of the same ids."""
        batch = models.Batch(ids=list(points.ids), payloads=points.payloads, vectors=points.vectors.tolist())
        self._ask(lambda: self._client.upsert(self._collection, batch, wait=True))

    def count(self) -> int:
        """How many points there are."""
        return int(self._ask(lambda: self._client.count(self._collection, exact=True)).count)

    def ids(self) -> Iterator[list[str]]:
        """Ids of all points, in blocks."""
        offset: Any = None
        while True:
            found, offset = self._page(offset)
            yield [str(point.id) for point in found]
            if offset is None:
                return

    def _page(self, offset: Any) -> tuple[list[models.Record], Any]:
        return self._ask(
            lambda: self._client.scroll(
                self._collection, limit=PAGE, offset=offset, with_payload=False, with_vectors=False
            )
        )

    def delete(self, ids: Sequence[str]) -> None:
        """Take points out."""
        selector = models.PointIdsList(points=list(ids))
        self._ask(lambda: self._client.delete(self._collection, selector, wait=True))

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _ask(self, ask: Callable[[], T]) -> T:
        try:
            return retried(ask, what=self.place, passing=_passing)
        except UnexpectedResponse as error:
            raise StoreError(f"{self.place} refuses ({_said(error)}): {_advice(error.status_code)}") from error


def connect(url: str, collection: str, *, api_key: str | None = None, is_local: bool = False) -> QdrantTarget:
    """A collection of a server, or of a folder where `is_local`.

    Raises StoreError where another process holds the folder.
    """
    try:
        if is_local:
            client = QdrantClient(path=url)
        else:
            if api_key is not None and url.lower().startswith("http:"):
                logger.warning("the key goes to %s unencrypted: use https", url)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
                client = QdrantClient(url=url, api_key=api_key, timeout=TIMEOUT, check_compatibility=False)
    except (RuntimeError, ValueError) as error:
        raise StoreError(f"Qdrant at {url} cannot be opened: {' '.join(str(error).split())[:200]}") from error
    return QdrantTarget(client, collection, url=url, is_local=is_local)


def within(store: StoreReader, taxa: str | Sequence[str]) -> models.Filter:
    """The filter for a clade of a store, or for a union of several, as `--within` means them.

    Raises TaxonError for a clade that the store does not know, or a name that has several meanings.
    """
    keys = models.MatchAny(any=keys_within(store, taxa))
    return models.Filter(must=[models.FieldCondition(key=FIELD, match=keys)])


def _passing(error: Exception) -> str | None:
    """What is at fault where that may pass, in a few words."""
    if isinstance(error, ResponseHandlingException):
        cause = error.source
        return " ".join(f"{type(cause).__name__}: {cause}".split())[:200]
    if isinstance(error, ResourceExhaustedResponse):
        return "too many requests"
    if isinstance(error, UnexpectedResponse) and error.status_code in BUSY:
        return _said(error)
    return None


def _said(error: UnexpectedResponse) -> str:
    content = " ".join(error.content.decode(errors="replace").split())[:200]
    return f"{error.status_code} {error.reason_phrase}{': ' if content else ''}{content}"


def _advice(status: int | None) -> str:
    if status in (401, 403):
        return "name the environment variable that holds its key"
    if status == 413:
        return "send fewer points a request (batch_size)"
    return "see what the server's log says of it"
