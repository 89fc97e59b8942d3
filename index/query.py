"""What a query is made of, and the one vector that it becomes: what is wanted, less what is not."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Real

from cladescope.arrays import normalise
from cladescope.embedding.encode import encoded
from cladescope.embedding.given import MEMORY, AnyPicture, as_records
from cladescope.embedding.locations import canonical, read_bytes
from cladescope.embedding.records import Record
from cladescope.embedding.regions import split_region
from cladescope.errors import InputError, PictureError
from cladescope.index.centroids import centroid
from cladescope.index.defaults import UNLIKE_WEIGHT
from cladescope.index.store import Store

ROUNDING = 0.002
"""Length below which the mean of unit vectors, or a difference of two, has no direction: what the rounding of stored vectors
to 16 bits can leave of nothing, twice."""

UNIT = 1e-6
"""How far the square of a length may be from 1 for a vector to count as one of unit length."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Pictures, a text, stored pictures, vectors and taxa: one side of a query, each counting alike."""

    images: Sequence[AnyPicture] = ()
    text: str | None = None
    image_ids: Sequence[str] = ()
    vectors: Sequence[Real[np.ndarray, " d"]] = ()
    taxa: Sequence[str] = ()
    """Names or paths of taxa, each of which stands for its centroid (`cladescope.index.centroids`)."""

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.images or self.text is not None or self.image_ids or len(self.vectors) or self.taxa)


@dataclass(frozen=True, kw_only=True)
class Composed:
    """A query as it is searched with."""

    vector: Float32[np.ndarray, " d"]
    """Of unit length."""
    leave_out: frozenset[int]
    """Row ids of the stored pictures that it is made of."""
    kin: tuple[tuple[str, str | None], ...]
    """Address and observation of each picture that is wanted: hits that show the same are no witnesses."""
    own: frozenset[str]
    """Addresses of the files that were given: rows of the store that show these very files are the query itself."""
    is_composed: bool
    """Whether it is made of several things: several parts, a difference, or a taxon's pictures. An index looks for it more widely; a
    text it knows by its score."""


def several(given: str | Sequence[str] | None, *, name: str = "it") -> tuple[str, ...]:
    """One text or several as a tuple, each once; none for None. Raises InputError, which names the argument, for what is no text.

    >>> several("a"), several(["a", "b", "a"]), several(None)
    (('a',), ('a', 'b'), ())
    """
    found = () if given is None else (given,) if isinstance(given, str) or not isinstance(given, Iterable) else given
    texts = tuple(dict.fromkeys(found))
    if wrong := [one for one in texts if not isinstance(one, str)]:
        raise InputError(f"{name} is {wrong[0]!r}: expected a text, or several in a list")
    return texts


def rows_of(vector: Real[np.ndarray, "..."] | None) -> Sequence[Real[np.ndarray, " d"]]:
    """One vector, or the rows of an array of several. Raises InputError for an array of more axes.

    >>> len(rows_of(np.ones(4))), len(rows_of(np.ones((3, 4)))), len(rows_of(None))
    (1, 3, 0)
    """
    if vector is None:
        return ()
    if np.ndim(vector) not in (1, 2):
        raise InputError(f"the query has the shape {np.shape(vector)}: expected one vector, or several as rows")
    return list(vector) if np.ndim(vector) == 2 else [vector]


def compose(store: Store, like: Parts, unlike: Parts | None = None, *, weight: float = UNLIKE_WEIGHT) -> Composed:
    """The query for what is `like` some parts and not like others.

    With a and b the normalised means of the unit vectors of each side, the query is a, or a - `weight` b, normalised: the
    direction of Rocchio's formula (1971) without its documents. The order of the parts makes no difference but by rounding.

    Raises InputError where nothing is wanted, for an unknown id, a weight that is not above 0, vectors of another dimension and
    a query without direction; TaxonError for an unknown taxon; PictureError, naming it, for a picture that cannot be used;
    EncoderError for a text where the encoder has no text side.
    """
    unlike = unlike or Parts()
    if not like:
        raise InputError("the query is empty: give a picture, a text, an image_id, a vector or a taxon to look for")
    if not 0 < weight < float("inf"):
        raise InputError(f"the weight of what is not wanted is {weight}: expected a number above 0")
    columns = ["vector", "uri", "observation_id"]
    stored = [store.row(one, columns) for one in dict.fromkeys(like.image_ids)]
    others = [store.row(one, columns) for one in dict.fromkeys(unlike.image_ids)]
    # Pictures are read before an encoder is loaded: a wrong path is told at once.
    records = _read(like.images)
    unlike_records = _read(unlike.images)
    parts = [*_vectors(store, like, stored), *_encode(store, records)]
    query = _mean(parts, "the parts of the query")
    if unlike:
        away = _mean([*_vectors(store, unlike, others), *_encode(store, unlike_records)], "what is not wanted")
        query = _unit(query - weight * away, "the query less what is not wanted")
    kin = [(str(row["uri"]), row["observation_id"]) for row in stored]
    kin += [(address, None) for record in records for address in _addresses(record)]
    return Composed(
        vector=query.astype(np.float32),
        leave_out=frozenset(int(row["_rowid"]) for row in (*stored, *others)),
        kin=tuple(kin),
        own=frozenset(address for record in (*records, *unlike_records) for address in _addresses(record)),
        is_composed=len(parts) > 1 or bool(unlike) or bool(like.taxa),
    )


def _vectors(store: Store, parts: Parts, stored: Sequence[dict[str, Any]]) -> list[Float[np.ndarray, " d"]]:
    """Unit vectors of all parts but pictures that are not stored."""
    found = [_unit(np.asarray(row["vector"], np.float32), "the stored picture") for row in stored]
    for vector in parts.vectors:
        if len(vector) != store.card.dim:
            raise InputError(
                f"the query has {len(vector)} numbers, the store's vectors {store.card.dim}: use the store's encoder"
            )
        found.append(of_unit_length(np.asarray(vector)))
    found += [centroid(store, taxon) for taxon in parts.taxa]
    if parts.text is not None:
        if not parts.text.strip():
            raise InputError("the text of the query is empty: give some words, or leave it out")
        found.append(store.encoder.encode_texts([parts.text])[0])
    return found


def of_unit_length(vector: Real[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
    """A vector's direction; the vector itself where it has unit length, which costs a tenth of the time."""
    # Unlike `@`, vdot gives no warning of numbers beyond float32.
    if vector.dtype == np.float32 and abs(float(np.vdot(vector, vector)) - 1) < UNIT:
        return vector
    unit: Float[np.ndarray, " d"] = normalise(vector[None])[0]
    return unit


def _mean(vectors: Sequence[Float[np.ndarray, " d"]], what: str) -> Float[np.ndarray, " d"]:
    return vectors[0] if len(vectors) == 1 else _unit(np.mean(vectors, axis=0), what)


def _unit(vector: Float[np.ndarray, " d"], what: str) -> Float[np.ndarray, " d"]:
    """The direction of a mean or difference of unit vectors. Raises InputError where nothing but rounding is left."""
    length = float(np.linalg.norm(vector))
    if length < ROUNDING:
        raise InputError(f"{what} cancel out and leave no direction to search in: leave one of them out")
    unit: Float[np.ndarray, " d"] = normalise(vector[None])[0]
    return unit


def _read(images: Sequence[AnyPicture]) -> list[Record]:
    """Records of query pictures with their content, called as they were given; PictureError where one cannot be read."""
    return [_with_content(*pair) for pair in zip(images, as_records(images), strict=True)]


def _with_content(image: AnyPicture, record: Record) -> Record:
    if not isinstance(image, str | Path):
        return record
    called = replace(record, uri=str(image))
    try:
        return called if split_region(called.uri)[1] else replace(called, data=read_bytes(called.uri))
    except PictureError as error:
        raise _unusable(called, str(error)) from error


def _addresses(record: Record) -> tuple[str, ...]:
    """Where the file of a query picture lies, as stores write it, also where it is given by a link; none of one in memory."""
    if record.uri.startswith(MEMORY):
        return ()
    address = canonical(record.uri)
    if split_region(address)[1] or "://" in address:
        return (address,)
    return tuple(dict.fromkeys((address, os.path.realpath(address))))


def _encode(store: Store, records: Sequence[Record]) -> list[Float[np.ndarray, " d"]]:
    """Vectors of query pictures. Raises PictureError, naming it, where one cannot be decoded."""
    vectors: list[Float[np.ndarray, " d"]] = []
    for batch in encoded(records, store.encoder) if records else ():
        for failure in batch.failures:
            raise _unusable(failure.record, failure.reason)
        vectors += list(batch.vectors)
    return vectors


def _unusable(record: Record, reason: str) -> PictureError:
    name = "" if record.uri.startswith(MEMORY) else f" {record.uri}"
    return PictureError(f"the query picture{name} cannot be used: {reason}")
