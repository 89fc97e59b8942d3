"""Honest cards: an index is measured with queries that it does not hold, kind by kind, and says where it falls short."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from cladescope.arrays import normalise
from cladescope.embedding.encoder import Encoder
from cladescope.errors import EncoderError, InputError, StoreError
from cladescope.index.ann import engine as engines
from cladescope.index.ann.build import build
from cladescope.index.ann.files import AnnIndex, folder
from cladescope.index.ann.held_out import held_out
from cladescope.index.ann.page import page
from cladescope.index.ann.queries import queries_of
from cladescope.index.centroids import centroid
from cladescope.index.resident.snapshot import snapshot
from cladescope.index.store import Store
from cladescope.taxonomy import RANKS
from tests.index.ann.stores import DIM, add, card, clustered, made


class Texts(Encoder):
    """Gives each text a direction that no picture has."""

    def __init__(self):
        self.card = card(has_text=True)

    def encode_pixels(self, batch):
        raise AssertionError

    def encode_texts(self, texts):
        rng = np.random.default_rng(len(texts))
        return normalise(np.ones(DIM) * 0.5 - rng.random((len(texts), DIM)) * 0.2).astype(np.float32)


def with_texts(folder, n, **more):
    store = made(folder, n, has_text=True, **more)
    store.__dict__["encoder"] = Texts()
    return store


def test_every_kind_of_query_is_measured_and_none_but_the_stored_is_in_the_index(tmp_path):
    found = build(with_texts(tmp_path, 1200), kind="hnsw")
    assert set(found.queries) == {"picture", "text", "mixture", "subtraction", "centroid", "stored"}
    for measured in found.queries.values():
        assert set(measured.recall) == {"1", "10", "100"}
        for share in measured.recall.values():
            assert 0 <= share.low <= share.mean <= share.high <= 1
    assert (found.target_met, found.failing, found.not_measured) == (True, (), ())
    assert set(found.classes) == {"C0", "C1", "C2"}
    assert found.sources == {}, "one source is no comparison"


def test_an_index_that_serves_its_own_rows_and_not_others_says_so(tmp_path, monkeypatch):
    """The neighbours of a stored picture lie in its own cell; those of pictures between two cells do not, and these come from outside."""
    monkeypatch.setattr(engines.Engine, "ladder", lambda *_: [{"nprobe": 1}])
    centres = np.linalg.qr(np.random.default_rng(0).standard_normal((DIM, DIM)))[0]
    species = np.repeat(np.arange(DIM), 100)
    chosen = np.random.default_rng(2)
    between = np.stack([centres[chosen.permutation(DIM)[:4]].sum(axis=0) / 2 for _ in range(120)])
    vectors = np.concatenate([centres[species], between]) * 5
    vectors = normalise(vectors + 0.3 * np.random.default_rng(1).standard_normal(vectors.shape)).astype(np.float16)
    # A whole cluster is one observation, too large a group to be left out.
    observations = [*(f"o{one}" for one in species), *(f"between {row}" for row in range(120))]
    store = Store.create(tmp_path / "s", card())
    add(store, vectors, np.concatenate([species, np.arange(120) % DIM]), observations=observations)
    found = build(store, kind=f"IVF{DIM},SQfp16", target_recall=0.9)
    stored, picture = (found.queries[kind].recall["10"].mean for kind in ("stored", "picture"))
    assert stored >= 0.9 > 0.8 > picture
    assert not found.target_met
    assert "picture" in found.failing
    assert "stored" not in found.failing
    assert f"NOT met: picture reached {picture:.4f}" in page(found)


def test_copies_count_as_found(tmp_path):
    store = Store.create(tmp_path / "s", card())
    vectors, species = clustered(300)
    add(store, np.repeat(vectors, 20, axis=0), np.repeat(species, 20))
    found = build(store, kind="hnsw")
    assert found.ann_recall == pytest.approx({"1": 1.0, "10": 1.0, "100": 1.0}, abs=0.01)
    assert found.queries["picture"].recall["10"].mean > 0.98
    assert found.target_met


def test_pictures_of_one_observation_are_left_out_together_and_asked_apart_from_the_index(tmp_path, monkeypatch):
    seen = []
    original = engines.Engine.built.__func__

    def spied(cls, kind, vectors, **more):
        seen.append(vectors.copy())
        return original(cls, kind, vectors, **more)

    monkeypatch.setattr(engines.Engine, "built", classmethod(spied))
    observations = [f"o{row // 4}" for row in range(800)]
    store = made(tmp_path, 800, observations=observations)
    found = build(store, kind="flat")
    index = AnnIndex.find(store.path)
    observed = np.array(index.rows.table.column("observation_id").to_pylist())
    n_kept = len(seen[0])
    assert 700 <= n_kept < 800 == found.n_vectors == len(index)
    assert not {*observed[:n_kept]} & {*observed[n_kept:]}
    codes = index.rows.codes
    assert (np.diff(codes[:n_kept]) >= 0).all()
    assert (np.diff(codes[n_kept:]) >= 0).all()


def test_rare_species_and_sources_are_told_apart(tmp_path):
    store = Store.create(tmp_path / "s", card())
    vectors, species = clustered(1500)
    species[1000:] = 100 + np.arange(500) // 2
    add(store, vectors, species, sources=("one", "two"))
    found = build(store, kind="hnsw")
    assert found.queries["rare"].n >= 15
    assert set(found.sources) == {"one", "two"}
    assert "species with 1-5 pictures" in page(found)


def test_texts_that_cannot_be_encoded_are_told_with_the_reason(tmp_path, monkeypatch):
    store = made(tmp_path, 300, has_text=True)
    gone = EncoderError("the checkpoint /models/x is not there")
    monkeypatch.setattr(type(store), "encoder", property(lambda _: (_ for _ in ()).throw(gone)))
    found = build(store, kind="flat")
    assert found.not_measured == ("texts: the checkpoint /models/x is not there",)
    assert "text" not in found.queries
    assert "the checkpoint /models/x is not there" in page(found)
    (tmp_path / "none").mkdir()
    assert build(made(tmp_path / "none", 300), kind="flat").not_measured == ("texts: the encoder has no text side",)


def test_far_queries_reach_the_target_although_pictures_need_less(tmp_path):
    found = build(with_texts(tmp_path, 3000), kind="hnsw", target_recall=0.98)
    assert found.queries["text"].recall["10"].mean >= 0.97
    assert found.far_below > -1
    assert {step.k for step in found.steps} == {10, 100}


def test_the_card_says_what_a_changed_consensus_costs(tmp_path, monkeypatch):
    assert build(made(tmp_path, 600), kind="flat").queries["picture"].consensus_changed.mean == 0
    monkeypatch.setattr(
        "cladescope.index.ann.measure._asked", lambda index, queries, k: np.zeros((len(queries), k), np.int64)
    )
    (tmp_path / "wrong").mkdir()
    assert build(made(tmp_path / "wrong", 600), kind="flat").queries["picture"].consensus_changed.mean > 0.5


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_a_store_of_a_handful_gets_an_index_and_a_wide_interval(tmp_path, n):
    store = made(tmp_path, n)
    found = build(store, kind="hnsw")
    assert found.n_vectors == n
    answer = store.search(vector=store.matrix()[0], k=n)
    assert len(answer.hits) == n
    for measured in found.queries.values():
        assert measured.recall["1"].low < 0.7


@pytest.mark.parametrize("target", [0.0, 1.1, -1.0, float("nan"), float("inf")])
def test_a_target_that_is_no_share_is_refused(tmp_path, target):
    with pytest.raises(InputError, match="target recall is .*must lie in 0 to 1"):
        build(made(tmp_path, 3), target_recall=target)


def test_a_build_killed_half_way_leaves_the_earlier_index(tmp_path, monkeypatch):
    store = made(tmp_path, 200)
    before = build(store, kind="flat")

    class KilledError(BaseException):
        pass

    def killed(*_, **__):
        raise KilledError

    for place in ("build.Figures", "build.sweep", "files.write_rows", "files.hash_file", "files.write_json"):
        with monkeypatch.context() as patch:
            patch.setattr(f"cladescope.index.ann.{place}", killed)
            with pytest.raises(KilledError):
                build(store, kind="hnsw")
        index = AnnIndex.find(store.path)
        assert index.card.kind == before.kind == "flat"
        assert len(index.search(store.matrix()[:1], 5)[1][0]) == 5


def test_an_index_is_built_over_one_version_while_the_store_is_written(tmp_path, monkeypatch):
    store = made(tmp_path, 300)
    version = store.version
    original = engines.Engine.built.__func__

    def written_meanwhile(cls, kind, vectors, **more):
        other = Store.open(store.path)
        with other.writing():
            add(other, *clustered(5, seed=5), first=1000)
        return original(cls, kind, vectors, **more)

    monkeypatch.setattr(engines.Engine, "built", classmethod(written_meanwhile))
    found = build(store, kind="hnsw")
    assert (found.store_version, found.n_vectors) == (version, 300)
    store.refresh()
    assert len({hit.image_id for hit in store.search(vector=store.matrix()[0], k=305).hits}) == 305


def test_the_sweep_of_filters_stands_on_the_card_and_what_it_says_is_done(tmp_path):
    store = made(tmp_path, 2500)
    found = build(store, kind="hnsw")
    assert {row["of"] for row in found.filters} > {"random rows"}
    for row in found.filters:
        assert row["recall"] >= 0.95
        assert row["answered"] == ("exactly" if row["rows"] <= found.exact_below else "by the index")
    assert "Up to" in page(found)


def test_filters_are_measured_with_queries_that_did_not_choose_their_path(tmp_path, monkeypatch):
    asked = []

    def measured(index, queries, selection):
        asked.append(queries)
        first = len(asked) % 2 == 1
        return {"recall": 1.0 if first else 0.5, "index_ms": 1.0, "exact_ms": 2.0}

    monkeypatch.setattr("cladescope.index.ann.sweep._measured", measured)
    found = build(made(tmp_path, 2500), kind="hnsw")
    assert found.exact_below == 0, "those that choose found everything"
    assert {row["recall"] for row in found.filters} == {0.5}, "and the table tells what the others found"
    choosing, others = ({query.tobytes() for query in half} for half in asked[:2])
    assert choosing
    assert others
    assert not choosing & others


def test_a_filter_costs_no_recall_whatever_it_leaves(tmp_path):
    store = made(tmp_path, 2500)
    build(store, kind="hnsw")
    index = AnnIndex.find(store.path)
    index = type(index)(replace(index.card, exact_below=0), index.rows, index.engine)
    queries = clustered(40, seed=3)[0].astype(np.float32)
    rng = np.random.default_rng(0)
    from cladescope.index.resident.selection import Selection, selected

    for selection in (
        *(Selection(2500, mask=rng.random(2500) < share) for share in (0.001, 0.05, 0.3, 0.6, 0.95)),
        selected(index.rows.codes < 12),
        selected(index.rows.codes == 3),
        Selection(2500, ranges=[]),
        Selection(2500, ranges=[(7, 8)]),
    ):
        scores, found = index.search(queries, 10, selection=selection)
        truth = index.exact(queries, 10, selection=selection)[1]
        assert selection.mask[found[found >= 0]].all()
        assert (found >= 0).sum() == (truth >= 0).sum()
        good = np.mean([len({*a} & {*b}) / 10 for a, b in zip(found.tolist(), truth.tolist(), strict=True)])
        assert good > 0.95 or selection.n < 10
        assert (np.diff(np.where(found >= 0, scores, -9), axis=1) <= 1e-6).all()


def test_a_damaged_card_or_one_of_a_newer_make_is_told_in_a_line(tmp_path):
    store = made(tmp_path, 50)
    build(store, kind="flat")
    (folder(store.path) / "card.json").write_text("{")
    with pytest.raises(StoreError, match="is damaged .*: build the index again") as error:
        AnnIndex.find(store.path)
    assert "\n" not in str(error.value)
    assert store.search(vector=store.matrix()[0]).method == "exact"
    assert build(store, kind="flat").n_vectors == 50


def test_centroids_are_asked_as_a_search_by_taxon_makes_them(tmp_path):
    """Each lineage of a taxon counts alike, however many pictures it has."""
    store = Store.create(tmp_path / "s", card())
    vectors, species = clustered(600)
    add(store, vectors, np.where(species < 38, species // 8, species))
    rows = snapshot(store)
    codes = rows.codes
    kept = held_out(
        pa.RecordBatch.from_pylist([{"uri": str(n), "observation_id": None, "content_hash": None} for n in range(600)]),
        codes,
    )
    asked, _ = queries_of(rows, len(rows), kept, None)
    found = asked.vectors[asked.kinds["centroid"]]
    names = {taxon.name for rank in RANKS for taxon in store.taxonomy.taxa(rank)}
    right = np.stack([centroid(store, name) for name in sorted(names)])
    assert len(found) > 10
    np.testing.assert_allclose((found @ right.T).max(axis=1), 1, atol=1e-6)
