"""What a store is to someone at a Python prompt: its length, a line that tells of it, its rows for pandas, its vectors for NumPy."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Shaped

from cladescope.errors import InputError
from cladescope.index.store_reader import StoreReader
from cladescope.index.vector_block import vector_block
from cladescope.nearest import did_you_mean
from cladescope.packages import not_installed

if TYPE_CHECKING:
    import pandas as pd


class FrontDoor(StoreReader):
    """A store as pandas, NumPy and a Python prompt take it; row i of each of them is the same picture."""

    def __len__(self) -> int:
        """Number of pictures."""
        return self.count()

    def __bool__(self) -> bool:
        """True, also where no picture is in it yet: there is a store."""
        return True

    def __repr__(self) -> str:
        """One line: where it lies, how many pictures it holds, which encoder made their vectors."""
        n = len(self)
        pictures = f"{n:,} picture{'s' * (n != 1)}"
        at = "" if self.pinned is None else f", as it was at version {self.pinned}"
        return f"<Store {self.label}: {pictures}, {self.card.dim} numbers each by {self.card.name}{at}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the line, the taxa by rank, and some pictures."""
        from cladescope.index.notebook import store_cell  # pictures are decoded only where they are shown

        return store_cell(self)

    def to_pandas(
        self,
        columns: Sequence[str] | None = None,
        *,
        within: str | Sequence[str] | None = None,
        where: str | None = None,
    ) -> "pd.DataFrame":
        """The pictures as a data frame, a row a picture in the order of insertion, with all columns but the vector, or some.

        What a picture has no value for is missing there (NaN or None). `within` keeps a clade or a union of several, `where` the
        rows under an SQL condition.

        Raises InputError for a column that is not there or where pandas is not installed; TaxonError for an unknown clade.

        >>> import cladescope  # doctest: +SKIP
        >>> cladescope.open("photos.store").to_pandas(["uri", "species"])["species"].value_counts()  # doctest: +SKIP
        """
        table = self.table(columns, within=within, where=where)
        try:
            return table.to_pandas()
        except ModuleNotFoundError as error:
            raise InputError(not_installed("pandas")) from error

    @overload
    def to_numpy(
        self, column: None = None, *, within: str | Sequence[str] | None = None, where: str | None = None
    ) -> Float32[np.ndarray, "n d"]: ...

    @overload
    def to_numpy(
        self, column: str, *, within: str | Sequence[str] | None = None, where: str | None = None
    ) -> tuple[Float32[np.ndarray, "n d"], Shaped[np.ndarray, " n"]]: ...

    def to_numpy(
        self, column: str | None = None, *, within: str | Sequence[str] | None = None, where: str | None = None
    ) -> Float32[np.ndarray, "n d"] | tuple[Float32[np.ndarray, "n d"], Shaped[np.ndarray, " n"]]:
        """The vectors; with a column, such as `species`, two arrays: the vectors, and what each picture has in that column.

        Vectors are of shape (n, d) in float32 and of unit length within 0.001, n pictures in the order of insertion, d numbers each (512 for
        `tiny`). Values are of shape (n,): names as text (`numpy.str_`), "" where a picture has none; numbers as numbers, NaN where
        there is none. `numpy.unique(names, return_inverse=True)` makes numbers of names. `within` keeps a clade or a union of several,
        `where` the rows under an SQL condition. Memory: 6 n d bytes while it is made, 4 n d then.

        Raises InputError for a column that is not there, or that holds vectors; TaxonError for an unknown clade.

        >>> import cladescope  # doctest: +SKIP
        >>> vectors, names = cladescope.open("photos.store").to_numpy("species")  # doctest: +SKIP
        >>> LogisticRegression().fit(vectors[names != ""], names[names != ""])  # doctest: +SKIP
        """
        if column is None:
            return self.matrix(within=within, where=where)
        if column not in self.schema.names or column == "vector":
            there = ", ".join(name for name in self.schema.names if name != "vector")
            raise InputError(
                f"no column {column!r} of names or numbers in {self.path}: its columns are {there}{did_you_mean(column, self.schema.names)}"
            )
        blocks, parts = [np.empty((0, self.card.dim), np.float16)], []
        for batch in self.scan([column, "vector"], condition=self.condition(within=within, where=where)):
            blocks.append(vector_block(batch))
            parts.append(batch.column(column))
        values = pa.chunked_array(parts, self.schema.field(column).type)
        return np.concatenate(blocks).astype(np.float32), _array(values)


def _array(values: pa.ChunkedArray) -> Shaped[np.ndarray, " n"]:
    """A column as an array: text with "" for what is missing, else as Arrow gives it."""
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return np.asarray(values.fill_null("").to_pylist(), dtype=np.str_)
    found: Shaped[np.ndarray, " n"] = values.to_numpy()
    return found
