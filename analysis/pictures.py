"""Labelled pictures in memory: unit vectors, the rows that go with them as an Arrow table, and their taxa as numbers.

Everything in `analysis` that needs the pictures of a store reads them here. What the numbers are used for is elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int, Real

from cladescope.analysis.numbers import check_at_least
from cladescope.arrays import has_direction, normalise
from cladescope.embedding.kin import kin_of
from cladescope.errors import InputError, TaxonError
from cladescope.index.store import Store
from cladescope.index.vector_block import vector_block
from cladescope.nearest import did_you_mean
from cladescope.schema import LABEL, LEVELS, holds_labels
from cladescope.shown import counted
from cladescope.steps import counted_rows
from cladescope.taxonomy.rank_table import path_codes, rank_codes, taxon_codes
from cladescope.taxonomy.taxon import RANKS, Taxon

COLUMNS = ("image_id", "uri", "content_hash", "observation_id", "common_name")
"""Columns that are read beside the seven ranks and the label where no others are named."""
NO_DIRECTION, NO_TAXON, NO_LABEL = "vector without direction", "no taxon", "no label"
"""Reasons for which pictures are left out: a vector that is NaN, infinite or zero; neither rank nor label to tell it by."""
NO_VECTOR = "no vector of {name}"
"""The reason for pictures that lack the vectors of a further encoder, by which a store was asked for."""
_MISSING = pa.array(["NA", r"\N"], pa.large_string())
"""What R and databases write for a label that is not known."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """n pictures: 4 n d bytes of vectors, the table, and 120 n bytes once taxa are asked for.

    Vectors, labels and rows reach NumPy, scikit-learn and pandas as they are:

    >>> table = pa.table({"family": ["Paridae", "Corvidae", "Paridae"], "genus": ["Parus", "Corvus", None]})
    >>> pictures = Pictures.of_table(np.array([[3.0, 4.0], [0.0, 1.0], [1.0, 0.0]]), table)
    >>> pictures.vectors[0], pictures.labels("family")
    (array([0.6, 0.8], dtype=float32), array([1, 0, 1]))
    >>> pictures.table.to_pandas()["genus"].isna().tolist()
    [False, False, True]
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> knn = KNeighborsClassifier(1).fit(pictures.vectors, pictures.labels("family"))
    >>> [pictures.taxa("family")[label].name for label in knn.predict(pictures.vectors)]
    ['Paridae', 'Corvidae', 'Paridae']
    """

    vectors: Float[np.ndarray, "n d"]
    """Unit vectors in float32; or float16 as stored, where that was asked for."""
    table: pa.Table
    """A row a picture: its ranks and whatever else was read of it."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Pictures that were asked for and are not among the n, by reason."""
    ranks: tuple[str, ...] = RANKS
    """What they are told apart by: the seven ranks, or the label alone (`told_apart_by`)."""

    def __post_init__(self) -> None:
        """Raises InputError where vectors and rows are not equally many."""
        if len(self.vectors) != self.table.num_rows:
            raise InputError(
                f"found {len(self.vectors)} vectors and {self.table.num_rows} rows, expected a row a vector"
            )

    @classmethod
    def of_table(cls, vectors: Real[np.ndarray, "n d"], table: pa.Table) -> "Pictures":
        """Of vectors of any length and a table with columns for ranks; vectors without direction are left out, and counted.

        >>> Pictures.of_table(np.array([[2.0, 0.0], [0.0, 0.0]]), pa.table({"genus": ["Parus", "Pica"]})).left_out
        {'vector without direction': 1}
        """
        good = has_direction(vectors)
        if good.all():
            return cls(_unit(vectors), table)
        return cls(_unit(vectors[good]), table.filter(pa.array(good)), {NO_DIRECTION: int((~good).sum())})

    @classmethod
    def of_store(
        cls,
        store: Store,
        *,
        within: str | Sequence[str] | None = None,
        where: str | None = None,
        limit: int | None = None,
        seed: int = 0,
        columns: Sequence[str] = COLUMNS,
        as_stored: bool = False,
    ) -> "Pictures":
        """The pictures of a store in the order of insertion, or `limit` of them drawn at random.

        `within` keeps a clade or a union of several, `where` the rows under an SQL condition. Rows have the seven ranks, the label
        where there is one, and the `columns` named. With `as_stored` vectors stay float16: 2 n d bytes. Blocks are read
        one by one, so that nothing but the result grows with n.

        Raises InputError for a column that the store does not have or a limit below 1, and what `Store.condition` raises.
        """
        check_at_least(1, limit=limit)
        check_at_least(0, seed=seed)
        there = store.schema.names
        if missing := [name for name in columns if name not in {*there, *COLUMNS}]:
            shown = ", ".join(name for name in there if name != "vector")
            raise InputError(
                f"no column {missing[0]!r} in {store.path}: its columns are {shown}{did_you_mean(missing[0], there)}"
            )
        names = [name for name in dict.fromkeys([*LEVELS, *columns]) if name in there]
        condition = store.condition(within=within, where=where)
        n, n_lacking = store.count_rows(condition), store.count_lacking(condition)
        chosen = np.ones(n, bool)
        if limit is not None and limit < n:
            chosen[:] = False
            chosen[np.random.default_rng(seed).choice(n, limit, replace=False)] = True
        vectors = np.empty((int(chosen.sum()), store.card.dim), np.float16 if as_stored else np.float32)
        parts: list[pa.RecordBatch] = []
        start, filled, n_bad = 0, 0, 0
        batches = store.scan([*names, "vector"], condition=condition)
        for batch in counted_rows(batches, "reading vectors", n):
            # Rows that were added since they were counted are not among the chosen.
            rows = np.flatnonzero(chosen[start : start + batch.num_rows])
            start += batch.num_rows
            block = vector_block(batch)[rows]
            good = has_direction(block)
            n_bad += int((~good).sum())
            stop = filled + int(good.sum())
            vectors[filled:stop] = block[good] if as_stored else _unit(block[good])
            filled = stop
            part = batch.select(names)
            parts.append(part if len(rows) == batch.num_rows and good.all() else part.take(pa.array(rows[good])))
        schema = parts[0].schema if parts else pa.schema([store.schema.field(name) for name in names])
        table = pa.Table.from_batches(parts, schema=schema)
        left_out = {NO_VECTOR.format(name=store.vectors_name): n_lacking, NO_DIRECTION: n_bad}
        return cls(vectors[:filled], table, {reason: n_out for reason, n_out in left_out.items() if n_out})

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def n_left_out(self) -> int:
        """How many pictures were left out, for whatever reason."""
        return sum(self.left_out.values())

    @property
    def vector_notes(self) -> list[str]:
        """How many were left out for their vectors, a sentence a reason.

        >>> Pictures(np.eye(1), pa.table({"genus": ["Parus"]}), {NO_VECTOR.format(name="tiny"): 2, "no label": 1}).vector_notes
        ['2 pictures left out: no vector of tiny']
        """
        told = {NO_DIRECTION: "their vectors have no direction (NaN or zero)"}
        return [
            f"{counted(n, 'picture')} left out: {told.get(reason, reason)}"
            for reason, n in self.left_out.items()
            if reason == NO_DIRECTION or reason.startswith(NO_VECTOR.format(name=""))
        ]

    # Taxa

    @cached_property
    def _names(self) -> tuple[list[str], Int[np.ndarray, "n ranks"]]:
        return rank_codes(self.table, self.ranks)

    @property
    def names(self) -> list[str]:
        """The names of all `ranks`, sorted."""
        return self._names[0]

    @property
    def name_codes(self) -> Int[np.ndarray, "n ranks"]:
        """For each picture and rank 1 + the name's position in `names`, 0 for none; see `rank_codes`."""
        return self._names[1]

    @cached_property
    def codes(self) -> Int[np.ndarray, "n ranks"]:
        """Number of each picture's taxon at each rank, by its full path; -1 where it has none. See `taxon_codes`."""
        return taxon_codes(self.name_codes)

    def labels(self, rank: str) -> Int[np.ndarray, " n"]:
        """Number of each picture's taxon at a rank, by its full path, or of its `label`; -1 where it has none.

        Raises TaxonError for a word that is neither a rank nor `label`.
        """
        by, place = self._at(rank)
        return by.codes[:, place]

    def taxa(self, rank: str) -> tuple[Taxon, ...]:
        """The taxon of each number in `labels`. Raises TaxonError for a word that is no rank; a label is no taxon."""
        if rank == LABEL:
            raise TaxonError(f"labels are no taxa: ask for their names, or for a rank: {', '.join(RANKS)}")
        return tuple(Taxon(path) for path in self._paths(rank))

    def lineages(self, rank: str) -> list[tuple[str, ...] | None]:
        """Each picture's path down to a rank, with "" for what is left out in between, or its label alone; None where it has none.

        >>> pictures = Pictures(np.eye(2), pa.table({"kingdom": ["A", "A"], "class": ["C", None], "label": ["x", None]}))
        >>> pictures.lineages("class"), pictures.lineages("label")
        ([('A', '', 'C'), None], [('x',), None])
        """
        paths = [tuple(name or "" for name in path) for path in self._paths(rank)]
        return [None if label < 0 else paths[label] for label in self.labels(rank).tolist()]

    def told_apart_by(self, rank: str | None = None) -> "Pictures":
        """These by their labels alone where `rank` is `label` or, where it is not, most have a label and fewer than half of these a taxon.

        Else these as they are. What is asked of the result (`ranks`, `codes`, `lineage`, `paths`) is of labels then.

        >>> pictures = Pictures(np.eye(2), pa.table({"label": ["sparrow", "kite"]}))
        >>> pictures.told_apart_by().ranks, pictures.told_apart_by().codes.tolist()
        (('label',), [[1], [0]])
        """
        if self.ranks == (LABEL,) or not holds_labels(self.table.schema):
            return self
        if rank != LABEL:
            n_named, n_labelled = ((one.name_codes > 0).any(axis=1).sum() for one in (self, self._by_label))
            return self._by_label if 2 * n_named < n_labelled else self
        return self._by_label

    @property
    def narrowest(self) -> str:
        """What classes are unless one says: the species or, where fewer than half of those with a label have one, the label.

        >>> Pictures(np.eye(2), pa.table({"label": ["tit", "kite"], "genus": ["Parus", None]})).narrowest
        'label'
        """
        if not holds_labels(self.table.schema):
            return "species"
        n_named, n_labelled = ((self.labels(rank) >= 0).sum() for rank in ("species", LABEL))
        return LABEL if 2 * n_named < n_labelled else "species"

    @property
    def note(self) -> str | None:
        """What to say of pictures that are told apart by their labels; None for others."""
        if self.ranks == RANKS:
            return None
        n = len(np.unique(self.labels(LABEL)[self.labels(LABEL) >= 0]))
        return f"pictures are told apart by their label, of which there are {n:,}: not by ranks"

    @cached_property
    def _by_label(self) -> "Pictures":
        texts = self.texts(LABEL)
        known = pc.if_else(pc.is_in(texts, value_set=_MISSING), pa.scalar(None, texts.type), texts)
        columns = [name for name in self.table.column_names if name != LABEL]
        return replace(self, table=self.table.select(columns).append_column(LABEL, known), ranks=(LABEL,))

    @cached_property
    def _by_ranks(self) -> "Pictures":
        return replace(self, ranks=RANKS)

    def _at(self, rank: str) -> "tuple[Pictures, int]":
        """These, told apart by the kind of rank that is asked for, and the place of the rank there."""
        if rank not in LEVELS:
            raise TaxonError(f"found {rank!r}, expected a rank: {', '.join(RANKS)}; or {LABEL}")
        by = self if rank in self.ranks else self._by_label if rank == LABEL else self._by_ranks
        return by, by.ranks.index(rank)

    def _paths(self, rank: str) -> list[tuple[str | None, ...]]:
        """The names from the first rank down, for each number in `labels`."""
        by, place = self._at(rank)
        numbers, first = np.unique(by.codes[:, place], return_index=True)
        paths = by.name_codes[first[numbers >= 0], : place + 1].tolist()
        return [tuple(by.names[code - 1] if code else None for code in path) for path in paths]

    @cached_property
    def lineage(self) -> Int[np.ndarray, " n"]:
        """Number of each picture's whole lineage, in the order of the sorted paths: the group that is resampled and split by."""
        return path_codes(self.name_codes)[:, -1]

    @cached_property
    def lineage_codes(self) -> Int[np.ndarray, "l ranks"]:
        """`codes` of each lineage."""
        _, first = np.unique(self.lineage, return_index=True)
        found: Int[np.ndarray, "l ranks"] = self.codes[first]
        return found

    def with_taxa(self) -> "Pictures":
        """Those that have a name at some of `ranks`; the others are left out, and counted."""
        has = np.asarray((self.name_codes > 0).any(axis=1))
        if has.all():
            return self
        reason = NO_TAXON if self.ranks == RANKS else NO_LABEL
        left_out = {**self.left_out, reason: self.left_out.get(reason, 0) + int((~has).sum())}
        return replace(self.take(np.flatnonzero(has)), left_out=left_out)

    @cached_property
    def kin(self) -> Int[np.ndarray, " n"]:
        """A number for each picture, equal for those that show one photograph or one observation; see `embedding.kin`."""
        return kin_of(self.texts("uri"), self.texts("observation_id"))

    # Other columns

    def texts(self, column: str) -> pa.ChunkedArray:
        """A column as texts; null where a picture has none, an empty one, or there is no such column.

        Raises InputError for a column of lists or bytes.
        """
        if column not in self.table.column_names:
            return pa.chunked_array([pa.nulls(len(self), pa.large_string())])
        try:
            found = pc.cast(self.table[column], pa.large_string())
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
            kind = self.table.schema.field(column).type
            raise InputError(
                f"column {column!r} holds {kind}, expected texts or numbers: name another column"
            ) from error
        return pc.if_else(pc.equal(found, ""), pa.scalar(None, pa.large_string()), found)

    def numbered(self, column: str) -> Int[np.ndarray, " n"]:
        """A number for each value of a column as text, in the order of their first pictures; -1 for none.

        >>> Pictures(np.eye(3), pa.table({"sex": ["m", "", "f"]})).numbered("sex")
        array([ 0, -1,  1])
        """
        texts = self.texts(column).combine_chunks().dictionary_encode()
        found: Int[np.ndarray, " n"] = pc.fill_null(texts.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        return found

    def paths(self) -> pa.ChunkedArray:
        """The recorded names of each picture from the kingdom down, or its label, as one text; empty where it has none.

        >>> Pictures(np.eye(1), pa.table({"kingdom": ["Animalia"], "class": ["Aves"]})).paths().to_pylist()
        ['Animalia > Aves']
        """
        # Arrow 26 drops rows of nulls only, so that an empty text stands before the names, and is cut off again.
        nothing, between = (pa.scalar(text, pa.large_string()) for text in ("", " > "))
        before = pa.chunked_array([pa.repeat(nothing, len(self))])
        joined = pc.binary_join_element_wise(before, *map(self.texts, self.ranks), between, null_handling="skip")
        return pc.replace_substring_regex(joined, "^ > ", "")

    # Some of them

    def take(self, rows: Int[np.ndarray, " m"]) -> "Pictures":
        """The pictures in these rows, in this order; `left_out` still tells of all."""
        return replace(self, vectors=self.vectors[rows], table=self.table.take(pa.array(rows, pa.int64())))

    def sample(self, n: int, *, seed: int) -> "Pictures":
        """At most n pictures drawn at random, in their order; itself where there are no more."""
        if n >= len(self):
            return self
        return self.take(np.sort(np.random.default_rng([seed, 2]).choice(len(self), n, replace=False)))


def clades_as_given(within: str | Sequence[str] | None) -> str | list[str] | None:
    """One clade as text, several as a list: how an artefact records what was chosen.

    >>> clades_as_given(["Aves"]), clades_as_given(["Aves", "Insecta"])
    ('Aves', ['Aves', 'Insecta'])
    """
    if within is None or isinstance(within, str):
        return within
    return within[0] if len(within) == 1 else list(within)


def _unit(vectors: Real[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    return normalise(vectors).astype(np.float32, copy=False)
