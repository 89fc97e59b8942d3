"""Rows a second, memory and disk with which a Darwin Core archive of many millions of pictures is opened, read and gathered.

    python benchmarks/curate_archive.py [OCCURRENCES...] [STEPS...]

The archive is that of `benchmarks/darwin_core.py`, written by DuckDB so that ten million rows take minutes: 223 columns, some 60 filled, 1.3 pictures an
occurrence for nine of ten occurrences, names of letters with authors as checklists have them. Each step is a process of its own: `open` joins the tables,
`records` has every record once, `columns` has the same rows as columns, where the source gives them, `gather` is the first stage of a curation. Seconds of
the clock and of the processor; `memory` is `ru_maxrss`, which counts the pages of mapped files, `disk` the most that lay in the folder for temporary files.
"""

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from darwin_core import FILLED, MEDIA, column_names, meta, watch

GENUS, FAMILY, ORDER = "Gen{gw}us", "Fam{fw}", "Ord{fw}"
NAMES = {
    "scientificName": GENUS + " spec{tw}a {author}, 19{ty:02}", "order": ORDER + "iformes", "family": FAMILY + "idae", "genus": GENUS,
    "genericName": GENUS, "specificEpithet": "spec{tw}a", "species": GENUS + " spec{tw}a",
    "acceptedScientificName": GENUS + " spec{tw}a {author}, 19{ty:02}",
}  # fmt: skip
"""Names in letters: those of `darwin_core` hold digits, as no name does, and take the slow way through the parser of names."""
STEPS = ("open", "records", "columns", "gather")


def sql(template: str) -> str:
    """A template of Python as an expression of SQL; `{y:02}` is a number of two digits.

    >>> sql("20{y:02}-{m}")
    "concat('20', lpad(CAST(y AS VARCHAR), 2, '0'), '-', m)"
    """
    parts = []
    for place, piece in enumerate(template.replace("}", "{").split("{")):
        name, _, width = piece.partition(":")
        if place % 2:
            parts.append(f"lpad(CAST({name} AS VARCHAR), 2, '0')" if width else name)
        elif piece:
            parts.append("'" + piece.replace("'", "''") + "'")
    return f"concat({', '.join(parts)})"


def make(folder: Path, n: int, names: Path | None = None, shown: str = "false") -> None:
    """Write the archive as a folder.

    `names` is a Parquet table with a row for each of the 50,000 species, `t`, and names under their terms. Occurrences for which `shown`, of `i`, holds have
    their pictures in the folder `pictures`; where there are any, the others have a licence that forbids derivatives.
    """
    import duckdb

    letters = "translate(CAST({} AS VARCHAR), '0123456789', 'aeiourlmnt')"
    described = {name: sql(NAMES.get(name, FILLED[name])) if name in FILLED else "''" for name in column_names()}
    joined = ""
    if names is not None:
        with duckdb.connect() as database:
            given = [name for name, *_ in database.sql(f"DESCRIBE FROM '{names}'").fetchall() if name != "t"]
        described |= {name: f'given."{name}"' for name in given}
        joined = f"JOIN '{names}' AS given USING (t)"
    columns = ", ".join(f'{value} AS "{name}"' for name, value in described.items())
    web, here = (
        "concat('https://photos.example.org/', i * 3 + number, '/original.jpg')",
        "concat('pictures/', i % 1000, '/', i * 3 + number, '.jpg')",
    )
    url = f"CASE WHEN {shown} THEN {here} ELSE {web} END"
    by_nc = "'http://creativecommons.org/licenses/by-nc/4.0/'"
    licence = (
        by_nc
        if shown == "false"
        else f"CASE WHEN {shown} THEN {by_nc} ELSE 'http://creativecommons.org/licenses/by-nc-nd/4.0/' END"
    )
    picture = {
        "gbifID": "4000000000 + i", "type": "CASE WHEN (i + number) % 50 = 1 THEN 'Sound' ELSE 'StillImage' END",
        "format": "CASE WHEN (i + number) % 50 = 1 THEN 'audio/mpeg' ELSE 'image/jpeg' END", "identifier": url,
        "references": "concat('https://www.example.org/photos/', i)", "created": "'2024-05-01T10:00:00Z'", "creator": "concat('Observer ', i % 9973)",
        "publisher": "'Naturalists'", "license": licence, "rightsHolder": "concat('Observer ', i % 9973)",
    }  # fmt: skip
    media = ", ".join(f'{picture.get(name, chr(39) * 2)} AS "{name}"' for name in MEDIA)
    folder.mkdir()
    (folder / "meta.xml").write_bytes(meta())
    (folder / "verbatim.txt").write_text("gbifID\n")
    written = "(FORMAT csv, DELIMITER '\t', HEADER true, QUOTE '', ESCAPE '')"
    with duckdb.connect(config={"memory_limit": "1GB", "threads": 2}) as database:
        database.execute("SET enable_progress_bar = false")
        database.execute(f"""COPY (SELECT {columns} FROM (
            SELECT *, {letters.format("t // 7")} AS gw, {letters.format("t // 91")} AS fw, {letters.format("t")} AS tw,
                concat('Aut', {letters.format("t % 997")}) AS author, t % 90 AS ty FROM (
            SELECT 4000000000 + i AS n, i % 9973 AS o, i % 60 AS s, i % 9 AS s1, i % 25 AS y, 1 + i % 9 AS m, i % 997 AS l,
                CASE WHEN i % 3 = 0 THEN 'FEMALE' ELSE '' END AS sex,
                CAST(floor(50000 * pow((i * 2654435761 % 4294967296) / 4294967296, 3)) AS BIGINT) AS t FROM range({n}) r(i))) AS made {joined})
            TO '{folder / "occurrence.txt"}' {written}""")
        database.execute(f"""COPY (SELECT {media} FROM (
            SELECT i, unnest(range(CASE WHEN i % 9 < 4 THEN 2 ELSE 1 END)) AS number
            FROM (SELECT j * 7368787 % {n} AS i FROM range({n}) r(j)) WHERE i % 10 <> 0))
            TO '{folder / "multimedia.txt"}' {written}""")


def measure(what: str, place: str) -> None:
    """One step, in this process: seconds of the clock and the processor, rows, and the most memory."""
    import logging

    logging.disable()
    if what == "gather":
        from cladescope.training.curation.config import CurateConfig
        from cladescope.training.curation.gather import gather
        from cladescope.training.curation.job import Job
        from cladescope.training.curation.sections import SourceConfig

        began, busy = time.perf_counter(), time.process_time()
        with tempfile.TemporaryDirectory() as out:
            job = Job(CurateConfig(sources=(SourceConfig(name="gbif", path=place),)), Path(out))
            gather(job)
            n = sum(job.read("gather", part, ["row"]).num_rows for part in range(job.n_parts))
    else:
        from cladescope.embedding.record_columns import columns_of
        from cladescope.embedding.sources import open_source

        began, busy = time.perf_counter(), time.process_time()
        source = open_source(place)
        if what == "open":
            n = source.count() or 0
        else:
            began, busy = time.perf_counter(), time.process_time()
            n = (
                sum(1 for _ in source.records())
                if what == "records"
                else sum(one.num_rows for one in columns_of(source) or ())
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(n, time.perf_counter() - began, time.process_time() - busy, peak, sep="\t")


def main() -> None:
    """Print a line of a Markdown table for each step of each size."""
    print("| occurrences | step | rows | s | processor, s | rows a second of the processor | memory, MB | disk, GB |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdecimal()]
    steps = [argument for argument in sys.argv[1:] if not argument.isdecimal()]
    for n in numbers or [1_000_000]:
        with tempfile.TemporaryDirectory(prefix="archive-") as name:
            place, temporary = Path(name, "archive"), Path(name, "temporary")
            temporary.mkdir()
            subprocess.run([sys.executable, __file__, "--make", str(place), str(n)], check=True)
            for what in steps or STEPS:
                most, stop = [0], threading.Event()
                watching = threading.Thread(target=watch, args=(temporary, most, stop))
                watching.start()
                run = subprocess.run(
                    [sys.executable, __file__, "--measure", what, str(place)], check=True, text=True, stdout=subprocess.PIPE,
                    env={**os.environ, "TMPDIR": str(temporary)},
                )  # fmt: skip
                stop.set()
                watching.join()
                rows, seconds, busy, peak = map(float, run.stdout.split())
                print(
                    f"| {n:,} | {what} | {rows:,.0f} | {seconds:.1f} | {busy:.1f} | {rows / busy:,.0f} | {peak:,.0f} | {most[0] / 1e9:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], sys.argv[3])
    else:
        main()
