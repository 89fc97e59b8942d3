"""`cladescope audit`: which pictures or labels may be wrong."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cladescope.app.cli.options import (
    JsonOption,
    LevelName,
    OverwriteOption,
    SafeTablesOption,
    StoreArgument,
    VectorsOption,
    WhereOption,
    WithinOption,
    clades,
)
from cladescope.app.cli.output import print_json, print_table, say
from cladescope.shown import counted


class TableName(StrEnum):
    """What is looked for."""

    DUPLICATES = "duplicates"
    LEAKS = "leaks"
    OUTLIERS = "outliers"
    LABEL_ERRORS = "label_errors"


def audit(
    store: StoreArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the tables and contact sheets.")],
    split: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Look for pictures shared between the values of this column, such as train and test."
        ),
    ] = None,
    vectors: VectorsOption = None,
    against: Annotated[
        Path | None, typer.Option(metavar="STORE", help="Look for pictures that are also in this store (same encoder).")
    ] = None,
    rank: Annotated[
        LevelName,
        typer.Option(
            help="The narrowest rank at which labels are checked; or label: the names of folders alone, as where few have a taxon."
        ),
    ] = LevelName.SPECIES,
    within: WithinOption = None,
    where: WhereOption = None,
    limit: Annotated[int | None, typer.Option(min=10, help="At most N pictures, drawn at random.")] = None,
    only: Annotated[
        list[TableName] | None,
        typer.Option(help="Only this table; several times.", show_default="all"),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=-1,
            max=1,
            metavar="COSINE",
            help="Pictures are near-duplicates from this cosine on. [default: the pixels decide]",
        ),
    ] = None,
    lof: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Also outliers by the local outlier factor among all pictures: at most this share. [default: none]",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    safe_csv: SafeTablesOption = False,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Find near-duplicates, leaks between splits, outliers and likely label errors.

    Example: cladescope audit photos.store --out audit
    """
    if lof is not None and not 0 < lof <= 0.5:
        raise typer.BadParameter(f"--lof is {lof:g}, expected a share of the pictures above 0 and at most 0.5")
    if lof is not None and only and TableName.OUTLIERS not in only:
        raise typer.BadParameter("--lof finds outliers, which are not looked for: add --only outliers")
    from cladescope.analysis.audit.files import FILES, PAGE, write_audit
    from cladescope.app.verbs import audit as verb
    from cladescope.outputs import check_out_folder

    check_out_folder(out, what="audit", names=FILES, overwrite=overwrite)
    found = verb.audit(
        store, split=split, vectors=vectors, against=against, rank=rank, within=clades(within), where=where, limit=limit,
        only=only or None, threshold=threshold, lof=lof, seed=seed,
    )  # fmt: skip
    files = write_audit(found, out, safe_csv=safe_csv, store=str(store))
    if json:
        print_json({"store": str(store), **found.summary, "files": [str(path) for path in files]})
    else:
        _show(found.summary)
        say(f"tables and contact sheets: {out}")
        say(f"to look through and decide: {out / PAGE}")


def _show(summary: dict[str, Any]) -> None:
    for note in summary["notes"]:
        say(note)
    rows: list[tuple[str, int, str]] = []
    if "near_duplicate_from" in summary:
        rows += [
            (
                "duplicate groups",
                summary["duplicate_groups"],
                "by pixels, as `cladescope duplicates`"
                if summary["threshold"] is None
                else f"cosine from {summary['threshold']:.4f}",
            ),
            ("  labels differ", summary["groups_of_mixed_labels"], ""),
            ("  of one picture or observation", summary["groups_of_kin"], ""),
            ("  reach beyond the threshold", summary["groups_beyond_threshold"], "from their representative"),
        ]
    rows += [
        ("leaks", summary["leaks"], ""),
        ("outliers", summary["outliers"], "robust z above 3.5" + " or local outlier factor" * ("lof" in summary)),
    ]
    if "lof" in summary:
        rows.append(
            ("  by the local outlier factor", summary["outliers_by_lof"], f"at most {summary['lof']:.3g} of all")
        )
    rows += [
        ("likely label errors", summary["label_errors"], ""),
    ]
    rows += [(f"  part at {rank}", count, "") for rank, count in summary["label_errors_by_rank"].items() if count]
    print_table([counted(summary["pictures"], "picture"), "found", "how"], rows)
