"""A store kept in step with real pictures: changed in many ways, and killed at random moments, it must equal a fresh one.

    python benchmarks/in_step.py ../shared/data/organisms --pictures 3000 --kills 10

Pictures are copied, embedded by `pixels`, and changed: renamed, edited, deleted, relabelled, moved, duplicated, replaced by what is no
picture, touched, a folder renamed, two swapped, new ones. One `embed --prune` follows, over the folder and over a table of the
pictures. Then `embed`, `delete`, `relabel` and `export` are killed (SIGKILL) at random moments of their work; after each the store
must be sound, and the same command run again must end where an uninterrupted one ends. Rows are compared in all columns with their
vectors, failures by address and stage. The exit status is 1 where anything differs.
"""

import argparse
import csv
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

import cladescope
from cladescope.index.store import Store

CHILD = "import cladescope.app.cli as c, cladescope.app.verbs.embed; print('ready', flush=True); c.main()"
COLUMNS = ("file", "species", "plot")
Rows = list[dict[str, Any]]


def copy_pictures(found: Sequence[Path], folder: Path) -> None:
    """The pictures, twenty folders of them, with times of long ago."""
    for number, path in enumerate(found):
        copy = folder / f"class{number % 20:02}" / f"{number:05}{path.suffix.lower()}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        os.utime(copy, (1.6e9 + number, 1.6e9 + number))


def pictures_in(folder: Path) -> list[Path]:
    """All of them, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def write_table(folder: Path, table: Path, *, relabelled: bool) -> None:
    """A row a picture; `relabelled` gives every tenth another species, and every fifteenth another plot."""
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number, path in enumerate(pictures_in(folder)):
            species = (
                "Parus ater" if relabelled and not number % 10 else f"Parus {path.parent.name.replace('class', 'nr')}"
            )
            writer.writerow((path, species, "x" if relabelled and not number % 15 else "y"))


def write_labels(store: Path, labels: Path) -> None:
    """Another species for every second picture of a store."""
    ids = Store.open(store).table(["image_id"])["image_id"].to_pylist()
    with labels.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image_id", "species"), *((one, "Parus ater") for one in ids[::2])])


def change(folder: Path, seed: int) -> dict[str, int]:
    """Change a share of the pictures in each way; how many in each."""
    rng = random.Random(seed)
    paths = pictures_in(folder)
    rng.shuffle(paths)
    share = max(2, len(paths) // 40)
    parts = iter([paths[start : start + share] for start in range(0, len(paths), share)])
    for path in next(parts):
        path.rename(path.with_stem(f"renamed-{path.stem}"))
    for path in next(parts):
        with Image.open(path) as image:
            image.convert("RGB").rotate(180).save(path, "PNG" if path.suffix == ".png" else "JPEG")
    for path in next(parts):
        path.unlink()
    for path in next(parts):
        target = folder / "class00" / f"moved-{path.name}"
        path.rename(target)
    for path in next(parts):
        shutil.copyfile(path, path.with_stem(f"twin-{path.stem}"))
    for path in next(parts):
        path.write_bytes(b"<html>no picture</html>")
    for path in next(parts):
        path.write_bytes(path.read_bytes()[:200])
    for path in next(parts):
        os.utime(path)
    swapped = next(parts)
    for one, other in zip(swapped[::2], swapped[1::2], strict=False):
        aside = folder / "aside"
        one.rename(aside), other.rename(one), aside.rename(other)
    for number, path in enumerate(next(parts)):
        with Image.open(path) as image:
            image.convert("L").save(folder / "class01" / f"new-{number}.png")
    (folder / "class07").rename(folder / "season2")
    return {"each way": share, "in the renamed folder": len(pictures_in(folder / "season2"))}


def rows_of(store: Path) -> tuple[Rows, list[tuple[str, str]]]:
    """All rows of a store in the order of their ids, and its failures."""
    held = Store.open(store)
    rows = [row for batch in held.scan(held.schema.names) for row in batch.to_pylist()]
    failed = [(row["uri"], row["stage"]) for row in held.failures.to_pylist()]
    return sorted(rows, key=lambda row: str(row["image_id"])), sorted(failed)


def exported_rows(folder: Path) -> Rows:
    """Rows of an export, which is there whole or not at all."""
    return pq.read_table(folder / "pictures.parquet").to_pylist()  # type: ignore[no-any-return]


def run(*arguments: object) -> None:
    """A command that must end well."""
    subprocess.run([sys.executable, "-c", CHILD, *map(str, arguments)], check=True, capture_output=True)


def killed(seconds: float, *arguments: object) -> tuple[bool, float]:
    """A command that is killed so long after it began its work; whether it had not ended before, and how long it worked."""
    command = [sys.executable, "-c", CHILD, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        began = time.perf_counter()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return True, seconds
    return False, time.perf_counter() - began


def check_kills(
    name: str,
    start: Path,
    arguments: Callable[[Path], Sequence[object]],
    ends: Callable[[Path], object],
    kills: int,
    seed: int,
) -> bool:
    """Kill a command on copies of a store at random moments; whether all ended as the uninterrupted one."""
    rng = random.Random(seed)
    whole = start.with_name(f"{name}-whole")
    shutil.copytree(start, whole)
    was_killed, seconds = killed(600, *arguments(whole))
    assert not was_killed, "the command takes longer than ten minutes"
    wanted = ends(whole)
    n_killed = n_sound = n_equal = 0
    for number in range(kills):
        copy = start.with_name(f"{name}-{number}")
        shutil.copytree(start, copy)
        for _ in range(2):
            n_killed += killed(rng.uniform(0, seconds), *arguments(copy))[0]
        n_sound += cladescope.verify(copy).is_sound
        run(*arguments(copy))
        n_equal += ends(copy) == wanted and cladescope.verify(copy).is_sound
        shutil.rmtree(copy)
    print(f"| {name} | {2 * kills} | {n_killed} | {n_sound} of {kills} | {n_equal} of {kills} |", flush=True)
    return n_equal == n_sound == kills


def main() -> None:
    """Run all, print tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--pictures", dest="n", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found = sorted(path for path in options.pictures.rglob("*") if path.suffix.lower() in (".jpg", ".png"))[: options.n]
    ok = True
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        photos, table = folder / "photos", folder / "photos.csv"
        copy_pictures(found, photos)
        write_table(photos, table, relabelled=False)
        stores = {"folder": (photos, folder / "f.store"), "table": (table, folder / "t.store")}
        for source, store in stores.values():
            run("embed", source, "--store", store, "--encoder", "pixels")
            shutil.copytree(store, store.with_suffix(".before"))
        print("changed:", change(photos, options.seed), flush=True)
        write_table(photos, table, relabelled=True)
        print(
            "| source | pictures | seconds | embedded | moved | changed | relabelled | deleted | failed | equals a fresh one |"
        )
        print("| --- " * 10 + "|", flush=True)
        for name, (source, store) in stores.items():
            began = time.perf_counter()
            told = cladescope.embed(source, store, prune=True)
            seconds = time.perf_counter() - began
            fresh = folder / f"{name}-fresh.store"
            run("embed", source, "--store", fresh, "--encoder", "pixels")
            equal = rows_of(store) == rows_of(fresh) and cladescope.verify(store).is_sound
            ok &= equal
            counts = (told.embedded, told.moved, told.changed, told.relabelled, told.pruned, told.failed)
            print(
                f"| {name} | {told.records:,} | {seconds:.1f} | {' | '.join(f'{n:,}' for n in counts)} | {equal} |",
                flush=True,
            )
        if options.kills:
            print(
                "\n| command | runs | killed | sound after | ends as an uninterrupted one |\n| --- | ---: | ---: | ---: | ---: |"
            )
            labels = folder / "labels.csv"
            write_labels(folder / "t.before", labels)
            before, fixed = folder / "t.before", ("--encoder", "pixels")
            out = folder / "out"
            cases: dict[str, tuple[Path, Callable[[Path], Sequence[object]], Callable[[Path], object]]] = {
                "embed": (before, lambda at: ("embed", table, "--store", at, "--prune", *fixed), rows_of),
                "delete": (before, lambda at: ("delete", at, "--where", "plot = 'y' AND width > 200"), rows_of),
                "relabel": (before, lambda at: ("relabel", at, labels), rows_of),
                "export": (
                    folder / "t.store",
                    lambda at: ("export", at, "--out", out / at.name, "--overwrite"),
                    lambda at: exported_rows(out / at.name),
                ),
            }  # fmt: skip
            out.mkdir()
            for name, (start, arguments, ends) in cases.items():
                ok &= check_kills(name, start, arguments, ends, options.kills, options.seed)
    sys.exit(not ok)


if __name__ == "__main__":
    main()
