"""Options of `cladescope search`: what a query is made of, and what its hits must meet."""

from typing import Annotated

import typer

from cladescope.app.cli.options import RankName

MoreArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="IMAGE", help="Further pictures of the query, after --image."),
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
    float, typer.Option(help="How much of what is not wanted is subtracted: the query is a - WEIGHT b.")
]
KOption = Annotated[int, typer.Option("-k", min=1, help="Number of hits.")]
AtMostOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="M", help="At most M hits of one taxon: of one species, or --per another rank."),
]
PerOption = Annotated[RankName, typer.Option(help="With --at-most: the rank of its taxa.")]
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
    float | None, typer.Option(metavar="KM", help="With --id: only pictures taken within KM kilometres of it.")
]
SameOption = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="With --id: only pictures with its value in this column, such as locality."),
]
FacetsOption = Annotated[
    RankName | None,
    typer.Option(metavar="RANK", help="Count the taxa of a rank, among the hits and the pictures searched."),
]
ExactOption = Annotated[
    bool, typer.Option("--exact", help="Compare with every vector, even if the store has an index.")
]


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
    return latitude, longitude, kilometres
