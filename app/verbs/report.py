"""Reports: what an encoder has learnt, on one page with figures, tables and explanations."""

from collections.abc import Sequence
from pathlib import Path

from cladescope.analysis.report.files import check_report_folder, write_report
from cladescope.analysis.report.result import Report
from cladescope.analysis.report.run import ReportConfig, make_report
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, compared_of, opened, tree_of, within_of
from cladescope.paths import local_path
from cladescope.phylogeny.tree import Tree


@checked
def report(
    store: AnyStore,
    *,
    vectors: str | None = None,
    compare: AnyStore | Sequence[AnyStore] = (),
    tree: str | Path | Tree | None = None,
    variant: str | None = None,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    draw_map: bool = True,
    map_sample: int = 2000,
    color: str | None = None,
    sample: int = 5000,
    permutations: int = 200,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> Report:
    """Probe a store, compare it with others, draw maps, and explain the results on one page that opens offline.

    The page and its numbers as JSON go to the folder `out`. The options are those of `probe`: `vectors` names those of a further encoder, and so may
    `compare`. With `draw_map` a map of each store shows at most `map_sample` pictures, coloured by the rank `color` (or `label`), by default
    the narrowest of 2 to 20 values that most pictures have.

    Returns everything that the page shows; `analysis.report.files.document` turns it into plain values.

    Raises as `probe`, and InputError if `out` already holds a report and `overwrite` is not set.

    >>> import cladescope
    >>> cladescope.report("photos.store", out="report", permutations=5).n_images
    24
    """
    folder = None if out is None else local_path(out)
    if folder is not None:
        check_report_folder(folder, overwrite=overwrite)
    config = ReportConfig(
        within=within_of(within), where=where, variant=variant, tree=tree_of(tree), sample=sample,
        permutations=permutations, map_sample=map_sample if draw_map else 0, color=color, seed=seed,
    )  # fmt: skip
    made = make_report([opened(store, vectors=vectors), *compared_of(store, compare)], config)
    if folder is not None:
        write_report(made, folder, overwrite=overwrite)
    return made
