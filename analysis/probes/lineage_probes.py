"""The probes of all ranks together: how far up a picture and its nearest meet, and how well its nearest are ordered by kinship."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cladescope.analysis.measures.bootstrap import bootstrap_interval
from cladescope.analysis.measures.by_class import balanced_mean
from cladescope.analysis.measures.permutations import permuted
from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes.measured_rank import SLOW_PERMUTATIONS, Items
from cladescope.analysis.probes.neighbours import hierarchical_precision, taxonomic_distance
from cladescope.analysis.probes.result import N_RESAMPLES, ProbeResult, of_null
from cladescope.errors import InputError
from cladescope.index.neighbour_graph import nearest_others


@dataclass(frozen=True, eq=False)
class Lineages:
    """Pictures that have a name at one rank, and the paths of their taxa down to it.

    What is not known is like nothing else, so that pictures named above the rank only can be compared with none, and are not among them.
    """

    rank: str
    rows: Int[np.ndarray, " m"]
    """Of the pictures that have the rank."""
    numbers: Int[np.ndarray, " m"]
    """The taxon of each."""
    codes: Int[np.ndarray, "c ranks"]
    """Of each taxon the number of its taxon at each rank down to its own, -1 for none; see `taxon_codes`."""

    @classmethod
    def of(cls, pictures: Pictures, rank: str | None = None) -> "Lineages":
        """At a rank or, where none is named, at the narrowest that at least half of the pictures have (else most of them).

        >>> import pyarrow as pa
        >>> table = pa.table({"class": ["Aves", "Aves", "Aves"], "genus": ["Parus", "Pica", None]})
        >>> found = Lineages.of(Pictures.of_table(np.eye(3), table))
        >>> found.rank, found.rows.tolist(), found.codes[:, 2:].tolist()
        ('genus', [0, 1], [[0, -1, -1, 0], [0, -1, -1, 1]])
        """
        codes = pictures.codes
        n_named = (codes >= 0).sum(axis=0)
        if rank is None:
            often = np.flatnonzero(2 * n_named >= len(codes))
            place = int(often[-1]) if len(often) else int(n_named.argmax())
        else:
            place = pictures.ranks.index(rank)
        rows = np.flatnonzero(codes[:, place] >= 0)
        _, first, numbers = np.unique(codes[rows, place], return_index=True, return_inverse=True)
        return cls(pictures.ranks[place], rows, numbers, codes[rows[first], : place + 1])


def lineage_probes(
    pictures: Pictures, queries: Int[np.ndarray, " q"], nearest: Int[np.ndarray, "q k"], items: Items,
    *, n_permutations: int, seed: int,
) -> Iterator[ProbeResult]:  # fmt: skip
    """Height of the lowest common ancestor with the nearest, and hierarchical precision of the k nearest.

    Pictures without the rank of `Lineages.of` leave the probe, as queries and as neighbours: where there are any, neighbours are looked for
    anew among the others. Raises InputError where fewer than 3 have it.
    """
    at = Lineages.of(pictures)
    n_left_out = len(pictures) - len(at.rows)
    if len(at.rows) < 3:
        raise InputError(f"{len(at.rows)} pictures have a name at the rank {at.rank}, expected at least 3")
    if n_left_out:
        queries = np.flatnonzero(np.isin(at.rows, queries))
        k = min(nearest.shape[1], len(at.rows) - 1)
        if not len(queries):
            raise InputError(f"none of the pictures that were drawn has a name at the rank {at.rank}: draw more")
        _, nearest = nearest_others(pictures.vectors[at.rows], queries, k)
    k, depth = nearest.shape[1], at.codes.shape[1]

    def heights(numbers: Int[np.ndarray, " m"]) -> Float[np.ndarray, " q"]:
        found = taxonomic_distance(at.codes[numbers[queries]], at.codes[numbers[nearest[:, 0]]])
        return found.astype(float)

    def precisions(numbers: Int[np.ndarray, " m"]) -> Float[np.ndarray, " q"]:
        return hierarchical_precision(at.codes, numbers, queries, nearest)

    for name, values_of, better, reference, meaning in (
        ("LCA height", heights, False, "Bertinetto et al. 2020",
         f"Ranks up to where a picture and its nearest meet: 0 the same {at.rank}, {depth} not even the kingdom."),
        (f"hierarchical precision@{k}", precisions, True, "Barz & Denzler 2019, equation 10",
         f"How like a picture its {k} nearest are, over how like the {k} most alike pictures are: 1 is the best order."),
    ):  # fmt: skip
        values, groups = values_of(at.numbers), at.numbers[queries]
        times = n_permutations if name == "LCA height" else min(n_permutations, SLOW_PERMUTATIONS)
        items[name, None] = (values, at.rows[queries], groups)
        low, high = bootstrap_interval(values, groups=groups, n_resamples=N_RESAMPLES, seed=seed)

        def shuffled(rng: np.random.Generator, values_of: Callable[..., np.ndarray] = values_of) -> float:
            return float(values_of(rng.permutation(at.numbers)).mean())

        null = permuted(
            shuffled, float(values.mean()), n_permutations=times, seed=seed, higher_is_better=better
        )  # fmt: skip
        yield ProbeResult(
            probe=name, value=float(values.mean()), low=low, high=high, balanced=balanced_mean(values, groups),
            by_species=balanced_mean(values, pictures.lineage[at.rows[queries]]),
            n_images=len(queries), n_taxa=len(at.codes), n_left_out=n_left_out,
            sampled=len(queries) if len(queries) < len(at.rows) else None, higher_is_better=better,
            reference=reference, meaning=meaning, **of_null(null, times),
        )  # fmt: skip
