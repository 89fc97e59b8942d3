"""`cladescope search`: find the stored pictures most similar to a query."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cladescope.app.cli import search_options as of
from cladescope.app.cli.options import (
    AllowOption,
    ContactOption,
    CsvOption,
    JsonOption,
    LevelName,
    OverwriteOption,
    RuntimeName,
    RuntimeOption,
    SafeCsvOption,
    StoreArgument,
    VectorsOption,
    WhereOption,
    WithinOption,
    clades,
    printed,
)
from cladescope.app.cli.output import print_json, printing_to, say
from cladescope.app.cli.search_answers import show, write_csv
from cladescope.app.cli.search_many import search_many
from cladescope.index.defaults import UNLIKE_WEIGHT, K


def search(
    store: StoreArgument,
    more: of.MoreArgument = None,
    image: of.ImageOption = None,
    text: of.TextOption = None,
    image_id: of.IdOption = None,
    taxon: of.TaxonOption = None,
    not_image: of.NotImageOption = None,
    not_text: of.NotTextOption = None,
    not_image_id: of.NotIdOption = None,
    not_taxon: of.NotTaxonOption = None,
    not_weight: of.NotWeightOption = UNLIKE_WEIGHT,
    k: of.KOption = K,
    at_most: of.AtMostOption = None,
    per: of.PerOption = LevelName.SPECIES,
    min_score: of.MinScoreOption = None,
    near: of.NearOption = None,
    same_place: of.SamePlaceOption = None,
    same: of.SameOption = None,
    within: WithinOption = None,
    where: WhereOption = None,
    facets: of.FacetsOption = None,
    exact: of.ExactOption = False,
    keep_query: of.KeepQueryOption = None,
    vectors: VectorsOption = None,
    queries: of.QueriesOption = None,
    column: of.ColumnOption = None,
    out: of.OutOption = None,
    strict: of.StrictOption = False,
    allow: AllowOption = None,
    contact: ContactOption = None,
    runtime: RuntimeOption = RuntimeName.AUTO,
    csv: CsvOption = False,
    safe_csv: SafeCsvOption = False,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE.png|.jpg", help="Draw query and hits as a labelled contact sheet.")
    ] = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Find the stored pictures most similar to a picture, a text, a stored picture, a taxon, or several of these.

    What is given together is one query: pictures and a text are averaged, what is given with --not-... is subtracted. With
    --queries each is a query of its own.

    Example: cladescope search photos.store query.jpg --within Aves --sheet hits.png

    Example: cladescope search photos.store --id ID --not-text "a drawing." --at-most 1

    Example: cladescope search photos.store --queries new-photos/ -k 5 --csv
    """
    images = [*(image or []), *(more or [])]
    how = printed(csv=csv, safe_csv=safe_csv, json=json, out=out)
    table = out if out is not None and out.suffix.lower() in of.TABLES else None
    asked: dict[str, Any] = {
        "images": images, "text": text, "image_id": image_id, "taxon": taxon, "not_images": not_image or (),
        "not_text": not_text, "not_image_id": not_image_id, "not_taxon": not_taxon, "not_weight": not_weight,
    }  # fmt: skip
    shown: dict[str, Any] = {
        "at_most": at_most, "per": per.value, "near": of.place_of(near), "same_place": same_place, "same": same,
        "facets": None if facets is None else facets.value,
    }  # fmt: skip
    for_programs = how.is_machine or out is not None  # what joins tables must find every row
    common: dict[str, Any] = {
        "k": k, "min_score": min_score, "within": clades(within), "where": where, "exact": exact, "vectors": vectors,
        "keep_query": for_programs if keep_query is None else keep_query, "contact": contact, "runtime": runtime.value,
    }  # fmt: skip
    of.check(
        store, {**asked, **shown, "sheet": sheet}, more, queries, column=column, out=table, strict=strict, allow=allow
    )
    if queries is not None:
        with printing_to(None if table else out, overwrite=overwrite):
            search_many(
                store, queries, how, column=column, out=table, overwrite=overwrite, strict=strict, allow=allow or (),
                **common,
            )  # fmt: skip
        return
    from cladescope.analysis.likeness import likeness_of_answer
    from cladescope.app.verbs import search as verb
    from cladescope.app.verbs.given import opened
    from cladescope.outputs import check_out_file

    for file in (out, sheet):
        if file is not None and file.parent.exists():
            check_out_file(file, overwrite=overwrite)
    held = opened(store, vectors=vectors)
    answer = verb.search(held, **asked, **shown, **common)
    document = answer.to_dict()
    with printing_to(out, overwrite=overwrite):
        if how.json:
            query = {**asked, **common, **shown, "images": images or None}
            del query["contact"], query["runtime"]
            print_json({"store": str(store), "query": query, **document})
        elif how.csv:
            for note in answer.notes:
                say(note)
            write_csv(document["hits"], held.schema.names, safe=safe_csv)
        else:
            show(document, likeness_of_answer(held, asked))
    if sheet is not None:
        from cladescope.analysis.audit.contact_sheet import draw_answer

        pictures = [*images, *(str(held.row(one, ["uri"])["uri"]) for one in image_id or ())]
        caption = ", ".join([*([text] if text else []), *(taxon or [])])
        words = likeness_of_answer(held, asked)
        draw_answer(answer, sheet, queries=pictures, caption=caption, likeness=words)
        say(f"contact sheet: {sheet}")
