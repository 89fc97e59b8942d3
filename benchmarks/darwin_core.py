"""Seconds, memory and disk that a Darwin Core archive takes until its pictures are known and all their records were had.

    python benchmarks/darwin_core.py [OCCURRENCES] [--folder]

The archive is made up in the shape of a download of GBIF: `occurrence.txt` of 223 columns, of which some 60 hold something in each
row, `multimedia.txt` of 15 columns with 1.3 pictures an occurrence, in another order, and `verbatim.txt`, which is not read. A tenth of the
occurrences has no picture, one medium in fifty is a sound, one in a hundred is listed twice. Opening joins the tables; then every record
is had once, no picture is fetched. Each line is a process of its own; `memory` is the most that it held, `disk` the most that lay in its
folder for temporary files. With --folder the archive is unpacked beforehand.
"""

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

# The parent imports nothing of cladescope: on Linux a process inherits its parent's peak.

DWC, DC, GBIF = "http://rs.tdwg.org/dwc/terms/", "http://purl.org/dc/terms/", "http://rs.gbif.org/terms/1.0/"
FILLED = {
    "gbifID": "{n}", "license": "CC_BY_NC_4_0", "modified": "2024-05-01T10:00:{s:02}Z", "publisher": "Society of Naturalists",
    "references": "https://www.example.org/observations/{n}", "rightsHolder": "Observer {o}", "institutionCode": "Naturalists",
    "collectionCode": "Observations", "datasetName": "Research-grade observations", "basisOfRecord": "HUMAN_OBSERVATION",
    "occurrenceID": "https://www.example.org/observations/{n}", "catalogNumber": "{n}", "recordedBy": "Observer {o}",
    "recordedByID": "https://orcid.org/0000-{o}", "sex": "{sex}", "lifeStage": "Adult", "occurrenceStatus": "PRESENT",
    "eventDate": "20{y:02}-0{m}-1{s1}T10:00", "eventTime": "10:00:{s:02}Z", "year": "20{y:02}", "month": "{m}", "day": "1{s1}",
    "verbatimEventDate": "20{y:02}/0{m}/1{s1} 10:00 AM", "continent": "EUROPE", "countryCode": "DE", "stateProvince": "Land {l}",
    "verbatimLocality": "Wald bei Dorf {l}", "locality": "Dorf {l}", "decimalLatitude": "4{s1}.{l}", "decimalLongitude": "1{m}.{o}",
    "coordinateUncertaintyInMeters": "{l}.0", "identificationID": "{n}7", "identifiedBy": "Observer {o}",
    "dateIdentified": "20{y:02}-0{m}-20T10:00:00", "taxonID": "{t}", "scientificName": "Genus{g} species{t} (Author, 19{ty:02})",
    "kingdom": "Animalia", "phylum": "Arthropoda", "class": "Insecta", "order": "Order{g1}", "family": "Family{g1}idae",
    "genus": "Genus{g}", "genericName": "Genus{g}", "specificEpithet": "species{t}", "taxonRank": "SPECIES",
    "taxonomicStatus": "ACCEPTED", "datasetKey": "50c9509d-22c7-4a22-a47d-8c48425ef4a7", "publishingCountry": "DE",
    "lastInterpreted": "2025-01-01T00:00:{s:02}.000Z", "issue": "COORDINATE_ROUNDED;TAXON_MATCH_FUZZY", "mediaType": "StillImage",
    "hasCoordinate": "true", "hasGeospatialIssues": "false", "taxonKey": "{t}", "acceptedTaxonKey": "{t}", "speciesKey": "{t}",
    "species": "Genus{g} species{t}", "acceptedScientificName": "Genus{g} species{t} (Author, 19{ty:02})", "protocol": "DWC_ARCHIVE",
    "lastCrawled": "2025-01-01T00:00:{s:02}.000Z", "repatriated": "false", "iucnRedListCategory": "NE",
}  # fmt: skip
N_COLUMNS = 223
MEDIA = ("gbifID", "type", "format", "identifier", "references", "title", "description", "source", "audience", "created",
         "creator", "contributor", "publisher", "license", "rightsHolder")  # fmt: skip
CHUNK = 20_000


def column_names() -> list[str]:
    """Names of `occurrence.txt`: those that are filled lie among others."""
    empty = iter(f"emptyTerm{number}" for number in range(N_COLUMNS - len(FILLED)))
    names = list(FILLED)
    for place in range(1, N_COLUMNS - len(FILLED) + 1):
        names.insert(1 + (place * 37) % len(names), next(empty))
    return names


def species(i: int) -> int:
    """A species of 50,000, as rare or common as in the field: half of all occurrences are of an eighth of the species."""
    return int(50_000 * (i * 2_654_435_761 % 2**32 / 2**32) ** 3)


def occurrences(n: int) -> Iterator[bytes]:
    """`occurrence.txt`, in pieces."""
    names = column_names()
    yield ("\t".join(names) + "\n").encode()
    row = ("\t".join(FILLED.get(name, "") for name in names) + "\n").format
    for start in range(0, n, CHUNK):
        yield "".join(
            row(n=4_000_000_000 + i, o=i % 9973, s=i % 60, s1=i % 9, y=i % 25, m=1 + i % 9, l=i % 997, t=(t := species(i)),
                ty=t % 90, g=t // 7, g1=t // 91, sex="" if i % 3 else "FEMALE")
            for i in range(start, min(n, start + CHUNK))
        ).encode()  # fmt: skip


def media(n: int) -> Iterator[bytes]:
    """`multimedia.txt`, in pieces: of nine occurrences out of ten, in another order than these."""
    yield ("\t".join(MEDIA) + "\n").encode()
    step = next(one for one in (7_368_787, 104_729, 7919, 1) if n % one or one == 1)
    rows: list[str] = []
    for i in range(n):
        occurrence = i * step % n
        for number in range(0 if occurrence % 10 == 0 else 1 + (occurrence % 9 < 4)):
            kind, form = ("Sound", "audio/mpeg") if (occurrence + number) % 50 == 1 else ("StillImage", "image/jpeg")
            url = f"https://photos.example.org/{occurrence * 3 + number}/original.jpg"
            line = (
                f"{4_000_000_000 + occurrence}\t{kind}\t{form}\t{url}\thttps://www.example.org/photos/{occurrence}\t\t\t\t\t"
                f"2024-05-01T10:00:00Z\tObserver {occurrence % 9973}\t\tNaturalists\thttp://creativecommons.org/licenses/by-nc/4.0/\t"
                f"Observer {occurrence % 9973}\n"
            )
            rows += [line, line] if occurrence // 7 % 100 == 3 else [line]
        if len(rows) >= CHUNK:
            yield "".join(rows).encode()
            rows = []
    yield "".join(rows).encode()


def meta() -> bytes:
    """`meta.xml`."""
    spaces = {
        **dict.fromkeys(("license", "modified", "publisher", "references", "rightsHolder"), DC),
        "gbifID": GBIF,
        "species": GBIF,
    }
    form = 'encoding="UTF-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" fieldsEnclosedBy="" ignoreHeaderLines="1"'

    def part(kind: str, row_type: str, file: str, names: list[str], key: str, base: str) -> str:
        terms = "".join(f'<field index="{n}" term="{spaces.get(name, base)}{name}"/>' for n, name in enumerate(names))
        return f'<{kind} {form} rowType="{row_type}"><files><location>{file}</location></files><{key} index="0"/>{terms}</{kind}>'

    parts = [
        part("core", f"{DWC}Occurrence", "occurrence.txt", column_names(), "id", DWC),
        part("extension", f"{DWC}Occurrence", "verbatim.txt", ["gbifID"], "coreid", DWC),
        part("extension", f"{GBIF}Multimedia", "multimedia.txt", list(MEDIA), "coreid", DC),
    ]
    return f'<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="metadata.xml">{"".join(parts)}</archive>'.encode()


def make(place: Path, n: int) -> tuple[Path, int]:
    """Write the archive, zipped or as a folder by the end of its name; its path, and the bytes of its text."""
    files = {
        "meta.xml": iter([meta()]),
        "occurrence.txt": occurrences(n),
        "multimedia.txt": media(n),
        "verbatim.txt": iter([b"gbifID\n"]),
    }
    n_bytes = 0
    if place.suffix == ".zip":
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
            for name, pieces in files.items():
                with archive.open(name, "w", force_zip64=True) as member:
                    n_bytes += sum(member.write(piece) for piece in pieces)
    else:
        place.mkdir()
        for name, pieces in files.items():
            with (place / name).open("wb") as file:
                n_bytes += sum(file.write(piece) for piece in pieces)
    return place, n_bytes


def measure(place: str) -> None:
    """Open the archive, have all its records, and print seconds and counts."""
    import logging

    from cladescope.embedding.records import left_out_of
    from cladescope.embedding.sources import open_source

    logging.disable()
    began = time.perf_counter()
    source = open_source(place)
    opened = time.perf_counter()
    n_records = sum(1 for _ in source.records())
    ended = time.perf_counter()
    assert n_records == source.count()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    left_out = sum(n for words, n in left_out_of(source).items() if words.startswith("media"))
    print(opened - began, ended - opened, n_records, left_out, peak, sep="\t")


def used(folder: Path) -> int:
    """Bytes on the disk in a folder."""
    found = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                found += os.stat(os.path.join(path, name)).st_blocks * 512  # noqa: PTH116, PTH118
            except FileNotFoundError:
                continue
    return found


def watch(folder: Path, most: list[int], stop: threading.Event) -> None:
    """Note the most bytes that lay in a folder."""
    while not stop.wait(0.5):
        most[0] = max(most[0], used(folder))


def main() -> None:
    """Print a line of a Markdown table."""
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdecimal()]
    n = numbers[0] if numbers else 100_000
    with tempfile.TemporaryDirectory(prefix="darwin-core-") as folder:
        place, n_bytes = make(Path(folder, "archive" if "--folder" in sys.argv else "archive.zip"), n)
        on_disk = used(place) if place.is_dir() else place.stat().st_size
        temporary = Path(folder, "temporary")
        temporary.mkdir()
        most, stop = [0], threading.Event()
        watching = threading.Thread(target=watch, args=(temporary, most, stop))
        watching.start()
        run = subprocess.run(
            [sys.executable, __file__, "--measure", str(place)], check=True, text=True, stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(temporary)},
        )  # fmt: skip
        stop.set()
        watching.join()
    opening, reading, n_records, left_out, peak = map(float, run.stdout.split())
    print(
        "| occurrences | records | media left out | text, GB | archive, GB | join, s | records, s | occurrences a second | memory, MB | disk, GB |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(
        f"| {n:,} | {n_records:,.0f} | {left_out:,.0f} | {n_bytes / 1e9:.2f} | {on_disk / 1e9:.2f} | {opening:.1f} | {reading:.1f} | "
        f"{n / (opening + reading):,.0f} | {peak / 1e6:,.0f} | {most[0] / 1e9:.2f} |"
    )


if __name__ == "__main__":
    measure(sys.argv[2]) if sys.argv[1:2] == ["--measure"] else main()
