"""Kinds of index: names for the usual ones, FAISS factory strings for all others, and what each takes in memory.

Whatever the kind, the store's own vectors (float16) are in the index once: as the codes of a flat index or of an HNSW graph,
or, where the kind keeps shorter codes, beside it for exact re-ranking (`Refine(SQfp16)`).
"""

import re
from dataclasses import dataclass
from math import log2, sqrt
from typing import Any

from cladescope.errors import InputError, UsageError
from cladescope.index.defaults import AUTO, COMPARE
from cladescope.index.late_faiss import faiss
from cladescope.nearest import did_you_mean

NONE, FLAT, GRAPH = "none", "flat", "hnsw"
VECTORS = "SQfp16"
"""FAISS's word for vectors of 16-bit numbers."""
REFINE = f"Refine({VECTORS})"
NAMES = {
    FLAT: VECTORS,
    GRAPH: "HNSW{m},SQfp16",
    "hnsw-sq8": "HNSW{m},SQ8,Refine(SQfp16)",
    "ivf-flat": "IVF{cells},SQfp16,Refine(SQfp16)",
    "ivf-pq": "IVF{cells},PQ{parts}x4fs,Refine(SQfp16)",
    "ivf-rabitq": "IVF{cells},RaBitQfs4,Refine(SQfp16)",
}
"""What the usual kinds are called, and how FAISS makes them. Graphs: Malkov & Yashunin 2018, https://arxiv.org/abs/1603.09320;
inverted files: Jegou et al. 2011, https://doi.org/10.1109/TPAMI.2010.57; 4-bit product codes scanned in registers: Andre et al.
2017, https://arxiv.org/abs/1704.07355; RaBitQ: Gao & Long 2024, https://arxiv.org/abs/2405.12497. `cells`, `m`: see `of`."""
M, M_OF_FEW = 32, 16
"""Neighbours of a vector in a graph; twice as many on its lowest floor. The smaller graph is as fast at 60,000 vectors x 512 and loses
a quarter of its speed at 200,000."""
FEW = 100_000
EF_CONSTRUCTION = 64
"""Breadth of the search that finds a new vector's neighbours."""
VECTORS_PER_CELL = 39
"""The least number of training vectors that FAISS wants for a cell."""

_NUMBERS = {"HNSW": (2, 1024), "IVF": (1, 1 << 26)}
"""The least and the most neighbours of a graph, and cells."""
_REFINED = re.compile(r",(RFlat|Refine\([^()]*\))$")


@dataclass(frozen=True)
class Kind:
    """A kind of index for vectors of one length."""

    name: str
    """As it was asked for."""
    factory: str
    """The FAISS factory string."""
    notes: tuple[str, ...] = ()
    """In what `factory` differs from what was asked for."""

    @property
    def is_flat(self) -> bool:
        """Whether it compares every vector."""
        return self.factory == VECTORS

    @property
    def is_graph(self) -> bool:
        """Whether its own vectors hang in an HNSW graph, to be given all at once."""
        return self.factory.startswith("HNSW")

    def bytes_per_vector(self, d: int) -> float | None:
        """Size on disk and, once used, in memory, without cells' centres; None for kinds whose size has no simple formula."""
        own = 2 * d
        m = _number(r"^HNSW(\d+)", self.factory)
        # Twice m links of 4 bytes on the lowest floor, m on each above, where a share of 1 / m stands; level and offset.
        graph = 0.0 if m is None else 8 * m + 4 * m / max(m - 1, 1) + 12
        ids = 8 if "IVF" in self.factory else 0
        first, _, codes = self.factory.removesuffix(f",{REFINE}").rpartition(",")
        sizes = {"SQ8": d, "Flat": 4 * d, VECTORS: 2 * d}
        if self.factory in (VECTORS, f"HNSW{m},{VECTORS}"):
            return own + graph
        if not re.fullmatch(r"HNSW\d*|IVF\d+", first):
            return None
        if codes in sizes:
            return own + graph + ids + sizes[codes]
        if (parts := _number(r"^PQ(\d+)x4", codes)) is not None:
            return own + ids + parts / 2
        if (bits := _number(r"^RaBitQ(?:fs)?(\d*)", codes)) is not None:
            return own + ids + bits * d / 8 + 32
        return None


def of(name: str, n: int, d: int) -> Kind:
    """The kind of index that a name or a factory string stands for, to hold n vectors of d numbers.

    Cells of an inverted file: the power of two nearest to 4 sqrt(n), and no more than n / 39. Parts of a product code: the
    greatest divisor of d up to d / 4.

    Raises InputError for a string that FAISS does not know, or knows for other vectors than these.

    >>> of("ivf-pq", 1_000_000, 512).factory, of("IVF64,PQ16", 1_000_000, 512).factory
    ('IVF4096,PQ128x4fs,Refine(SQfp16)', 'IVF64,PQ16,Refine(SQfp16)')
    """
    notes = []
    if name in NAMES:
        cells = max(1, min(2 ** round(log2(4 * sqrt(max(n, 1)))), n // VECTORS_PER_CELL))
        parts = next(parts for parts in range(max(1, d // 4), 0, -1) if d % parts == 0)
        factory = NAMES[name].format(m=M_OF_FEW if n < FEW else M, cells=cells, parts=parts)
    else:
        factory = name.replace(" ", "")
        if (found := _REFINED.search(factory)) and found[1] != REFINE:
            notes.append(f"re-ranked by the store's vectors of 16-bit numbers, not by {found[1]}")
            factory = factory[: found.start()]
        if factory != VECTORS and not re.fullmatch(rf"HNSW\d*,{VECTORS}", factory) and not factory.endswith(REFINE):
            factory += f",{REFINE}"
    kind = Kind(name, factory, tuple(notes))
    empty(kind, d)
    return kind


def check_word(kind: str) -> None:
    """Raise UsageError for a word that can be neither a name nor a factory string, which has capitals.

    >>> check_word("hsnw")
    Traceback (most recent call last):
    cladescope.errors.UsageError: found kind 'hsnw', expected one of auto, compare, flat, hnsw, ... (did you mean hnsw?)
    """
    words = (AUTO, COMPARE, *NAMES, NONE)
    if kind not in words and not any(letter.isupper() for letter in kind):
        raise UsageError(
            f"found kind {kind!r}, expected one of {', '.join(words)}, or a FAISS factory string{did_you_mean(kind, words)}"
        )


def empty(kind: Kind, d: int) -> Any:
    """A FAISS index of a kind, without vectors. Raises InputError as `of` does."""
    said = f"found kind {kind.name!r}, expected one of {AUTO}, {COMPARE}, {', '.join(NAMES)}, {NONE}, or a FAISS factory string"
    for part, number in re.findall(r"(HNSW|IVF)(\d+)", kind.factory):
        # FAISS ends the whole process, or asks for all memory, instead of refusing these.
        least, most = _NUMBERS[part]
        if not least <= int(number) <= most:
            raise InputError(f"{said} with {part}{least} to {part}{most}")
    try:
        index = faiss.index_factory(d, kind.factory, faiss.METRIC_INNER_PRODUCT)
    except (RuntimeError, MemoryError) as error:
        told = " ".join(str(error).split()).rpartition("Error: ")[2].rpartition("could not parse ")[2][:120]
        raise InputError(f"{said} for {d} numbers, such as IVF1024,PQ48x4fs (FAISS: {told})") from error
    if "NSG" in kind.factory or "IDMap" in kind.factory:
        raise InputError(f"{said}: FAISS's NSG and IDMap take no vectors after they are built")
    return index


def _number(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text)
    return None if found is None else int(found[1] or 1)
