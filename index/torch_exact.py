"""Exact search on a GPU: float16 vectors on the card, scored in blocks; on a processor the same in float32.

Needs PyTorch and NumPy only, neither FAISS nor LanceDB. `exact.search` is the oracle; this is for galleries on a card.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, Integer

from cladescope.arrays import blocks, check_directions
from cladescope.errors import InputError
from cladescope.index.torch_candidates import contenders, first_of_each, sums_in_full
from cladescope.index.torch_rows import SearchedRows

LOAD_BYTES = 1 << 26
"""Vectors are copied to the card in blocks of so many bytes, through memory that it can read by itself."""
MAXIMA_BYTES = 1 << 28
"""Group maxima held at a time, at most."""
GATHER_BYTES = 1 << 28
"""Vectors gathered at a time: rows of a filter, groups to be looked into, rows to be scored again."""
BLOCK_ROWS = 1 << 20
"""Rows of a block, at most, however few the queries: sizes of matrices that libraries are used to."""
MARGIN_BYTES = 2 << 30
"""What `fits` leaves free on a card: a search holds about half of it, other work of the card gets the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchSearchConfig:
    """How a search is cut into pieces. It changes speed and memory, never an answer."""

    group: int = 32
    """Neighbouring rows of which only the best score is kept at first."""
    round: int = 1024
    """Queries answered at a time, at most."""
    block_scores: int = 1 << 27
    """Scores held at a time: rows of a block times queries of a round."""
    gathered: int = 1 << 25
    """Numbers of the rows of all groups kept up to which a round scores these rows in float64 without choosing among them:
    for one query a step more costs a card longer than the work that it saves."""
    float32_scores: bool = False
    """Whether a card writes scores in float32, not float16: twice the bytes, and fewer groups that look alike."""

    def __post_init__(self) -> None:
        assert min(self.group, self.round, self.block_scores) > 0
        assert self.gathered >= 0


@dataclass(frozen=True, eq=False)
class TorchGallery:
    """Vectors on a device, to be searched exactly: 2 n d bytes there, 8 n for the keys here.

    >>> gallery = TorchGallery.load(np.array([7, 8, 9]), np.eye(3), device="cpu")
    >>> scores, keys = gallery.search(np.array([[0.0, 1.0, 0.0]]), 2)
    >>> keys, scores
    (array([[8, 7]]), array([[1., 0.]], dtype=float32))
    """

    keys: Int64[np.ndarray, " n"]
    """What a hit is known by."""
    vectors: Float[torch.Tensor, "n d"]
    """float16, on the device that searches them."""
    config: TorchSearchConfig = TorchSearchConfig()
    largest_norm: float | None = None
    """Length of the longest vector; computed if it is not given."""

    def __post_init__(self) -> None:
        assert self.vectors.dtype == torch.float16
        assert len(self.keys) == len(self.vectors)
        if self.largest_norm is not None:
            return
        largest = 0.0
        for start, stop in blocks(len(self.vectors), size=self._rows_of(GATHER_BYTES // 2)):
            norms = torch.linalg.vector_norm(self.vectors[start:stop], dim=1, dtype=torch.float32)
            wrong = ~torch.isfinite(norms)
            if wrong.any():
                row = start + int(wrong.nonzero()[0, 0])
                raise InputError(
                    f"vector {row} of the gallery is NaN or beyond float16 (65,504): remove it, or normalise"
                )
            largest = max(largest, float(norms.max()))
        object.__setattr__(self, "largest_norm", largest)

    @classmethod
    def load(
        cls,
        keys: Integer[np.ndarray, " n"],
        vectors: Float[np.ndarray, "n d"],
        *,
        device: str | None = None,
        config: TorchSearchConfig = TorchSearchConfig(),
    ) -> "TorchGallery":
        """Copy vectors, in memory or mapped, to a device, block by block; what is not float16 is rounded to it.

        `device` is `cuda`, `cuda:1`, `cpu`; None takes the GPU if there is one.

        Raises InputError for another device and for a vector that is not finite in float16.
        """
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if place.type not in ("cuda", "cpu"):
            raise InputError(f"exact search runs on cuda or cpu, not on {place.type}: name one of them")
        n, d = vectors.shape
        held = torch.empty((n, d), dtype=torch.float16, device=place)
        size = min(n, max(1, LOAD_BYTES // max(1, 2 * d)))
        part = torch.empty((size, d), dtype=torch.float16, pin_memory=place.type == "cuda")
        for start, stop in blocks(n, size=max(1, size)):
            with np.errstate(over="ignore"):
                np.copyto(part[: stop - start].numpy(), vectors[start:stop], casting="same_kind")
            held[start:stop].copy_(part[: stop - start])
        return cls(np.asarray(keys, dtype=np.int64), held, config)

    def __len__(self) -> int:
        return len(self.keys)

    def part(self, start: int, stop: int) -> "TorchGallery":
        """The rows from `start` to `stop`, such as a clade where rows lie in the order of the tree; nothing is copied.

        >>> gallery = TorchGallery.load(np.array([7, 8, 9]), np.eye(3), device="cpu")
        >>> gallery.part(1, 3).search(np.array([[1.0, 0.0, 0.5]]), 1)[1]
        array([[9]])
        """
        return replace(self, keys=self.keys[start:stop], vectors=self.vectors[start:stop])

    def rows(self, mask: Bool[np.ndarray, " n"] | Bool[torch.Tensor, " n"] | None) -> SearchedRows:
        """The rows that a mask allows, made ready for many searches: 8 bytes each on the device, or n bytes for a broad mask.

        Raises InputError for a mask of another length.
        """
        if mask is not None and len(mask) != len(self):
            raise InputError(f"the mask has {len(mask)} rows, the gallery {len(self)}: give one yes or no for each row")
        return SearchedRows.of(self.vectors, mask)

    def search(
        self,
        queries: Float[np.ndarray, "q d"],
        k: int,
        *,
        mask: Bool[np.ndarray, " n"] | Bool[torch.Tensor, " n"] | SearchedRows | None = None,
    ) -> tuple[Float32[np.ndarray, "q m"], Int64[np.ndarray, "q m"]]:
        """Scores and keys of the k best for each query, best first, m = min(k, rows allowed); equal scores in row order.

        A score is the scalar product of the query, in its own precision, and the float16 vector, summed in float64 and
        rounded to float32. `mask` says which rows are allowed; what `rows` made of it, or one on the device, costs no copy.

        Every row is scored in float16 on a GPU, summed in float32, and in float32 on a processor; of each group of rows
        only the best of these scores is kept. Such a score is at most `slack` away from the true one, by the rounding of
        the query, of the sum (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1, on the error of
        scalar products) and of the result. So a row of the answer lies in a group whose best score is at most twice
        `slack` below the k-th best group. These groups are scored again row by row, the rows that remain in float64 (for a few
        queries all rows of the groups kept, at once). If more groups than were kept may qualify (many vectors that are almost equal), that query is asked again, keeping
        eight times as many. So the answer is exact, not only likely.

        Memory on the device, beyond 2 n d bytes, for rounds of r queries: 2 b r bytes of scores (b r = `block_scores`; 4
        where in float32; 256 MiB), two copies of at most 256 MiB of group maxima, 320 MiB of gathered vectors, and 8 n bytes
        for a narrow mask; never n q.

        Raises InputError for queries of another dimension or without direction, and for a mask of another length.
        """
        assert k > 0
        n, d = self.vectors.shape
        if n and queries.shape[1] != d:
            raise InputError(
                f"the gallery holds vectors of {d} numbers, the queries have {queries.shape[1]}: encode alike"
            )
        check_directions(queries)
        rows = mask if isinstance(mask, SearchedRows) else self.rows(mask)
        m = min(k, rows.n_allowed)
        if not m or not len(queries):
            return np.empty((len(queries), m), np.float32), np.empty((len(queries), m), np.int64)
        wanted = torch.from_numpy(np.array(queries, dtype=np.float64)).to(self.vectors.device)
        with torch.inference_mode(), sums_in_full(self.vectors.device):
            scores, found = self._search(wanted, m, rows, kept=min(self._n_groups(rows), 2 * m + 48))
        return scores.cpu().numpy(), self.keys[found.cpu().numpy()]

    def _search(
        self, queries: Float[torch.Tensor, "q d"], m: int, rows: SearchedRows, *, kept: int
    ) -> tuple[Float[torch.Tensor, "q m"], Integer[torch.Tensor, "q m"]]:
        """Scores and row numbers of the m best; what `kept` groups do not settle is asked again with more."""
        device = queries.device
        scores = torch.empty((len(queries), m), dtype=torch.float32, device=device)
        found = torch.empty((len(queries), m), dtype=torch.int64, device=device)
        size = min(self.config.round, max(1, GATHER_BYTES // (4 * kept * self.config.group)))
        for start, stop in blocks(len(queries), size=size):
            part = queries[start:stop]
            part_scores, part_found, settled = self._round(part, m, rows, kept)
            if not settled.all():
                open_ = (~settled).nonzero()[:, 0]
                more = min(8 * kept, self._n_groups(rows))
                part_scores[open_], part_found[open_] = self._search(part[open_], m, rows, kept=more)
            scores[start:stop], found[start:stop] = part_scores, part_found
        return scores, found

    def _round(
        self, queries: Float[torch.Tensor, "q d"], m: int, rows: SearchedRows, kept: int
    ) -> tuple[Float[torch.Tensor, "q m"], Integer[torch.Tensor, "q m"], Bool[torch.Tensor, " q"]]:
        """Scores, row numbers, and whether they are settled: whether every group that may matter was kept."""
        group = self.config.group
        units, slack = self._units(queries)
        maxima, groups = self._best_groups(units, rows, kept)
        may_matter = contenders(maxima, m, slack, falling=True)
        settled = ~may_matter[:, -1] if kept < self._n_groups(rows) else torch.ones_like(may_matter[:, -1])
        if groups.nelement() * group * self.vectors.shape[1] <= self.config.gathered:
            return *self._best_of(queries, m, rows, groups), settled
        owner, place = (may_matter & settled[:, None]).nonzero(as_tuple=True)
        inside = torch.full((len(queries), kept, group), -torch.inf, device=queries.device)
        within = torch.arange(group, device=queries.device)
        for start, stop in blocks(len(owner), size=self._rows_of(GATHER_BYTES // 2, group)):
            whose, where = owner[start:stop], place[start:stop]
            positions = groups[whose, where][:, None] * group + within
            vectors = rows.at(positions.flatten()).view(*positions.shape, -1).to(units.dtype)
            looked = self._product(vectors, units[whose][:, :, None])[:, :, 0].float()
            inside[whose, where] = looked.masked_fill_(~rows.is_allowed(positions), -torch.inf)
        flat = inside.view(len(queries), -1)
        owner, place = (contenders(flat, m, slack) & settled[:, None]).nonzero(as_tuple=True)
        numbers = rows.numbers(groups[owner, place // group] * group + place % group)
        scores = torch.empty(len(owner), device=queries.device)
        for start, stop in blocks(len(owner), size=self._rows_of(GATHER_BYTES // 16)):
            vectors = self.vectors[numbers[start:stop]].double()
            scores[start:stop] = (vectors * queries[owner[start:stop]]).sum(dim=1).float()
        best_scores, best_numbers = first_of_each(owner, scores, numbers, settled, m)
        return best_scores, best_numbers, settled

    def _best_of(
        self, queries: Float[torch.Tensor, "q d"], m: int, rows: SearchedRows, groups: Integer[torch.Tensor, "q kept"]
    ) -> tuple[Float32[torch.Tensor, "q m"], Integer[torch.Tensor, "q m"]]:
        """Scores and row numbers of the m best rows of each query's groups; every row is scored in float64."""
        within = torch.arange(self.config.group, device=queries.device)
        positions = (groups.sort(dim=1).values[:, :, None] * self.config.group + within).flatten(1)
        numbers = rows.numbers(positions)
        scores = self.vectors[numbers].double().mul_(queries[:, None, :]).sum(dim=2).float()
        scores.masked_fill_(~rows.is_allowed(positions), -torch.inf)
        best, order = scores.sort(dim=1, descending=True, stable=True)
        return best[:, :m], numbers.gather(1, order[:, :m])

    def _units(
        self, queries: Float[torch.Tensor, "q d"]
    ) -> tuple[Float[torch.Tensor, "q d"], Float[torch.Tensor, "q 1"]]:
        """Queries scaled so that no score is above 1, in the type that is multiplied, and how far scores may be off."""
        assert self.largest_norm is not None
        largest = max(1.0, self.largest_norm)
        exact = queries / queries.abs().amax(dim=1, keepdim=True)
        exact = exact / (torch.linalg.vector_norm(exact, dim=1, keepdim=True) * largest)
        units = exact.to(torch.float16 if self._on_gpu else torch.float32)
        rounded = 1.01 * self.largest_norm * torch.linalg.vector_norm(exact - units.double(), dim=1, keepdim=True)
        reach = 1.01 * self.largest_norm / largest
        summed = (len(self.vectors[0]) + 8) * 2.0**-23 * reach
        written = 2.0**-11 * reach + 2.0**-24 if self._score_type == torch.float16 else 0.0
        return units, (rounded + summed + written).float()

    def _best_groups(
        self, units: Float[torch.Tensor, "q d"], rows: SearchedRows, kept: int
    ) -> tuple[Float32[torch.Tensor, "q kept"], Integer[torch.Tensor, "q kept"]]:
        """The groups with the greatest best scores, and these, in falling order."""
        group, q = self.config.group, len(units)
        block = max(1, min(BLOCK_ROWS, self.config.block_scores // q) // group)
        if rows.copied or not self._on_gpu:
            block = min(block, self._rows_of(GATHER_BYTES // 2, group))
        dtype = self._score_type
        span = max(1, MAXIMA_BYTES // (dtype.itemsize * q) // block) * block
        best: torch.Tensor | None = None
        for first, last in blocks(self._n_groups(rows), size=span):
            maxima = torch.empty((last - first, q), dtype=dtype, device=units.device)
            for start, stop in blocks(last - first, size=block):
                part = slice((first + start) * group, min((first + stop) * group, rows.count))
                vectors = rows.block(part).to(units.dtype)
                scores = self._product(vectors, units.T)
                rows.hide(scores, part)
                missing = (stop - start) * group - len(scores)
                scores = torch.nn.functional.pad(scores, (0, 0, 0, missing), value=-torch.inf) if missing else scores
                torch.amax(scores.view(-1, group, q), dim=1, out=maxima[start:stop])
            values, places = maxima.T.contiguous().topk(min(kept, last - first), dim=1)
            if best is None:
                best, numbers = values, places
                continue
            best, numbers = torch.cat([best, values], dim=1), torch.cat([numbers, places + first], dim=1)
            best, order = best.topk(min(kept, best.shape[1]), dim=1)
            numbers = numbers.gather(1, order)
        assert best is not None
        return best.float(), numbers

    def _product(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Matrices multiplied, or batches of them, in the type in which scores are written."""
        if a.dtype == self._score_type:
            return a @ b
        return (torch.mm if a.ndim == 2 else torch.bmm)(a, b, out_dtype=self._score_type)

    @property
    def _score_type(self) -> torch.dtype:
        return torch.float16 if self._on_gpu and not self.config.float32_scores else torch.float32

    @property
    def _on_gpu(self) -> bool:
        return self.vectors.device.type == "cuda"

    def _n_groups(self, rows: SearchedRows) -> int:
        return -(-rows.count // self.config.group)

    def _rows_of(self, n_bytes: int, group: int = 1) -> int:
        """Groups of rows whose float16 vectors take about so many bytes, at least one."""
        return max(1, n_bytes // max(1, 2 * self.vectors.shape[1] * group))


def fits(n: int, d: int, device: str = "cuda") -> bool:
    """Whether n x d vectors fit into a card's free memory: 2 n d bytes, and `MARGIN_BYTES` (2 GiB) for a search and others.

    False where there is no such card, `cpu` included.

    >>> fits(10**6, 512, "cpu")
    False
    """
    place = torch.device(device)
    if place.type != "cuda" or not torch.cuda.is_available() or (place.index or 0) >= torch.cuda.device_count():
        return False
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(place)
    return 2 * n * d + MARGIN_BYTES <= free
