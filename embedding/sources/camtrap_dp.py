"""Camera Trap Data Packages: deployments, media and observations of camera traps, and a `datapackage.json` that describes them.

Standard: https://camtrap-dp.tdwg.org, versions 1.x, and 0.1 to 0.5, whose columns have other names. A picture's observations are
its own (`mediaID`), else those of the event to which it belongs: the event that its table of media names, else those at its
deployment in whose time (`eventStart` to `eventEnd`) it was taken.
"""

import csv
import io
import json
import logging
import re
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Final

from cladescope.delimited import DelimitedText
from cladescope.embedding.records import Source
from cladescope.embedding.sources.joined import Joining
from cladescope.embedding.sources.member import Member, selected
from cladescope.embedding.sources.package import Package, table_of
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError
from cladescope.taxonomy import RANKS

logger = logging.getLogger(__name__)

TABLES: Final = ("deployments", "media", "observations")
DESCRIPTOR_BYTES: Final = 2**26
NO_TAXON: Final = ("human", "vehicle", "blank", "unknown", "unclassified")
"""Types of observations that name no taxon; they are counted among the words that say that a label is missing."""
LONGEST_DAYS: Final = 400
"""Days of an event whose pictures are sought by the day."""
NOT_OBSERVED: Final = "no observation"
_VERSION: Final = re.compile(r"camtrap-dp/v?([^/]+)/")


def open_package(package: Package, *, name: str | None, rules: TableRules, allowed: Collection[str]) -> Source:
    """Records of a package's pictures, in the order of its media: one for each taxon that a picture shows, or for each box.

    The first record of a picture has its `mediaID`, others have that with `#` and their observation's. A picture without a taxon
    (blank, human, vehicle, not classified or not observed) is a record without labels, and counted as missing. Taxa have the
    ranks of the descriptor's `taxonomic`, and its English name. All columns are kept under their own names.

    Memory: that of `Joining`. Raises InputError where a table is missing, or lacks what joins it to the others.
    """
    descriptor = _descriptor(package)
    with Joining() as joining:
        tables = {table: _read(package, descriptor, joining, table) for table in TABLES}
        _read_taxa(joining, descriptor)
        _match(joining, tables["media"], tables["observations"])
        n_by_event = joining.count(
            "FROM (SELECT DISTINCT media FROM matches SEMI JOIN lone ON lone.line = matches.media)"
        )
        if n_by_event:
            logger.info("%s: %d pictures have the observation of their event", package.place, n_by_event)
        rows = joining.rows(_select(descriptor, **tables))
        left_out = {
            **dict(
                joining.run(
                    "SELECT 'media that are no pictures (' || kind || ')', count(*) FROM others GROUP BY kind ORDER BY kind"
                )
            ),
            **{words: joining.count(what) for words, what in _LEFT_OUT.items()},
            "places of pictures whose deployment is not listed": joining.count(
                f"FROM shot ANTI JOIN deployments ON {tables['deployments'].at('deployment_id')} = shot.deployment"
            ),
        }
    rules = replace(rules, missing=rules.missing | {*NO_TAXON, NOT_OBSERVED})
    file = _file(package, descriptor, "media")
    return table_of(package, rows, name=name, rules=rules, allowed=allowed, left_out=left_out, file=file)


_LEFT_OUT: Final = {
    "further observations of a taxon that a picture shows already": "FROM matches WHERE again > 1",
    "observations of media that are not listed": "FROM seen ANTI JOIN (SELECT id FROM shot UNION ALL SELECT id FROM others) AS listed "
    "ON listed.id = seen.media WHERE seen.media IS NOT NULL",
    "observations of media that are no pictures": "FROM seen SEMI JOIN others ON others.id = seen.media "
    "ANTI JOIN shot ON shot.id = seen.media",
    "observations of events without a picture that has none of its own": "FROM seen ANTI JOIN matches ON observation = seen.line "
    "WHERE seen.media IS NULL",
    "taxa of a rank that is not said, in pictures": "FROM matches JOIN seen ON observation = seen.line "
    "LEFT JOIN taxa ON taxa.name = seen.name WHERE again = 1 AND kind = 'animal' AND seen.name NOT LIKE '% %' AND taxa.rank IS NULL",
}
"""What a package holds and no record tells of, in words, and what of the database counts it."""


def _descriptor(package: Package) -> Mapping[str, Any]:
    """The content of `datapackage.json`; nothing where there is none."""
    if not package.holds("datapackage.json"):
        return {}
    place = package.address("datapackage.json")
    try:
        found = json.loads(package.content("datapackage.json", DESCRIPTOR_BYTES))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place} is no JSON that can be read ({' '.join(str(error).split())[:100]})") from error
    if not isinstance(found, dict):
        raise InputError(f"{place} holds no object of keys: expected the descriptor of a Camtrap DP")
    return found


def _file(package: Package, descriptor: Mapping[str, Any], table: str) -> str:
    """Name of a table's file: the descriptor's, else the usual one. Raises InputError where the package has none such."""
    resources = [one for one in descriptor.get("resources") or [] if isinstance(one, Mapping)]
    path = next((one.get("path") for one in resources if one.get("name") == table), None)
    if isinstance(path, list) and len(path) == 1:
        path = path[0]
    if path is None and not resources:
        path = f"{table}.csv"
    if isinstance(path, str) and package.holds(path):
        return path
    found = _VERSION.search(str(descriptor.get("profile")))
    about = f" (version {found[1]})" if found else ""
    listed = ", ".join(repr(str(one.get("name"))) for one in resources[:10]) or "none"
    what = f"names {path!r} for it, which is not there" if path is not None else f"its resources are {listed}"
    raise InputError(
        f"{package.place} has no table of {table}: {what}{about}; expected a Camtrap DP of version 1.x or 0.1 with "
        "deployments.csv, media.csv and observations.csv"
    )


def _read(package: Package, descriptor: Mapping[str, Any], joining: Joining, table: str) -> Member:
    file = _file(package, descriptor, table)
    needed = {"deployments": ("deploymentID",), "media": ("mediaID", "deploymentID", "filePath")}.get(
        table, ("deploymentID",)
    )
    with package.text(file) as text:
        return Member.read(joining, table, text).having(needed, package.address(file), "a Camtrap DP")


def _read_taxa(joining: Joining, descriptor: Mapping[str, Any]) -> None:
    """The descriptor's `taxonomic` as a table: name, rank, higher ranks, and a common name in English, else in any language."""
    columns = ("name", "rank", *RANKS[:-1], "common")
    lines = io.StringIO()
    writer = csv.writer(lines, quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    for one in descriptor.get("taxonomic") or []:
        if isinstance(one, Mapping) and one.get("scientificName"):
            common = one.get("vernacularNames")
            names = common if isinstance(common, Mapping) else {}
            called = next((names[code] for code in ("en", "eng") if names.get(code)), next(iter(names.values()), None))
            ranks = (one.get(rank) for rank in RANKS[:-1])
            writer.writerow(
                [str(value or "") for value in (one["scientificName"], one.get("taxonRank"), *ranks, called)]
            )
    content = lines.getvalue().encode()
    text = DelimitedText("taxonomic", lambda: nullcontext(io.BytesIO(content)))
    joining.read("listed", text, {f"{column}_": column for column in columns})
    picked = ", ".join(f'first({column}_ ORDER BY line) AS "{column}"' for column in columns[1:])
    joining.run(f"CREATE TABLE taxa AS SELECT name_ AS name, {picked} FROM listed GROUP BY name_")


def _match(joining: Joining, media: Member, observations: Member) -> None:
    """Tables `shot` (pictures), `others` (media that are none), `seen` (observations) and `matches`, a row a picture and observation."""
    kind = f"coalesce(lower({media.at('file_mediatype')}), '')"
    joining.run(
        f"CREATE TABLE shot AS SELECT line, {media.at('media_id')} AS id, {media.at('deployment_id')} AS deployment, "
        f"{media.at('event_id', 'sequence_id')} AS event, try_cast({media.at('timestamp', 'start')} AS TIMESTAMPTZ) AS at "
        f"FROM media WHERE {kind} = '' OR {kind} LIKE 'image/%'"
    )
    joining.run(
        f"CREATE TABLE others AS SELECT {media.at('media_id')} AS id, {kind} AS kind FROM media WHERE {kind} <> '' AND {kind} NOT LIKE 'image/%'"
    )
    start, end = (observations.at(name, "timestamp") for name in ("event_start", "event_end"))
    box = observations.at("bbox_x")
    kind = f"coalesce(lower({observations.at('observation_type')}), 'animal')"
    joining.run(
        f"CREATE TABLE seen AS SELECT line, {observations.at('observation_id')} AS id, {observations.at('media_id')} AS media, "
        f"{observations.at('deployment_id')} AS deployment, {observations.at('event_id', 'sequence_id')} AS event, "
        f"try_cast({start} AS TIMESTAMPTZ) AS start, try_cast({end} AS TIMESTAMPTZ) AS until, {kind} AS kind, "
        f"CASE WHEN {kind} = 'animal' THEN {observations.at('scientific_name')} END AS name, {box} AS box FROM observations"
    )
    joining.run(
        "CREATE TABLE own AS SELECT shot.line AS media, seen.line AS observation FROM shot JOIN seen ON seen.media = shot.id"
    )
    joining.run("CREATE TABLE lone AS SELECT * FROM shot ANTI JOIN own ON own.media = shot.line")
    # By the day, for a camera may have a million pictures and events; what lasts for years is rare, and compared with all.
    days = "unnest(generate_series(date_trunc('day', start), date_trunc('day', until), INTERVAL 1 DAY))"
    joining.run(
        f"CREATE TABLE spans AS SELECT line, deployment, start, until, {days} AS day FROM seen "
        f"WHERE media IS NULL AND until >= start AND until < start + INTERVAL {LONGEST_DAYS} DAY"
    )
    joining.run(
        "CREATE TABLE matches AS SELECT *, row_number() OVER (PARTITION BY media, again > 1 ORDER BY observation) AS place FROM ("
        "SELECT found.*, CASE WHEN box IS NULL THEN row_number() OVER (PARTITION BY found.media, kind, name, box IS NULL "
        "ORDER BY observation) ELSE 1 END AS again FROM ("
        "SELECT media, observation FROM own UNION "
        "SELECT lone.line, seen.line FROM lone JOIN seen ON seen.deployment = lone.deployment AND seen.event = lone.event "
        "WHERE seen.media IS NULL UNION "
        "SELECT lone.line, spans.line FROM lone JOIN spans ON spans.deployment = lone.deployment "
        "AND spans.day = date_trunc('day', lone.at) AND lone.at BETWEEN spans.start AND spans.until WHERE lone.event IS NULL UNION "
        "SELECT lone.line, seen.line FROM lone JOIN seen ON seen.deployment = lone.deployment AND lone.at BETWEEN seen.start "
        f"AND seen.until WHERE seen.media IS NULL AND lone.event IS NULL AND seen.until >= seen.start + INTERVAL {LONGEST_DAYS} DAY"
        ") AS found JOIN seen ON found.observation = seen.line)"
    )


def _select(descriptor: Mapping[str, Any], *, deployments: Member, media: Member, observations: Member) -> str:
    """The rows of the records, a statement."""
    columns = {
        "image_id": "CASE WHEN coalesce(place, 1) = 1 THEN shot.id ELSE shot.id || '#' || coalesce(seen.id, place::VARCHAR) END",
        **{
            rank: f"coalesce(taxa.\"{rank}\", CASE WHEN lower(taxa.rank) = '{rank}' THEN seen.name END)"
            for rank in RANKS[:-1]
        },
    }
    columns["scientificName"] = "seen.name"
    columns["common_name"] = (
        f"CASE WHEN seen.line IS NULL THEN '{NOT_OBSERVED}' WHEN kind <> 'animal' THEN kind ELSE taxa.common END"
    )
    columns |= _rights(descriptor)
    apart = {"mediaid", "deploymentid", "scientificname"}
    for member, but in ((media, {"mediaid"}), (observations, apart), (deployments, {"deploymentid"})):
        columns |= member.without(but).others(columns)
    deployment = deployments.at("deployment_id")
    return (
        f"SELECT {selected(columns)} FROM shot JOIN media ON media.line = shot.line "
        "LEFT JOIN (SELECT * FROM matches WHERE again = 1) AS matches ON matches.media = shot.line "
        "LEFT JOIN seen ON seen.line = matches.observation LEFT JOIN observations ON observations.line = seen.line "
        "LEFT JOIN taxa ON taxa.name = seen.name "
        f"LEFT JOIN (SELECT * FROM deployments QUALIFY row_number() OVER (PARTITION BY {deployment} ORDER BY line) = 1) AS deployments "
        f"ON {deployment} = shot.deployment ORDER BY shot.line, place"
    )


def _rights(descriptor: Mapping[str, Any]) -> dict[str, str]:
    """Licence of the media and holder of the rights, as the descriptor says them, ready for a SELECT."""
    licences = [
        one for one in descriptor.get("licenses") or [] if isinstance(one, Mapping) and one.get("scope") == "media"
    ]
    people = [one for one in descriptor.get("contributors") or [] if isinstance(one, Mapping)]
    said = {
        "licence": next((one.get("name") or one.get("path") for one in licences), None),
        "rights_holder": next((one.get("title") for one in people if one.get("role") == "rightsHolder"), None),
    }
    return {name: "'" + str(value).replace("'", "''") + "'" for name, value in said.items() if value}
