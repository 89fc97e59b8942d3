"""Exports of Wildlife Insights: `images.csv`, a row an identification, with `deployments.csv` and others beside it.

https://www.wildlifeinsights.org/get-started/data-download. In projects of sequences the identifications stand in `sequences.csv`. A
picture is the file of its `filename` where that lies beside the tables, else what its `location` leads to.
"""

import os
from collections.abc import Collection
from dataclasses import replace
from fnmatch import fnmatch
from typing import Final

from cladescope.delimited import DelimitedText
from cladescope.embedding.records import Source
from cladescope.embedding.sources.joined import Joining
from cladescope.embedding.sources.member import Member, selected
from cladescope.embedding.sources.package import Package, table_of
from cladescope.embedding.sources.placed import Layout, PlacedText, found_layout
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError

RANKS_OF: Final = ("class", "order", "family", "genus", "species")
NO_TAXON: Final = frozenset(
    {"no cv result", "cv needed", "cv failed", "blank", "misfire", "unknown", "none", "vehicle", "bicycle", "animal"}
    | {"setup_pickup", "setup/pickup", "calibration photos", "time lapse"}
)
"""Words, in lower case, that stand in ranks and common names and are no taxa; so is what begins with "human"."""
_EXPORT: Final = "an export of Wildlife Insights"
_LAYOUTS: Final[tuple[Layout, ...]] = (
    lambda row: row[0],
    lambda row: f"{row[1]}/{row[0]}" if row[0] and row[1] else None,
)


def open_package(package: Package, *, name: str | None, rules: TableRules, allowed: Collection[str]) -> Source:
    """Records of the rows of `images.csv`, in its order: one for each taxon that a picture shows.

    The first record of a picture has its `image_id`, others have that with `#2`, `#3`. Rows that name no taxon ("No CV Result",
    "Blank", a person, a vehicle) are records without labels, and counted as missing. Coordinates are those of the deployment.

    Memory: that of `Joining`. Raises InputError where the table of images is missing, or lacks what is needed.
    """
    files = [one for one in package.names() if fnmatch(one, "images.csv") or fnmatch(one, "images_*.csv")]
    if len(files) != 1:
        raise InputError(
            f"{package.place} holds {len(files)} tables of images, {', '.join(files)}: give one of them at a time"
        )
    with package.text(files[0]) as text:
        return open_table(package, files[0], text, name=name, rules=rules, allowed=allowed)


def open_table(
    package: Package, file: str, text: DelimitedText, *, name: str | None, rules: TableRules, allowed: Collection[str]
) -> Source:
    """As `open_package`, for the table of images in `file`, whose text is open."""
    with Joining() as joining:
        images = Member.read(joining, "images", text).having(("location",), package.address(file), _EXPORT)
        deployments = _beside(package, joining, "deployments", "deployment_id")
        sequences = _beside(package, joining, "sequences", "sequence_id")
        projects = _beside(package, joining, "projects", "project_id")
        _identify(joining, images, sequences)
        words = {word for (word,) in joining.run("SELECT DISTINCT word FROM identified WHERE word IS NOT NULL")}
        rows = joining.rows(_select(images, sequences, deployments, projects))
        left_out = {
            "further identifications of a taxon that a picture shows already": joining.count("FROM identified WHERE again > 1"),
            "identifications of sequences without a picture": joining.count(
                "FROM sequences ANTI JOIN identified ON identified.sequence = sequences.line"
            ) if sequences else 0,
            "places of identifications whose deployment is not listed": joining.count(
                f"FROM images ANTI JOIN deployments ON {deployments.at('deployment_id')} = {images.at('deployment_id')}"
            ) if deployments is not None and images.has("deployment_id") else 0,
        }  # fmt: skip
    rules = replace(rules, missing=rules.missing | {word.lower() for word in words})
    needs = ("filename", "deployment_id")
    is_zipped = package.members is not None
    folders = ("", "images") if is_zipped else (package.place, f"{package.place}/images")
    is_there = package.holds if is_zipped else os.path.isfile
    placed = found_layout(rows, needs, folders, _LAYOUTS, is_there) if {*needs} <= {*rows.columns} else None
    table = rows if placed is None else PlacedText(rows, "location", needs, *placed, is_there)
    return table_of(
        package, table, name=name, rules=rules, allowed=allowed, left_out=left_out, file=file, path="location"
    )


def _beside(package: Package, joining: Joining, table: str, key: str) -> Member | None:
    """A table of the export that need not be there."""
    file = package.found(f"{table}.csv|{table}_*.csv")
    if file is None:
        return None
    with package.text(file) as text:
        return Member.read(joining, table, text).having((key,), package.address(file), _EXPORT)


def _identify(joining: Joining, images: Member, sequences: Member | None) -> None:
    """Table `identified`: a row an image and identification, the word that stands for no taxon, and the how manieth of its kind."""
    joined, line = "", "NULL::BIGINT"
    if sequences is not None and images.has("sequence_id"):
        joined = f" LEFT JOIN sequences ON {sequences.at('sequence_id')} = {images.at('sequence_id')}"
        if sequences.has("deployment_id") and images.has("deployment_id"):
            joined += f" AND {sequences.at('deployment_id')} = {images.at('deployment_id')}"
        line = "sequences.line"
    said = {name: _said(name, images, sequences if joined else None) for name in (*RANKS_OF, "common_name", "is_blank")}
    listed = ", ".join(f"'{word}'" for word in sorted(NO_TAXON))
    names = {name: f"lower(trim(coalesce({value}, 'none')))" for name, value in said.items()}
    known = " OR ".join(f"{names[name]} NOT IN ({listed})" for name in (*RANKS_OF, "common_name"))
    human = f"({names['genus']} = 'homo' OR {names['common_name']} LIKE 'human%')"
    blank = f"CASE WHEN {names['is_blank']} IN ('1', 'true', 'yes') THEN 'Blank' END"
    first = ", ".join(said[name] for name in ("common_name", *RANKS_OF))
    word = f"CASE WHEN {human} THEN coalesce({said['common_name']}, 'Human') ELSE coalesce({first}, {blank}) END"
    taxon = ", ".join(f'{said[name]} AS "{name}"' for name in (*RANKS_OF, "common_name"))
    image = images.at("image_id") if images.has("image_id") else images.at("location")
    joining.run(
        f"CREATE TABLE told AS SELECT images.line AS image, {line} AS sequence, {image} AS id, {taxon}, "
        f"({known}) AND NOT {human} AS is_taxon, CASE WHEN NOT is_taxon THEN {word} END AS word FROM images{joined}"
    )
    kinds = ", ".join(f'"{name}"' for name in (*RANKS_OF, "common_name"))
    joining.run(
        "CREATE TABLE identified AS SELECT *, row_number() OVER (PARTITION BY coalesce(id, image::VARCHAR), again > 1 "
        "ORDER BY image, sequence) AS place FROM (SELECT *, row_number() OVER (PARTITION BY coalesce(id, image::VARCHAR), "
        f"is_taxon, CASE WHEN is_taxon THEN concat_ws('|', {kinds}) END ORDER BY image, sequence) AS again FROM told)"
    )


def _said(column: str, images: Member, sequences: Member | None) -> str:
    """What stands for a column of which a sequence's row, where there is one, tells more than the image's."""
    own = images.at(column)
    return f"coalesce({sequences.at(column)}, {own})" if sequences is not None else own


def _select(images: Member, sequences: Member | None, deployments: Member | None, projects: Member | None) -> str:
    """The rows of the records, a statement."""
    columns = {"image_id": "CASE WHEN place = 1 THEN id ELSE id || '#' || place END"}
    columns |= {rank: f'CASE WHEN is_taxon THEN identified."{rank}" END' for rank in RANKS_OF}
    columns["common_name"] = f"CASE WHEN is_taxon THEN {_said('common_name', images, sequences)} ELSE word END"
    tables = "identified JOIN images ON images.line = identified.image"
    apart = {"image_id", "common_name", *RANKS_OF}
    if projects is not None and images.has("project_id"):
        owner = projects.at("project_admin_organization", "project_admin")
        columns["rights_holder"] = owner
        tables += (
            f" LEFT JOIN {_first(projects, 'project_id')} ON {projects.at('project_id')} = {images.at('project_id')}"
        )
    columns |= images.without(apart).others(columns)
    if sequences is not None:
        tables += " LEFT JOIN sequences ON sequences.line = identified.sequence"
        more = sequences.without({"project_id", "deployment_id", "sequence_id", *apart})
        columns |= {name: f"coalesce({value}, {images.at(name)})" for name, value in more.others(()).items()}
    if deployments is not None and images.has("deployment_id"):
        tables += f" LEFT JOIN {_first(deployments, 'deployment_id')} ON {deployments.at('deployment_id')} = {images.at('deployment_id')}"
        columns |= deployments.without({"project_id", "deployment_id"}).others(columns)
    return f"SELECT {selected(columns)} FROM {tables} WHERE again = 1 ORDER BY image, place"


def _first(member: Member, key: str) -> str:
    """A table of which only the first row of each key is joined."""
    return f"(SELECT * FROM {member.table} QUALIFY row_number() OVER (PARTITION BY {member.at(key)} ORDER BY line) = 1) AS {member.table}"
