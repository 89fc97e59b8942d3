"""Simulated clades against independent readings of their promises: bytes, clades, Brownian motion, looks."""

import contextlib
import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cladescope.errors import InputError, StoreError
from cladescope.phylogeny.newick import Tree, read_tree
from cladescope.simulation.evolution import SimulationConfig, evolve
from cladescope.simulation.write import draw, simulate
from cladescope.taxonomy import RANKS
from tests.conftest import REPOSITORY

SMALL = SimulationConfig(species=4, images=2, size=40)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def tips_below(tree: Tree) -> list[set[str]]:
    """Set of tip labels under each node, from the parents alone."""
    below: list[set[str]] = [set() for _ in tree.parent]
    for node in range(len(tree.parent) - 1, -1, -1):
        label = tree.label[node]
        if label is not None:
            below[node].add(label)
        if node:
            below[tree.parent[node]] |= below[node]
    return below


def path_to_root(tree: Tree, node: int) -> list[int]:
    path = []
    while node >= 0:
        path.append(node)
        node = int(tree.parent[node])
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulation") / "out"
    assert simulate(out, SMALL) == out / "metadata.csv"
    return out


def test_another_process_and_two_workers_write_the_same_bytes(written: Path, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from cladescope.simulation import SimulationConfig, simulate\n"
        "if __name__ == '__main__':\n"
        f"    config = SimulationConfig(species={SMALL.species}, images={SMALL.images}, size={SMALL.size})\n"
        f"    simulate(Path({str(tmp_path / 'out')!r}), config, workers=2)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, str(script)], check=True, env=environment)
    assert digests(tmp_path / "out") == digests(written)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_quietly_with_the_process_that_started_them(tmp_path: Path, ending: signal.Signals) -> None:
    code = (
        "import os, time\n"
        "from pathlib import Path\n"
        "from cladescope.simulation import SimulationConfig, simulate\n"
        "if __name__ == '__main__':\n"
        f"    simulate(Path({str(tmp_path / 'out')!r}), SimulationConfig(species=60, images=500, size=64), workers=2)\n"
        "else:\n"
        "    os.write(1, b'a worker loads\\n')  # in one piece, however many workers load\n"
        "    time.sleep(1)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "a worker loads\n"
        if ending == signal.SIGINT:
            os.killpg(process.pid, ending)  # Ctrl-C reaches every process of a terminal
        else:
            process.kill()
        _, said = process.communicate(timeout=60)  # until the last worker has let go of stderr
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -ending
    assert said.count("Traceback") == (ending == signal.SIGINT), "none but the script's own"


def test_the_metadata_names_every_picture_with_seven_ranks(written: Path) -> None:
    with (written / "metadata.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["file", *RANKS, "common_name"]
    files = {path.relative_to(written).as_posix() for path in (written / "images").rglob("*") if path.is_file()}
    assert len(rows) == len(files) == SMALL.species * SMALL.images
    assert {row["file"] for row in rows} == files
    assert all(row[rank] for row in rows for rank in RANKS)
    assert all(row["species"].startswith(row["genus"] + " ") for row in rows)


def test_the_files_hold_what_evolve_gives(written: Path) -> None:
    clades = evolve(SMALL)
    tree = read_tree(written / "tree.nwk")
    assert {frozenset(tips) for tips in tips_below(tree)} == {frozenset(tips) for tips in tips_below(clades.tree)}
    assert np.nansum(tree.length) == pytest.approx(np.nansum(clades.tree.length))
    with (written / "traits.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.reader(handle))[1:]
    assert [row[0] for row in rows] == [taxon[-1] for taxon in clades.taxa]
    np.testing.assert_allclose(np.array([row[1:] for row in rows], dtype=float), clades.traits, atol=1e-6)


def test_every_picture_opens_at_the_right_size_and_no_two_are_alike(written: Path) -> None:
    pictures = set()
    for path in (written / "images").rglob("*.jpg"):
        with Image.open(path) as image:
            assert (image.format, image.size, image.mode) == ("JPEG", (SMALL.size, SMALL.size), "RGB")
            pictures.add(image.tobytes())
    assert len(pictures) == SMALL.species * SMALL.images


def test_more_images_leave_the_first_ones_alone(written: Path, tmp_path: Path) -> None:
    simulate(tmp_path, SMALL)
    untouched = {path: path.stat().st_mtime_ns for path in (tmp_path / "images").rglob("*.jpg")}
    more = SimulationConfig(species=SMALL.species, images=3, size=SMALL.size)
    simulate(tmp_path, more)
    assert {path: path.stat().st_mtime_ns for path in untouched} == untouched
    assert len(list((tmp_path / "images").rglob("*.jpg"))) == 12
    assert digests(written / "images").items() <= digests(tmp_path / "images").items()
    with pytest.raises(InputError, match=r"images 3, not 2: .* ask for 3 or more"):
        simulate(tmp_path, SMALL)


def test_an_interrupted_run_is_completed(written: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path, SMALL, progress=interrupt)
    assert not (tmp_path / "metadata.csv").exists()
    folder = next((tmp_path / "images").iterdir())
    (folder / "000.jpg").rename(folder / ".part-000.jpg")
    (folder / ".part-000.jpg").write_bytes(b"half a picture")
    calls: list[tuple[int, int]] = []
    simulate(tmp_path, SMALL, progress=lambda done, total: calls.append((done, total)))
    assert digests(tmp_path) == digests(written)
    assert calls == [(2, 8), (4, 8), (6, 8), (8, 8)]


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="already holds other files"):
        simulate(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(InputError, match=r"is a file: give a new folder"):
        simulate(tmp_path / "thesis.txt", SMALL)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"seed": 1}, "seed 0, not 1"),
        ({"clutter": 0.5}, r"clutter 1\.0, not 0\.5"),
    ],
)
def test_another_simulation_is_refused_and_nothing_changes(written: Path, change: dict[str, Any], message: str) -> None:
    before = digests(written)
    values = json.loads((written / "simulation.json").read_text())
    del values["format_version"]
    with pytest.raises(InputError, match=message):
        simulate(written, SimulationConfig(**{**values, **change}))
    assert digests(written) == before


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_description_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "simulation.json").write_text(text)
    with pytest.raises(InputError, match="give a new folder"):
        simulate(tmp_path, SMALL)


def test_a_disk_error_is_one_line_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write the simulation into .*: Not a directory"):
        simulate(tmp_path / "file" / "out", SMALL)


@pytest.mark.parametrize(
    "bad",
    [
        {"species": 1},
        {"species": -3},
        {"images": 0},
        {"seed": -1},
        {"size": 31},
        {"size": 5000},
        {"clutter": -0.1},
        {"clutter": float("nan")},
        {"variation": float("inf")},
    ],
)
def test_a_bad_configuration_is_refused_by_name(bad: dict[str, Any]) -> None:
    (name,) = bad
    with pytest.raises(InputError, match=rf"^{name} is .*: give a (whole )?number from"):
        SimulationConfig(**bad)


def test_no_workers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="workers is 0"):
        simulate(tmp_path / "out", SMALL, workers=0)
    assert not (tmp_path / "out").exists()


@settings(max_examples=30, deadline=None)
@given(species=st.integers(2, 120), seed=st.integers(0, 2**40))
def test_every_taxon_at_every_rank_is_a_clade_with_a_name_of_its_own(species: int, seed: int) -> None:
    clades = evolve(SimulationConfig(species=species, seed=seed))
    assert len(clades.taxa) == len(clades.traits) == len(clades.common_names) == species
    below = {frozenset(tips) for tips in tips_below(clades.tree)}
    above: dict[str, str] = {}
    for rank in range(len(RANKS)):
        members: dict[str, set[str]] = {}
        for taxon in clades.taxa:
            assert taxon[rank]
            members.setdefault(taxon[rank], set()).add(taxon[-1])
            if rank:
                assert above.setdefault(taxon[rank], taxon[rank - 1]) == taxon[rank - 1]
        assert all(frozenset(tips) in below for tips in members.values())
    assert len({taxon[-1] for taxon in clades.taxa}) == species
    assert len({taxon[0] for taxon in clades.taxa}) <= 3


@settings(max_examples=30, deadline=None)
@given(species=st.integers(2, 120), seed=st.integers(0, 2**40))
def test_the_tree_is_binary_ultrametric_and_of_height_one(species: int, seed: int) -> None:
    tree = evolve(SimulationConfig(species=species, seed=seed)).tree
    tips = [node for node, label in enumerate(tree.label) if label is not None]
    heights = [sum(tree.length[path_to_root(tree, tip)]) for tip in tips]
    assert len(tips) == species
    np.testing.assert_allclose(heights, 1.0)
    assert (tree.length[1:] > 0).all()
    assert sorted(np.bincount(tree.parent[1:], minlength=len(tree.parent)).tolist()) == [0] * species + [2] * (
        species - 1
    )


def test_traits_covary_as_much_as_the_paths_of_two_species_are_shared() -> None:
    shared, products = [], []
    for seed in range(60):
        clades = evolve(SimulationConfig(species=12, seed=seed))
        tips = [node for node, label in enumerate(clades.tree.label) if label is not None]
        assert [clades.tree.label[tip] for tip in tips] == [taxon[-1] for taxon in clades.taxa]
        paths = [set(path_to_root(clades.tree, tip)) for tip in tips]
        for i in range(12):
            for j in range(i + 1):
                shared.append(sum(clades.tree.length[node] for node in paths[i] & paths[j]))
                products.append(float(np.mean(clades.traits[i] * clades.traits[j])))
    slope, intercept = np.polyfit(shared, products, 1)
    assert slope == pytest.approx(1, abs=0.1)
    assert intercept == pytest.approx(0, abs=0.05)


def test_the_time_between_splits_is_that_of_a_yule_process() -> None:
    """Of n species, the last wait has mean 1/n of a lineage's, the wait with two lineages 1/2: ratio n/2."""
    first, last = [], []
    for seed in range(300):
        tree = evolve(SimulationConfig(species=5, seed=seed)).tree
        height = [sum(tree.length[path_to_root(tree, node)]) for node in range(len(tree.parent))]
        splits = sorted({height[parent] for parent in tree.parent[1:].tolist()})
        first.append(splits[1])
        last.append(1 - splits[-1])
    assert np.mean(first) / np.mean(last) == pytest.approx(5 / 2, rel=0.2)


def test_species_of_a_genus_look_more_alike_than_others() -> None:
    config = SimulationConfig(species=40, size=48, clutter=0.0)
    clades = evolve(config)
    looks = []
    for species, traits in enumerate(clades.traits):
        pictures = [draw(traits, np.random.default_rng([species, image]), config) for image in range(3)]
        centre = np.stack(pictures)[:, 16:32, 16:32].reshape(-1, 3)
        looks.append(np.concatenate([centre.mean(axis=0), centre.std(axis=0)]))
    distance = np.linalg.norm(np.array(looks)[:, None] - np.array(looks), axis=-1)
    genus = np.array([taxon[5] for taxon in clades.taxa])
    same = (genus[:, None] == genus) & ~np.eye(len(genus), dtype=bool)
    within, between = distance[same], distance[genus[:, None] != genus]
    nearer = (within[:, None] < between).mean()
    assert nearer > 0.7, "a half would be chance"


def test_the_ground_tells_nothing_of_the_species() -> None:
    config = SimulationConfig(size=64)
    clades = evolve(SimulationConfig(species=8))
    pictures = [draw(traits, np.random.default_rng(5), config) for traits in clades.traits]
    corners = np.stack([picture[:3, :3] for picture in pictures]).astype(int)
    assert np.ptp(corners, axis=0).max() <= 2


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**40), spread=st.floats(0, 4), size=st.integers(32, 70))
def test_any_traits_make_a_picture_with_an_organism_inside_it(seed: int, spread: float, size: int) -> None:
    config = SimulationConfig(size=size, clutter=0.0)
    rng = np.random.default_rng(seed)
    traits = spread * rng.standard_normal(23)
    picture = draw(traits, np.random.default_rng(seed), config)
    assert picture.shape == (size, size, 3)
    other = traits.copy()
    other[13] += 2.0
    changed = np.abs(picture.astype(int) - draw(other, np.random.default_rng(seed), config)).max(axis=-1) > 3
    assert changed.mean() > 0.004
    assert not changed[[0, -1]].any()
    assert not changed[:, [0, -1]].any()


def test_common_names_go_to_a_part_of_the_species_and_to_one_each() -> None:
    names = evolve(SimulationConfig(species=400)).common_names
    given_names = [name for name in names if name]
    assert 0.5 < len(given_names) / len(names) < 0.7
    assert len(set(given_names)) == len(given_names)
