"""How names of folders are read: shares of binomials and common names that become the taxon, and of other names that become one.

usage: python benchmarks/folder_names.py TAXONOMY.parquet [--sample 20000] [--seed 0]

TAXONOMY has the ranks and `common_name` in columns; `folder_names.txt` beside this script holds names that are no taxa. Each is read
with nothing known but the 652 taxa of `tiny`, and with all of TAXONOMY known, as by a backbone; and once more beside folders that are species.
"""

import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq

from cladescope.embedding.folder_company import Company
from cladescope.embedding.folder_names import said_by
from cladescope.embedding.known_taxa import KnownTaxa, ListedTaxa, common_key, shipped_taxa
from cladescope.taxonomy.spelling import fold

FORMS: dict[str, Callable[[str], str]] = {
    "Ciconia nigra": lambda name: name,
    "Ciconia_nigra": lambda name: name.replace(" ", "_"),
    "Ciconia-nigra": lambda name: name.replace(" ", "-"),
    "Ciconia_nigra_0012": lambda name: f"{name.replace(' ', '_')}_0012",
    "2024-05-03 Ciconia nigra": lambda name: f"2024-05-03 {name}",
    "ciconia_nigra": lambda name: name.replace(" ", "_").lower(),
}
BESIDE = ("Ciconia nigra", "Vanessa atalanta", "Mniotilta varia")
"""Folders that are species in the company of a name."""
NO_NAMES = Path(__file__).with_suffix(".txt")


def no_names() -> dict[str, list[str]]:
    """The names that are none, by part."""
    found: dict[str, list[str]] = {}
    part = ""
    for line in NO_NAMES.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            part = line[2:].partition(":")[0]
        elif line:
            found.setdefault(part, []).append(line)
    return found


def right_and_wrong(names: list[str], form: Callable[[str], str], known: KnownTaxa) -> tuple[float, float]:
    """Shares of binomials that are read as themselves, and as another species."""
    right = wrong = 0
    for name in names:
        species = said_by(form(name), known).labels.get("species")
        same = species is not None and fold(name).startswith(fold(species))
        right += same
        wrong += species is not None and not same
    return right / len(names), wrong / len(names)


def main() -> None:
    """Print the table of docs/labels.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("taxonomy", type=Path)
    parser.add_argument("--sample", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = pq.read_table(options.taxonomy).to_pylist()
    species = sorted({row["species"] for row in rows if row["species"]})
    names = random.Random(options.seed).sample(species, min(options.sample, len(species)))
    every = ListedTaxa(rows, said="all")
    few = shipped_taxa()
    lists: dict[str, KnownTaxa] = {"tiny's 652 taxa": few, f"all {len(rows):,} taxa": every}
    print(f"{len(names):,} of {len(species):,} species")
    for told, known in lists.items():
        for form, change in FORMS.items():
            right, wrong = right_and_wrong(names if form != "Ciconia nigra" else species, change, known)
            print(f"{told:20} {form:26} right {right:7.2%}  another species {wrong:7.3%}")
    by_common: dict[str, set[str]] = {}
    for row in rows:
        if row["common_name"] and row["species"]:
            by_common.setdefault(common_key(row["common_name"]), set()).add(row["species"])
    asked = [
        row
        for row in rows
        if row["common_name"] and row["species"] and len(by_common[common_key(row["common_name"])]) == 1
    ]
    read = [said_by(row["common_name"].capitalize(), every).labels.get("species") for row in asked]
    right = sum(found == row["species"] for found, row in zip(read, asked, strict=True))
    wrong = sum(found not in (None, row["species"]) for found, row in zip(read, asked, strict=True))
    print(
        f"common names of one species, all known: {len(asked):,}, right {right / len(asked):.2%}, another {wrong / len(asked):.3%}"
    )
    commons = sorted({row["common_name"] for row in rows if row["common_name"]})
    formed = [name for name in commons if said_by(name.capitalize(), few).kind == "binomial"]
    print(f"common names read as a binomial by their form, tiny's taxa known: {len(formed)} of {len(commons):,}")
    formed = sum(species_beside(name, few) == name for name in names)
    print(f"{few.said}: binomials right that stand among folders that are species {formed / len(names):.2%}")
    for part, listed in no_names().items():
        taken = [f"{name} = {found}" for name in listed if (found := species_beside(name, few)) is not None]
        print(
            f"no names, {part} ({len(listed)}), {few.said}, among species: read as a species {len(taken)}: {'; '.join(taken)}"
        )
        for told, known in lists.items():
            taken = list(_taken(listed, known))
            print(f"no names, {part} ({len(listed)}), {told}: read as a taxon {len(taken)}: {'; '.join(taken)}")


def species_beside(name: str, known: KnownTaxa) -> str | None:
    """The species that a folder's name is read as where three other species and nothing else lie beside it."""
    company = Company(known, lambda _: (*BESIDE, name))
    return company.said_of(said_by(name, known), "").labels.get("species")


def _taken(names: list[str], known: KnownTaxa) -> Iterator[str]:
    for name in names:
        for form in dict.fromkeys((name, name.replace(" ", "_"), name.lower())):
            if (said := said_by(form, known)).is_taxon:
                yield f"{form} = {' '.join(said.labels.values())}"
                break


if __name__ == "__main__":
    main()
