"""The open data of iNaturalist: tables of photos, observations, taxa and observers, whose pictures lie in a public bucket.

https://github.com/inaturalist/inaturalist-open-data: text separated by tabs, compressed or not, some hundred million rows.
"""

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from cladescope.embedding.records import Source
from cladescope.embedding.sources.joined import Joining
from cladescope.embedding.sources.member import Member, selected
from cladescope.embedding.sources.package import Package, table_of
from cladescope.embedding.sources.placed import PlacedText, found_layout
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError
from cladescope.taxonomy import RANKS

BUCKET: Final = "https://inaturalist-open-data.s3.amazonaws.com/photos"
SIZE: Final = "medium"
"""500 pixels on the longer side: more than any encoder sees."""
_LEVELS: Final = dict(zip(RANKS, (70, 60, 50, 40, 30, 20, 10), strict=True))
"""`rank_level` of each rank; hybrids and species have 10, subspecies less."""
_NEEDED: Final = {
    "photos": ("photo_id", "observation_uuid", "extension"),
    "observations": ("observation_uuid", "taxon_id"),
    "taxa": ("taxon_id", "ancestry", "rank_level", "name"),
    "observers": ("observer_id", "login"),
}


_KEYS: Final = {"observations": "observation_uuid", "observers": "observer_id"}
"""What a photo is joined by; a row that has the key of one before it counts for nothing."""
NOT_LISTED: Final = ("observation not listed", "observation without taxon", "taxon not listed")
"""What stands for the labels of a photo that has none; they are counted among the words that say that a label is missing."""


def open_package(package: Package, *, name: str | None, rules: TableRules, allowed: Collection[str]) -> Source:
    """A record for each row of the table of photos, in its order, with ranks, place, date, grade, licence and holder of the rights.

    A photo is `photos/ID/medium.jpg` of the bucket, or the file of that name beside the tables where it was copied there. Its
    `image_id` is the photo's id; where it belongs to several observations, later ones are `ID#2`, `ID#3`. Its position among
    the photos of its observation, width and height are `photo_position`, `photo_width`, `photo_height`.

    Memory: that of `Joining`. Raises InputError where one of the four tables is missing, or lacks what joins it to the others.
    """
    with Joining() as joining:
        tables = {table: _read(package, joining, table) for table in _NEEDED}
        _read_lineages(joining, tables["taxa"], tables["observations"])
        rows = joining.rows(_select(joining, **tables))
        again = {}
        if rows.n_rows != joining.count("FROM photos"):  # rare, and costly to rule out before
            again = {f"{table} listed again": _once(joining, tables[table], key) for table, key in _KEYS.items()}
            rows = joining.rows(_select(joining, **tables))
        uuid = {table: tables[table].at("observation_uuid") for table in ("photos", "observations")}
        without = f"FROM observations ANTI JOIN photos ON {uuid['photos']} = {uuid['observations']}"
        left_out = {"observations without a photo": joining.count(without), **again}
    folder = str(Path(package.place, "photos"))
    placed = found_layout(rows, ["image_url"], [folder], [_copy]) if package.members is None else None
    table = rows if placed is None else PlacedText(rows, "image_url", ("image_url",), *placed, os.path.isfile)
    rules = replace(rules, missing=rules.missing | set(NOT_LISTED))
    return table_of(package, table, name=name, rules=rules, allowed=allowed, left_out=left_out)


def _once(joining: Joining, member: Member, key: str) -> int:
    """Keep the first row of each key in a table; how many others there were."""
    table, column = member.table, member.at(key)
    n_rows = joining.count(f"FROM {table}")
    ranked = f"row_number() OVER (PARTITION BY {column} ORDER BY line)"
    joining.run(f"CREATE TABLE once AS SELECT * FROM {table} QUALIFY {column} IS NULL OR {ranked} = 1")
    joining.run(f"DROP TABLE {table}")
    joining.run(f"ALTER TABLE once RENAME TO {table}")
    return n_rows - joining.count(f"FROM {table}")


def _copy(row: Sequence[str | None]) -> str | None:
    """Path of a copy within `photos`, as of `aws s3 cp`, by the address in the bucket."""
    return row[0].removeprefix(f"{BUCKET}/") if row[0] else None


def _read(package: Package, joining: Joining, table: str) -> Member:
    file = package.found(f"{table}.csv|{table}.csv.gz")
    if file is None:
        raise InputError(
            f"{package.place} has no {table}.csv or {table}.csv.gz: expected the tables of iNaturalist's open data, "
            f"{', '.join(f'{name}.csv.gz' for name in _NEEDED)}; download all four of one day"
        )
    with package.text(file) as text:
        member = Member.read(joining, table, text)
    return member.having(_NEEDED[table], package.address(file), "iNaturalist's open data")


def _read_lineages(joining: Joining, taxa: Member, observations: Member) -> None:
    """Table `lineages`: name and ranks of each taxon that an observation has, from its ancestors (ids with `/` between them)."""
    taxon, above, name = (taxa.at(column) for column in ("taxon_id", "ancestry", "name"))
    joining.run(
        f"CREATE TABLE ancestors AS SELECT {taxon} AS taxon, unnest(string_split(concat_ws('/', {above}, {taxon}), '/')) AS above "
        f"FROM taxa WHERE {taxon} IN (SELECT {observations.at('taxon_id')} FROM observations)"
    )
    level = f"try_cast({taxa.at('rank_level')} AS DOUBLE)"
    picked = ", ".join(f'max({name}) FILTER ({level} = {value}) AS "{rank}"' for rank, value in _LEVELS.items())
    joining.run(
        f"CREATE TABLE lineages AS SELECT ancestors.taxon, max({name}) FILTER ({taxon} = ancestors.taxon) AS name, {picked} "
        f"FROM ancestors JOIN taxa ON {taxon} = ancestors.above GROUP BY ancestors.taxon"
    )


def _select(joining: Joining, *, photos: Member, observations: Member, taxa: Member, observers: Member) -> str:
    """The rows of the records, a statement."""
    photo, taxon = photos.at("photo_id"), observations.at("taxon_id")
    joining.run(
        f"CREATE OR REPLACE TABLE again AS SELECT line, row_number() OVER (PARTITION BY {photo} ORDER BY line) AS place FROM photos "
        f"WHERE {photo} IN (SELECT {photo} FROM photos GROUP BY {photo} HAVING count(*) > 1)"
    )
    absent, untold, unknown = NOT_LISTED
    columns = {
        "image_id": f"CASE WHEN again.place > 1 THEN {photo} || '#' || again.place ELSE {photo} END",
        "image_url": f"'{BUCKET}/' || {photo} || '/{SIZE}.' || {photos.at('extension')}",
        "observation_id": photos.at("observation_uuid"),
        "licence": photos.at("license"),
        "rights_holder": f"coalesce({observers.at('name')}, {observers.at('login')})",
        **{rank: f'lineages."{rank}"' for rank in RANKS},
        "scientific_name": "lineages.name",
        "common_name": f"CASE WHEN observations.line IS NULL THEN '{absent}' WHEN {taxon} IS NULL THEN '{untold}' "
        f"WHEN lineages.taxon IS NULL THEN '{unknown}' END",
    }
    apart = {"photo_id", "observation_uuid", "observer_id"}
    named_otherwise = ("position", "width", "height")  # names that every store or result has
    columns |= {f"photo_{column}": photos.at(column) for column in named_otherwise if photos.has(column)}
    columns |= photos.without({*apart, "license", *named_otherwise}).others(columns)
    columns |= observations.without(apart).others(columns)
    columns["observer_login"] = observers.at("login")
    return (
        f"SELECT {selected(columns)} FROM photos LEFT JOIN again ON again.line = photos.line "
        f"LEFT JOIN observations ON {observations.at('observation_uuid')} = {photos.at('observation_uuid')} "
        f"LEFT JOIN lineages ON lineages.taxon = {taxon} "
        f"LEFT JOIN observers ON {observers.at('observer_id')} = {photos.at('observer_id')} ORDER BY photos.line"
    )
