"""All the taxa that a data set records, as a forest of full paths.

`RANKS`, `Taxon` and `lca` come from `cladescope.taxonomy.taxon` and may be imported from here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int, Shaped

from cladescope.errors import TaxonError
from cladescope.phylogeny.tree import Tree
from cladescope.taxonomy.files import read_rank_columns
from cladescope.taxonomy.known_names import KnownNames
from cladescope.taxonomy.name_parser import without_author
from cladescope.taxonomy.names import choose, nearest, terms
from cladescope.taxonomy.rank_table import rank_table, spelt_rank_codes
from cladescope.taxonomy.taxon import RANK_INDEX, RANKS, Taxon, lca

__all__ = ["RANKS", "RANK_INDEX", "Taxon", "Taxonomy", "lca"]


class Taxonomy:
    """Every taxon of a data set, by full path: two taxa of one name and different paths are two taxa.

    Rows that differ only in how a name is spelt (`cladescope.taxonomy.spelling`) are of one taxon, shown in one spelling.

    Taxa come rank by rank, kingdoms first; within a rank by their parent, then by name. The order depends on
    the taxa only, never on the order of the rows that they were read from. `Taxon` objects are made on
    demand; what is held takes about 25 bytes a taxon and its name, twice that once names were looked up.

    >>> taxonomy = Taxonomy.from_taxa([Taxon(("Animalia", "Chordata", "Aves")), Taxon(("Plantae",))])
    >>> [taxon.name for taxon in taxonomy]
    ['Animalia', 'Plantae', 'Chordata', 'Aves']
    >>> [str(taxon) for taxon in taxonomy.resolve("aves")]
    ['Animalia > Chordata > Aves']
    """

    def __init__(
        self, names: list[str], codes: Int[np.ndarray, "rows ranks"], spelt: Mapping[str, tuple[str, ...]]
    ) -> None:
        """For `from_table`: sorted names; for each row and rank, 1 + the name's position or 0; names of several spellings."""
        self._names = KnownNames(names, spelt)
        above = np.zeros(len(codes), np.int64)  # 1 + the taxon that a row has reached, 0 above the roots
        self._keys: list[Int[np.ndarray, " taxa"]] = []
        for column in codes.T:
            named = np.flatnonzero(column)
            keys, found = np.unique(above[named] * self._base + column[named], return_inverse=True)
            above[named] = 1 + sum(map(len, self._keys)) + found
            self._keys.append(keys)
        self._start = np.concatenate([[0], np.cumsum([len(keys) for keys in self._keys])])
        """Row of each rank's first taxon, and the number of taxa."""
        self._rank = np.repeat(np.arange(len(RANKS), dtype=np.int8), np.diff(self._start))
        parent, name = np.divmod(np.concatenate(self._keys), self._base)
        self._parent, self._name = parent - 1, name - 1

    @property
    def _base(self) -> int:
        """A taxon's key among those of its rank is (1 + parent) * base + 1 + name."""
        return len(self._names) + 1

    @classmethod
    def from_table(cls, table: pa.Table) -> "Taxonomy":
        """The taxa of a table's rank columns; ranks without a column, nulls and empty texts are not recorded.

        Peak memory is about 120 bytes a row beside the table.

        Raises InputError if a rank column does not hold text.

        >>> len(Taxonomy.from_table(pa.table({"family": ["Paridae", "Corvidae"], "genus": ["Parus", ""]})))
        3
        """
        names, codes, spelt = spelt_rank_codes(table)
        return cls(names.to_pylist(), codes, spelt)

    @classmethod
    def from_taxa(cls, taxa: Iterable[Taxon]) -> "Taxonomy":
        """The given taxa and their ancestors.

        >>> len(Taxonomy.from_taxa([Taxon(("Animalia", None, "Aves"))]))
        2
        """
        return cls.from_table(rank_table(taxa))

    @classmethod
    def read(cls, path: Path | str) -> "Taxonomy":
        """The taxa of a CSV file (UTF-8, with a header) or a Parquet file with columns named as the ranks.

        Raises InputError if the file is missing, of another kind, damaged or without any rank column.
        """
        return cls.from_table(read_rank_columns(Path(path)))

    def __len__(self) -> int:
        return len(self._rank)

    def __iter__(self) -> Iterator[Taxon]:
        for rank in RANKS:
            yield from self.taxa(rank)

    def __contains__(self, taxon: object) -> bool:
        return isinstance(taxon, Taxon) and self._find(taxon) is not None

    def taxa(self, rank: str) -> tuple[Taxon, ...]:
        """All taxa of one rank.

        Raises TaxonError for a word that is not a rank.
        """
        if rank not in RANK_INDEX:
            raise TaxonError(f"found {rank!r}, expected a rank: {', '.join(RANKS)}")
        return self._taxa(np.arange(*self._start[RANK_INDEX[rank] : RANK_INDEX[rank] + 2]))

    @property
    def roots(self) -> tuple[Taxon, ...]:
        """Taxa without an ancestor: kingdoms, and what is recorded without a kingdom; by name, then rank."""
        return self._taxa(self._children_of(-1))

    def children(self, taxon: Taxon) -> tuple[Taxon, ...]:
        """The taxa right below, of whatever rank, by name and then rank.

        Raises TaxonError if `taxon` is not recorded.
        """
        return self._taxa(self._children_of(self._row(taxon)))

    def parent(self, taxon: Taxon) -> Taxon | None:
        """The nearest recorded ancestor, or None for a root.

        Raises TaxonError if `taxon` is not recorded.
        """
        self._row(taxon)
        return taxon.parent

    def clade(self, taxon: Taxon) -> tuple[Taxon, ...]:
        """The taxon itself and all below it.

        Raises TaxonError if `taxon` is not recorded.
        """
        return self._taxa(np.flatnonzero(self._inside(self._row(taxon))))

    def species_count(self, taxon: Taxon) -> int:
        """Number of species in the clade; 1 for a species.

        Raises TaxonError if `taxon` is not recorded.
        """
        return int(self._n_species[self._row(taxon)])

    def lca(self, taxa: Iterable[Taxon]) -> Taxon | None:
        """Lowest common ancestor, as `cladescope.taxonomy.taxon.lca` defines it.

        Raises TaxonError if one of `taxa` is not recorded.
        """
        members = list(taxa)
        for taxon in members:
            self._row(taxon)
        return lca(members)

    def resolve(self, text: str) -> tuple[Taxon, ...]:
        """The taxon that a user's text means, once for each path under which it is recorded.

        `text` is a name ("Aves"), a name with its rank ("genus:Oenanthe") or a path in which any ancestors
        may be left out ("Plantae > Oenanthe"). Letter case is ignored and underscores count as blanks; the author of a name
        may be given ("Parus major Linnaeus, 1758"), what makes it uncertain (`cf.`) or narrower (a subspecies) may not.
        Several taxa come back only where one clade is recorded both with and without some rank in between.

        Raises TaxonError if nothing is recorded, if the name is unknown (with the nearest names), or if
        several taxa bear it (with a path that tells them apart).
        """
        if not len(self):
            raise TaxonError(
                f"no ranks are recorded, so {text!r} cannot be found: embed a table of pictures with columns for ranks"
            )
        path = terms(text)
        rows = self._rows_named(path[-1].key)
        if not len(rows) and (name := without_author(path[-1].name)):
            path = (*path[:-1], replace(path[-1], name=name))
            rows = self._rows_named(path[-1].key)
        if not len(rows):
            near = ", ".join(nearest(path[-1].name, self._names.shown))
            raise TaxonError(
                f"unknown taxon {path[-1].name!r}: did you mean {near}? "
                "A name such as 'Aves' or a path such as 'Animalia > Aves' is expected"
            )
        return choose(self._taxa(rows), path, text=text)

    def spellings(self, name: str) -> tuple[str, ...]:
        """All the ways in which a name is written in the table that the taxa were read from; none where it is not there.

        >>> Taxonomy.from_table(pa.table({"genus": ["Parus", "PARUS"]})).spellings("parus")
        ('PARUS', 'Parus')
        """
        return self._names.spellings(name)

    def to_tree(self) -> Tree:
        """The taxonomy as a tree: a nameless root, then one node for each taxon in the order of iteration.

        A branch is as long as the number of ranks that it spans: a species lies at distance 7 from the root.

        Raises TaxonError if nothing is recorded.

        >>> Taxonomy.from_taxa([Taxon(("Animalia", None, "Aves"))]).to_tree().length
        array([nan,  1.,  2.])
        """
        if not len(self):
            raise TaxonError("no ranks are recorded, so there is no tree: expected at least one taxon")
        depth = np.concatenate([[0], self._rank + 1])
        parent = np.concatenate([[-1], self._parent + 1])
        length = np.concatenate([[np.nan], depth[1:] - depth[parent[1:]]])
        return Tree(parent=parent, length=length, label=(None, *(self._names.shown[code] for code in self._name)))

    def to_table(self) -> pa.Table:
        """One row for each taxon with none below it, a column for each rank; `from_table` reads it back."""
        ends = np.setdiff1d(np.arange(len(self)), self._parent)
        names = pa.array(self._names.shown, pa.string())
        return pa.table(
            {
                rank: names.take(pa.array(codes, mask=codes < 0))
                for rank, codes in zip(RANKS, self._codes(ends).T, strict=True)
            }
        )

    def _find(self, taxon: Taxon) -> int | None:
        row = -1
        for rank, name in enumerate(taxon.path):
            if name is None:
                continue
            code = self._names.position(name)
            if code is None:
                return None
            keys = self._keys[rank]
            key = (row + 1) * self._base + code + 1
            position = int(np.searchsorted(keys, key))
            if position == len(keys) or keys[position] != key:
                return None
            row = int(self._start[rank]) + position
        return row

    def _row(self, taxon: Taxon) -> int:
        row = self._find(taxon)
        if row is None:
            raise TaxonError(
                f"{taxon} ({taxon.rank}) is not among the {len(self)} taxa: look it up with Taxonomy.resolve"
            )
        return row

    def _inside(self, row: int) -> Bool[np.ndarray, " taxa"]:
        inside = np.zeros(len(self) + 1, bool)  # the last entry stands for the parent of the roots
        inside[row] = True
        for start, stop in pairwise(self._start[self._rank[row] + 1 :]):
            inside[start:stop] = inside[self._parent[start:stop]]
        return inside[:-1]

    @cached_property
    def _n_species(self) -> Int[np.ndarray, " taxa"]:
        counts = np.append((self._rank == RANK_INDEX["species"]).astype(np.int64), 0)  # the last: above roots
        for start, stop in reversed(list(pairwise(self._start))):
            np.add.at(counts, self._parent[start:stop], counts[start:stop])
        return counts[:-1]

    @cached_property
    def _by_parent(self) -> Int[np.ndarray, " taxa"]:
        return np.lexsort((self._rank, self._name, self._parent))

    def _children_of(self, row: int) -> Int[np.ndarray, " children"]:
        bounds = np.searchsorted(self._parent, [row, row + 1], sorter=self._by_parent)
        return self._by_parent[slice(*bounds)]

    @cached_property
    def _by_name(self) -> Int[np.ndarray, " taxa"]:
        return np.argsort(self._name, kind="stable")

    def _rows_named(self, key: str) -> Int[np.ndarray, " rows"]:
        code = self._names.position(key)
        if code is None:
            return np.empty(0, np.int64)
        first, last = np.searchsorted(self._name, [code, code + 1], sorter=self._by_name)
        return np.sort(self._by_name[first:last])

    def _codes(self, rows: Int[np.ndarray, " rows"]) -> Int[np.ndarray, "rows ranks"]:
        """Position of the name at each rank, -1 where none is recorded."""
        codes = np.full((len(rows), len(RANKS)), -1)
        above = rows.copy()
        for _ in RANKS:
            left = np.flatnonzero(above >= 0)
            codes[left, self._rank[above[left]]] = self._name[above[left]]
            above[left] = self._parent[above[left]]
        return codes

    @cached_property
    def _name_or_none(self) -> Shaped[np.ndarray, " names_and_none"]:
        return np.array([*self._names.shown, None], object)

    def _taxa(self, rows: Int[np.ndarray, " rows"]) -> tuple[Taxon, ...]:
        names = self._name_or_none[self._codes(rows)].tolist()
        return tuple(Taxon(tuple(path[:stop])) for path, stop in zip(names, self._rank[rows] + 1, strict=True))
