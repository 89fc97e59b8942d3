"""EOL's media with their taxa: the manifest of its media beside the Dynamic Hierarchy's `taxon.tab`, joined by the page of a taxon.

https://eol.org/docs/what-is-eol/data-services: the manifest names a page for each medium, and no taxon; the hierarchy says what the page's taxon is and
what lies above it. BioCLIP's TreeOfLife-10M was labelled so, with version 2.1.
"""

from collections.abc import Collection
from dataclasses import replace
from fnmatch import fnmatch
from typing import Final

from cladescope.embedding.records import Source
from cladescope.embedding.sources.joined import Joining
from cladescope.embedding.sources.member import Member, selected
from cladescope.embedding.sources.package import Package, table_of
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError
from cladescope.taxonomy import RANKS

MANIFESTS: Final = "media_manifest*.csv|media_manifest*.csv.gz"
_MEDIA: Final = ("EOL content ID", "EOL page ID", "EOL Full-Size Copy URL")
_RIGHTS: Final = {"License Name": "licence", "Copyright Owner": "rights_holder"}
_TAXA: Final = ("taxonID", "parentNameUsageID", "taxonRank", "EOLid")
_DEEPEST: Final = 200
NOT_LISTED: Final = ("page not in taxon.tab", "no page named")
"""What stands for the labels of a medium that has none; they are counted among the words that say that a label is missing."""


def open_package(package: Package, *, name: str | None, rules: TableRules, allowed: Collection[str]) -> Source:
    """A record for each medium of the manifests, in their order, with the ranks of its page, licence and owner.

    `image_id` is the content's id; what the manifest lists again with the same page keeps the first row, and the others are counted. A medium of two pages is two records of one id. A page whose taxon is a synonym has the ranks of the
    accepted one. Of two taxa of one rank above a page the nearer counts.

    Memory: that of `Joining`. Raises InputError where a table lacks what joins it to the other, or parents go round in a circle.
    """
    with Joining() as joining:
        media = _read_media(package, joining)
        taxa = _read_taxa(package, joining)
        _read_lineages(joining, media, taxa)
        content = media.at("EOL content ID")
        n_rows = joining.count("FROM media")
        rows = joining.rows(_select(media))
        listed = joining.count(
            f"FROM (SELECT DISTINCT {content}, {media.at('EOL page ID')} FROM media WHERE {content} IS NOT NULL)"
        )
        unnamed = joining.count(f"FROM media WHERE {content} IS NULL")
        left_out = {"media listed again": n_rows - listed - unnamed, "media without an id": unnamed}
    rules = replace(rules, missing=rules.missing | set(NOT_LISTED))
    told = {words: n for words, n in left_out.items() if n}
    return table_of(package, rows, name=name, rules=rules, allowed=allowed, left_out=told)


def _read_media(package: Package, joining: Joining) -> Member:
    files = sorted(one for one in package.names() if any(fnmatch(one, name) for name in MANIFESTS.split("|")))
    member: Member | None = None
    for file in files:
        with package.text(file) as text:
            found = Member.read(joining, "media", text)
        if member is not None and found.columns != member.columns:
            raise InputError(
                f"{package.address(file)} has other columns than {files[0]}: expected manifests of one day, download them again"
            )
        member = found.having(_MEDIA, package.address(file), "EOL's media manifest")
    assert member is not None, "the door asks for one"
    return member


def _read_taxa(package: Package, joining: Joining) -> Member:
    with package.text("taxon.tab") as text:
        member = Member.read(joining, "taxa", text)
    return member.having(_TAXA, package.address("taxon.tab"), "EOL's Dynamic Hierarchy")


def _read_lineages(joining: Joining, media: Member, taxa: Member) -> None:
    """Table `lineages`: name and ranks of each page that a medium names, by walking up the parents."""
    key, parent, page = (taxa.at(one) for one in ("taxonID", "parentNameUsageID", "EOLid"))
    named = [taxa.at(one) for one in ("canonicalName", "scientificName") if taxa.has(one)]
    if not named:
        raise InputError("taxon.tab has neither canonicalName nor scientificName: expected EOL's Dynamic Hierarchy")
    accepted = f"coalesce({taxa.at('acceptedNameUsageID')}, {key})" if taxa.has("acceptedNameUsageID") else key
    joining.run(
        f"CREATE TABLE pages AS SELECT {page} AS page, min_by({accepted}, line) AS taxon FROM taxa "
        f"WHERE {page} IN (SELECT {media.at('EOL page ID')} FROM media) GROUP BY {page}"
    )
    joining.run("CREATE TABLE above AS SELECT DISTINCT taxon, taxon AS here, 0 AS steps FROM pages")
    for steps in range(_DEEPEST):
        joining.run(
            f"INSERT INTO above SELECT above.taxon, {parent}, {steps + 1} FROM above JOIN taxa ON {key} = above.here "
            f"WHERE steps = {steps} AND {parent} IS NOT NULL"
        )
        if not joining.count(f"FROM above WHERE steps = {steps + 1}"):
            break
    else:
        (circle,) = joining.run(f"SELECT min(taxon) FROM above WHERE steps = {_DEEPEST}")[0]
        raise InputError(
            f"taxon.tab: the parents of {circle!r} go round in a circle, or are more than {_DEEPEST}: expected a tree"
        )
    name = f"coalesce({', '.join(named)})"
    rank = f"lower({taxa.at('taxonRank')})"
    picked = ", ".join(f"min_by({name}, steps) FILTER ({rank} = '{one}') AS \"{one}\"" for one in RANKS)
    joining.run(
        f"CREATE TABLE lineages AS SELECT page, min_by({name}, steps) AS name, {picked} FROM pages "
        f"JOIN above USING (taxon) JOIN taxa ON {key} = above.here GROUP BY page"
    )


def _select(media: Member) -> str:
    """The rows of the records, a statement."""
    content, page = media.at("EOL content ID"), media.at("EOL page ID")
    unknown, unnamed = NOT_LISTED
    columns = {
        "image_id": content,
        "image_url": media.at("EOL Full-Size Copy URL"),
        **{rank: f'lineages."{rank}"' for rank in RANKS},
        "scientific_name": "lineages.name",
        "common_name": f"CASE WHEN {page} IS NULL THEN '{unnamed}' WHEN lineages.page IS NULL THEN '{unknown}' END",
        "eol_page_id": page,
    }
    columns |= {column: media.at(own) for own, column in _RIGHTS.items() if media.has(own)}
    columns |= media.without({name.lower() for name in (*_MEDIA, *_RIGHTS)}).others(columns)
    return (
        f"SELECT {selected(columns)} FROM media LEFT JOIN lineages ON lineages.page = {page} WHERE {content} IS NOT NULL "
        f"QUALIFY row_number() OVER (PARTITION BY {content}, {page} ORDER BY media.line) = 1 ORDER BY media.line"
    )
