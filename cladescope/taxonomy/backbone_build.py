"""Making a backbone: published taxonomies in, a folder of names out, in bounded memory.

Rows go to DuckDB, which sorts and joins on disk where memory does not hold them. Memory: `MEMORY` for DuckDB, 50 bytes for each
taxon that has others below it, and a few blocks of the table that is read. The disk takes about 300 bytes a name meanwhile.
"""

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from cladescope.errors import InputError
from cladescope.files import replacing, write_json
from cladescope.outputs import check_new_folder
from cladescope.steps import step
from cladescope.taxonomy.backbone_files import TaxonomyTable, taxonomy_tables
from cladescope.taxonomy.backbone_names import FORMAT_VERSION, LINEAGES, NAMES, content_hash
from cladescope.taxonomy.backbone_taxa import COLUMNS, in_chunks, load_birds, load_darwin_core, load_ranks, quoted
from cladescope.taxonomy.languages import language_codes
from cladescope.taxonomy.spelling import fold
from cladescope.taxonomy.taxon import RANKS
from cladescope.taxonomy.vernacular import give_common_names, load_vernacular

MEMORY: Final = "700MB"
DESCRIPTION: Final = "backbone.json"
LANGUAGE: Final = "en"
"""Of common names, where none is chosen."""
_ROWS: Final = 1 << 16
_THREADS: Final = 4
"""DuckDB wants some memory for each, and does not write that to the disk."""
_ABOVE: Final = ", ".join(quoted(rank) for rank in RANKS[:-1])


def build_backbone(
    files: Sequence[Path], out: Path, *, release: str | None, language: str | None, overwrite: bool = False
) -> dict[str, Any]:
    """Read taxonomies into a new backbone, and say what it holds; see `Backbone.build`."""
    if not files:
        raise InputError("no file is given: expected Taxon.tsv, a zip of it, taxonomy.parquet, ...")
    names = [NAMES, LINEAGES, DESCRIPTION]
    check_new_folder(out, what="backbone", names=names, overwrite=overwrite)
    codes = language_codes(language or LANGUAGE)
    tables = [taxonomy_tables(path) for path in files]
    sources: list[dict[str, object]] = [{"file": path.name, "sha256": _sha256(path)} for path in files]
    counts: Counter[str] = Counter()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out, over=overwrite) as draft:
            draft.mkdir()
            work = draft / "work"
            work.mkdir()
            with duckdb.connect(str(work / "names.duckdb"), config=_config(work)) as connection:
                connection.execute("SET enable_progress_bar = false")  # it would stand among the results
                with step("reading names"):
                    languages = _load(connection, tables, codes, counts)
                if language is not None:
                    _check_language(connection, codes, languages)
                for number, source in enumerate(sources):
                    source["names"] = _one(connection, f"select count(*) from taxa where source = {number}")
                with step("writing the backbone"):
                    give_common_names(connection, counts)
                    _write(connection, draft)
                n_names = _one(connection, "select count(*) from names")
                n_synonyms = _one(connection, "select count(*) from names where synonym")
            shutil.rmtree(work)
            hashes = "".join([*(str(one["sha256"]) for one in sources), codes[0]])
            description = {
                "format_version": FORMAT_VERSION,
                "release": release or " + ".join(str(source["file"]) for source in sources),
                "language": codes[0],
                "names": n_names,
                "synonyms": n_synonyms,
                "sources": sources,
                "counts": dict(+counts),
                "hash": hashlib.sha256(hashes.encode()).hexdigest(),
                "content": content_hash(draft),
            }
            write_json(draft / DESCRIPTION, description)
    except (duckdb.Error, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{out} cannot be built ({reason}): it needs some 300 bytes of disk a name meanwhile"
        ) from error
    return description


def _config(folder: Path) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "memory_limit": MEMORY,
        "threads": min(_THREADS, os.cpu_count() or 1),
        "temp_directory": str(folder / "spilled"),
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }


def _load(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[Sequence[TaxonomyTable]],
    codes: Sequence[str],
    counts: Counter[str],
) -> Counter[str]:
    """All tables into `taxa` and `vernacular`; the number of common names in other languages."""
    columns = ", ".join(f"{quoted(name)} varchar" for name in COLUMNS[4:])
    connection.execute(f"create table taxa(source smallint, rank utinyint, name varchar, synonym boolean, {columns})")
    connection.execute("create table vernacular(source smallint, taxon_id varchar, name varchar, preferred boolean)")
    loads = {"taxa": load_darwin_core, "birds": load_birds, "ranks": load_ranks}
    languages: Counter[str] = Counter()
    for number, parts in enumerate(tables):
        for part in parts:
            if part.kind == "vernacular":
                load_vernacular(connection, part, number, codes, languages)
                continue
            before = _one(connection, "select count(*) from taxa")
            loads[part.kind](connection, part, number, counts)
            if _one(connection, "select count(*) from taxa") == before:
                raise InputError(f"{part.place} holds no taxon of a rank from kingdom to species")
    if not _one(connection, "select count(*) from taxa"):
        raise InputError("found only tables of common names, expected a table of taxa such as Taxon.tsv beside them")
    counts["common names in other languages"] = sum(languages.values())
    return languages


def _check_language(connection: duckdb.DuckDBPyConnection, codes: Sequence[str], languages: Counter[str]) -> None:
    """Raises InputError where common names are in other languages than the one that is asked for."""
    if languages and not _one(connection, "select count(*) from vernacular"):
        often = ", ".join(f"{language} ({n:,})" for language, n in languages.most_common(8))
        raise InputError(f"no common name is in the language {codes[0]!r}: the files have {often}; choose one of these")


def _write(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """The names by hash, and the lineages that they point to, as Arrow files."""
    connection.execute(
        f"create table lineages as select row_number() over (order by {_ABOVE}) - 1 as lineage, * "
        f"from (select distinct {_ABOVE} from taxa)"
    )
    connection.execute("create table folded(name varchar, key varchar)")
    odd = "select distinct name from taxa where not regexp_full_match(name, '[A-Z][a-z]+(?: [a-z-]{2,})?')"
    for names in in_chunks(connection, odd):
        chunk = pa.table({"name": pa.array(names, pa.string()), "key": pa.array(map(fold, names), pa.string())})
        connection.register("chunk", chunk).execute("insert into folded select * from chunk")
        connection.unregister("chunk")
    same = " and ".join(f"t.{quoted(rank)} is not distinct from l.{quoted(rank)}" for rank in RANKS[:-1])
    connection.execute(
        f"""create table names as
        select md5_number_lower(coalesce(f.key, lower(t.name))) as hash, t.name, t.source, t.rank, t.synonym,
            min_by(t.taxon_id, coalesce(t.taxon_id, '')) as taxon_id, l.lineage, t.species, min(t.common_name) as common_name
        from taxa t join lineages l on {same} left join folded f on f.name = t.name
        group by 1, 2, 3, 4, 5, 7, 8"""
    )
    connection.execute("drop table taxa")
    # What an earlier file says already is left out.
    told = """select hash, name, min(source) as source, rank, synonym, arg_min(taxon_id, source) as taxon_id, lineage, species,
            arg_min(common_name, source) as common_name
        from names group by hash, name, rank, synonym, lineage, species"""
    connection.execute(f"create table told as {told}")
    connection.execute("drop table names")
    connection.execute("alter table told rename to names")
    connection.execute("set preserve_insertion_order = true")
    _write_arrow(
        connection, "select * from names order by hash, source, synonym, lineage, species, name", folder / NAMES
    )
    _write_arrow(connection, f"select {_ABOVE} from lineages order by lineage", folder / LINEAGES)


def _write_arrow(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    reader = connection.sql(query).to_arrow_reader(_ROWS)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return 0 if row is None else int(row[0])


def _sha256(path: Path) -> str:
    """Of a file, or of the files of a folder in the order of their names."""
    if path.is_dir():
        whole = hashlib.sha256()
        for entry in sorted(entry for entry in path.iterdir() if entry.is_file()):
            whole.update(f"{entry.name} {_sha256(entry)}\n".encode())
        return whole.hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
