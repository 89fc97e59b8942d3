"""A gallery stays in step with its store: whatever is written, it finds what a plain product over the rows finds."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cladescope.arrays import normalise
from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.records import Record
from cladescope.embedding.tables import failures_table, images_table
from cladescope.index.block import Filter
from cladescope.index.live_gallery import MANY_BLOCKS, LiveGallery
from cladescope.index.store import Store
from cladescope.taxonomy import RANKS, Taxon

DIM = 8
CARD = EncoderCard(name="made-up", dim=DIM, weight_hash=None, transform=None, has_text=False)
FAMILIES = ("Paridae", "Corvidae", None)


def added(store, first, n, *, seed=0):
    vectors = normalise(np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32)).astype(np.float16)
    records = [
        Record(
            image_id=f"i{first + i}",
            uri=f"/{first + i}",
            source="s",
            labels={"class": "Aves", "family": FAMILIES[i % 3]},
        )
        for i in range(n)
    ]
    store.write(images_table(records, vectors, (), {}), failures_table([]))


def wanted(store, query, k, *, family="any"):
    rows = [row for batch in store.scan(["image_id", "vector", *RANKS]) for row in batch.to_pylist()]
    rows = [row for row in rows if family == "any" or row["family"] == family]
    scores = [float(np.dot(np.asarray(row["vector"], np.float32), query)) for row in rows]
    order = np.argsort(-np.array(scores), kind="stable")[:k]
    return {rows[i]["image_id"] for i in order}, np.array(scores)[order]


def found(gallery, query, k, narrowed=None):
    answer = gallery.search(query[None], k, narrowed=narrowed)
    names, families = [], []
    for position in answer.positions[0][answer.positions[0] >= 0].tolist():
        block, place = answer.place(position)
        names += block.rows.values(np.array([place]), ["image_id"])["image_id"]
        families.append(block.rows.taxon(place))
    return names, answer.scores[0][answer.positions[0] >= 0], families


class Writing(RuleBasedStateMachine):
    """Rows come, go and change in any order."""

    def __init__(self):
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.store = Store.create(self.folder.name + "/s", CARD)
        self.n = 0
        self.gallery = None

    def teardown(self):
        self.folder.cleanup()

    @rule(n=st.integers(1, 30))
    def add(self, n):
        added(self.store, self.n, n, seed=self.n)
        self.n += n

    @precondition(lambda self: self.n)
    @rule(part=st.integers(2, 5))
    def delete(self, part):
        ids = [f"i{i}" for i in range(self.n) if i % part == 0]
        if self.store.count():
            self.store.delete(where=f"image_id IN ({', '.join(map(repr, ids))})")

    @precondition(lambda self: self.n)
    @rule(part=st.integers(1, 20), family=st.sampled_from(["Sittidae", "Paridae"]))
    def relabel(self, part, family):
        ids = [id_ for batch in self.store.scan(["image_id"]) for id_ in batch.column(0).to_pylist()][::part]
        if ids:
            self.store.update(pa.table({"image_id": ids, "family": [family] * len(ids)}))

    @rule()
    def compact(self):
        self.store._images.optimize()

    @invariant()
    def what_is_found_is_what_is_there(self):
        if self.gallery is None:
            self.gallery = LiveGallery(self.store)
        self.gallery.catch_up()
        assert len(self.gallery) == self.store.count()
        query = normalise(np.random.default_rng(self.n).standard_normal((1, DIM)).astype(np.float32))[0]
        names, scores, _ = found(self.gallery, query, 7)
        expected, best = wanted(self.store, query, 7)
        assert set(names) == expected
        np.testing.assert_allclose(scores, best, atol=1e-5)
        for family in ("Paridae", "Sittidae"):
            if not self.store.count(where=f"family = '{family}'"):
                continue
            taxa = tuple(self.store.taxonomy.resolve(family))
            condition = self.store.condition(where=f"family = '{family}'")
            for narrowed in (Filter(taxa, None), Filter(None, condition), Filter(taxa, condition)):
                names, _, of = found(self.gallery, query, 5, narrowed)
                assert set(names) == wanted(self.store, query, 5, family=family)[0]
                assert {taxon.name for taxon in of} == {family}


Writing.TestCase.settings = settings(max_examples=10, stateful_step_count=8, deadline=None)
test_whatever_is_written_is_found = Writing.TestCase


def test_many_small_writes_are_joined(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    added(store, 0, 50)
    gallery = LiveGallery(store)
    for i in range(2 * MANY_BLOCKS + 3):
        added(store, 100 + i, 1, seed=i)
        gallery.catch_up()
        assert len(gallery.blocks) <= MANY_BLOCKS + 1
        assert len(gallery) == store.count()
    query = np.ones(DIM, np.float32)
    assert set(found(gallery, query, 9)[0]) == wanted(store, query, 9)[0]


def test_a_gallery_of_an_earlier_version_stays_what_it_was(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    added(store, 0, 20)
    pinned = Store.open(tmp_path / "s", version=store.version)
    gallery = LiveGallery(pinned)
    added(store, 20, 20)
    store.delete(image_ids=["i3"])
    gallery.catch_up()
    assert len(gallery) == 20
    assert "i3" in found(gallery, np.ones(DIM, np.float32), 20)[0]


def test_what_another_writes_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("cladescope.index.live_gallery.LOOK_SECONDS", 0.0)
    store = Store.create(tmp_path / "s", CARD)
    added(store, 0, 20)
    reader = Store.open(tmp_path / "s")
    gallery = LiveGallery(reader)
    store.delete(image_ids=["i3"])
    added(store, 20, 1, seed=5)
    reader.refresh()
    gallery.catch_up()
    assert len(gallery) == 20


@pytest.mark.parametrize("n", [0, 3])
def test_fewer_rows_than_asked_for_are_all_that_come(tmp_path, n):
    store = Store.create(tmp_path / "s", CARD)
    if n:
        added(store, 0, n)
    answer = LiveGallery(store).search(np.ones((2, DIM), np.float32), 10)
    assert (answer.positions >= 0).sum(axis=1).tolist() == [n, n]


def test_many_changed_rows_are_renewed_where_they_stand(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    added(store, 0, 40)
    gallery = LiveGallery(store)
    for changed, blocks in ((3, 2), (40, 1)):
        store.update(
            pa.table({"image_id": [f"i{place}" for place in range(changed)], "family": [f"F{changed}"] * changed})
        )
        gallery.catch_up()
        assert len(gallery.blocks) == blocks
        assert (
            found(gallery, np.ones(DIM, np.float32), 40)[2].count(Taxon((None, None, "Aves", None, f"F{changed}")))
            == changed
        )
