"""How the answer to one query is printed: hits, facets and consensus, as a table or CSV."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cladescope.app.cli.output import CsvTable, print_line, print_table, say
from cladescope.schema import shown_names

SHOWN_FACETS = 20


def show(document: dict[str, Any]) -> None:
    """An answer for people."""
    for note in document["notes"]:
        say(note)
    rows = [
        (
            hit["position"],
            hit["score"],
            hit["species"] or _deepest(hit) or hit.get("label") or "",
            hit["common_name"],
            hit["family"],
            hit["order"],
            hit["uri"].removeprefix(f"{Path.cwd()}/"),
        )
        for hit in document["hits"]
    ]
    if rows:
        spare = ["common name", "family", "order"]
        print_table(["", "score", "taxon", *spare, "picture"], rows, spare=spare)
    else:
        say("no hits: the store is empty, or no picture meets what was asked for")
    _show_facets(document.get("facets"))
    if rows:
        _show_consensus(document)


def write_csv(hits: list[dict[str, Any]], stored: Sequence[str], *, safe: bool) -> None:
    """Hits as CSV; the header is there even where no hit is, and is the same then."""
    from cladescope.index.hits import Hit

    extra = dict.fromkeys(shown_names(stored).values())
    none = Hit(position=0, score=0.0, image_id="", uri="", taxon=None, common_name=None, extra=extra)
    CsvTable(list(none.to_dict()), safe=safe).add(hits)


def _show_consensus(document: dict[str, Any]) -> None:
    kin, agreed = document["kin"], document["consensus"]
    if kin["of_query"]:
        say(f"{kin['of_query']} hits show the query's own picture or observation: they do not vote")
    if kin["of_hits"]:
        say(f"{kin['of_hits']} hits show the picture or observation of a better hit: they share its vote")
    if agreed["label"] is not None:
        print_line(f"consensus: {agreed['label']} (label, {agreed['share']:.2f} of the score)")
    elif agreed["taxon"] is None:
        print_line("consensus: none, no taxon holds most of the hits")
    else:
        print_line(f"consensus: {agreed['taxon']} ({agreed['rank']}, {agreed['share']:.2f} of the score)")


def _show_facets(facets: list[dict[str, Any]] | None) -> None:
    if facets is None:
        return
    rows = [(one["name"] or "not known", one["hits"], one["best_score"], one["images"]) for one in facets]
    print_table(["taxon", "hits", "best score", "pictures"], rows[:SHOWN_FACETS])
    if len(rows) > SHOWN_FACETS:
        say(f"{len(rows) - SHOWN_FACETS:,} more taxa: --json has them all")


def _deepest(hit: dict[str, Any]) -> str | None:
    ranks = ("genus", "family", "order", "class", "phylum", "kingdom")
    return next((hit[rank] for rank in ranks if hit[rank]), None)
