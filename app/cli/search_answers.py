"""How the answer to one query is printed: hits, facets and consensus, as a table or CSV."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cladescope.app.cli.output import CsvTable, print_sentence, print_table, say
from cladescope.schema import shown_names
from cladescope.taxonomy import RANKS

if TYPE_CHECKING:
    from cladescope.analysis.likeness import Likeness

SHOWN_FACETS = 20
_SPARE = ("common name", "family", "order")
"""Columns that a narrow terminal may go without."""


def show(document: dict[str, Any], likeness: "Likeness | None") -> None:
    """An answer for people, with words for its scores where there are such."""
    for note in document["notes"]:
        say(note)
    columns: dict[str, list[object]] = {name: [] for name in ("", "score", "likeness", "taxon", *_SPARE, "picture")}
    for hit in document["hits"]:
        name = _deepest(hit) or hit.get("label")
        said = None if likeness is None else likeness.word(hit["score"])
        own = (hit["common_name"], hit["family"], hit["order"], hit["uri"].removeprefix(f"{Path.cwd()}/"))
        for column, value in zip(columns.values(), (hit["position"], hit["score"], said, name, *own), strict=True):
            column.append(value)
    rows = document["hits"]
    if rows:
        shown = {name: column for name, column in columns.items() if any(value not in (None, "") for value in column)}
        print_table([*shown], zip(*shown.values(), strict=True), spare=_SPARE)
    else:
        say("no hits: the store is empty, or no picture meets what was asked for")
    if n := document["kin"]["left_out"]:
        say(left_out(n))
    _show_facets(document.get("facets"))
    if rows:
        _show_consensus(document)


def left_out(n: int) -> str:
    """That so many rows of the store are no hits, since they show the query itself.

    >>> left_out(2)
    '2 stored pictures are the query itself and left out of its hits: --keep-query shows them'
    """
    are, them = ("picture is", "it") if n == 1 else ("pictures are", "them")
    return f"{n:,} stored {are} the query itself and left out of its hits: --keep-query shows {them}"


def write_csv(hits: list[dict[str, Any]], stored: Sequence[str], *, safe: bool) -> None:
    """Hits as CSV; the header is there even where no hit is, and is the same then."""
    from cladescope.index.hits import Hit

    extra = dict.fromkeys(shown_names(stored).values())
    none = Hit(position=0, score=0.0, image_id="", uri="", taxon=None, common_name=None, extra=extra)
    CsvTable(list(none.to_dict()), safe=safe).add(hits)


def _show_consensus(document: dict[str, Any]) -> None:
    kin, agreed = document["kin"], document["consensus"]
    if kin["of_query"]:
        say(f"{_hits_show(kin['of_query'])} the query's own picture or observation: not counted in the consensus")
    if kin["of_hits"]:
        say(f"{_hits_show(kin['of_hits'])} the picture or observation of a better hit, and share its vote")
    if agreed["label"] is not None:
        print_sentence(f"consensus: {agreed['label']} (label, {agreed['share']:.2f} of the score)")
    elif agreed["taxon"] is None:
        is_named = any(_deepest(hit) or hit.get("label") for hit in document["hits"])
        why = "no taxon holds most of the hits" if is_named else "the hits have no names"
        print_sentence(f"consensus: none, {why}")
    else:
        print_sentence(f"consensus: {agreed['taxon']} ({agreed['rank']}, {agreed['share']:.2f} of the score)")


def _hits_show(n: int) -> str:
    return f"{n} hit shows" if n == 1 else f"{n} hits show"


def _show_facets(facets: list[dict[str, Any]] | None) -> None:
    if facets is None:
        return
    rows = [(one["name"] or "not known", one["hits"], one["best_score"], one["images"]) for one in facets]
    print_table(["taxon", "hits", "best score", "pictures"], rows[:SHOWN_FACETS])
    if len(rows) > SHOWN_FACETS:
        say(f"{len(rows) - SHOWN_FACETS:,} more taxa: --json has them all")


def _deepest(hit: dict[str, Any]) -> str | None:
    return next((hit[rank] for rank in reversed(RANKS) if hit[rank]), None)
