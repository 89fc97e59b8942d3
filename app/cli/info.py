"""`cladescope info`: what a store holds."""

from typing import Annotated, Any

import typer

from cladescope.app.cli.options import (
    CsvOption,
    JsonOption,
    OverwriteOption,
    RowsOutOption,
    SafeCsvOption,
    StoreArgument,
    VectorsOption,
    printed,
)
from cladescope.app.cli.output import CsvTable, print_json, print_sentence, print_table, printing_to
from cladescope.schema import LABEL
from cladescope.shown import counted

SHOWN_RUNS = 5


def info(
    store: StoreArgument,
    failures: Annotated[bool, typer.Option("--failures", help="List the pictures that failed, as CSV.")] = False,
    gone: Annotated[
        bool, typer.Option("--gone", help="List the pictures that their source lists no more, as CSV.")
    ] = False,
    vectors: VectorsOption = None,
    out: RowsOutOption = None,
    csv: CsvOption = False,
    safe_csv: SafeCsvOption = False,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Show what a store holds: encoder, pictures by rank, failures, index and jobs.

    Example: cladescope info photos.store
    """
    if failures and gone:
        raise typer.BadParameter("give one of --failures and --gone")
    if safe_csv and not (failures or gone):
        raise typer.BadParameter("--safe-csv is of --failures and --gone")
    how = printed(csv=csv, safe_csv=safe_csv, json=json, out=out)
    from cladescope.app.verbs import info as verb
    from cladescope.app.verbs.given import opened
    from cladescope.outputs import check_out_file

    if out is not None:
        check_out_file(out, overwrite=overwrite)
    held = opened(store, vectors=vectors)
    listed = held.failures if failures else held.gone() if gone else None
    document: dict[str, Any] = verb.info(held) if listed is None else {"store": str(store)}
    with printing_to(out, overwrite=overwrite):
        if listed is not None and how.json:
            print_json({**document, "failures" if failures else "gone": listed.to_pylist()})
        elif listed is not None:
            CsvTable(listed.column_names, safe=safe_csv).add(listed.to_pylist())
        elif how.json:
            print_json(document)
        elif how.csv:
            ranks = [{"rank": rank, **counts} for rank, counts in document["ranks"].items()]
            CsvTable(["rank", "taxa", "images"]).add(ranks)
        else:
            _show(document)


def _show(document: dict[str, Any]) -> None:
    encoder = document["encoder"]
    weights = (encoder["weight_hash"] or "unknown")[:12]
    listed = " (--failures lists them)" if document["failures"] else ""
    counts = f"{counted(document['images'], 'picture')}, {counted(document['failures'], 'failure')}{listed}"
    print_sentence(f"{counts}, version {document['version']}")
    if document["gone"]:
        print_sentence(
            f"{counted(document['gone'], 'picture is gone from its', 'pictures are gone from their')} source (--gone lists them)"
        )
    print_sentence(f"encoder {encoder['name']}, {encoder['dim']} numbers a vector, weights {weights}")
    if document["vectors_name"] is not None:
        print_sentence(
            f"these are its vectors {document['vectors_name']}, which {counted(document['without_vector'], 'picture lacks', 'pictures lack')}"
        )
    for name, held in document["vectors"].items():
        by = f"encoder {held['encoder']['name']}, {held['encoder']['dim']} numbers"
        index = "no index" if held["index"] is None else f"index {held['index']['kind']}"
        print_sentence(
            f"vectors {name} of {counted(held['images'], 'picture')}: {by}, {held['index_problem'] or index}"
        )
    images = document["storage"]["images"]
    earlier = f"; earlier versions hold {images['earlier_bytes'] / 1e6:,.1f} MB more" if images["earlier_bytes"] else ""
    print_sentence(
        f"{images['n_bytes'] / 1e6:,.1f} MB of rows in {counted(images['fragments'], 'fragment')}, {counted(images['versions'], 'version')}{earlier}"
    )
    _show_ranks(document["ranks"])
    if (said := document["predicted"]) is not None:
        by = "; ".join(f"{n:,} by {maker}" for maker, n in said["by"].items())
        unnamed = ", ".join(f"{n:,} {why}" for why, n in said["unnamed"].items()) or "0 not known"
        print_sentence(
            f"predicted of {counted(said['images'], 'picture')}: {counted(said['names'], 'name')}, {unnamed} ({by})"
        )
    if document["index_problem"] is not None:
        print_sentence(f"no index that can be used, searches are exact: {document['index_problem']}")
    elif document["index"] is None:
        print_sentence("no index: searches are exact")
    else:
        card = document["index"]
        recall = ", ".join(f"@{k} {value:.3f}" for k, value in card["ann_recall"].items())
        short = "" if card["target_met"] else f", target NOT met for {', '.join(card['failing'])}"
        print_sentence(f"index {card['kind']}: {card['n_vectors']:,} vectors, ann_recall {recall}{short}")
    runs = document["runs"]
    if len(runs) > SHOWN_RUNS:
        print_sentence(f"{counted(len(runs) - SHOWN_RUNS, 'earlier job')}: --json lists them")
    for run in runs[-SHOWN_RUNS:]:
        print_sentence(f"{run['started'].astimezone():%Y-%m-%d %H:%M} {run['verb']} {run['source']}: {_ended(run)}")
    for job in document["running"]:
        done = job["told"].get("records", 0)
        print_sentence(
            f"{job['verb']} {job['source']} is under way: {counted(done, 'record')}, process {job['process']} of {job['host']}"
        )


def _show_ranks(ranks: dict[str, dict[str, int]]) -> None:
    """How many taxa and pictures each rank has; one line where none has any, and none for those that have none."""
    rows = [(rank, counts["taxa"], counts["images"]) for rank, counts in ranks.items() if counts["images"]]
    if rows:
        print_table(["rank", "taxa", "pictures"], rows)
    if not any(rank != LABEL for rank, *_ in rows):
        print_sentence("no picture has the name of a taxon: `cladescope predict STORE` proposes some")


def _ended(run: dict[str, Any]) -> str:
    """How a job ended, and how fast it was."""
    told = run["manifest"]
    if run["status"] == "failed":
        return f"failed: {told.get('error')}"
    fast = f", {told['embedded']:,} at {told['pictures_per_second']:,.0f} a second" if told.get("embedded") else ""
    return f"{run['status']}{fast}"
