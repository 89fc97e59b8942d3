"""Queries that an index is measured with: every kind that a store can be asked, none of them a vector of the index.

The one exception says so: `stored`, pictures of the index that are asked for by their id and left out of their own answers.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int, Int64

from cladescope.arrays import middle_of, normalise
from cladescope.embedding.encoder import Encoder
from cladescope.errors import CladescopeError
from cladescope.index.ann.held_out import RARE_IMAGES, HeldOut
from cladescope.index.resident.rows import Rows
from cladescope.index.resident.snapshot import Snapshot
from cladescope.taxonomy import RANKS, Taxon
from cladescope.taxonomy.taxonomy import Taxonomy

logger = logging.getLogger(__name__)

N_TEXTS = 300
N_OTHERS = 200
"""Queries of each kind that is made from pictures."""
TEMPLATE = "a photo of {}."
CENTROID_ROWS = 1000
"""Pictures of a taxon that its centroid is made of, at most; a search by taxon takes all."""
AGAINST = 0.5
"""Weight of the picture that a subtraction takes away."""
PICTURE, RARE, TEXT, STORED = "picture", "rare", "text", "stored"
COMPOSED = ("mixture", "subtraction", "centroid")
WORDS = {
    PICTURE: "pictures that were left out",
    RARE: f"those of species with 1-{RARE_IMAGES} pictures",
    TEXT: f"texts: '{TEMPLATE.format('NAME')}'",
    "mixture": "means of two pictures that were left out, of different things",
    "subtraction": f"a picture that was left out, less {AGAINST} of another",
    "centroid": "centroids of taxa",
    STORED: "pictures of the index, each left out of its own answer",
}
"""What each kind of query is."""


@dataclass(frozen=True, eq=False)
class Queries:
    """Unit vectors and what each is."""

    vectors: Float32[np.ndarray, "q d"]
    kinds: dict[str, Bool[np.ndarray, " q"]]
    """Which queries are of each kind; a picture of a rare species is of two."""
    groups: Int64[np.ndarray, " q"]
    """Queries of one number are not independent of each other."""
    rows: Int64[np.ndarray, " q"]
    """Position of the picture that a query is; -1 where it is none."""
    own: Int64[np.ndarray, " q"]
    """Position that is left out of a query's answer; -1 where none is."""
    composed: Bool[np.ndarray, " q"]
    """Whether a query is asked as one that is made of several things (`TunedIndex.search`)."""

    def __len__(self) -> int:
        return len(self.vectors)

    def where(self, mask: Bool[np.ndarray, " q"]) -> "Queries":
        """Some of the queries, and the kinds that are among them."""
        kinds = {name: of_kind[mask] for name, of_kind in self.kinds.items() if of_kind[mask].any()}
        return Queries(
            self.vectors[mask], kinds, self.groups[mask], self.rows[mask], self.own[mask], self.composed[mask]
        )

    def halves(self, seed: int) -> tuple["Queries", "Queries"]:
        """Two halves, groups kept whole; each kind that has two groups is in both, one that has a single group in the second."""
        first = np.zeros(len(self), bool)
        generator = np.random.default_rng(seed)
        for of_kind in self.kinds.values():
            groups = np.unique(self.groups[of_kind & ~first])
            half = generator.permutation(groups)[: len(np.unique(self.groups[of_kind])) // 2]
            if not (of_kind & first).any():
                first |= np.isin(self.groups, half)
        return self.where(first), self.where(~first)


def queries_of(
    snapshot: Snapshot, n_kept: int, held: HeldOut, encoder: Callable[[], Encoder] | None, *, seed: int = 0
) -> tuple[Queries, tuple[str, ...]]:
    """The queries for the first `n_kept` rows of a snapshot, the others being left out, and what could not be asked, and why.

    `held` is in the order of the snapshot; `encoder` gives the encoder of its vectors, and is None where that has no text side.
    Mixtures and subtractions pair pictures of one kin with pictures of others.
    """
    generator = np.random.default_rng(seed)
    missing = []
    last = np.arange(n_kept, len(snapshot))
    rare = last[_is_rare(snapshot.rows)[last]]
    parts: list[tuple[tuple[str, ...], Float32[np.ndarray, "m d"], Int[np.ndarray, " m"], Int64[np.ndarray, " m"]]] = []

    def add(kinds: tuple[str, ...], vectors: np.ndarray, groups: np.ndarray, rows: np.ndarray | None = None) -> None:
        positions = np.full(len(vectors), -1) if rows is None else rows
        parts.append((kinds, vectors.astype(np.float32), groups.astype(np.int64), positions.astype(np.int64)))

    pictures = last[held.at_random[last]]
    for rows, kinds in (
        (np.setdiff1d(pictures, rare), (PICTURE,)),
        (np.intersect1d(pictures, rare), (PICTURE, RARE)),
        (np.setdiff1d(rare, pictures), (RARE,)),
    ):
        add(kinds, snapshot.vectors[rows], held.kin[rows], rows)
    if not len(last):
        missing.append("pictures that were left out: there are too few to leave any out")
    first, second = _pairs(pictures, held.kin, generator)
    one, other = snapshot.vectors[first].astype(np.float32), snapshot.vectors[second].astype(np.float32)
    for name, mixed in (("mixture", one + other), ("subtraction", one - AGAINST * other)):
        good = np.linalg.norm(mixed, axis=1) > 1e-3
        add((name,), normalise(mixed[good]), held.kin[first[good]])
    fresh = int(held.kin.max(initial=0)) + 1
    taxonomy = Taxonomy.from_table(snapshot.lineages.table)
    centroids = _centroids(snapshot, n_kept, _drawn(taxonomy, N_OTHERS, generator), generator)
    add(("centroid",), centroids, fresh + np.arange(len(centroids)))
    texts, reason = _texts(encoder, _drawn(taxonomy, N_TEXTS, generator), snapshot.vectors.shape[1])
    add((TEXT,), texts, fresh + len(centroids) + np.arange(len(texts)))
    missing += [f"texts: {reason}"] if reason else []
    stored = generator.choice(n_kept, min(N_OTHERS, n_kept), replace=False) if n_kept > 1 else np.empty(0, np.int64)
    add((STORED,), snapshot.vectors[stored], held.kin[stored], stored)

    names = list(dict.fromkeys(name for kinds, *_ in parts for name in kinds))
    of_kind = {
        name: np.concatenate([np.full(len(vectors), name in kinds) for kinds, vectors, *_ in parts]) for name in names
    }
    rows = np.concatenate([part[3] for part in parts])
    made = Queries(
        vectors=np.concatenate([part[1] for part in parts]),
        kinds={name: of_kind[name] for name in WORDS if name in of_kind and of_kind[name].any()},
        groups=np.concatenate([part[2] for part in parts]),
        rows=rows,
        own=np.where((rows >= 0) & (rows < n_kept), rows, -1),
        composed=np.concatenate([np.full(len(vectors), kinds[0] in COMPOSED) for kinds, vectors, *_ in parts]),
    )
    return made, tuple(missing)


def _is_rare(rows: Rows) -> Bool[np.ndarray, " n"]:
    """Rows whose species is named and has few pictures in the store."""
    named = rows.lineages.table.column("species").is_valid().to_numpy()
    counts = np.bincount(rows.codes, minlength=len(named))
    rare: Bool[np.ndarray, " n"] = (named & (counts <= RARE_IMAGES))[rows.codes]
    return rare


def _pairs(
    rows: Int64[np.ndarray, " p"], kin: Int[np.ndarray, " n"], generator: np.random.Generator
) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
    if len(rows) < 2:
        return rows[:0], rows[:0]
    size = min(N_OTHERS, len(rows))
    first, second = (generator.permutation(rows)[:size] for _ in range(2))
    apart = kin[first] != kin[second]
    return first[apart], second[apart]


def _drawn(taxonomy: Taxonomy, size: int, generator: np.random.Generator) -> list[Taxon]:
    """Taxa of all ranks, as many of each as there are, up to a like share."""
    found: list[Taxon] = []
    for place, rank in enumerate(RANKS):
        taxa = taxonomy.taxa(rank)
        share = (size - len(found)) // (len(RANKS) - place)
        chosen = np.sort(generator.choice(len(taxa), min(share, len(taxa)), replace=False)) if taxa else ()
        found += [taxa[int(number)] for number in chosen]
    return found


def _centroids(
    snapshot: Snapshot, n_kept: int, taxa: list[Taxon], generator: np.random.Generator
) -> Float32[np.ndarray, "t d"]:
    codes, means = snapshot.codes[:n_kept], [np.empty((0, snapshot.vectors.shape[1]), np.float32)]
    for taxon in taxa:
        rows = np.flatnonzero(snapshot.lineages.within([taxon])[codes])
        if len(rows) > CENTROID_ROWS:
            rows = np.sort(generator.choice(rows, CENTROID_ROWS, replace=False))
        if len(rows) < 2:  # of one picture it is that picture, which is no query from outside
            continue
        rows = rows[np.argsort(codes[rows], kind="stable")]
        starts = np.flatnonzero(np.diff(codes[rows], prepend=-1))
        middle = middle_of(np.add.reduceat(snapshot.vectors[rows].astype(np.float64), starts, axis=0))
        if middle is not None:
            means.append(middle[None].astype(np.float32))
    return np.concatenate(means)


def _texts(
    encoder: Callable[[], Encoder] | None, taxa: list[Taxon], d: int
) -> tuple[Float32[np.ndarray, "t d"], str | None]:
    none = np.empty((0, d), np.float32)
    if encoder is None:
        return none, "the encoder has no text side"
    names = list(dict.fromkeys(taxon.name for taxon in taxa))
    if not names:
        return none, "no taxon has a name"
    try:
        return normalise(encoder().encode_texts([TEMPLATE.format(name) for name in names])), None
    except CladescopeError as error:
        logger.warning("texts are not measured: %s", error)
        return none, str(error)
