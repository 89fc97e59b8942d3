"""Taxa of published taxonomies as rows of one table in DuckDB: Darwin Core, the bird checklists' crosswalk, tables of ranks.

The table `taxa` has a row a name: `source` (number of its file), `rank` (position in `RANKS`), `name` (canonical), `synonym`,
`taxon_id`, the seven ranks of the accepted taxon, and `common_name`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
from jaxtyping import Int

from cladescope.errors import InputError
from cladescope.taxonomy.backbone_files import TaxonomyTable
from cladescope.taxonomy.name_parser import parse_name
from cladescope.taxonomy.taxon import RANK_INDEX, RANKS

COLUMNS: Final = ("source", "rank", "name", "synonym", "taxon_id", *RANKS, "common_name")
_PLAIN: Final = "[A-Z][a-z-]+(?: [a-z-]{4,})?"
_NO_TAXON: Final = "('incertae sedis', 'not assigned', 'unassigned', 'unplaced', 'unknown', 'unclassified')"
"""Names, in small letters, under which taxonomies put what has no place."""
_DEEPEST: Final = 200
"""Steps from a taxon to the root."""
_CHUNK: Final = 1 << 16
_DOUBLINGS: Final = 20
"""Chains of synonyms are followed for 2 ** 20 steps; longer ones go round in a circle."""
_BIRD_SYNONYMS: Final = ("sci_name", "ott_name", "h_m_name", "birdlife_name", "ioc_name")
_CORE: Final = {
    "id": "taxonid",
    "parent": "parentnameusageid",
    "accepted": "acceptednameusageid",
    "canonical": "canonicalname",
    "written": "scientificname",
    "author": "scientificnameauthorship",
    "rank_word": "taxonrank",
    "status": "taxonomicstatus",
}

Connection = duckdb.DuckDBPyConnection


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def in_chunks(connection: Connection, query: str) -> Iterator[list[str]]:
    """The texts of a query's one column, some thousands at a time; other queries may run meanwhile."""
    with connection.cursor() as cursor:
        reader = cursor.sql(query).to_arrow_reader(_CHUNK)
        for batch in reader:
            yield batch.column(0).to_pylist()


def load_rows(connection: Connection, table: TaxonomyTable, name: str, terms: Mapping[str, str]) -> None:
    """A table's columns into a new table of DuckDB; blank values and columns that are not there are null."""
    connection.execute(f"create table {name}({', '.join(f'{quoted(column)} varchar' for column in terms)})")
    there = [column for column, term in terms.items() if term in table.columns]
    values = ", ".join(f"nullif(trim({quoted(terms[column])}), '')" for column in there)
    into = ", ".join(map(quoted, there))
    for batch in table.batches([terms[column] for column in there]):
        connection.register("batch", pa.Table.from_batches([batch]))
        connection.execute(f"insert into {name}({into}) select {values} from batch")
        connection.unregister("batch")


def load_ranks(connection: Connection, table: TaxonomyTable, source: int, counts: Counter[str]) -> None:
    """Each row is a lineage: its taxon, and every taxon above it."""
    load_rows(connection, table, "lineage", {**{rank: rank for rank in RANKS}, "common_name": "commonname"})
    _load_lineages(connection, source, "lineage", RANKS)
    connection.execute("drop table lineage")


def _load_lineages(connection: Connection, source: int, table: str, ranks: Sequence[str]) -> None:
    """The taxa of the lineages in a table, of some ranks; a species may be an epithet beside its genus.

    A row's common name is that of its lowest taxon.
    """
    _make_canonical(connection, table, "genus")
    connection.execute(
        f"update {table} set species = genus || ' ' || species where genus is not null and regexp_full_match(species, '[a-z×].*') "
        "and not starts_with(species, lower(genus) || ' ')"
    )
    _make_canonical(connection, table, "species", drop=True)
    for rank in ranks:
        upto = RANKS[: RANK_INDEX[rank] + 1]
        values = ", ".join(quoted(one) if one in upto else "null" for one in RANKS)
        below = " and ".join(f"{quoted(one)} is null" for one in RANKS if one not in upto) or "true"
        connection.execute(
            f"insert into taxa select {source}, {RANK_INDEX[rank]}, {quoted(rank)}, false, null, {values}, min(common_name) filter ({below}) "
            f"from {table} where {quoted(rank)} is not null group by {', '.join(map(quoted, upto))}"
        )


def load_birds(connection: Connection, table: TaxonomyTable, source: int, counts: Counter[str]) -> None:
    """The crosswalk of Clements with other checklists: other lists' names are synonyms, unless Clements accepts them itself."""
    wanted = ("category", "sci_name_2025", "taxon_concept_id", "primary_com_name", "order", "family", *_BIRD_SYNONYMS)
    load_rows(connection, table, "crosswalk", {name: name.replace("_", "") for name in wanted})
    connection.execute(
        f"""create table bird as select 'Animalia' as kingdom, 'Chordata' as phylum, 'Aves' as "class", "order",
            regexp_replace(family, '\\s*\\(.*', '') as family, split_part(coalesce(sci_name_2025, sci_name), ' ', 1) as genus,
            coalesce(sci_name_2025, sci_name) as species, taxon_concept_id as taxon_id, primary_com_name as common_name,
            {", ".join(_BIRD_SYNONYMS)}
        from crosswalk where category is null or category = 'species'"""
    )
    _load_lineages(connection, source, "bird", RANKS[:-1])
    lineage, species = ", ".join(map(quoted, RANKS)), RANK_INDEX["species"]
    connection.execute(
        f"insert into taxa select {source}, {species}, species, false, taxon_id, {lineage}, common_name "
        "from bird where species is not null"
    )
    for name in _BIRD_SYNONYMS:
        connection.execute(
            f"insert into taxa select distinct {source}, {species}, {name}, true, taxon_id, {lineage}, common_name from bird "
            f"where regexp_full_match({name}, '\\S+ \\S+') and {name} not in (select species from bird where species is not null)"
        )
    connection.execute("drop table crosswalk; drop table bird")


def load_darwin_core(connection: Connection, table: TaxonomyTable, source: int, counts: Counter[str]) -> None:
    """Taxa known by id, with parents or with columns of ranks, synonyms pointing at the accepted taxon."""
    load_rows(connection, table, "core", {**_CORE, **{rank: rank for rank in RANKS[:-1]}})
    connection.execute(
        """create table named as select id, nullif(parent, id) as parent, nullif(accepted, id) as accepted,
            coalesce(case when not contains(coalesce(written, ''), '×') then canonical end, case when ends_with(written, author)
                then trim(left(written, length(written) - length(author))) else written end) as name,
            lower(rank_word) as rank_word, lower(coalesce(status, '')) as status
        from core where id is not null and coalesce(canonical, written) is not null"""
    )
    counts["rows without an id or a name"] += _count(
        connection, "select (select count(*) from core) - (select count(*) from named)"
    )
    twice = connection.execute("select id from named group by id having count(*) > 1 order by id limit 1").fetchone()
    if twice is not None:
        raise InputError(f"{table.place} holds a taxonID twice ({twice[0]!r}): expected each taxon once")
    codes = " ".join(f"when '{rank}' then {code}" for rank, code in RANK_INDEX.items())
    connection.execute(
        f"""create table usage as select *, case when lower(name) in {_NO_TAXON} then -1 else
            case rank_word {codes} when 'subspecies' then 7 when 'variety' then 7 when 'form' then 7 else -1 end end as rank
        from named"""
    )
    connection.execute("drop table named")
    _make_canonical(connection, "usage", "name", where="rank between 0 and 6")
    _follow_synonyms(connection, counts)
    _give_lineages(connection, table, counts)
    species = RANK_INDEX["species"]
    above = ", ".join(
        f"coalesce(l.{quoted(rank)}, case when u.rank > {code} and lower(c.{quoted(rank)}) not in {_NO_TAXON} "
        f"then c.{quoted(rank)} end) as {quoted(rank)}"
        for rank, code in RANK_INDEX.items()
        if rank != "species"
    )
    differs = " or ".join(f"lower(l.{quoted(rank)}) <> lower(c.{quoted(rank)})" for rank in RANKS[:5])
    connection.execute(
        f"""create table accepted as
        select u.id, u.rank, u.name, {above}, case when u.rank = {species} then u.name else l.species end as species,
            coalesce({differs}, false) as differs
        from usage u join core c on c.id = u.id
            left join lineage l on l.id = case when u.rank >= {species} then u.parent else u.id end
        where u.id not in (select id from synonym) and not u.left_out and u.rank >= 0"""
    )
    counts["lineages that contradict the columns of their row"] += _count(
        connection, "select count(*) from accepted where differs"
    )
    lineage = ", ".join(quoted(rank) for rank in RANKS)
    connection.execute(
        f"insert into taxa select {source}, rank, name, false, id, {lineage}, null from accepted where rank <= {species}"
    )
    alike = f"(a.rank = u.rank or (u.rank = {species} and a.rank > u.rank and a.species is not null))"
    # A join a statement: several at once each want a part of the memory at the same time.
    connection.execute(
        f"create table led as select u.id, u.name, u.rank, s.target from usage u join synonym s on s.id = u.id where u.rank between 0 and {species}"
    )
    connection.execute(
        f"""insert into taxa select {source}, u.rank, u.name, true, u.id, {", ".join(f"a.{quoted(rank)}" for rank in RANKS)}, null
        from led u join accepted a on a.id = u.target where {alike}"""
    )
    told = [
        _count(connection, f"select count(*) from led u {rest}")
        for rest in (
            "semi join usage t on t.id = u.target",
            "semi join synonym t on t.id = u.target",
            f"join accepted a on a.id = u.target where {alike}",
        )
    ]
    counts["synonyms that lead to no taxon of their rank"] += told[0] - told[1] - told[2]
    connection.execute("drop table led")
    connection.execute(f"create table if not exists id_of_{source}(id varchar, target varchar)")
    connection.execute(f"insert into id_of_{source} select id, target from synonym")
    connection.execute("drop table core; drop table usage; drop table synonym; drop table lineage; drop table accepted")


def _follow_synonyms(connection: Connection, counts: Counter[str]) -> None:
    """Each synonym and the accepted taxon at the end of its chain, in `synonym`; what leads nowhere is left out and counted."""
    connection.execute("alter table usage add column left_out boolean default false")
    connection.execute("update usage set left_out = true where status like '%misapplied%' or status like '%pro%parte%'")
    counts["misapplied or pro parte names left out"] += _count(connection, "select count(*) from usage where left_out")
    connection.execute(
        "create table synonym as select id, accepted as target from usage where accepted is not null and not left_out"
    )
    orphans = "accepted is null and status like '%synonym%' and not left_out"
    counts["synonyms without an accepted taxon"] += _count(connection, f"select count(*) from usage where {orphans}")
    connection.execute(f"update usage set left_out = true where {orphans}")
    chained = _count(connection, "select count(*) from synonym a join synonym b on a.target = b.id")
    counts["synonyms of synonyms followed"] += chained
    for _ in range(_DOUBLINGS):
        if not chained:
            break
        connection.execute(
            "create or replace table synonym as select a.id, coalesce(b.target, a.target) as target "
            "from synonym a left join synonym b on a.target = b.id"
        )
        chained = _count(connection, "select count(*) from synonym a join synonym b on a.target = b.id")
    counts["synonyms in a circle"] += chained
    counts["synonyms of synonyms followed"] -= chained
    lost = "target not in (select id from usage)"
    counts["synonyms whose accepted taxon is not there"] += _count(
        connection, f"select count(*) from synonym where {lost}"
    )


def _give_lineages(connection: Connection, table: TaxonomyTable, counts: Counter[str]) -> None:
    """The names at each rank, up to its own, of every taxon that has others below it or stands above the species, in `lineage`."""
    connection.execute(
        "update usage set parent = s.target from synonym s where usage.parent = s.id and usage.id <> s.target"
    )
    counts["parents that are not there"] += _count(
        connection,
        "select count(*) from usage where parent is not null and parent not in (select id from usage) and not left_out",
    )
    connection.execute(
        """create table inner_taxon as select row_number() over () - 1 as row, id, name, rank, parent from usage
        where id in (select parent from usage) or (rank between 0 and 5 and id not in (select id from synonym))"""
    )
    found = connection.sql(
        "select i.row, i.id, i.name, i.rank, p.row as above from inner_taxon i left join inner_taxon p on p.id = i.parent"
    ).to_arrow_table()
    found = found.sort_by("row")
    n = found.num_rows
    rank = np.minimum(found["rank"].to_numpy(), len(RANKS)).astype(np.int8)
    above = found["above"].fill_null(n).to_numpy().astype(np.int32)
    lineage, disordered = lineages(above, rank, lambda circle: _circle(table, found["id"], circle))
    counts["taxa below one of the same or a lower rank"] += disordered
    connection.execute(f"create table lineage(id varchar, {', '.join(f'{quoted(rank)} varchar' for rank in RANKS)})")
    names = found["name"].combine_chunks()
    for start in range(0, n, _CHUNK):
        part = lineage[:, start : start + _CHUNK]
        columns = {one: names.take(pa.array(part[code], mask=part[code] == n)) for one, code in RANK_INDEX.items()}
        rows = pa.table({"id": found["id"].slice(start, _CHUNK), **columns})
        connection.register("rows", rows).execute("insert into lineage select * from rows")
        connection.unregister("rows")
    connection.execute("drop table inner_taxon")


def lineages(
    above: Int[np.ndarray, " n"], rank: Int[np.ndarray, " n"], refuse: Callable[[list[int]], InputError]
) -> tuple[Int[np.ndarray, "ranks n"], int]:
    """Row of the taxon at each rank above each of n taxa and of itself, n where there is none; and how many stand out of order.

    `above` is the row of the taxon right above, n for none; `rank` a position in `RANKS`, -1 or more than 6 for another rank. Of
    two taxa of one rank the nearer counts; a taxon that stands above one of a wider rank does not count for it. Memory: 36 n bytes.

    Raises what `refuse` makes of rows that go round in a circle, or of none where a taxon has more than 200 above it.

    >>> found, _ = lineages(np.array([2, 0]), np.array([0, 2]), lambda rows: InputError("circle"))
    >>> found[:3].tolist()
    [[0, 0], [2, 2], [2, 1]]
    """
    n = len(above)
    found = np.full((len(RANKS), n), n, np.int32)
    parent = np.append(above, n)
    ranks = np.append(rank, -1)
    here = np.arange(n, dtype=np.int32)
    widest = np.full(n, len(RANKS), np.int8)
    out_of_order = np.zeros(n, bool)
    left = np.arange(n, dtype=np.int32)
    for _ in range(_DEEPEST):
        at = ranks[here[left]]
        known = (at >= 0) & (at < len(RANKS))
        fits = known & (at < widest[left])
        out_of_order[left[known & ~fits]] = True
        rows = left[fits]
        found[at[fits], rows] = here[rows]
        widest[rows] = at[fits]
        here[left] = parent[here[left]]
        left = left[here[left] < n]
        if not len(left):
            return found, int(out_of_order.sum())
    row = int(left[0])
    path: list[int] = []
    seen: dict[int, int] = {}
    while row < n and row not in seen:
        seen[row] = len(path)
        path.append(row)
        row = int(parent[row])
    raise refuse(path[seen[row] :] if row < n else [])


def _circle(table: TaxonomyTable, ids: pa.ChunkedArray, rows: list[int]) -> InputError:
    if not rows:
        return InputError(
            f"{table.place} has a taxon with more than {_DEEPEST} others above it, expected at most so many"
        )
    names = [str(ids[row].as_py()) for row in rows]
    shown = " > ".join([*names[:6], *(["..."] if len(names) > 6 else []), names[0]])
    return InputError(f"{table.place}: the parents of {names[0]!r} go round in a circle ({shown}), expected a tree")


def _make_canonical(
    connection: Connection, table: str, column: str, where: str = "true", *, drop: bool = False
) -> None:
    """Names in the one form of the store: hybrids with their sign, no authors; with `drop` null for what names no species."""
    connection.execute("create table canonical(old varchar, name varchar)")
    odd = f"select distinct {column} from {table} where {where} and not regexp_full_match({column}, '{_PLAIN}')"
    for names in in_chunks(connection, odd):
        found = [(name, parse_name(name)) for name in names]
        new: dict[str, str | None] = {
            name: one.name for name, one in found if one.name and one.name != name and not one.qualifier
        }
        if drop:
            new |= {name: None for name, one in found if one.qualifier and one.species is None}
        chunk = pa.table({"old": pa.array(new, pa.string()), "name": pa.array(new.values(), pa.string())})
        connection.register("chunk", chunk).execute("insert into canonical select * from chunk")
        connection.unregister("chunk")
    connection.execute(
        f"update {table} set {column} = c.name from canonical c where {table}.{column} = c.old and ({where})"
    )
    connection.execute("drop table canonical")


def _count(connection: Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return 0 if row is None else int(row[0])
