"""Boxes of one photograph look alike whatever they show: figures must not be made of that.

The pictures here say nothing of their class: each photograph has a direction of its own, and its boxes lie along it. Who may
learn from one box and be asked about another is right; who may not is right by chance.
"""

import numpy as np
import pyarrow as pa
import pytest

from cladescope.analysis.audit.leaks import leaks_against, split_leaks
from cladescope.analysis.audit.run import audit
from cladescope.analysis.benchmark.protocol import ProtocolConfig
from cladescope.analysis.benchmark.scoring import Contender, score
from cladescope.analysis.benchmark.store_task import read_store
from cladescope.analysis.classify.calibrate import fit_calibrated
from cladescope.analysis.classify.draws import draw_share
from cladescope.analysis.classify.fit import fit_store
from cladescope.analysis.measures.retrieval import retrieval
from cladescope.analysis.measures.simple_shot import few_shot_answers
from cladescope.analysis.pictures import Pictures
from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.records import Record
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import InputError
from cladescope.index.store import Store

PHOTOS, BOXES, CLASSES, DIM = 24, 5, 3, 64
CARD = EncoderCard(name="made-up", dim=DIM, weight_hash=None, transform=None, has_text=False)


@pytest.fixture(scope="module")
def planted():
    """Vectors, classes and photographs of boxes."""
    rng = np.random.default_rng(3)
    photo = np.repeat(np.arange(PHOTOS), BOXES)
    directions = rng.standard_normal((PHOTOS, DIM))
    vectors = directions[photo] + 0.05 * rng.standard_normal((len(photo), DIM))
    return vectors.astype(np.float32), photo % CLASSES, photo


@pytest.fixture
def boxes(tmp_path, planted):
    """A store of them, the photographs of class 0 told by their observation and the others by their boxes."""
    vectors, classes, photo = planted
    records = [
        Record(
            image_id=f"i{n}",
            uri=f"/{n}.jpg" if one == 0 else f"/photo{photo[n]}.jpg#box={n},0,9,9",
            source="s",
            labels={"genus": f"G{one}", "observation_id": f"o{photo[n]}" if one == 0 else None},
            extra={"part": "train" if n % 2 else "test"},
        )
        for n, one in enumerate(classes.tolist())
    ]
    store = Store.create(tmp_path / "s", CARD)
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    fields = [pa.field("part", pa.string())]
    store.add_fields(fields)
    store.write(images_table(records, unit, fields, {}), failures_table([]))
    return store


def test_what_is_held_out_shares_no_photograph_with_what_is_learnt(planted):
    vectors, classes, photo = planted
    held = draw_share(classes, 0.2, kin=photo)
    assert not set(photo[held]) & set(photo[~held])
    sizes, shares = np.bincount(classes), np.bincount(classes[held], minlength=CLASSES)
    assert (shares >= 0.2 * sizes).all()
    assert (shares < 0.2 * sizes + BOXES).all()
    labels = tuple(f"G{n}" for n in range(CLASSES))
    apart = fit_calibrated(vectors, classes, labels, method="knn", k=5, kin=photo)
    mixed = fit_calibrated(vectors, classes, labels, method="knn", k=5)
    assert mixed.right.mean() == 1.0, "the figure that would be shown where kin are not kept together"
    assert apart.right.mean() < 0.7


def test_no_class_is_emptied_and_one_of_a_single_photograph_gives_nothing():
    classes, kin = np.array([0] * 6 + [1] * 6), np.array([0] * 6 + [1, 1, 1, 2, 2, 2])
    held = draw_share(classes, 0.5, kin=kin)
    assert not held[:6].any()
    assert held[6:].sum() == 3
    assert (draw_share(classes, 0.5, kin=np.arange(12)) == draw_share(classes, 0.5)).all()


def test_a_classifier_of_a_store_is_judged_by_other_photographs(boxes):
    fitted = fit_store(boxes, rank="genus", method="knn")
    assert fitted.accuracy < 0.7
    assert any("120 pictures are copies or boxes of one photograph" in note for note in fitted.notes)
    low, high = fitted.accuracy_interval
    independent = fitted.calibrated.right.mean() * (1 - fitted.calibrated.right.mean()) / fitted.held_out
    assert high - low > 2 * 1.96 * np.sqrt(independent), "kin are resampled together, so less is known"


def test_few_shot_asks_no_box_of_a_photograph_that_is_given(planted, boxes):
    vectors, classes, photo = planted
    mixed = few_shot_answers(vectors, classes, [5])["5-shot"].outcome(classes)
    apart = few_shot_answers(vectors, classes, [5], kin=photo)["5-shot"].outcome(classes)
    assert mixed.value > 0.55 > 0.4 > apart.value
    task = read_store(boxes, rank="genus")
    assert any("120 pictures share a photograph or observation" in line for line in task.left_out)
    found = score(
        task, Contender(store=boxes), ProtocolConfig(protocol="few-shot", shots=(5,)), np.ones(len(task), bool)
    )
    assert found.outcomes["5-shot"].value < 0.4
    one = np.zeros(len(classes), np.int64)
    with pytest.raises(InputError, match="none is left to ask"):
        few_shot_answers(vectors, classes, [1], kin=one)


def test_retrieval_finds_other_photographs(planted, boxes):
    vectors, classes, photo = planted
    assert retrieval(vectors, {"label": classes}).outcomes["label recall@1"].value == 1.0
    found = retrieval(vectors, {"label": classes}, kin=photo)
    assert found.outcomes["label recall@1"].value < 0.7
    assert (photo[found.first] != photo).all()
    # By hand: the nearest box of another photograph.
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = unit @ unit.T
    scores[photo[:, None] == photo] = -np.inf
    assert found.outcomes["label recall@1"].value == (classes[scores.argmax(axis=1)] == classes).mean()
    ranking = np.argsort(-scores, axis=1, kind="stable")[:, : len(photo) - BOXES]
    same = classes[ranking] == classes[:, None]
    precision = np.cumsum(same, axis=1) / np.arange(1, same.shape[1] + 1)
    assert found.outcomes["label mAP"].value == pytest.approx(
        ((precision * same).sum(axis=1) / same.sum(axis=1)).mean()
    )
    task = read_store(boxes, rank="genus")
    scored = score(task, Contender(store=boxes), ProtocolConfig(protocol="retrieval"), np.ones(len(task), bool))
    assert scored.outcomes["label recall@1"].value == pytest.approx(found.outcomes["label recall@1"].value, abs=0.05)


def test_a_photograph_on_both_sides_of_a_split_is_a_leak(boxes):
    pictures = Pictures.of_store(boxes, columns=("image_id", "uri", "content_hash", "observation_id", "part"))
    none = np.empty((0, 2), np.int64)
    found = {(row["by"], row["group"]) for row in split_leaks(pictures, "part", none, none)}
    assert sum(by == "parent" for by, _ in found) == PHOTOS * 2 // 3
    assert sum(by == "observation_id" for by, _ in found) == PHOTOS // 3
    assert audit(pictures, split="part", rank="genus").summary["leaks"] >= PHOTOS
    half = pictures.take(np.arange(0, len(pictures), 2))
    other = pictures.take(np.arange(1, len(pictures), 2))
    assert {row["by"] for row in leaks_against(half, other, least=2.0)} == {"parent", "observation_id"}


def test_boxes_of_one_photograph_have_one_vote_and_those_of_the_query_none(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    base = np.eye(DIM, dtype=np.float16)[0]
    uris = [
        *(f"/a.jpg#box={n},0,9,9" for n in range(3)),
        *(f"/b.jpg#box={n},0,9,9" for n in range(3)),
        "/c.jpg",
        "/d.jpg",
    ]
    genera = ["A"] * 3 + ["B"] * 3 + ["C", "C"]
    records = [
        Record(image_id=f"i{n}", uri=uri, source="s", labels={"genus": genus})
        for n, (uri, genus) in enumerate(zip(uris, genera, strict=True))
    ]
    store.write(images_table(records, np.tile(base, (8, 1)), (), {}), failures_table([]))
    anyone = store.search(vector=base.astype(np.float32), k=8)
    assert (anyone.kin_of_query, anyone.kin_of_hits) == (0, 4)
    votes = {str(vote.taxon): vote.share for vote in anyone.consensus.votes}
    assert votes == {"C": 0.5}, "two photographs against one and one"
    of_a = store.search(image_id="i0", k=8)
    assert (of_a.kin_of_query, of_a.kin_of_hits) == (2, 2)
    assert [hit.image_id for hit in of_a.hits][:2] == ["i1", "i2"], "they are shown"
    assert str(of_a.consensus.taxon) == "C"
    assert of_a.consensus.share == pytest.approx(2 / 3)
