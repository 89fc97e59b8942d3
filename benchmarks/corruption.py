"""Damage to every file of a store, its index and a classifier, in seeded ways, and what a reader makes of each.

Usage: python benchmarks/corruption.py [--ways 200] [--seed 0] [--no-ledger] [--show]

Each file is in turn emptied, cut, filled with zeros (whole and in part) and changed in single bits; then the store is opened,
read, searched by index and exactly, and verified, and the classifier asked. An outcome is

- refused: an error of ours, in one line;
- harmless: the same answers as before;
- told: other answers, and a warning when the store was opened;
- verified: other answers, and `verify` tells;
- WRONG: other answers, and nothing tells;
- RAW: an error that is none of ours, or a dead process.

Prints a table of file kind and damage. The reader is a process of its own, so that a crash is counted and not fatal.
"""

import argparse
import collections
import io
import logging
import multiprocessing
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.classifier_file import Classifier, load_classifier, save_classifier
from cladescope.arrays import normalise
from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.prepare import Failure
from cladescope.embedding.records import Record
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import CladescopeError
from cladescope.index.ann.build import build
from cladescope.index.store import Store
from cladescope.index.verify import verify

CARD = EncoderCard(name="made-up", dim=16, weight_hash=None, transform=None, has_text=False)
QUERIES = normalise(np.random.default_rng(1).standard_normal((5, 16)).astype(np.float32))
DAMAGES = ("empty", "cut", "zeros", "zeros in part", "one bit", "60 bits")
OUTCOMES = ("refused", "harmless", "told", "verified", "WRONG", "RAW")
CLASSIFIER = "birds.safetensors"


def main() -> None:
    """Make a store, damage copies of it, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ways", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-ledger", action="store_true", help="as in a store of 0.1.0: hashes of the index only")
    parser.add_argument("--show", action="store_true", help="print each outcome that is not refused or harmless")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole = make(Path(folder) / "whole")
        if arguments.no_ledger:
            (whole / "s" / "ledger.json").unlink()
        expected = answers(whole)
        kinds: dict[str, list[Path]] = collections.defaultdict(list)
        for path in sorted(whole.rglob("*")):
            if path.is_file() and path.name != ".lock":
                kinds[kind_of(path.relative_to(whole))].append(path.relative_to(whole))
        table: collections.Counter[tuple[str, str, str]] = collections.Counter()
        reader = Reader(expected)
        for way in range(arguments.ways):
            # Every kind of file and every damage comes in turn; which file it is and where it is struck are drawn.
            rng = np.random.default_rng((arguments.seed, way))
            kind, damage = list(kinds)[way % len(kinds)], DAMAGES[(way // len(kinds)) % len(DAMAGES)]
            file = kinds[kind][rng.integers(len(kinds[kind]))]
            copy = Path(folder) / f"way-{way}"
            shutil.copytree(whole, copy)
            strike(copy / file, damage, rng)
            outcome, why = reader.judge(copy)
            table[kind, damage, outcome] += 1
            if outcome not in ("refused", "harmless") or arguments.show:
                print(f"{way}: {file}, {damage}: {outcome} ({why})", flush=True)
            shutil.rmtree(copy)
        reader.close()
    show(table)


def make(folder: Path) -> Path:
    """A store of 240 rows in three commits, with deletions, failures, runs and an index, and a classifier beside it."""
    store = Store.create(folder / "s", CARD)
    for first in (0, 80, 160):
        vectors = normalise(np.random.default_rng(first).standard_normal((80, 16)).astype(np.float32))
        records = [
            Record(image_id=f"i{row}", uri=f"/{row}", source="s", labels={"species": f"Genus s{row % 9}"})
            for row in range(first, first + 80)
        ]
        failed = [Failure(Record(image_id=f"x{first}", uri=f"/x{first}", source="s"), "decode", "no picture")]
        with store.writing():
            store.write(images_table(records, vectors.astype(np.float16), (), {}), failures_table(failed))
        store.record_run(verb="embed", source="s", started=datetime.now(UTC), status="done", manifest={})
    store.delete(image_ids=["i7", "i90"])
    with store.writing():
        build(store)
    gallery = ClassGallery(QUERIES[:3], ("a", "b", "c"), 3.5)
    save_classifier(
        Classifier(
            classes=gallery, method="simpleshot", target="sex", card=CARD, store="s", data_version=1,
            counts=np.array([3, 1, 2]),
        ),
        folder / CLASSIFIER,
    )  # fmt: skip
    return folder


def answers(folder: Path) -> list[Any]:
    """All that is read of a store and a classifier, as plain values."""
    store = Store.open(folder / "s")
    found: list[Any] = [store.count(), store.failures.sort_by("uri").to_pylist(), len(store.runs)]
    for exact in (False, True):
        for query in QUERIES:
            result = store.search(vector=query, k=10, exact=exact)
            for note in result.notes:
                logging.getLogger("cladescope").warning(note)
            hits = result.hits
            found.append([(hit.image_id, round(hit.score, 5), str(hit.taxon), hit.uri) for hit in hits])
    found.append(store.lineages().sort_by("species").to_pylist())
    classifier = load_classifier(folder / CLASSIFIER)
    return [*found, classifier.probabilities(QUERIES).tolist(), list(classifier.labels), classifier.counts.tolist()]


def strike(path: Path, damage: str, rng: np.random.Generator) -> None:
    """Damage a file."""
    content = bytearray(path.read_bytes())
    n = len(content)
    if damage == "empty" or not n:
        content = bytearray()
    elif damage == "cut":
        content = content[: rng.integers(n)]
    elif damage == "zeros":
        content = bytearray(n)
    elif damage == "zeros in part":
        start = int(rng.integers(n))
        stop = min(n, start + 64)
        content[start:stop] = bytes(stop - start)
    else:
        for place in rng.integers(n, size=1 if damage == "one bit" else 60):
            content[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)


def judge(folder: Path, expected: list[Any]) -> tuple[str, str]:
    """What a reader makes of a folder, and why."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger("cladescope").addHandler(handler)
    try:
        found = answers(folder)
    except CladescopeError as error:
        one_line = "\n" not in str(error) and ".rs:" not in str(error)
        return ("refused" if one_line else "RAW"), str(error)
    except BaseException as error:  # noqa: BLE001 - a panic of LanceDB's is no Exception
        return "RAW", f"{type(error).__name__}: {error}"[:300]
    finally:
        logging.getLogger("cladescope").removeHandler(handler)
    if found == expected:
        return "harmless", said.getvalue()
    if said.getvalue():
        return "told", said.getvalue().strip()
    problems = verify(folder / "s").problems
    if problems:
        return "verified", problems[0]
    differs = [place for place, (one, other) in enumerate(zip(found, expected, strict=True)) if one != other]
    return "WRONG", f"answers {differs} differ"


class Reader:
    """A process that judges folders one after the other, started again where one of them kills it."""

    def __init__(self, expected: list[Any]) -> None:
        self.expected = expected
        self._start()

    def judge(self, folder: Path) -> tuple[str, str]:
        """What it makes of a folder, and why."""
        self._ours.send(folder)
        try:
            outcome: tuple[str, str] = self._ours.recv()
        except EOFError:
            self._process.join()
            self._start()
            return "RAW", "the process died"
        return outcome

    def close(self) -> None:
        """End the process."""
        self._ours.close()
        self._process.join()

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, self.expected))
        self._process.start()
        theirs.close()


def _serve(folders: Any, expected: list[Any]) -> None:
    # What the engine prints when it panics is no part of the outcome.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    while True:
        try:
            folder = folders.recv()
        except EOFError:
            return
        folders.send(judge(folder, expected))


def kind_of(file: Path) -> str:
    """The kind of a file, by which the table is made."""
    if "lance" in file.parts:
        table = next(part for part in file.parts if part.endswith(".lance")).removesuffix(".lance")
        return f"{table} {file.parts[-2] if len(file.parts) > 4 else file.name}"
    if "indexes" in file.parts:
        return f"index {file.name.partition('-')[0]}{file.suffix if '-' in file.name else ''}"
    return "classifier" if file.suffix == ".safetensors" else file.name


def show(table: "collections.Counter[tuple[str, str, str]]") -> None:
    """Print outcomes by file kind and damage."""
    print(f"| file | damage | {' | '.join(OUTCOMES)} |")
    print(f"| --- | --- |{' ---: |' * len(OUTCOMES)}")
    for kind, damage in sorted({key[:2] for key in table}):
        row = [table[kind, damage, outcome] for outcome in OUTCOMES]
        print(f"| {kind} | {damage} | {' | '.join(map(str, row))} |")
    totals = [sum(n for key, n in table.items() if key[2] == outcome) for outcome in OUTCOMES]
    print(f"| all | | {' | '.join(map(str, totals))} |")


if __name__ == "__main__":
    main()
