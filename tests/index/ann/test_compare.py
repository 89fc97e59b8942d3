"""The kind that is left open is chosen by measurement, within limits."""

import numpy as np
import pytest

from cladescope.errors import InputError
from cladescope.index.ann import build as building
from cladescope.index.ann import compare as comparing
from cladescope.index.ann.build import build
from cladescope.index.ann.compare import Limits
from cladescope.index.ann.curve import draw_curve
from cladescope.index.ann.files import folder
from cladescope.index.ann.kinds import NAMES
from cladescope.index.ann.page import page
from tests.index.ann.stores import DIM, made


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return made(tmp_path_factory.mktemp("compare"), 900)


@pytest.fixture
def few_enough(monkeypatch):
    monkeypatch.setattr(building, "AUTO_MIN_ROWS", 100)
    monkeypatch.setattr(comparing, "SAMPLE_ROWS", 400)


def test_a_small_store_is_flat_unasked(store):
    card = build(store)
    assert (card.kind, card.factory, card.candidates) == ("flat", "SQfp16", ())
    assert not (folder(store.path) / "tradeoff.png").exists()


def test_the_graph_is_built_unasked_and_the_others_only_where_no_parameters_reach_the_target(
    store, few_enough, monkeypatch
):
    card = build(store, target_recall=0.8)
    assert (card.kind, card.target_met, card.candidates) == ("hnsw", True, ())
    measured = building._measured
    monkeypatch.setattr(building, "_measured", lambda plan, kind, engine: (measured(plan, kind, engine)[0], False))
    card = build(store, target_recall=0.8)
    assert [row["kind"] for row in card.candidates] == list(NAMES)


def test_the_fastest_kind_that_meets_the_target_is_built_and_the_others_are_told(store, few_enough):
    card = build(store, kind="compare")
    assert [row["kind"] for row in card.candidates] == list(NAMES)
    met = [row for row in card.candidates if row["worst_recall"] >= card.target_recall]
    # An index of twice the size must be 1.4 times as fast.
    assert card.kind == max(met, key=lambda row: row["per_second"] / row["bytes_per_vector"] ** 0.5)["kind"]
    assert any("a sample of 400 rows" in note for note in card.notes)
    assert "Kinds that were compared" in page(card)


def test_kinds_beyond_a_limit_are_left_out_with_the_reason(store, few_enough):
    flat = 900 * 2 * DIM
    card = build(store, limits=Limits(memory=flat + 900 * DIM))
    left_out = {row["kind"]: row["left_out"] for row in card.candidates if "left_out" in row}
    assert "hnsw" in left_out
    assert "more than" in left_out["hnsw"]
    assert card.kind not in left_out
    with pytest.raises(InputError, match=r"no kind of index is within the limits: flat takes 28.8 KB, more than 1 KB"):
        build(store, limits=Limits(memory=1000))
    with pytest.raises(InputError, match="hnsw takes .*more than"):
        build(store, kind="hnsw", limits=Limits(memory=flat))
    with pytest.raises(InputError, match="takes about .* minutes, more than"):
        build(store, kind="hnsw", limits=Limits(seconds=1e-9))


def test_the_trade_off_is_a_table_and_a_picture(store):
    card = build(store, kind="hnsw")
    assert (folder(store.path) / "tradeoff.png").read_bytes().startswith(b"\x89PNG")
    speeds = [row["per_second"] for row in card.curve]
    assert speeds == sorted(speeds, reverse=True)
    worst = [min(row["recall"].values()) for row in card.curve]
    assert worst == sorted(worst)
    assert "Recall@10 and speed" in page(card)


def test_a_curve_of_a_store_that_left_no_picture_out_is_drawn(tmp_path):
    rows = [{"parameters": {"efSearch": 10}, "per_second": 100, "recall": {"stored": 0.9}}]
    draw_curve(tmp_path / "curve.png", rows, 0.95, "title")
    assert (tmp_path / "curve.png").stat().st_size > 1000
    assert np.isfinite(rows[0]["per_second"])
