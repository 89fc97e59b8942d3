"""Faults planted in real sources, and what `cladescope curate` finds of them: precision and recall by kind of fault.

python benchmarks/curation_faults.py ../shared/data --work /tmp/faults

Three sources: photographs of organisms, birds, seedlings, each as a table. Planted: names of other bird checklists, misspelt names, genera that two kingdoms have,
copies (resized, saved anew, cropped, mirrored, recoloured), pictures of the two test sets, broken pictures, licences that forbid, specimens in many pictures. A fault is found where the
picture is dropped for that reason (or renamed, or kept apart); what else is dropped is listed, since real collections have faults of their own, and only an eye can tell.
"""

import argparse
import csv
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from planted_duplicates import KINDS, changed
from side_by_side import machine, print_table

import cladescope
from cladescope.taxonomy.backbone import Backbone

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
COLUMNS = ("file", "image_id", *RANKS, "common_name", "licence", "specimen_id")
SEEDLINGS = {
    "Black-grass": "Alopecurus myosuroides", "Charlock": "Sinapis arvensis", "Cleavers": "Galium aparine", "Common_Chickweed": "Stellaria media",
    "Common_wheat": "Triticum aestivum", "Fat_Hen": "Chenopodium album", "Loose_Silky-bent": "Apera spica-venti", "Maize": "Zea mays",
    "Scentless_Mayweed": "Tripleurospermum inodorum", "Shepherds_Purse": "Capsella bursa-pastoris", "Small-flowered_Cranesbill": "Geranium pusillum",
    "Sugar_beet": "Beta vulgaris",
}  # fmt: skip
Row = dict[str, str]


def sources_of(data: Path) -> dict[str, list[Row]]:
    """The rows of the three sources, without a fault that was planted."""
    with (data / "organisms" / "metadata.csv").open(encoding="utf-8", newline="") as file:
        organisms = [
            {
                **{name: row.get(name) or "" for name in COLUMNS},
                "file": str(data / "organisms" / row["file"]),
                "licence": "CC BY 4.0",
            }
            for row in csv.DictReader(file)
        ]
    with (data / "tasks" / "birds525" / "labels.csv").open(encoding="utf-8", newline="") as file:
        named = {row["label"]: row["species"] for row in csv.DictReader(file)}
    birds = [
        _row(path, {"kingdom": "Animalia", "phylum": "Chordata", "class": "Aves", "species": named[path.parent.name]})
        for path in sorted((data / "tasks" / "birds525" / "train").rglob("*.jpg"))
    ]
    seedlings = [
        _row(path, {"kingdom": "Plantae", "species": SEEDLINGS[path.parent.name]})
        for path in sorted((data / "tasks" / "plant-seedlings" / "train").rglob("*.*"))
    ]
    found = {"organisms": organisms, "birds": birds, "seedlings": seedlings}
    for name, rows in found.items():
        for number, row in enumerate(rows):
            row["image_id"] = f"{name}-{number:05d}"
    return found


def _row(path: Path, ranks: Row) -> Row:
    genus = ranks["species"].split(" ")[0]
    return {**dict.fromkeys(COLUMNS, ""), "file": str(path), "licence": "CC0", "genus": genus, **ranks}


class Planting:
    """Faults put into sources, and the truth about them."""

    def __init__(self, sources: dict[str, list[Row]], work: Path, rng: np.random.Generator) -> None:
        self.sources, self.work, self.rng = sources, work, rng
        self.truth: dict[str, dict[str, Any]] = {}
        self.touched: set[str] = set()
        (work / "planted").mkdir(parents=True)

    def some(self, source: str, n: int, where: Any = None) -> list[Row]:
        """Some rows that no fault was planted in."""
        free = [
            row for row in self.sources[source] if row["image_id"] not in self.touched and (where is None or where(row))
        ]
        rows = [free[place] for place in sorted(self.rng.permutation(len(free))[:n].tolist())]
        self.touched |= {row["image_id"] for row in rows}
        return rows

    def add(self, source: str, fault: str, row: Row, **more: Any) -> None:
        """A further row with a fault."""
        image_id = f"{source}-x{len(self.truth):05d}"
        self.sources[source].append({**row, "image_id": image_id})
        self.tell(image_id, fault, **more)

    def tell(self, image_id: str, fault: str, **more: Any) -> None:
        """The truth about a row."""
        self.truth[image_id] = {"fault": fault, **more}
        self.touched.add(image_id)

    def file(self, ending: str = ".jpg") -> Path:
        """Where a planted picture is put."""
        return self.work / "planted" / f"{len(self.truth):05d}{ending}"

    def names(self, crosswalk: Path, homonyms: list[tuple[Row, Row]], n: int) -> None:
        """Names of other checklists, misspelt names, genera of two kingdoms."""
        others: dict[str, set[str]] = {}
        accepted = set()
        with crosswalk.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["CATEGORY"] == "species" and " " in row["sci_name_2025"]:
                    accepted.add(row["sci_name_2025"])
                    for column in ("H_M_name", "Birdlife_name", "IOC_name", "SCI_NAME"):
                        others.setdefault(row["sci_name_2025"], set()).add(row[column])
        bearers = Counter(name for names in others.values() for name in names)
        synonyms = {
            name: sorted(
                one for one in names if one and one not in accepted and bearers[one] == 1 and one.count(" ") == 1
            )
            for name, names in others.items()
        }
        for row in self.some("birds", n, lambda row: synonyms.get(row["species"])):
            written = synonyms[row["species"]][0]
            self.tell(row["image_id"], "synonym", accepted=row["species"])
            row |= {"species": written, "genus": written.split(" ")[0]}
        for row in self.some("birds", n, lambda row: row["species"] in accepted):
            self.tell(row["image_id"], "misspelt")
            place = int(self.rng.integers(2, 4)) - len(row["species"])
            row["species"] = (
                f"{row['species'][:-2]}q{row['species'][-2:]}"
                if place % 2
                else f"{row['species'][:-3]}{row['species'][-2:]}"
            )
        for number, (one, other) in enumerate(homonyms[:n]):
            told, untold = self.some("organisms", 2, lambda row: row["genus"] and row["species"])
            lineage = one if number % 2 else other
            self.tell(
                told["image_id"],
                "homonym told by its kingdom",
                accepted_class=lineage["class"] or None,
                kingdom=lineage["kingdom"],
            )
            told |= {
                **dict.fromkeys(RANKS, ""),
                "kingdom": lineage["kingdom"],
                "class": lineage["class"],
                "genus": lineage["genus"],
            }
            self.tell(untold["image_id"], "homonym that nothing tells")
            untold |= {**dict.fromkeys(RANKS, ""), "genus": lineage["genus"]}

    def copies(self, n: int) -> None:
        """Copies of pictures, of each kind, in the same or another source."""
        for kind in KINDS:
            for number in range(n):
                source = ("organisms", "birds", "seedlings")[number % 3]
                (row,) = self.some(source, 1)
                file = self.file()
                with Image.open(row["file"]) as picture:
                    copy, quality = changed(picture.convert("RGB"), kind, self.rng)
                copy.save(file, quality=quality)
                self.add(
                    source if number % 2 else "organisms",
                    f"copy: {kind}",
                    {**row, "file": str(file)},
                    of=row["image_id"],
                )

    def leaks(self, tests: dict[str, list[Path]], n: int) -> None:
        """Pictures of the test sets among those to train on, as they are, smaller, or saved anew."""
        for source, files in tests.items():
            for number, place in enumerate(sorted(self.rng.permutation(len(files))[:n].tolist())):
                row = dict(self.sources[source][number])
                file = self.file()
                with Image.open(files[place]) as picture:
                    picture = picture.convert("RGB")
                    if number % 3 == 1:
                        picture = picture.resize((max(64, picture.width * 3 // 4), max(64, picture.height * 3 // 4)))
                    picture.save(file, quality=95 if number % 3 else 60)
                self.add(source, "leaked test picture", {**row, "file": str(file)})

    def broken(self, n: int) -> None:
        """Files that are cut off, empty, no pictures or of one colour."""
        for number in range(n):
            (row,) = self.some("organisms", 1)
            kind = ("cut off", "empty", "no picture", "blank")[number % 4]
            file = self.file()
            content = Path(row["file"]).read_bytes()
            if kind == "blank":
                Image.new("RGB", (300, 200), (number, number, number)).save(file)
            else:
                file.write_bytes(
                    {"cut off": content[: len(content) // 3], "empty": b"", "no picture": b"<html>gone</html>"}[kind]
                )
            self.add("organisms", f"broken: {kind}", {**row, "file": str(file)})

    def licences(self, n: int) -> None:
        """Pictures whose licence forbids."""
        for number, row in enumerate(self.some("organisms", n)):
            row["licence"] = ("CC BY-ND 4.0", "(c) Jane Doe, all rights reserved")[number % 2]
            self.tell(row["image_id"], "licence that forbids")

    def specimens(self, n: int) -> None:
        """Specimens in several pictures each."""
        for number in range(n):
            for row in self.some("seedlings", 8):
                row["specimen_id"] = f"specimen {number}"
                self.tell(row["image_id"], "specimen in many pictures", specimen=number)


def plant(data: Path, work: Path, *, n: int, seed: int, limit: int) -> Path:
    """Write sources with faults, the truth about them, a backbone and a configuration; return the configuration."""
    rng = np.random.default_rng(seed)
    work.mkdir(parents=True)
    sources = sources_of(data)
    clean = {name: [dict(row) for row in rows] for name, rows in sources.items()}
    if limit:
        sources = {
            name: [rows[place] for place in sorted(rng.permutation(len(rows))[:limit].tolist())]
            for name, rows in sources.items()
        }
    taxonomy = pq.read_table(data / "taxonomy" / "taxonomy.parquet", columns=list(RANKS)).to_pylist()
    write_csv(work / "known.csv", [row for rows in clean.values() for row in rows])
    crosswalk = data / "taxonomy" / "birds_clements2025_crosswalk.csv"
    Backbone.build(
        [crosswalk, data / "taxonomy" / "taxonomy.parquet", work / "known.csv"], work / "backbone", release="faults"
    )
    planting = Planting(sources, work, rng)
    planting.names(crosswalk, homonyms_of(taxonomy), n)
    planting.copies(n)
    tests = {
        "birds": sorted((data / "tasks" / "birds525" / "test").rglob("*.jpg")),
        "seedlings": sorted(
            path for path in (data / "tasks" / "plant-seedlings" / "test").rglob("*.*") if path.is_file()
        ),
    }
    planting.leaks(tests, n)
    planting.broken(n)
    planting.licences(n)
    planting.specimens(5)
    text = [f'title = "Planted faults"\nworkers = 2\n[names]\nbackbone = "{work / "backbone"}"\nunknown = "drop"\n']
    text.append(
        '[licences]\nforbid = ["nd", "all rights reserved"]\n[splits]\nval = 0.1\ntest = 0.1\n[pictures]\nmin_side = 32\n'
    )
    for name, rows in sources.items():
        write_csv(work / f"{name}.csv", rows)
        text.append(f'[[sources]]\nname = "{name}"\npath = "{work / name}.csv"\n')
    for name in ("birds525", "plant-seedlings"):
        text.append(f'[[exclude]]\npictures = "{data / "tasks" / name / "test"}"\n')
    (work / "truth.json").write_text(json.dumps(planting.truth))
    # Keys above the first section belong to the whole, so the list of sections follows.
    (work / "tree.toml").write_text("\n".join(text))
    return work / "tree.toml"


def homonyms_of(taxonomy: list[dict[str, Any]]) -> list[tuple[Row, Row]]:
    """Genera that two kingdoms have, once in each."""
    genera: dict[str, dict[str, set[str]]] = {}
    for row in taxonomy:
        if row["genus"] and row["kingdom"] and row["class"]:
            genera.setdefault(row["genus"], {}).setdefault(row["kingdom"], set()).add(row["class"])
    found = []
    for genus, kingdoms in sorted(genera.items()):
        if len(kingdoms) == 2 and all(len(classes) == 1 for classes in kingdoms.values()):
            one, other = (
                {"genus": genus, "kingdom": kingdom, "class": next(iter(classes))}
                for kingdom, classes in sorted(kingdoms.items())
            )
            found.append((one, other))
    return found


def write_csv(path: Path, rows: list[Row]) -> None:
    """Write rows as a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)


def outcomes(out: Path) -> dict[str, dict[str, Any]]:
    """What became of each record, by its id in the source."""
    parts = sorted((out / "work" / "gather").glob("part-*.parquet"))
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        tables = {
            "gather": ["id", "image_id"],
            "names": [*RANKS, "taxon_match"],
            "single": ["duplicate_of", "likeness"],
            "split": ["split", "dropped"],
        }
        read = [pq.read_table(out / "work" / stage / part.name, columns=columns) for stage, columns in tables.items()]
        rows = zip(*(table.to_pylist() for table in read), strict=True)
        for one in rows:
            whole = {key: value for some in one for key, value in some.items()}
            found[whole["image_id"]] = whole
    return found


FOUND = {
    "misspelt": "names: ",
    "homonym that nothing tells": "names: ",
    "leaked test picture": "leaks: ",
    "broken": "look: ",
    "licence that forbids": "screen: licence",
}
"""How the reason begins for which a record with a fault is dropped, by the word before a colon of the fault."""


def is_found(told: dict[str, Any], one: dict[str, Any], by_id: dict[str, dict[str, Any]]) -> bool:
    """Whether a fault was found, and nothing of it left."""
    kind = str(told["fault"])
    if kind == "synonym":
        return bool(one["species"] == told["accepted"])
    if kind == "homonym told by its kingdom":
        return bool(one["kingdom"] == told["kingdom"] and (told["accepted_class"] in (None, one["class"])))
    if kind.startswith("copy"):
        pair = [one, by_id[told["of"]]]
        return any((each["dropped"] or "").startswith(("single: ", "leaks: ")) for each in pair)
    return bool((one["dropped"] or "").startswith(FOUND[kind.split(":")[0]]))


def score(work: Path, out: Path) -> int:
    """Print what was found of each kind of fault, and what good pictures were dropped; how many faults were not found."""
    truth = json.loads((work / "truth.json").read_text())
    by_id = outcomes(out)
    rows, missed = [], []
    for fault in dict.fromkeys(told["fault"] for told in truth.values()):
        mine = {image_id: told for image_id, told in truth.items() if told["fault"] == fault}
        if fault == "specimen in many pictures":
            sides: dict[int, set[str]] = {}
            for image_id, told in mine.items():
                if by_id[image_id]["split"]:
                    sides.setdefault(told["specimen"], set()).add(by_id[image_id]["split"])
            rows.append((fault, len(sides), sum(len(one) == 1 for one in sides.values()), "", ""))
            continue
        found = [image_id for image_id, told in mine.items() if is_found(told, by_id[image_id], by_id)]
        missed += [(image_id, fault, by_id[image_id]["dropped"]) for image_id in mine if image_id not in set(found)]
        left = sum(by_id[image_id]["dropped"] is None for image_id in mine.keys() - set(found))
        rows.append((fault, len(mine), len(found), f"{len(found) / len(mine):.3f}", left))
    print_table(["planted", "number", "found", "recall", "not found and left"], text_of(rows))
    originals = {told["of"] for told in truth.values() if "of" in told}
    good = [one for image_id, one in by_id.items() if image_id not in truth and image_id not in originals]
    lost = Counter(one["dropped"] for one in good if one["dropped"])
    print_table(
        ["good pictures dropped, by reason", "number"],
        text_of([*lost.most_common(), ("of", len(good))]),
    )
    drops = Counter((one["dropped"] or "").split(": ")[0] for one in by_id.values() if one["dropped"])
    print_table(["stage", "dropped"], text_of(list(drops.items())))
    for image_id, fault, dropped in missed:
        print(f"missed: {fault} {image_id} ({dropped or 'kept'})")
    listed = [
        {"image_id": one["image_id"], "dropped": one["dropped"], "of": one["duplicate_of"], "likeness": one["likeness"]}
        for one in good
        if one["dropped"]
    ]
    if listed:
        pq.write_table(pa.Table.from_pylist(listed), work / "good-dropped.parquet")
    return len(missed)


def text_of(rows: list[Any]) -> list[list[str]]:
    """Rows as texts, for a table."""
    return [list(map(str, row)) for row in rows]


def main() -> int:
    """Plant, curate, score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="new folder")
    parser.add_argument("--faults", type=int, default=20, help="of each kind")
    parser.add_argument("--limit", type=int, default=0, help="pictures of each source; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    config = plant(
        arguments.data.resolve(),
        arguments.work.resolve(),
        n=arguments.faults,
        seed=arguments.seed,
        limit=arguments.limit,
    )
    begun = time.monotonic()
    made = cladescope.curate(config, out=arguments.work / "out")
    print(f"{machine()}; {made.n_pictures:,} pictures in {time.monotonic() - begun:.0f} s")
    return int(score(arguments.work, arguments.work / "out") > 0)


if __name__ == "__main__":
    sys.exit(main())
