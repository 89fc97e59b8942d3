"""How `cladescope search --queries` is carried out and printed: hits as lines, CSV or JSON, as they come, or into a file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cladescope.app.cli.output import CsvTable, json_text, print_json, print_line, say
from cladescope.app.cli.progress import job_progress
from cladescope.shown import counted

if TYPE_CHECKING:
    from cladescope.app.cli.options import Printed
    from cladescope.index.batch_search import BatchSearch

LISTED = 20
"""Queries that cannot be used that are told one by one."""


def search_many(store: Path, queries: str, how: "Printed", *, out: Path | None, **options: Any) -> None:
    """Search for each of many queries and print the hits."""
    from cladescope.app.verbs import search_batch as verb

    with job_progress("searched") as progress:
        found = verb.search_batch(store, queries, out=out, progress=progress, **options)
        if out is not None:
            _told(found)
            if how.json:
                counts = {"queries": found.n_queries, "hits": found.n_hits, "method": found.method}
                print_json({"store": str(store), "out": str(out), **counts, **_lost(found)})
            else:
                print_line(f"{found.n_queries:,} queries, {found.n_hits:,} hits: {out}")
            return
        if how.csv:
            _write_csv(found, safe=how.safe_csv)
        elif how.json:
            _write_json(found, store, queries)
        else:
            _show(found)
    _told(found)


def _write_csv(found: "BatchSearch", *, safe: bool) -> None:
    table: CsvTable | None = None
    for hits in found:
        table = table or CsvTable(hits.column_names, safe=safe)
        table.add(_rounded(row) for row in hits.to_pylist())


def _write_json(found: "BatchSearch", store: Path, queries: str) -> None:
    head = json_text({"store": str(store), "queries": queries})[:-1] + ', "hits": [\n'
    between = ""
    for hits in found:
        rows = ",\n".join(json_text(_rounded(row)) for row in hits.to_pylist())
        sys.stdout.write(head + (between if rows else "") + rows)
        head, between = "", ",\n" if rows else between
    end = {"method": found.method, "n_queries": found.n_queries, "n_hits": found.n_hits, **_lost(found)}
    sys.stdout.write(f"\n], {json_text(end)[1:]}\n")


def _show(found: "BatchSearch") -> None:
    from cladescope.analysis.likeness import HARDLY, likeness_of_store

    last: object = None
    likeness = likeness_of_store(found.searcher.store) if found.queries.is_pictures else None
    for hits in found:
        for row in hits.to_pylist():
            if row["query"] != last:
                last = row["query"]
                print_line(f"row {last}" if isinstance(last, int) else str(last).removeprefix(f"{Path.cwd()}/"))
            taxon = row["species"] or next((row[rank] for rank in _ABOVE if row[rank]), "")
            word = f"  {likeness.word(row['score']):<{len(HARDLY)}}" if likeness is not None else ""
            print_line(f"  {row['score']:.4f}{word}  {taxon}  {row['uri'].removeprefix(f'{Path.cwd()}/')}")


_ABOVE = ("genus", "family", "order", "class", "phylum", "kingdom")


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "score": round(row["score"], 6)}


def _lost(found: "BatchSearch") -> dict[str, Any]:
    return {"failures": found.failures, "notes": list(found.notes), "left_out": found.own_left_out}


def _told(found: "BatchSearch") -> None:
    """What was left out, and why, on stderr."""
    for note in found.notes:
        say(note)
    for line in found.failures[:LISTED]:
        say(f"left out: {line}")
    if found.failures:
        n_all = found.n_queries + len(found.failures)
        say(f"{len(found.failures):,} of {n_all:,} queries could not be used")
    if found.own_left_out:
        say(f"{counted(found.own_left_out, 'row')} left out of the hits of their own pictures: --keep-query shows them")
    if not found.n_hits:
        say("no hits: the store is empty, or no picture meets what was asked for")
