"""`cladescope evaluate`, as a user runs it."""

import csv
import json
import re
import shutil

import numpy as np
import pytest

from cladescope.analysis.benchmark.class_folders import read_class_folders
from cladescope.analysis.benchmark.stores import short_name, store_path, stored_vectors
from cladescope.embedding.encoder import Encoder
from cladescope.index.store import Store
from tests.analysis.measures.test_simple_shot import by_scikit_learn, folds_by_the_book
from tests.conftest import SHARED_DATA

TASKS = SHARED_DATA / "tasks"


@pytest.fixture
def folders(clades, tmp_path):
    """The simulated species as folders with four pictures each."""
    root = tmp_path / "clades525"
    for folder in sorted((clades / "images").iterdir()):
        shutil.copytree(folder, root / folder.name)
    return root


@pytest.fixture
def parts(folders, tmp_path):
    """The same in train/ (three a species) and test/ (one)."""
    root = tmp_path / "parts"
    for folder in sorted(folders.iterdir()):
        for number, path in enumerate(sorted(folder.iterdir())):
            place = root / ("test" if number == 3 else "train") / folder.name
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place / path.name)
    return root


@pytest.fixture
def table(clades, tmp_path):
    """The simulated species as an annotation CSV in BioCLIP's format."""
    path = tmp_path / "rare.csv"
    ranks = ["kingdom", "phylum", "class", "order", "family", "genus"]
    with (clades / "metadata.csv").open() as file, path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["", "kingdom", "phylum", "cls", "order", "family", "genus", "species", "filepath", "class"])
        for number, row in enumerate(csv.DictReader(file)):
            epithet = row["species"].split(" ")[1]
            file_path = row.get("file") or row["path"]
            writer.writerow([number, *(row[rank] for rank in ranks), epithet, clades / file_path, row["species"]])
    return path


def test_few_shot_of_two_encoders_in_one_table(run, folders, tmp_path):
    out = tmp_path / "out"
    command = (
        "evaluate",
        "few-shot",
        folders,
        "--encoder",
        "pixels",
        "--encoder",
        "tiny",
        "--shots",
        "1,2",
        "--out",
        out,
    )
    ended = run(*command)
    assert ended.status == 0
    assert ended.out.splitlines()[0] == (
        "clades525: 48 pictures of 12 classes; few-shot, shots 1, 2; folds 5; draws v2"
    )
    assert ended.out.splitlines()[1].split() == ["percent", "pixels", "tiny"]
    document = json.loads((out / "results.json").read_text())
    (evaluation,) = document["evaluations"]
    first, second = evaluation["results"]
    assert first["figures"]["1-shot"]["n"] == 48
    assert len(first["figures"]["1-shot"]["folds"]) == 5
    assert re.fullmatch("[0-9a-f]{64}", second["encoder"]["weight_hash"])
    assert (first["difference_from"], second["difference_from"]) == (None, "pixels")
    gain = second["differences"]["2-shot"]
    assert gain["value"] == pytest.approx(second["figures"]["2-shot"]["value"] - first["figures"]["2-shot"]["value"])
    page = (out / "results.md").read_text()
    assert "| encoder | clades525: 1-shot | clades525: 2-shot |" in page
    assert "tiny minus pixels" in page
    again = run(*command)
    assert "embedded 0, already stored 48" in again.err
    assert json.loads((out / "results.json").read_text())["evaluations"][0]["results"][0]["figures"] == first["figures"]


def test_few_shot_is_scikit_learns_on_what_is_stored(run, folders, tmp_path):
    ended = run(
        "evaluate", "few-shot", folders, "--encoder", "pixels", "--shots", 2, "--v1-folds", "--out", tmp_path / "out"
    )
    assert ended.status == 0
    figure = json.loads((tmp_path / "out/results.json").read_text())["evaluations"][0]["results"][0]["figures"][
        "2-shot"
    ]
    assert figure["folds"] == accuracies(folders, tmp_path / "out/stores", "pixels", [2], in_place=True)


def accuracies(root, stores, name, shots, *, in_place=False):
    """Accuracy in each fold by scikit-learn, from the stored vectors."""
    task = read_class_folders(root)
    store = Store.open(store_path(stores, task, Encoder.load(name).card))
    vectors = stored_vectors(store, task.image_ids).astype(np.float64)
    classes = task.class_numbers
    return [
        float((by_scikit_learn(vectors, classes, support, test) == classes[test]).mean())
        for support, test in folds_by_the_book(classes.tolist(), shots, in_place=in_place)
    ]


def test_official_parts_give_from_train_and_ask_test(run, parts, tmp_path):
    command = (
        "evaluate",
        "few-shot",
        parts,
        "--encoder",
        "pixels",
        "--shots",
        "1,3,4",
        "--out",
        tmp_path / "out",
        "--json",
    )
    (official,) = run(*command).json["evaluations"]
    (pooled,) = run(*command, "--parts", "all").json["evaluations"]
    figures = official["results"][0]["figures"]
    assert figures["1-shot"]["n"] == 12
    assert figures["3-shot"]["std"] == 0.0, "all training pictures are given in every fold"
    assert official["results"][0]["not_applicable"] == {
        "4-shot": "no class has 4 training pictures (the largest has 3)"
    }
    assert pooled["results"][0]["figures"]["1-shot"]["n"] == 48
    assert (official["settings"]["parts"], pooled["settings"]["parts"]) == ("official", "all")
    assert len(json.loads((tmp_path / "out/results.json").read_text())["evaluations"]) == 2


def test_zero_shot_asks_by_every_kind_of_text(run, table, checkpoint, tmp_path):
    texts = "asis,sci,com,taxon,sci_com,taxon_com"
    ended = run(
        "evaluate",
        "zero-shot",
        table,
        "--encoder",
        checkpoint,
        "--encoder",
        "pixels",
        "--text",
        texts,
        "--out",
        tmp_path / "o",
    )
    assert ended.status == 0
    assert "pixels: not applicable, the encoder has no text side" in ended.out
    (evaluation,) = json.loads((tmp_path / "o/results.json").read_text())["evaluations"]
    figures = evaluation["results"][0]["figures"]
    kinds = [*texts.split(","), "clean"]
    assert set(figures) == {f"{kind} top-{k}" for kind in kinds for k in (1, 3, 5)}
    for kind in kinds:
        values = [figures[f"{kind} top-{k}"]["value"] for k in (1, 3, 5)]
        assert values == sorted(values)
    assert figures["asis top-1"] == figures["sci top-1"] == figures["clean top-1"], "here the label is the binomial"
    assert evaluation["settings"]["templates"] == 81
    assert "not applicable" in (tmp_path / "o/results.md").read_text()


def test_retrieval_is_told_at_every_rank(run, table, tmp_path):
    (evaluation,) = run("evaluate", "retrieval", table, "--encoder", "pixels", "--out", tmp_path / "o", "--json").json[
        "evaluations"
    ]
    figures = evaluation["results"][0]["figures"]
    assert {"label mAP", "species mAP", "genus recall@1", "order recall@10"} <= set(figures)
    assert figures["label mAP"] == figures["species mAP"]
    assert (
        figures["label recall@1"]["value"] <= figures["label recall@5"]["value"] <= figures["label recall@10"]["value"]
    )
    assert figures["family recall@1"]["value"] >= figures["species recall@1"]["value"]


@pytest.mark.parametrize("protocol", ["few-shot", "retrieval"])
def test_a_store_is_evaluated_by_its_own_vectors(run, store, tmp_path, protocol):
    ended = run("evaluate", protocol, store.path, "--rank", "family", "--out", tmp_path / "o")
    assert ended.status == 0
    assert "clades.store by family: 48 pictures" in ended.out
    assert not (tmp_path / "o/stores").exists()


def test_a_store_by_an_unknown_encoder_is_evaluated_where_no_text_is_needed(run, fails, vectors, tmp_path):
    run("import", vectors, "--store", tmp_path / "s", "--encoder", "unknown")
    assert run("evaluate", "few-shot", tmp_path / "s", "--out", tmp_path / "o").status == 0
    assert "zero-shot needs texts, and 'unknown' has no text side" in fails(
        "evaluate", "zero-shot", tmp_path / "s", "--out", tmp_path / "o"
    )


def test_a_store_answers_zero_shot_by_its_encoder(run, table, clades, checkpoint, tmp_path):
    run("embed", clades / "metadata.csv", "--store", tmp_path / "s", "--encoder", checkpoint)
    ours = run("evaluate", "zero-shot", tmp_path / "s", "--text", "sci", "--out", tmp_path / "o", "--json")
    theirs = run(
        "evaluate", "zero-shot", table, "--encoder", checkpoint, "--text", "sci", "--out", tmp_path / "o", "--json"
    )
    figures = [ended.json["evaluations"][0]["results"][0]["figures"] for ended in (ours, theirs)]
    assert figures[0] == figures[1]


def test_broken_and_missing_pictures_are_counted_and_listed(run, table, tmp_path):
    (tmp_path / "broken.jpg").write_text("no picture")
    lines = table.read_text().splitlines()
    first = lines[1].split(",")
    table.write_text(
        "\n".join(
            [*lines, ",".join([*first[:-2], "gone.jpg", first[-1]]), ",".join([*first[:-2], "broken.jpg", first[-1]])]
        )
    )
    ended = run("evaluate", "few-shot", table, "--encoder", "pixels", "--shots", 1, "--out", tmp_path / "o")
    assert "48 pictures of 12 classes, 2 more could not be used" in ended.out
    task = json.loads((tmp_path / "o/results.json").read_text())["evaluations"][0]["task"]
    assert (task["n_images"], task["n_used"]) == (50, 48)
    reasons = {one["uri"].rpartition("/")[2]: one["reason"] for one in task["failed"]}
    assert "no such file" in reasons["gone.jpg"]
    assert reasons["broken.jpg"].startswith("decode: ")
    assert "2 more could not be used" in (tmp_path / "o/results.md").read_text()


def test_a_picture_that_is_listed_twice_is_used_once(run, table, tmp_path):
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1]]))
    ended = run("evaluate", "few-shot", table, "--encoder", "pixels", "--shots", 1, "--out", tmp_path / "o")
    assert "48 pictures of 12 classes, 1 more could not be used" in ended.out


def test_published_rows_stand_beside_a_task_of_the_papers_name(run, folders, tmp_path):
    folders = folders.rename(tmp_path / "birds525")
    run("evaluate", "few-shot", folders, "--encoder", "pixels", "--shots", 1, "--out", tmp_path / "o")
    page = (tmp_path / "o/results.md").read_text()
    assert "| *BioCLIP, published* | 71.8 †‡ |" in page
    assert "part of Birds 525 (12 of 525 classes, 48 of 2,625 pictures): not comparable" in page
    assert "secondary" in page


def test_results_gather_in_one_folder_and_a_new_encoder_joins_its_task(run, folders, parts, tmp_path):
    out = tmp_path / "o"
    run("evaluate", "few-shot", folders, "--encoder", "pixels", "--shots", 1, "--out", out)
    run("evaluate", "retrieval", folders, "--encoder", "pixels", "--out", out)
    run("evaluate", "few-shot", folders, "--encoder", "tiny", "--shots", 1, "--out", out)
    run("evaluate", "few-shot", parts, folders, "--encoder", "pixels", "--shots", 1, "--out", out)
    evaluations = json.loads((out / "results.json").read_text())["evaluations"]
    found = [(one["protocol"], one["task"]["name"], len(one["results"])) for one in evaluations]
    assert sorted(found) == [("few-shot", "clades525", 2), ("few-shot", "parts", 1), ("retrieval", "clades525", 1)]
    assert (out / "results.md").read_text().count("## ") == 3


def test_short_names_are_told_apart_by_their_stores(tmp_path, folders):
    task = read_class_folders(folders)
    card = Encoder.load("pixels").card
    assert short_name("hf-hub:imageomics/bioclip-2") == "hf-hub:imageomics/bioclip-2"
    assert store_path(tmp_path, task, card).parent.parent == tmp_path
    assert store_path(tmp_path, task, card) != store_path(tmp_path, task, Encoder.load("tiny").card)


@pytest.mark.skipif(not TASKS.exists(), reason="the tasks of shared/data are not here")
def test_the_seedlings_are_scored_as_scikit_learn_scores_them(run, tmp_path):
    root = TASKS / "plant-seedlings"
    command = (
        "evaluate",
        "few-shot",
        root,
        "--encoder",
        "pixels",
        "--shots",
        "1,5",
        "--parts",
        "all",
        "--out",
        tmp_path / "o",
    )
    figures = run(*command, "--json").json["evaluations"][0]["results"][0]["figures"]
    ours = [*figures["1-shot"]["folds"], *figures["5-shot"]["folds"]]
    assert ours == accuracies(root, tmp_path / "o/stores", "pixels", [1, 5])


def test_an_encoder_is_said_to_have_been_trained_on_the_taxa_that_are_tested(run, folders, tmp_path):
    species = sorted(path.name for path in folders.iterdir())
    folders.joinpath(species[0]).rename(folders / "Parus_major")
    ended = run("evaluate", "few-shot", folders, "--encoder", "tiny", "--shots", "1", "--out", tmp_path / "o")
    assert ended.status == 0
    said = f"clades525: tiny was trained on 1 of the {len(species)} classes (Parus major)"
    assert said in ended.err
    ended = run("evaluate", "few-shot", folders, "--encoder", "pixels", "--shots", "1", "--out", tmp_path / "o")
    assert "was trained on" not in ended.err
