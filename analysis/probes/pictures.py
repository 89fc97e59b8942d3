"""The pictures that are probed: unit vectors, the taxa at each rank, and their lineages as groups."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from cladescope.arrays import has_direction
from cladescope.errors import InputError
from cladescope.index.store import Store
from cladescope.taxonomy.rank_table import rank_codes
from cladescope.taxonomy.taxon import RANKS


@dataclass(frozen=True, eq=False)
class Pictures:
    """n pictures; 4 n d bytes, and 150 n beside."""

    vectors: Float[np.ndarray, "n d"]
    codes: Int[np.ndarray, "l ranks"]
    """Names of each distinct lineage, as `cladescope.taxonomy.rank_table.rank_codes` numbers them."""
    names: list[str]
    lineage: Int[np.ndarray, " n"]
    """Each picture's row in `codes`: the group that is resampled and split by."""
    ids: tuple[str, ...] = ()
    hashes: tuple[str | None, ...] = ()
    variant: tuple[str | None, ...] = ()
    n_dropped: int = 0
    """Pictures left out since their vector has no direction or their labels no rank."""

    @classmethod
    def of_table(cls, vectors: Float[np.ndarray, "n d"], table: pa.Table, *, variant: str | None = None) -> "Pictures":
        """Of vectors and a table with rank columns, `image_id` and `content_hash` where there.

        Raises InputError for fewer than 3 usable pictures, and for a variant column that is not there.
        """
        if variant is not None and variant not in table.column_names:
            raise InputError(f"no column {variant!r}: expected one of {', '.join(table.column_names)}")
        names, codes = rank_codes(table)
        good = has_direction(vectors) & (codes > 0).any(axis=1)
        if good.sum() < 3:
            raise InputError(
                f"{int(good.sum())} of {len(good)} pictures have a vector and a taxon, expected at least 3: "
                "fill the rank columns, or widen the selection"
            )
        distinct, lineage = np.unique(codes[good], axis=0, return_inverse=True)
        unit = vectors[good].astype(np.float32)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        chosen = table.filter(pa.array(good))

        def texts(name: str | None) -> tuple[Any, ...]:
            return tuple(chosen[name].to_pylist()) if name in chosen.column_names else ()

        return cls(
            unit, distinct, names, lineage.ravel(), texts("image_id"), texts("content_hash"), texts(variant),
            int((~good).sum()),
        )  # fmt: skip

    @classmethod
    def of_store(
        cls, store: Store, *, within: str | None = None, where: str | None = None, variant: str | None = None
    ) -> "Pictures":
        """Of a store, or a clade and condition of it. Raises InputError as `of_table` and `Store.condition` do."""
        there = set(store.schema.names)
        if variant is not None and variant not in there:
            raise InputError(f"{store.path} has no column {variant!r}: it has {', '.join(sorted(there))}")
        wanted = (*RANKS, "image_id", "content_hash", variant)
        columns = list(dict.fromkeys(name for name in wanted if name is not None and name in there))
        batches = list(store.scan([*columns, "vector"], condition=store.condition(within=within, where=where)))
        if not sum(batch.num_rows for batch in batches):
            raise InputError(f"no picture of {store.path} is selected: widen --within or --where")
        flat = [batch.column("vector").flatten().to_numpy(zero_copy_only=False) for batch in batches]
        table = pa.Table.from_batches([batch.select(columns) for batch in batches])
        return cls.of_table(np.concatenate(flat).reshape(-1, store.card.dim), table, variant=variant)

    def __len__(self) -> int:
        return len(self.vectors)

    def labels(self, rank: int) -> Int[np.ndarray, " l"]:
        """Each lineage's taxon at a rank, as a number by its whole path; -1 where it has none."""
        _, label = np.unique(self.codes[:, : rank + 1], axis=0, return_inverse=True)
        return np.where(self.codes[:, rank] > 0, label.ravel(), -1)

    def sample(self, n: int, *, seed: int) -> "Pictures":
        """At most n pictures drawn at random, in their order; itself where there are no more."""
        if n >= len(self):
            return self
        return self.take(np.sort(np.random.default_rng([seed, 2]).choice(len(self), n, replace=False)))

    def take(self, rows: Int[np.ndarray, " m"]) -> "Pictures":
        """Some of the pictures."""
        chosen = rows.tolist()
        ids, hashes = (tuple(part[row] for row in chosen) if part else () for part in (self.ids, self.hashes))
        variant = tuple(self.variant[row] for row in chosen) if self.variant else ()
        return Pictures(
            self.vectors[rows], self.codes, self.names, self.lineage[rows], ids, hashes, variant, self.n_dropped
        )

    def centroids(self) -> tuple[Float[np.ndarray, "s d"], Int[np.ndarray, " s"]]:
        """Mean direction of each lineage that has pictures, and its row in `codes`."""
        from cladescope.analysis.measures.class_sums import class_sums

        there, group = np.unique(self.lineage, return_inverse=True)
        sums, _ = class_sums(self.vectors, group)
        return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12), there
