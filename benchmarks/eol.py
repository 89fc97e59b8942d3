"""Seconds and memory with which EOL's media are joined with the Dynamic Hierarchy: a made-up manifest beside a made-up `taxon.tab`.

    python benchmarks/eol.py [MEDIA] [TAXA]

Taxa are a tree of eight levels (a tribe among the seven ranks), pages are those of nine taxa in ten; one medium in fifty names a page that the hierarchy does not know, one
in a hundred is listed again. `open` joins, `records` has every record once, each by one process; memory is `ru_maxrss`, processor that of the process.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LEVELS = ("kingdom", "phylum", "class", "order", "family", "tribe", "genus", "species")


def make(folder: Path, n_media: int, n_taxa: int) -> None:
    """The two tables; a fifth of the taxa, and 20,000, are above the species."""
    import duckdb

    starts = [0, 8, 80, 300, 1_200, 8_000, 20_000, 20_000 + n_taxa // 5, n_taxa]
    level = " ".join(f"WHEN i < {stop} THEN {place}" for place, stop in enumerate(starts[1:]))
    rank = " ".join(f"WHEN {place} THEN '{name}'" for place, name in enumerate(LEVELS))
    parent = " ".join(
        f"WHEN {place} THEN {starts[place - 1]} + i % {starts[place] - starts[place - 1]}"
        for place in range(1, len(LEVELS))
    )
    letters = "translate(CAST({} AS VARCHAR), '0123456789', 'aeiourlmnt')"
    name = (
        f"CASE level WHEN 7 THEN concat('Gen', {letters.format(f'{starts[6]} + i % {starts[7] - starts[6]}')}, ' spec', {letters.format('i')}) "
        + (f"WHEN 6 THEN concat('Gen', {letters.format('i')}) ELSE concat('Tax', {letters.format('i')}) END")
    )
    with duckdb.connect(config={"threads": 2}) as database:
        database.execute(f"""COPY (SELECT concat('EOL-', i) AS "taxonID", 'trunk' AS source, '' AS "acceptedNameUsageID",
            CASE WHEN level = 0 THEN '' ELSE concat('EOL-', CASE level {parent} END) END AS "parentNameUsageID",
            concat(name, ' Author, 1900') AS "scientificName", CASE level {rank} END AS "taxonRank", 'valid' AS "taxonomicStatus",
            name AS "canonicalName", CASE WHEN i % 10 = 9 THEN '' ELSE CAST(100 + i AS VARCHAR) END AS "EOLid"
            FROM (SELECT *, {name} AS name FROM (SELECT i, CASE {level} END AS level FROM range({n_taxa}) r(i))))
            TO '{folder / "taxon.tab"}' (FORMAT csv, DELIMITER '\t', HEADER true, QUOTE '', ESCAPE '')""")
        database.execute(f"""COPY (SELECT i - CASE WHEN i % 100 = 7 THEN 1 ELSE 0 END AS "EOL content ID",
            CASE WHEN i % 50 = 3 THEN 99000000 + i ELSE 100 + i * 7919 % {n_taxa} // 10 * 10 END AS "EOL page ID",
            concat('https://source.example.org/', i) AS "Medium Source URL", concat('https://content.example.org/', i, '.jpg') AS "EOL Full-Size Copy URL",
            'cc-by-nc-sa-3.0' AS "License Name", concat('Owner ', i % 9973) AS "Copyright Owner" FROM range({n_media}) r(i))
            TO '{folder / "media_manifest.csv"}' (FORMAT csv, HEADER true)""")


def measure(place: str) -> None:
    """Open the folder, have all its records, and print what it took."""
    from cladescope.embedding.records import left_out_of
    from cladescope.embedding.sources import open_source

    began, busy = time.perf_counter(), time.process_time()
    source = open_source(place)
    opened, busy_then = time.perf_counter(), time.process_time()
    n = ranked = unknown = 0
    for record in source.records():
        n += 1
        ranked += "kingdom" in record.labels
        unknown += "page not in taxon.tab" in record.missing
    print(
        f"{n:,} records, {ranked:,} with ranks, {unknown:,} of unknown pages, {dict(left_out_of(source))}: opened in {opened - began:.1f} s "
        f"({busy_then - busy:.1f} of a processor), records in {time.perf_counter() - opened:.1f} s ({time.process_time() - busy_then:.1f}), "
        f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB"
    )


def main() -> None:
    """Make the tables, and print a line."""
    n_media = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    n_taxa = int(sys.argv[2]) if len(sys.argv) > 2 else 500_000
    with tempfile.TemporaryDirectory(prefix="eol-") as name:
        subprocess.run([sys.executable, __file__, "--make", name, str(n_media), str(n_taxa)], check=True)
        subprocess.run([sys.executable, __file__, "--measure", name], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
    else:
        main()
