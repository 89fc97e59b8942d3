"""Common names of taxa, from the tables that taxonomies publish beside their taxa, in one language.

Of several names of a taxon the one is given that a table marks as preferred; else that of the first file given; of one file the
name that most of its rows give; then the first in the alphabet. Letter case makes no difference until the last step.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import duckdb

from cladescope.taxonomy.backbone_files import TaxonomyTable
from cladescope.taxonomy.backbone_taxa import load_rows

_TERMS: Final = {
    "taxon_id": "taxonid",
    "name": "vernacularname",
    "language": "language",
    "preferred": "ispreferredname",
}
_ORDER: Final = "preferred desc, source, n desc, lower(name), name"


def load_vernacular(
    connection: duckdb.DuckDBPyConnection,
    table: TaxonomyTable,
    source: int,
    codes: Sequence[str],
    others: Counter[str],
) -> None:
    """A table's names in the language of `codes` into `vernacular`; those of `others` are counted there."""
    load_rows(connection, table, "told", _TERMS)
    connection.execute("alter table told add column code varchar")
    connection.execute("update told set code = lower(regexp_extract(coalesce(language, ''), '^[A-Za-z]*'))")
    listed = ", ".join(f"'{code}'" for code in codes)
    connection.execute(
        f"""insert into vernacular select {source}, taxon_id, name, coalesce(lower(preferred) in ('true', '1', 'yes', 't'), false)
        from told where taxon_id is not null and name is not null and code in ({listed})"""
    )
    rest = f"select code, count(*) from told where name is not null and code not in ({listed}) group by code order by 2 desc, 1"
    others.update({code or "none": n for code, n in connection.execute(rest).fetchall()})
    connection.execute("drop table told")


def give_common_names(connection: duckdb.DuckDBPyConnection, counts: Counter[str]) -> None:
    """The chosen name of each accepted taxon into `taxa`; a name of a synonym is its accepted taxon's.

    Ids are those of the file in which the names stand or, where it has no taxa, of the last one before it that has some.
    """
    tables = [name for (name,) in connection.execute("show tables").fetchall() if name.startswith("id_of_")]
    cores = sorted(int(name.removeprefix("id_of_")) for name in tables)
    sources = [number for (number,) in connection.execute("select distinct source from vernacular").fetchall()]
    connection.execute(
        "create table common(core smallint, taxon_id varchar, name varchar, source smallint, preferred boolean)"
    )
    for source in sources:
        if not cores:
            break
        core = max((one for one in cores if one <= source), default=cores[0])
        connection.execute(
            f"""insert into common select {core}, coalesce(s.target, v.taxon_id), v.name, v.source, v.preferred
            from vernacular v left join id_of_{core} s on s.id = v.taxon_id where v.source = {source}"""
        )
    connection.execute(
        f"""create table chosen as
        with counted as (
            select core, taxon_id, source, bool_or(preferred) as preferred, lower(name) as folded, min(name) as name, count(*) as n
            from common group by core, taxon_id, source, folded)
        select core, taxon_id, first(name order by {_ORDER}) as name from counted group by core, taxon_id"""
    )
    connection.execute(
        "update taxa set common_name = c.name from chosen c "
        "where not taxa.synonym and taxa.source = c.core and taxa.taxon_id = c.taxon_id and taxa.common_name is null"
    )
    given = connection.execute("select count(common_name) from taxa where not synonym").fetchone()
    rows = connection.execute("select count(*) from vernacular").fetchone()
    counts["common names"] += 0 if given is None else int(given[0])
    counts["rows of common names in the language"] += 0 if rows is None else int(rows[0])
    for name in ("vernacular", "common", "chosen", *tables):
        connection.execute(f"drop table {name}")
