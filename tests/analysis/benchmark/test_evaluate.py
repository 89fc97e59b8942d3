"""Evaluation as Python calls it."""

import json
import threading
from contextlib import contextmanager

import pytest

from cladescope.analysis.benchmark.evaluate import StoppedError, evaluate
from cladescope.analysis.benchmark.page import page
from cladescope.analysis.benchmark.results import save
from cladescope.analysis.benchmark.tables import details, differences, figures
from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError


@pytest.fixture
def few_shot(store, tmp_path):
    return evaluate("few-shot", store.path, shots=[1, 2], out=tmp_path / "o")


def test_a_report_is_a_table_a_row_a_figure(few_shot):
    table = few_shot.table.to_pandas()
    assert table["measure"].tolist() == ["1-shot", "2-shot"]
    assert table["n"].tolist() == [48, 48]
    first = few_shot.documents[0]["results"][0]["figures"]["1-shot"]
    assert (table["value"][0], table["low"][0], table["std"][0]) == (first["value"], first["low"], first["std"])
    saved = json.loads(few_shot.results_path.read_text())["evaluations"]
    assert saved == json.loads(json.dumps(few_shot.documents))
    assert few_shot.page_path.read_text().startswith("# Evaluation")


def test_what_lies_behind_a_figure_fits_it(few_shot):
    result = few_shot.documents[0]["results"][0]
    for name, behind in result["details"].items():
        by_rank = behind["by_rank"]
        assert by_rank["species"] == {**result["figures"][name], "std": None, "folds": ()}
        values = [figure["value"] for figure in by_rank.values()]
        assert values == sorted(values, reverse=True), "who knows the species knows the genus"
        assert behind["by_class"]["macro"]["value"] == pytest.approx(by_rank["species"]["value"], abs=0.02)
        wrong = 1 - by_rank["species"]["value"]
        tree = behind["by_tree"]
        assert tree["height"]["value"] == pytest.approx(wrong * tree["severity"]["value"])
        assert tree["height"]["value"] == pytest.approx(sum(1 - value for value in values))


def test_encoders_may_be_objects_and_only_their_difference_is_tested(clades, tmp_path):
    report = evaluate(
        "few-shot", clades / "images", encoders=[Encoder.load("pixels"), "tiny"], shots=[2], out=tmp_path / "o"
    )
    (document,) = report.documents
    found = document["results"][1]["differences"]["2-shot"]
    assert found["test"] == "permutation"
    assert 0 < found["p"] < 0.05
    assert found["low"] > 0
    table = differences(document)
    assert table.head == ["minus pixels, points", "tiny"]
    assert table.rows[0][1].split(" p ")[1] in ("<0.001", f"{found['p']:.3f}")
    assert [table.head for table in details(document)] == [["2-shot in detail", "pixels", "tiny"]]
    assert "2-shot in detail" in report.page_path.read_text()
    retrieved = evaluate("retrieval", clades / "images", encoders=["pixels", "tiny"], out=tmp_path / "o")
    found = retrieved.documents[0]["results"][1]["differences"]
    measures = {"recall@1": "McNemar", "recall@5": "McNemar", "recall@10": "McNemar", "mAP": "permutation"}
    assert {name: one["test"] for name, one in found.items()} == {
        f"{rank} {measure}": test for rank in ("label", "genus", "species") for measure, test in measures.items()
    }, "the folders' names are species"


def test_zero_shot_says_how_far_its_probabilities_hold(clades, checkpoint, tmp_path):
    report = evaluate("zero-shot", clades / "images", encoders=str(checkpoint), out=tmp_path / "o")
    behind = report.documents[0]["results"][0]["details"]
    assert list(behind) == ["asis top-1", "clean top-1"], "the folders' names have underscores"
    confidence = behind["asis top-1"]["confidence"]
    assert 0 <= confidence["calibration error"]["value"] <= 1
    assert confidence["Brier"]["low"] <= confidence["Brier"]["value"] <= confidence["Brier"]["high"]


def test_results_of_earlier_versions_are_still_shown(few_shot):
    document = json.loads(json.dumps(few_shot.documents[0]))
    newer = page([document])
    del document["results"][0]["details"]
    older = page([document])
    assert details(document) == []
    assert newer.startswith(older)
    assert figures(document).rows[0][0] == "1-shot"


def test_a_result_of_an_earlier_version_gives_way_to_that_of_the_same_encoder(few_shot):
    saved = json.loads(few_shot.results_path.read_text())
    (result,) = saved["evaluations"][0]["results"]
    encoder = {field: result["encoder"][field] for field in ("name", "dim", "weight_hash", "transform", "has_text")}
    another = {**encoder, "weight_hash": "0" * 64}
    saved["evaluations"][0]["results"] = [{**result, "encoder": one, "date": "before"} for one in (encoder, another)]
    few_shot.results_path.write_text(json.dumps(saved))
    (evaluation,) = save(list(few_shot.documents), few_shot.results_path.parent)
    kept, fresh = evaluation["results"]
    assert (kept["encoder"], kept["date"]) == (another, "before")
    assert fresh == few_shot.documents[0]["results"][0]


def test_embedding_can_be_stopped_and_goes_on(clades, tmp_path):
    stop = threading.Event()
    stop.set()

    @contextmanager
    def watch(name):
        assert name == "images, pixels"
        yield None, stop

    call = {"tasks": clades / "images", "encoders": "pixels", "shots": [1], "out": tmp_path / "o"}
    with pytest.raises(StoppedError, match="nothing is lost"):
        evaluate("few-shot", **call, watch=watch)
    assert evaluate("few-shot", **call).table.num_rows == 1


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"protocol": "retrieval", "shots": [1]}, "shots has no meaning for retrieval"),
        ({"encoders": ["pixels", "pixels"]}, "the encoder 'pixels' is given twice"),
        ({"rank": "family"}, "a rank is for stores"),
        ({"protocol": "guessing"}, "found the protocol 'guessing', expected one of zero-shot, few-shot, retrieval"),
        ({"shots": [0]}, "found the shots"),
        ({"tasks": "nowhere"}, "nowhere does not exist"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(clades, tmp_path, changes, message):
    call = {"protocol": "few-shot", "tasks": clades / "images", "encoders": "pixels", "out": tmp_path / "o", **changes}
    with pytest.raises(InputError, match=message):
        evaluate(**call)
    assert not (tmp_path / "o").exists()
