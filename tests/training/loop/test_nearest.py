"""1-NN accuracy at each rank between the epochs of a run."""

import csv
import json

import numpy as np
import pytest

from cladescope.analysis.probes.training_curve import draw_nearest_curve
from cladescope.taxonomy.taxon import RANKS
from cladescope.training.loop import nearest
from cladescope.training.loop.logs import LOG_FILE
from cladescope.training.loop.nearest import nearest_by_rank, write_nearest
from tests.training.small_runs import curve

pytestmark = pytest.mark.usefixtures("one_thread")


def made(seed=0, n=40):
    rng = np.random.default_rng(seed)
    species = rng.integers(8, size=n)
    codes = np.stack(
        [species // 8, species // 8, species // 8, species // 4, species // 2, species // 2, species], axis=1
    )
    codes[::7, 5:] = -1
    return rng.normal(size=(8, 4))[species] + rng.normal(size=(n, 4)), codes


def test_shares_are_those_of_a_look_at_all_pairs_and_ranks_of_one_taxon_are_left_out():
    vectors, codes = made()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    near = cosine.argmax(axis=1)
    found = nearest_by_rank("images", vectors, codes)
    assert list(found) == [f"nearest_images_{rank}" for rank in RANKS[3:]]
    for place, rank in enumerate(RANKS[3:], start=3):
        known = codes[:, place] >= 0
        assert found[f"nearest_images_{rank}"] == pytest.approx(
            (codes[known, place] == codes[near[known], place]).mean()
        )


def test_vectors_without_direction_are_left_out_and_few_pictures_have_none(monkeypatch):
    vectors, codes = made()
    bad = np.concatenate([vectors, np.full((2, 4), np.nan), np.zeros((1, 4))])
    assert nearest_by_rank("x", bad, np.concatenate([codes, codes[:3]])) == nearest_by_rank("x", vectors, codes)
    assert nearest_by_rank("x", vectors[:1], codes[:1]) == {}
    monkeypatch.setattr(nearest, "MOST", 10)
    few = nearest_by_rank("x", vectors, codes)
    assert few == nearest_by_rank("x", vectors, codes)
    assert few["nearest_x_order"] * 10 == pytest.approx(round(few["nearest_x_order"] * 10)), "of ten pictures"


def test_a_run_leaves_a_table_and_a_curve(finished):
    lines = [line for line in curve(finished) if line["kind"] == "evaluate"]
    assert [line["step"] for line in lines] == [3, 6]
    with (finished / "nearest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["3", "6"]
    for row, line in zip(rows, lines, strict=True):
        for name in row:
            assert float(row[name]) == line[name if name == "step" else f"nearest_{name}"]
            assert name == "step" or 0 <= float(row[name]) <= 1
    assert any(name.startswith("images_") for name in rows[0])
    assert any(name.startswith("species_") for name in rows[0])
    assert "</svg>" in (finished / "nearest.svg").read_text()
    assert (finished / "nearest.png").exists()


def test_one_evaluation_makes_no_curve_and_none_no_table(tmp_path):
    (tmp_path / LOG_FILE).write_text("")
    write_nearest(tmp_path)
    assert not (tmp_path / "nearest.csv").exists()
    (tmp_path / LOG_FILE).write_text(
        json.dumps({"kind": "evaluate", "step": 4, "zero_shot_images": 0.1, "nearest_images_order": 0.5}) + "\n"
    )
    write_nearest(tmp_path)
    assert (tmp_path / "nearest.csv").read_text() == "step,images_order\n4,0.5\n"
    assert not (tmp_path / "nearest.svg").exists()


def test_a_panel_a_part_and_a_line_a_rank():
    figure = draw_nearest_curve(
        [1, 2], {"images_order": [0.5, None], "species_order": [0.1, 0.2], "species_genus": [0, 1]}
    )
    assert [len(axes.lines) for axes in figure.axes] == [1, 2]
    assert figure.axes[1].lines[0].get_ydata().tolist() == [0.1, 0.2]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["order", "genus"]
