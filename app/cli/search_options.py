"""Options of `cladescope search`: what a query is made of, and what its hits must meet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cladescope.app.cli.options import LevelName
from cladescope.index.defaults import UNLIKE_WEIGHT

MoreArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="IMAGE", help="Pictures to search with, as --image; they may also stand before the store."),
]
ImageOption = Annotated[
    list[str] | None,
    typer.Option(metavar="PATH...", help="Picture to search with; several views of one individual make one query."),
]
TextOption = Annotated[str | None, typer.Option(help="Text to search with, if the encoder understands text.")]
IdOption = Annotated[
    list[str] | None,
    typer.Option("--id", metavar="IMAGE_ID", help="A stored picture to search with; it is left out of the hits."),
]
TaxonOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TAXON", help="Search with the middle of a taxon's pictures, in which every species counts alike."
    ),
]
NotImageOption = Annotated[
    list[str] | None, typer.Option(metavar="PATH", help="Not like this picture: it is subtracted from the query.")
]
NotTextOption = Annotated[str | None, typer.Option(help="Not like this text.")]
NotIdOption = Annotated[
    list[str] | None,
    typer.Option("--not-id", metavar="IMAGE_ID", help="Not like this stored picture; it is left out of the hits."),
]
NotTaxonOption = Annotated[list[str] | None, typer.Option(metavar="TAXON", help="Not like the middle of this taxon.")]
NotWeightOption = Annotated[
    float, typer.Option(min=0, help="How much of that is subtracted: the query is a - WEIGHT b.")
]
KOption = Annotated[int, typer.Option("-k", min=1, help="Number of hits.")]
AtMostOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="M", help="At most M hits of one taxon: of one species, or --per another rank."),
]
PerOption = Annotated[LevelName, typer.Option(help="With --at-most: the rank of its taxa, or label, of folders.")]
MinScoreOption = Annotated[
    float | None, typer.Option(min=-1, max=1, metavar="S", help="Only hits of at least this score (cosine), up to -k.")
]
NearOption = Annotated[
    str | None,
    typer.Option(
        metavar="LAT,LON,KM", help="Only pictures taken within KM kilometres of a place, by their coordinates."
    ),
]
SamePlaceOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="KM",
        help="With --id, or --image with a GPS position in its file: only pictures taken within KM kilometres.",
    ),
]
SameOption = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="With --id: only pictures with its value in this column, such as locality."),
]
FacetsOption = Annotated[
    LevelName | None,
    typer.Option(metavar="RANK", help="Count the taxa of a rank, or label, among the hits and the pictures searched."),
]
KeepQueryOption = Annotated[
    bool | None,
    typer.Option("--keep-query/--leave-out-query", help="Whether a picture may be its own hit; not so in a table."),
]
ExactOption = Annotated[
    bool, typer.Option("--exact", help="Compare with every vector, even if the store has an index.")
]

QueriesOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|FOLDER",
        help="Search for each of many: a .parquet or .npy file of vectors, a table of pictures, a folder.",
    ),
]
ColumnOption = Annotated[
    str | None, typer.Option(help="With --queries: the column of the vectors, if the table has several.")
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.csv|.json|.arrow|.parquet",
        help="File for what --csv or --json would print; .arrow and .parquet are of --queries.",
    ),
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="With --queries: stop at the first query that cannot be used.")
]


TABLES = (".arrow", ".parquet")
"""Endings of files of hits that come block by block."""


def place_of(near: str | None) -> tuple[float, float, float] | None:
    """What `--near` means. Raises BadParameter for anything but three numbers.

    >>> place_of("-33.9,18.4,10")
    (-33.9, 18.4, 10.0)
    """
    if near is None:
        return None
    try:
        latitude, longitude, kilometres = map(float, near.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"found {near!r} for --near, expected LAT,LON,KM such as 50.93,11.59,20") from error
    if not (abs(latitude) <= 90 and abs(longitude) <= 180 and 0 < kilometres < float("inf")):
        raise typer.BadParameter(
            f"found {near!r} for --near, expected a latitude (-90 to 90), a longitude (-180 to 180) and kilometres above 0"
        )
    return latitude, longitude, kilometres


def check(
    store: object, asked: Mapping[str, Any], more: Sequence[str] | None, queries: str | None, **of_many: object
) -> None:
    """Raise BadParameter for options that do not go together: of one query and of many, or of what is not there.

    `asked` are the options of one query, `more` arguments after the store, which are pictures after --image and nothing else, `of_many` those that stand beside `queries`.
    """
    from cladescope.app.verbs.given import is_store

    usual = {"not_weight": UNLIKE_WEIGHT, "per": "species"}
    nothing: tuple[object, ...] = (None, (), [])
    given = [name for name, value in asked.items() if value not in nothing and value != usual.get(name)]
    if more and (queries is not None or asked["not_images"]):
        option = "--not-image" if asked["not_images"] else "--queries"
        raise typer.BadParameter(
            f"unexpected argument {more[0]!r}: {option} takes one value; repeat --not-image and --image, quote a pattern"
        )
    for one in more or ():
        if Path(one).is_dir() and not is_store(one):
            raise typer.BadParameter(f"{one} is a folder: --queries {one} searches for each of its pictures")
    for one in () if asked["images"] != list(more or ()) else more or ():
        if "://" not in one and not Path(one).exists():
            raise typer.BadParameter(f"there is no picture {one}: name a file, or search for words with --text")
    if queries is not None:
        if given:
            raise typer.BadParameter(f"--queries searches for each query alone: leave out {_option(given[0])}")
        return
    if others := [name for name, value in of_many.items() if value]:
        raise typer.BadParameter(f"{_option(others[0])} is of --queries: give a file or folder of queries")
    if not any(asked[name] for name in ("images", "text", "image_id", "taxon")):
        if Path(str(store)).exists() and not is_store(store):
            raise typer.BadParameter(f"found {store} where a store is expected: name the store, too, in either order")
        raise typer.BadParameter("give a query: --image, --text, --id or --taxon, or several of them; or --queries")
    if "not_weight" in given and not any(
        asked[name] for name in asked if name.startswith("not_") and name != "not_weight"
    ):
        raise typer.BadParameter("--not-weight is of --not-image, --not-text, --not-id and --not-taxon: give one")
    if "per" in given and asked["at_most"] is None:
        raise typer.BadParameter("--per is of --at-most: give the number of hits of one taxon")


def _option(name: str) -> str:
    """An option as it is typed.

    >>> _option("not_image_id"), _option("images")
    ('--not-id', '--image')
    """
    return "--" + name.replace("images", "image").replace("image_id", "id").replace("_", "-")
