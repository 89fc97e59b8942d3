"""Probes: what an encoder has learnt about the tree of life."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cladescope.analysis.probes.files import FILES, write_probes
from cladescope.analysis.probes.stores import ProbedStores, probe_stores
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, compared_of, opened, tree_of, within_of
from cladescope.errors import InputError
from cladescope.outputs import check_out_folder
from cladescope.paths import local_path
from cladescope.phylogeny.tree import Tree


@checked
def probe(
    store: AnyStore,
    *,
    vectors: str | None = None,
    compare: AnyStore | Sequence[AnyStore] = (),
    curve: bool = False,
    tree: str | Path | Tree | None = None,
    variant: str | None = None,
    rank: Literal["label"] | None = None,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    sample: int = 5000,
    permutations: int = 200,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> ProbedStores:
    """Measure how well a store's vectors follow the tree of life, with confidence intervals and null models.

    `vectors` names those of a further encoder of the store. `compare` is one or several stores of the same pictures from other encoders, or names of vectors of the same store: all are measured on the pictures that they
    share, with paired differences from the first. `tree` is a phylogeny (Newick or Nexus) to compare the vectors with,
    `variant` a column of two values such as sex. All ranks are measured or, with the `rank` `label` and where few pictures have a
    taxon, labels: the names of folders. `within` keeps a clade or the union of several, `where` the rows that meet
    an SQL condition. At most `sample` pictures are queries for their neighbours; labels are permuted `permutations` times.
    `out` is a folder for the numbers as JSON, and with `curve` for a figure of each probe over the stores; `overwrite`
    replaces earlier ones there.

    Returns one report per store, and the differences.

    Raises InputError for an unknown column, an invalid condition or tree, or too few pictures; TaxonError for an unknown
    clade; StoreError if a store cannot be read or the folder not written.

    >>> import cladescope
    >>> probed = cladescope.probe("photos.store", permutations=5)
    >>> [(one.probe, one.rank, round(one.value, 1)) for one in probed.reports[0].results][:2]
    [('1-NN purity', 'class', 0.9), ('10-NN purity', 'class', 0.6)]
    """
    if curve and not compare:
        raise InputError("curve is of several stores: give compare")
    folder = None if out is None else local_path(out)
    if folder is not None:
        check_out_folder(folder, what="set of probes", names=FILES, overwrite=overwrite)
    probed = probe_stores(
        [opened(store, vectors=vectors), *compared_of(store, compare)], tree=tree_of(tree), variant=variant, within=within_of(within),
        where=where, rank=rank, sample=sample, n_permutations=permutations, seed=seed,
    )  # fmt: skip
    if folder is not None:
        write_probes(probed, folder, curve=curve)
    return probed
