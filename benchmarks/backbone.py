"""A backbone of 7 million names: how long it takes to build, to open and to ask, and the peak memory of each.

    python benchmarks/backbone.py [NAMES] [ASKED]

The names are made up to the shape of GBIF's `Taxon.tsv` and `VernacularName.tsv`: 23 columns, parents by id, 40 % synonyms (2 % of them
of another synonym), one genus in a hundred also in another kingdom, 4 % hybrids and other odd names, authors in `scientificName`. Of the
names asked, each different, 55 % are accepted, 25 % synonyms and 20 % unknown; half of them have their author. Each step runs in a
process of its own; its peak is `ru_maxrss`, which counts the pages of the mapped files that it has touched.

`lineages` asks whole lineages, each different, as a curation does: 70 % of accepted species, 20 % of synonyms under their own genus, 6 % misspelt
in the epithet, 4 % of a genus that has a homonym in another kingdom; of every fifth some ranks are left out. It prints how many answers are wrong: another
taxon than the one that was meant, or one where none was meant.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cladescope.taxonomy.backbone import Backbone

KINGDOMS = ["Animalia", "Archaea", "Bacteria", "Chromista", "Fungi", "Plantae", "Protozoa", "Viruses"]
SHARES = {"phylum": 100, "class": 400, "order": 1_500, "family": 20_000, "genus": 400_000}
"""Taxa above the species in a backbone of 7 million names."""
SYLLABLES = [f"{consonant}{vowel}" for consonant in "bcdfglmnprstv" for vowel in "aeio"][:47]
HEADER = [
    *(
        "taxonID",
        "datasetID",
        "parentNameUsageID",
        "acceptedNameUsageID",
        "originalNameUsageID",
        "scientificName",
        "scientificNameAuthorship",
        "canonicalName",
        "genericName",
        "specificEpithet",
        "infraspecificEpithet",
        "taxonRank",
    ),
    *(
        "nameAccordingTo",
        "namePublishedIn",
        "taxonomicStatus",
        "nomenclaturalStatus",
        "taxonRemarks",
        "kingdom",
        "phylum",
        "class",
        "order",
        "family",
        "genus",
    ),
]


def word(number: int, length: int = 4) -> str:
    """A word of some syllables, another for each number."""
    found = ""
    for _ in range(length):
        number, rest = divmod(number, len(SYLLABLES))
        found += SYLLABLES[rest]
    return found + "x" * (number > 0) + (word(number, 1) if number else "")


def epithet(number: int) -> str:
    """An epithet; there are some 60,000."""
    return word(number * 7919 % 60_000, 3) + ("us", "a", "um", "ensis")[number % 4]


def author(number: int) -> str:
    """One of some thousand authors, with a year."""
    name = word(number % 997, 3).capitalize()
    return f"({name}, {1758 + number % 240})" if number % 3 == 0 else f"{name}, {1758 + number % 240}"


def species_name(number: int, n_genera: int) -> str:
    """The name of an accepted species."""
    genus = word(1_000_000 + number % n_genera).capitalize()
    sign = "× " if number % 25 == 0 else ""
    return f"{genus} {sign}{epithet(number // n_genera * 31 + number % 1013)}{'i' * (number // n_genera % 3)}"


def rows(n_names: int) -> Iterator[list[str]]:
    """The rows of a made-up Taxon.tsv."""
    sizes = {rank: max(8, n * n_names // 7_000_000) for rank, n in SHARES.items()}
    n_synonyms = n_names * 2 // 5
    n_species = n_names - n_synonyms - sum(sizes.values()) - len(KINGDOMS)
    start, above = {}, 0
    for rank, size in {"kingdom": len(KINGDOMS), **sizes, "species": n_species}.items():
        start[rank] = above
        above += size

    def row(number: int, parent: str, accepted: str, name: str, rank: str, status: str) -> list[str]:
        by = author(number) if rank == "species" else ""
        words = name.split(" ")
        return [
            *(
                str(number),
                "7ddf754f-d193-4cc9-b351-99906754a03b",
                parent,
                accepted,
                "",
                f"{name} {by}".strip(),
                by,
                name,
            ),
            *(
                words[0],
                words[-1] if rank == "species" else "",
                "",
                rank,
                "Checklist",
                "Proc. Soc. 12: 1-9" if number % 20 else 'Proc. "Soc." 12',
                status,
                "",
                "",
            ),
            *(KINGDOMS[number % 8] if rank == "kingdom" else "", "", "", "", "", words[0] if rank == "species" else ""),
        ]

    for number, name in enumerate(KINGDOMS):
        yield row(number, "", "", name, "kingdom", "accepted")
    upper, n_upper = start["kingdom"], len(KINGDOMS)
    for rank, size in sizes.items():
        for number in range(size):
            seed = number if rank != "genus" or number % 100 else number + 4  # a homonym
            name = word(1_000_000 * (rank == "genus") + seed).capitalize() + {"family": "idae", "order": "iformes"}.get(
                rank, ""
            )
            yield row(start[rank] + number, str(upper + number % n_upper), "", name, rank, "accepted")
        upper, n_upper = start[rank], size
    for number in range(n_species):
        parent = str(start["genus"] + number % sizes["genus"])
        yield row(start["species"] + number, parent, "", species_name(number, sizes["genus"]), "species", "accepted")
    first = start["species"] + n_species
    for number in range(n_synonyms):
        genus = number * 13 % sizes["genus"]
        accepted = first + number - 1 if number % 50 == 49 else start["species"] + number * 7 % n_species
        name = f"{word(1_000_000 + genus).capitalize()} {epithet(number)}ii{'a' * (number // 400_000)}"
        yield row(first + number, str(start["genus"] + genus), str(accepted), name, "species", "synonym")


def asked(n_names: int, n_asked: int, folder: Path) -> None:
    """Names to ask, each another, a line each."""
    n_genera = max(8, SHARES["genus"] * n_names // 7_000_000)
    n_species = n_names * 3 // 5 - n_genera * 11 // 10
    with (folder / "asked.txt").open("w") as file:
        for number in range(n_asked):
            kind = number % 20
            if kind < 11:
                name = species_name(number * 3 % n_species, n_genera)
            elif kind < 16:
                name = f"{word(1_000_000 + number * 13 % n_genera).capitalize()} {epithet(number)}ii{'a' * (number // 400_000)}"
            else:
                name = f"{word(1_000_000 + number % n_genera).capitalize()} zz{word(number, 4)}"
            file.write(f"{name} {author(number)}\n" if number % 2 else f"{name}\n")


def lineages(n_names: int, n_asked: int) -> Iterator[tuple[str, str, list[str]]]:
    """Lineages to ask: what is meant, the species that is meant, empty where none is, and seven names, empty where they are left out."""
    sizes = {rank: max(8, n * n_names // 7_000_000) for rank, n in SHARES.items()}
    n_genera = sizes["genus"]
    n_synonyms = n_names * 2 // 5
    n_species = n_names - n_synonyms - sum(sizes.values()) - len(KINGDOMS)

    def above(genus: int) -> list[str]:
        """The ranks of a genus, as `rows` gives it parents."""
        found, place = [word(1_000_000 + (genus if genus % 100 else genus + 4)).capitalize()], genus
        for rank, ending in (("family", "idae"), ("order", "iformes"), ("class", ""), ("phylum", "")):
            place %= sizes[rank]
            found.insert(0, word(place).capitalize() + ending)
        return [KINGDOMS[place % len(KINGDOMS)], *found]

    for number in range(n_asked):
        kind, species = number % 50, number * 3 % n_species
        if kind < 10:
            synonym = number % n_synonyms
            genus, species = synonym * 13 % n_genera, synonym * 7 % n_species
            if synonym % 50 == 49:
                continue  # a synonym of a synonym
            meant = species_name(species, n_genera)
            name = f"{word(1_000_000 + genus).capitalize()} {epithet(synonym)}ii{'a' * (synonym // 400_000)}"
            ranks = [*above(species % n_genera)[:5], name.split(" ")[0], name]
            what = "synonym"
        elif kind < 13:
            meant, what = "", "misspelt"
            ranks = [*above(species % n_genera), species_name(species, n_genera) + "q"]
        elif kind < 15:
            species = (species - species % n_genera + species % n_genera // 100 * 100) % n_species
            meant, what = species_name(species, n_genera), "homonym"
            ranks = [*above(species % n_genera), meant]
        else:
            meant, what = species_name(species, n_genera), "accepted"
            ranks = [*above(species % n_genera), meant]
        if number % 5 == 0:
            ranks[1 + number % 4] = ranks[3] = ""
        yield what, meant, ranks


def write(folder: Path, n_names: int, n_asked: int) -> None:
    """The files of the benchmark."""
    with (folder / "Taxon.tsv").open("w", encoding="utf-8") as file:
        file.write("\t".join(HEADER) + "\n")
        file.writelines("\t".join(values) + "\n" for values in rows(n_names))
    with (folder / "VernacularName.tsv").open("w", encoding="utf-8") as file:
        file.write("taxonID\tvernacularName\tlanguage\tsource\n")
        for number in range(0, n_names // 5):
            file.write(
                f"{number * 3}\t{word(number)} {'tit' if number % 2 else 'Meise'}\t{'en' if number % 2 else 'de'}\tlist\n"
            )
    asked(n_names, n_asked, folder)
    with (folder / "lineages.txt").open("w") as file:
        file.writelines("\t".join([what, meant, *ranks]) + "\n" for what, meant, ranks in lineages(n_names, n_asked))


def ask_lineages(backbone: "Backbone", folder: Path) -> int:
    """Ask all lineages, tell what became of them, and how many."""
    told: list[list[str]] = []

    def rows() -> Iterator[tuple[str, tuple[str | None, ...]]]:
        for line in (folder / "lineages.txt").open():
            what, meant, *ranks = line.rstrip("\n").split("\t")
            told.append([what, meant])
            yield ranks[6], tuple(name or None for name in ranks)

    found: dict[str, int] = {}
    n_wrong = n = 0
    for n, match in enumerate(backbone.match(rows()), start=1):
        what, meant = told[n - 1]
        found[f"{what}: {match.status}"] = found.get(f"{what}: {match.status}", 0) + 1
        n_wrong += bool(match.ranks[6]) and match.ranks[6] != meant
    print({**dict(sorted(found.items())), "wrong": n_wrong}, file=sys.stderr)
    return n


def step(what: str, folder: Path) -> dict[str, float]:
    """One step, in this process: what it did, its seconds and its peak."""
    from cladescope.taxonomy.backbone import Backbone

    start, busy = time.perf_counter(), time.process_time()
    if what == "build":
        n = Backbone.build([folder / "Taxon.tsv", folder / "VernacularName.tsv"], folder / "backbone").description[
            "names"
        ]
    elif what == "open":
        n = len(Backbone.open(folder / "backbone").names)
    elif what == "lineages":
        backbone = Backbone.open(folder / "backbone")
        start, busy = time.perf_counter(), time.process_time()
        n = ask_lineages(backbone, folder)
    elif what == "match":
        backbone = Backbone.open(folder / "backbone")
        start, busy = time.perf_counter(), time.process_time()
        lines = (line.rstrip("\n") for line in (folder / "asked.txt").open())
        found: dict[str, int] = {}
        for match in backbone.match_names(lines):
            found[match.status] = found.get(match.status, 0) + 1
        n = sum(found.values())
        print(found, file=sys.stderr)
    else:
        from cladescope.embedding.backboned import BackboneLabels

        labels = BackboneLabels(Backbone.open(folder / "backbone"))
        start, busy, n = time.perf_counter(), time.process_time(), 0
        chunk: list[dict[str, str | None]] = []
        for line in (folder / "asked.txt").open():
            chunk.append({"species": " ".join(line.split(" ")[:2]).strip()})
            if len(chunk) == 1024:
                n += len(labels.apply(chunk))
                chunk.clear()
    seconds, processor = time.perf_counter() - start, time.process_time() - busy
    return {
        "n": n,
        "seconds": seconds,
        "processor": processor,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def main() -> None:
    """Write the files and print a line for each step."""
    n_names = int(sys.argv[1]) if len(sys.argv) > 1 else 7_000_000
    n_asked = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, n_names, n_asked)
        print(f"Taxon.tsv: {n_names:,} rows, {(folder / 'Taxon.tsv').stat().st_size / 1e9:.2f} GB")
        for what in ("build", "open", "match", "lineages", "labels"):
            done = subprocess.run([sys.executable, __file__, "--step", what, name], capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(done.stderr)
            told = json.loads(done.stdout.splitlines()[-1])
            rate = told["n"] / told["seconds"]
            print(
                f"{what}: {told['n']:,} names, {told['seconds']:.1f} s ({told['processor']:.1f} of a processor), {rate:,.0f} a second, peak {told['peak']:.2f} GiB {done.stderr.strip()}"
            )
        size = sum(path.stat().st_size for path in (folder / "backbone").iterdir())
        print(f"the backbone on disk: {size / 1e9:.2f} GB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        print(json.dumps(step(sys.argv[2], Path(sys.argv[3]))))
    else:
        main()
