"""A small curation from end to end: three sources with planted faults, each of which is found, counted and not in the data set; no good picture is lost."""

import csv
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections import Counter

import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

import cladescope
from cladescope.errors import InputError, InUseError
from cladescope.simulation import SimulationConfig, simulate
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.backbone import Backbone
from cladescope.training.data.examples import load_examples
from tests.conftest import REPOSITORY

pytest.importorskip(
    "pdqhash", reason="perceptual hashes need the package pdqhash (it is compiled on Linux: a C++ compiler)"
)

COLUMNS = ("file", "image_id", *RANKS, "common_name", "licence", "specimen_id", "basisOfRecord")


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Sources with faults, and what each image id is."""
    folder = tmp_path_factory.mktemp("planted")
    simulate(folder / "sim", SimulationConfig(species=12, images=6, seed=3))
    with (folder / "sim" / "metadata.csv").open(newline="") as file:
        simulated = list(csv.DictReader(file))
    rows = [
        {
            **dict.fromkeys(COLUMNS, ""),
            **{key: value for key, value in row.items() if key in COLUMNS},
            "file": str(folder / "sim" / row["file"]),
            "licence": "CC0",
        }
        for row in simulated
    ]
    for number, row in enumerate(rows):
        row["image_id"] = f"p{number:03d}"
    truth = {row["image_id"]: "good" for row in rows}
    # The last picture of each species is the test set.
    test = [row for number, row in enumerate(rows) if number % 6 == 5]
    (folder / "test").mkdir()
    for row in test:
        Image.open(row["file"]).save(folder / "test" / f"{row['image_id']}.png")
        truth[row["image_id"]] = "leaked"
    made = folder / "made"
    made.mkdir()
    further = []

    def add(fault, of, **changes):
        image_id = f"x{len(further):03d}"
        further.append({**of, "image_id": image_id, **{key: str(value) for key, value in changes.items()}})
        truth[image_id] = fault

    good = [row for row in rows if truth[row["image_id"]] == "good"]
    with Image.open(good[0]["file"]) as picture:
        picture = picture.convert("RGB")
        picture.resize((picture.width * 2 // 3, picture.height * 2 // 3)).save(made / "small.jpg", quality=85)
        ImageOps.mirror(picture).save(made / "mirrored.jpg", quality=88)
    add("copy", good[0], file=made / "small.jpg")
    add("copy", good[0], file=made / "mirrored.jpg")
    with Image.open(good[7]["file"]) as picture:
        picture.convert("RGB").save(made / "anew.jpg", quality=35)
        picture.convert("RGB").crop((0, 0, picture.width * 17 // 20, picture.height * 17 // 20)).save(
            made / "part.jpg", quality=90
        )
    add("copy", good[7], file=made / "anew.jpg")
    add("copy", good[7], file=made / "part.jpg")
    (made / "cut.png").write_bytes((folder / "sim" / simulated[3]["file"]).read_bytes()[:200])
    (made / "empty.jpg").write_bytes(b"")
    Image.new("RGB", (200, 150), (90, 90, 90)).save(made / "blank.png")
    for name in ("cut.png", "empty.jpg", "blank.png"):
        add("broken", good[12], file=made / name)
    # Names: a synonym, a misspelt one, a genus of two kingdoms with and without its kingdom.
    accepted = {rank: good[20][rank] for rank in RANKS}
    good[20]["species"], truth[good[20]["image_id"]] = "Vetus nomen", "synonym"
    good[20]["genus"] = "Vetus"
    good[21]["species"], truth[good[21]["image_id"]] = good[21]["species"] + "qq", "misspelt"
    good[22] |= {**dict.fromkeys(RANKS, ""), "kingdom": "Plantae", "genus": "Bifrons"}
    truth[good[22]["image_id"]] = "told homonym"
    good[23] |= {**dict.fromkeys(RANKS, ""), "genus": "Bifrons"}
    truth[good[23]["image_id"]] = "homonym"
    good[24]["licence"], truth[good[24]["image_id"]] = "CC BY-ND 4.0", "licence"
    good[25]["licence"], truth[good[25]["image_id"]] = "(c) Jane Doe, all rights reserved", "licence"
    for row in good[40:45]:
        row["specimen_id"] = "S 1"
    (folder / "taxa.tsv").write_text(
        "\t".join(["taxonID", "parentNameUsageID", "acceptedNameUsageID", "scientificName", "taxonRank", "taxonomicStatus", *RANKS]) + "\n"
        + "\t".join(["a", "", "", accepted["species"], "species", "accepted", *accepted.values()]) + "\n"
        + "\t".join(["b", "", "a", "Vetus nomen", "species", "synonym", *[""] * 7]) + "\n"
    )  # fmt: skip
    write(
        folder / "known.csv",
        [
            {**row, **{key: value for key, value in old.items() if key in RANKS}}
            for row, old in zip(rows, simulated, strict=True)
        ],
    )
    with (folder / "known.csv").open("a", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        for kingdom, class_ in (("Plantae", "Magnoliopsida"), ("Animalia", "Insecta")):
            table.writerow({**dict.fromkeys(COLUMNS, ""), "kingdom": kingdom, "class": class_, "genus": "Bifrons"})
    Backbone.build([folder / "taxa.tsv", folder / "known.csv"], folder / "backbone", release="A")
    third = len(rows) // 3
    for name, some in (
        ("one", rows[:third]),
        ("two", rows[third : 2 * third]),
        ("three", [*rows[2 * third :], *further]),
    ):
        write(folder / f"{name}.csv", some)
    (folder / "tree.toml").write_text(
        """
title = "Planted"
[[sources]]
name = "one"
path = "one.csv"
[[sources]]
name = "two"
path = "two.csv"
[[sources]]
name = "three"
path = "three.csv"
[names]
backbone = "backbone"
unknown = "drop"
[licences]
forbid = ["nd", "all rights reserved"]
[[exclude]]
pictures = "test"
[splits]
val = 0.2
[pictures]
min_side = 32
[out]
size = 64
samples_per_shard = 10
"""
    )
    return folder, truth, accepted


@pytest.fixture(scope="module")
def made(planted):
    folder, _, _ = planted
    return cladescope.curate(folder / "tree.toml", out=folder / "tree")


def dropped(out):
    table = pq.read_table(out / "dropped.parquet").to_pylist()
    return {row["image_id"]: f"{row['stage']}: {row['reason']}" for row in table}


def test_every_fault_is_found_and_no_good_picture_is_lost(planted, made):
    folder, truth, accepted = planted
    why = dropped(made.out)
    catalogue = {row["source_id"]: row for row in pq.read_table(made.out / "catalog.parquet").to_pylist()}
    starts = {
        "leaked": "leaks: ",
        "copy": "single: ",
        "broken": "look: ",
        "misspelt": "names: ",
        "homonym": "names: ",
        "licence": "screen: ",
    }
    for image_id, fault in truth.items():
        if fault in starts:
            assert why.get(image_id, "kept").startswith(starts[fault]), (image_id, fault)
            assert image_id not in catalogue
        else:
            assert image_id in catalogue, (image_id, fault, why.get(image_id))
    synonym = next(image_id for image_id, fault in truth.items() if fault == "synonym")
    assert catalogue[synonym]["scientific_name"] == accepted["species"]
    told = next(image_id for image_id, fault in truth.items() if fault == "told homonym")
    assert catalogue[told]["class"] == "Magnoliopsida"
    assert len(catalogue) + len(why) == len(truth), "every record is in one of the two"
    assert made.n_pictures == len(catalogue)


def test_the_counts_of_the_stages_are_those_of_the_records(planted, made):
    _, truth, _ = planted
    flow = {stage["stage"]: stage for stage in made.summary["flow"]}
    faults = Counter(truth.values())
    assert flow["gather"]["in"] == len(truth)
    for before, after in zip(made.summary["flow"], made.summary["flow"][1:], strict=False):
        assert before["out"] == after["in"]
    assert sum(flow["names"]["dropped"].values()) == faults["misspelt"] + faults["homonym"]
    assert sum(flow["screen"]["dropped"].values()) == faults["licence"]
    assert sum(flow["look"]["dropped"].values()) == faults["broken"]
    assert sum(flow["leaks"]["dropped"].values()) == faults["leaked"]
    assert sum(flow["single"]["dropped"].values()) == faults["copy"]
    assert made.summary["splits"]["train"] + made.summary["splits"]["val"] == flow["split"]["out"]


def test_a_specimen_is_on_one_side(planted, made):
    rows = pq.read_table(made.out / "catalog.parquet").to_pylist()
    by_id = {row["source_id"]: row["split"] for row in rows}
    with (planted[0] / "two.csv").open(newline="") as file, (planted[0] / "three.csv").open(newline="") as other:
        specimens = [
            row["image_id"] for table in (file, other) for row in csv.DictReader(table) if row["specimen_id"] == "S 1"
        ]
    assert len({by_id[one] for one in specimens if one in by_id}) == 1


def test_shards_are_read_by_train_and_embed(made, tmp_path):
    examples = load_examples(f"{made.out}/shards/train/shard-*.tar")
    assert len(examples) == made.summary["splits"]["train"]
    cladescope.embed(f"{made.out}/shards/val/shard-*.tar", tmp_path / "val.store", encoder="pixels")
    store = cladescope.open(tmp_path / "val.store")
    assert store.count() == made.summary["splits"]["val"]
    catalogue = {row["uuid"]: row for row in pq.read_table(made.out / "catalog.parquet").to_pylist()}
    for batch in store.scan(["image_id", "genus", "licence"]):
        for row in batch.to_pylist():
            assert row["genus"] == catalogue[row["image_id"]]["genus"]


def test_the_same_bytes_come_from_another_folder_in_another_process(planted, made, tmp_path):
    """Sources stay, the data set is made elsewhere, with another hash seed and number of workers."""
    code = "import sys, cladescope; cladescope.curate(sys.argv[1], out=sys.argv[2], set={'workers': 1})"
    subprocess.run(
        [sys.executable, "-c", code, planted[0] / "tree.toml", tmp_path / "again"],
        check=True,
        cwd=REPOSITORY,
        env={"PYTHONHASHSEED": "7", "PATH": "/usr/bin:/bin"},
    )
    assert hashes(tmp_path / "again") == hashes(made.out)


def hashes(out):
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != ".lock" and not path.name.endswith(".tar.arrow")
    }


def test_a_finished_curation_is_left_as_it_is(planted, made):
    before = {path: path.stat().st_mtime_ns for path in made.out.rglob("*") if path.is_file() and path.name != ".lock"}
    again = cladescope.curate(planted[0] / "tree.toml", out=made.out)
    assert again.summary == made.summary
    assert set(again.kept) == {stage["stage"] for stage in made.summary["flow"]}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_another_backbone_is_refused_until_its_stage_is_made_anew(planted, made, tmp_path):
    folder = planted[0]
    Backbone.build([folder / "known.csv"], tmp_path / "other", release="B")
    with pytest.raises(
        InputError, match="other settings of the stage names: backbone .'A', now 'B'. and .* more; put them back"
    ):
        cladescope.curate(folder / "tree.toml", out=made.out, set={"names.backbone": str(tmp_path / "other")})


def test_a_picture_is_traced_to_its_row_and_a_dropped_one_to_its_reason(planted, made):
    row = pq.read_table(made.out / "catalog.parquet").to_pylist()[0]
    (told,) = cladescope.trace(row["uuid"], out=made.out)
    assert told["image_id"] == row["source_id"]
    assert told["split"] == row["split"]
    with tarfile.open(made.out / told["shard"]) as shard:
        picture = shard.extractfile(told["member"])
        assert Image.open(io.BytesIO(picture.read())).size == (64, 64)
        texts = json.load(shard.extractfile(f"{row['uuid']}.json"))
    assert texts["source"] == told["source"]
    copy = next(image_id for image_id, fault in planted[1].items() if fault == "copy")
    (told,) = cladescope.trace(f"three/{copy}", out=made.out)
    assert told["dropped"]["stage"] == "single"
    assert told["duplicate_of"] in {row["uuid"] for row in pq.read_table(made.out / "catalog.parquet").to_pylist()}
    with pytest.raises(InputError, match="knows no picture 'nobody'"):
        cladescope.trace("nobody", out=made.out)


def test_two_processes_do_not_curate_into_one_folder(planted, made):
    code = f"from filelock import FileLock\nwith FileLock({str(made.out / '.lock')!r}):\n    print('held', flush=True)\n    input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InUseError, match="another process curates"):
            cladescope.curate(planted[0] / "tree.toml", out=made.out)
        other.communicate("\n")


def test_an_excluded_set_that_meets_nothing_is_refused(planted, tmp_path):
    folder = planted[0]
    (tmp_path / "others").mkdir()
    simulate(tmp_path / "sim", SimulationConfig(species=2, images=2, seed=99))
    for number, path in enumerate(sorted((tmp_path / "sim").rglob("*.jpg"))):
        (tmp_path / "others" / f"{number}{path.suffix}").write_bytes(path.read_bytes())
    text = (folder / "tree.toml").read_text().replace('pictures = "test"', f'pictures = "{tmp_path / "others"}"')
    (folder / "none.toml").write_text(text)
    with pytest.raises(InputError, match="others"):
        cladescope.curate(folder / "none.toml", out=tmp_path / "tree")


def test_a_shard_that_is_gone_is_said_by_trace(made, tmp_path):
    row = pq.read_table(made.out / "catalog.parquet").to_pylist()[0]
    assert cladescope.trace(row["uuid"], out=made.out)[0]["problem"] is None
    shard = made.out / row["shard_file_path"]
    shard.rename(tmp_path / "shard.tar")
    try:
        (told,) = cladescope.trace(row["uuid"], out=made.out)
    finally:
        (tmp_path / "shard.tar").rename(shard)
    assert told["member"] is None
    assert told["problem"] == f"{row['shard_file_path']} is gone, or lacks the picture"
