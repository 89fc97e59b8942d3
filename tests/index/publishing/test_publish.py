"""A collection shows what the store holds: its neighbours, its clades, its changes, and nothing else."""

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from cladescope.errors import InputError, StoreError, TakenError
from cladescope.index.publishing.publish import publish_store
from cladescope.index.store import Store
from tests.index.publishing.stores import CARD, CLADES, DATABASES, DIM, add, exact, make, open_base


@pytest.fixture(params=DATABASES)
def base(request, tmp_path):
    opened = open_base(request.param, tmp_path)
    yield opened
    opened.client.close()


@pytest.fixture
def birds(tmp_path):
    return make(tmp_path / "birds.store")


def counts(made):
    return made.added, made.updated, made.unchanged, made.deleted


def test_neighbours_in_the_collection_are_those_that_the_store_finds_exactly_with_and_without_clades(base, birds):
    assert counts(publish_store(birds, base.target(), batch_size=7)) == (60, 0, 0, 0)
    for query in np.random.default_rng(5).standard_normal((4, DIM)).astype(np.float32):
        for within in (None, *CLADES, ["Felidae", "Plantae > Oenanthe"]):
            ids, scores = exact(birds, query, 8, within=within)
            found, found_scores = base.nearest(query, 8, store=birds, within=within)
            assert found == ids, within
            np.testing.assert_allclose(found_scores, scores, atol=2e-3)


def test_a_second_run_changes_nothing_and_compares_no_row(base, birds):
    publish_store(birds, base.target())
    before = base.rows()
    again = publish_store(birds, base.target())
    assert (counts(again), again.compared) == ((0, 0, 60, 0), 0)
    whole = publish_store(birds, base.target(), compare_all=True)
    assert (counts(whole), whole.compared) == ((0, 0, 60, 0), 60)
    assert base.rows() == before


def test_only_what_changed_since_is_compared_and_sent_and_what_left_the_store_leaves(base, birds):
    publish_store(birds, base.target())
    birds.update(pa.table({"image_id": ["i3", "i9"], "common_name": ["cat", "cat"]}))
    birds.delete(image_ids=["i0", "i1", "i2"])
    add(birds, 5, first=100, seed=3)
    plan = publish_store(birds, base.target(), dry_run=True)
    assert counts(plan) == (5, 2, 55, 3)
    assert len(base.rows()) == 60, "a dry run writes nothing"
    made = publish_store(birds, base.target())
    assert (counts(made), made.compared, made.rows) == ((5, 2, 55, 3), 7, 62)
    rows = base.rows()
    assert rows.keys() == {*birds.table(["image_id"])["image_id"].to_pylist()}
    assert rows["i3"]["common_name"] == "cat"
    query = np.ones(DIM, np.float32)
    assert base.nearest(query, 62)[0] == exact(birds, query, 62)[0]


def test_a_run_that_was_cut_short_goes_on_where_it_stopped(base, birds, monkeypatch):
    target = base.target()
    put, sent = target.put, []

    def put_or_die(points):
        if len(sent) == 2:
            raise KeyboardInterrupt
        sent.append(len(points))
        put(points)

    monkeypatch.setattr(target, "put", put_or_die)
    with pytest.raises(KeyboardInterrupt):
        publish_store(birds, target, batch_size=10)
    made = publish_store(birds, base.target(), batch_size=10)
    assert (counts(made), made.compared) == ((40, 0, 20, 0), 60)
    assert len(base.rows()) == 60


def test_points_that_somebody_took_out_come_back(base, birds):
    publish_store(birds, base.target())
    base.drop(["i5", "i7"])
    made = publish_store(birds, base.target())
    assert (counts(made), made.compared) == ((2, 0, 58, 0), 60)
    assert {"i5", "i7"} <= base.rows().keys()


def test_a_part_of_a_store_is_published_and_only_what_is_meant_becomes_another(base, birds):
    made = publish_store(birds, base.target(), within="Felidae", where="width > 650")
    names = birds.table(["image_id"], within="Felidae", where="width > 650")["image_id"].to_pylist()
    assert (made.added, base.rows().keys()) == (len(names), {*names})
    with pytest.raises(TakenError, match="shows .*Felidae.*, asked is all rows"):
        publish_store(birds, base.target())
    whole = publish_store(birds, base.target(), overwrite=True)
    assert counts(whole) == (60 - len(names), 0, len(names), 0)
    part = publish_store(birds, base.target(), within="Felidae", overwrite=True)
    assert counts(part) == (0, 0, 20, 40)
    with pytest.raises(InputError, match="nothing to publish"):
        publish_store(birds, base.target(), where="width > 10000")


def test_a_column_that_came_since_reaches_rows_that_were_not_touched(base, birds):
    publish_store(birds, base.target())
    add(birds, 6, first=60, seed=1, extra={"year": pa.array([2001, 2002, None, 2004, 2005, 2006], pa.int64())})
    made = publish_store(birds, base.target())
    assert (counts(made), made.compared) == ((6, 0, 60, 0), 66)
    assert base.rows()["i60"]["year"] == 2001
    assert base.rows()["i62"].get("year") is None


def test_a_copy_of_the_store_that_went_its_own_way_is_compared_row_by_row(base, birds, tmp_path):
    shutil.copytree(birds.path, tmp_path / "copy.store")
    copy = Store.open(tmp_path / "copy.store")
    birds.delete(image_ids=["i0"])
    copy.delete(image_ids=["i1"])
    copy.update(pa.table({"image_id": ["i2"], "common_name": ["cat"]}))
    publish_store(birds, base.target())
    made = publish_store(copy, base.target())
    assert (counts(made), made.compared) == ((1, 1, 57, 1), 59)
    assert base.rows().keys() == {*copy.table(["image_id"])["image_id"].to_pylist()}


def test_compaction_of_the_store_leaves_the_collection_as_it_is(base, birds):
    add(birds, 20, first=60, seed=1)
    publish_store(birds, base.target())
    birds.tables["images"].optimize()
    assert counts(publish_store(birds, base.target())) == (0, 0, 80, 0)


@pytest.mark.parametrize(
    "other, reason",
    [
        ({"dim": 8}, "holds vectors of 16 numbers, the store's have 8"),
        ({"weight_hash": "1" * 64}, "holds vectors of another encoder: the weights of 'made-up' are not the same"),
        ({"name": "pixels", "weight_hash": "1" * 64}, "another encoder: encoder 'made-up' is not 'pixels'"),
    ],
)
def test_a_collection_of_another_dimension_or_encoder_is_refused_and_left_alone(base, birds, tmp_path, other, reason):
    publish_store(birds, base.target())
    card = replace(CARD, **other)
    another = Store.create(tmp_path / "another.store", card)
    if card.dim == DIM:
        add(another, 4)
    else:
        images = birds.table()
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.full(60 * 8, 0.35, np.float16)), 8)
        from cladescope.embedding.tables import failures_table

        another.write(images.append_column("vector", vectors), failures_table([]))
    for overwrite in (False, True):
        with pytest.raises(StoreError, match=reason):
            publish_store(another, base.target(), overwrite=overwrite)
    assert len(base.rows()) == 60


def test_a_collection_of_another_store_becomes_this_one_only_where_asked(base, birds, tmp_path):
    publish_store(birds, base.target())
    other = make(tmp_path / "other.store", 12, seed=9)
    about = other.path / "store.json"
    about.write_text(about.read_text().replace('"created": "20', '"created": "19'))
    with pytest.raises(TakenError, match="shows another store"):
        publish_store(other, base.target())
    assert counts(publish_store(other, base.target(), overwrite=True)) == (0, 12, 0, 48)


def test_every_column_is_in_the_payload_under_its_name_but_those_of_the_points_own(base, tmp_path):
    n = 6
    extra = {
        "year": pa.array(range(2000, 2006), pa.int64()),
        "digest": pa.array(["own"] * n),
        "clades": pa.array(["own"] * n),
        "id": pa.array([7] * n, pa.int32()),
        "mean depth": pa.array([0.5, float("nan"), None, 1.5, 2.5, float("inf")], pa.float64()),
        "tags": pa.array([["a", "b"]] * n),
        "blob": pa.array([b"x"] * 5 + [None], pa.binary()),
    }
    store = make(tmp_path / "s.store", n, extra=extra)
    made = publish_store(store, base.target())
    row = base.rows()["i0"]
    expected = {"image_id": "i0", "uri": "/pictures/0.jpg", "width": 640, "common_name": "wheatear", "year": 2000}
    expected |= {"manifest_id": 7, "manifest_clades": "own", "manifest_digest": "own", "mean depth": 0.5}
    assert expected.items() <= row.items()
    assert list(row["tags"]) == ["a", "b"]
    assert row["species"] == "Oenanthe oenanthe"
    assert len(row["digest"]) == 32
    assert made.lost == {"blob: no value of type binary is allowed": 5, "mean depth: a number that is not finite": 2}
    assert "blob" not in row


def test_a_request_of_no_point_is_refused(base, birds):
    with pytest.raises(InputError, match="batch_size is 0"):
        publish_store(birds, base.target(), batch_size=0)
