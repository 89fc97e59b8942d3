"""`cladescope search`: find the stored pictures most similar to a query."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cladescope.app.cli.options import (
    ContactOption,
    CsvOption,
    JsonOption,
    OverwriteOption,
    SafeCsvOption,
    StoreArgument,
    WhereOption,
    WithinOption,
    clades,
)
from cladescope.app.cli.output import CsvTable, print_json, print_line, print_table, say
from cladescope.index.defaults import K
from cladescope.schema import shown_names


def search(
    store: StoreArgument,
    more: Annotated[
        list[str] | None,
        typer.Argument(metavar="IMAGE", help="Further pictures of the query, after --image."),
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH...",
            help="Picture to search with; several views of one individual make one query.",
        ),
    ] = None,
    text: Annotated[str | None, typer.Option(help="Text to search with, if the encoder understands text.")] = None,
    image_id: Annotated[
        str | None,
        typer.Option("--id", metavar="IMAGE_ID", help="A stored picture to search with; it is left out of the hits."),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of hits.")] = K,
    within: WithinOption = None,
    where: WhereOption = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare with every vector, even if the store has an index.")
    ] = False,
    contact: ContactOption = None,
    csv: CsvOption = False,
    safe_csv: SafeCsvOption = False,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw query and hits as a labelled contact sheet.")
    ] = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Find the stored pictures most similar to a picture, several pictures, a text or a stored picture.

    Example: cladescope search photos.store --image query.jpg --within Aves --sheet hits.png
    """
    images = [*(image or []), *(more or [])]
    if more and not image:
        raise typer.BadParameter(f"unexpected argument {more[0]!r}: name a query picture with --image")
    if sum(map(bool, (images, text, image_id))) != 1:
        raise typer.BadParameter("give one of --image, --text and --id")
    csv = csv or safe_csv
    if json and csv:
        raise typer.BadParameter("give one of --json and --csv")
    from cladescope.app.verbs import search as verb
    from cladescope.app.verbs.given import opened
    from cladescope.outputs import check_out_file

    if sheet is not None and sheet.parent.exists():
        check_out_file(sheet, overwrite=overwrite)
    held = opened(store)
    answer = verb.search(
        held,
        images,
        text=text,
        image_id=image_id,
        k=k,
        within=clades(within),
        where=where,
        exact=exact,
        contact=contact,
    )
    document = answer.to_dict()
    if json:
        query = {
            "images": images or None,
            "text": text,
            "id": image_id,
            "k": k,
            "within": clades(within),
            "where": where,
        }
        print_json({"store": str(store), "query": query, **document})
    elif csv:
        _write_csv(document["hits"], held.schema.names, safe=safe_csv)
    else:
        _show(document)
    if sheet is not None:
        from cladescope.analysis.audit.contact_sheet import draw_answer

        queries = images or ([held.uri_of(image_id)] if image_id else [])
        draw_answer(answer, sheet, queries=queries, caption=text or image_id or "")
        say(f"contact sheet: {sheet}")


def _show(document: dict[str, Any]) -> None:
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
    if not rows:
        say("no hits: the store or the clade is empty")
        return
    spare = ["common name", "family", "order"]
    print_table(["", "score", "taxon", *spare, "picture"], rows, spare=spare)
    kin, agreed = document["kin"], document["consensus"]
    if kin["of_query"]:
        say(f"{kin['of_query']} hits show the query's own picture or observation: they do not vote")
    if kin["of_hits"]:
        say(f"{kin['of_hits']} hits show the picture or observation of a better hit: they share its vote")
    if agreed["taxon"] is None:
        print_line("consensus: none, no taxon holds most of the hits")
    else:
        print_line(f"consensus: {agreed['taxon']} ({agreed['rank']}, {agreed['share']:.2f} of the score)")


def _deepest(hit: dict[str, Any]) -> str | None:
    ranks = ("genus", "family", "order", "class", "phylum", "kingdom")
    return next((hit[rank] for rank in ranks if hit[rank]), None)


def _write_csv(hits: list[dict[str, Any]], stored: list[str], *, safe: bool) -> None:
    """Hits as CSV; the header is there even where no hit is, and is the same then."""
    from cladescope.index.hits import Hit

    extra = dict.fromkeys(shown_names(stored).values())
    none = Hit(position=0, score=0.0, image_id="", uri="", taxon=None, common_name=None, extra=extra)
    CsvTable(list(none.to_dict()), safe=safe).add(hits)
