"""What a person's few labelled pictures say of a whole store: held against the slow classifiers, pictures asked one by one, and what is promised."""

from time import thread_time

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binomtest

from cladescope.analysis.classify.asked_quickly import asked_apart
from cladescope.analysis.classify.few_shot import Prototypes, SimpleShot
from cladescope.analysis.classify.taught import UNSURE, Whole, teach
from cladescope.analysis.pictures import Pictures
from cladescope.errors import InputError
from cladescope.taxonomy import Taxon

FIT = {"simpleshot": SimpleShot, "prototypes": Prototypes}


@pytest.fixture
def drawn():
    """Makes n pictures of kinds, `spread` apart, and says the kind of each."""

    def draw(n, kinds=4, spread=0.6, d=32, seed=0, **columns):
        rng = np.random.default_rng(seed)
        middle, kind = rng.normal(size=(kinds, d)), rng.integers(0, kinds, n)
        vectors = (spread * middle[kind] + rng.normal(size=(n, d))).astype(np.float32)
        table = {"image_id": [f"p{row}" for row in range(n)], "uri": [f"/p/{row}.jpg" for row in range(n)], **columns}
        return Whole(Pictures.of_table(vectors, pa.table(table))), kind

    return draw


def classes_of(kind, each, n_kinds):
    return {f"kind {one}": [f"p{row}" for row in np.flatnonzero(kind == one)[:each]] for one in range(n_kinds)}


@pytest.mark.parametrize("method", ["simpleshot", "prototypes"])
def test_pictures_are_asked_one_by_one_about_classes_of_the_others(drawn, method):
    whole, kind = drawn(40, spread=0.35)
    vectors = whole.pictures.vectors
    scores, asked = asked_apart(vectors, kind, np.arange(40), n_classes=4, method=method)
    assert asked.all()
    for row in range(40):
        rest = np.arange(40) != row
        slow = FIT[method]().fit(vectors[rest], kind[rest]).gallery().scores(vectors[row : row + 1])[0]
        np.testing.assert_allclose(scores[row], slow, atol=2e-5)
    found = teach(whole, classes_of(kind, 99, 4), method=method)
    right = int((scores.argmax(axis=1) == kind).sum())
    assert 0 < right < 40
    assert found.asked == 40
    interval = binomtest(right, 40).proportion_ci(0.95, method="wilson")
    assert found.accuracy == pytest.approx((right / 40, interval.low, interval.high), abs=1e-5)


def test_names_are_those_of_simple_shot_and_what_is_unlike_has_none(drawn):
    whole, kind = drawn(900, kinds=5, d=64)
    found = teach(whole, classes_of(kind, 15, 3), risk=0.1)
    labelled = np.concatenate([np.flatnonzero(kind == one)[:15] for one in range(3)])
    vectors = whole.pictures.vectors
    slow = SimpleShot().fit(vectors[labelled], kind[labelled]).predict(vectors)
    named = found.codes >= 0
    assert (found.codes[labelled] == kind[labelled]).all()
    others = np.setdiff1d(np.flatnonzero(named), labelled)
    assert (found.codes[others] == slow[others]).all()
    own = kind < 3
    assert named[own].mean() > 0.85
    assert named[~own].mean() < 0.3
    assert found.counts == tuple(int((found.codes == one).sum()) for one in range(3))
    assert any("farther from every class" in one for one in found.said)


def test_a_risk_is_kept_among_pictures_like_the_labelled_ones(drawn):
    wrong, of = 0, 0
    for seed in range(30):
        whole, kind = drawn(400, kinds=3, spread=0.25, seed=seed)
        found = teach(whole, classes_of(kind, 20, 3), risk=0.1, n_next=0)
        rest = np.concatenate([np.flatnonzero(kind == one)[20:] for one in range(3)])
        wrong += int(((found.codes[rest] != kind[rest]) & (found.codes[rest] >= 0)).sum())
        of += len(rest)
        share = float(
            (SimpleShot().fit(whole.pictures.vectors[:60], kind[:60]).predict(whole.pictures.vectors) != kind).mean()
        )
        assert share > 0.12  # a name for each picture would be wrong more often than is asked for
    assert wrong / of < 0.11


def test_too_few_pictures_promise_nothing_and_say_so(drawn):
    whole, kind = drawn(60)
    found = teach(whole, classes_of(kind, 2, 2), risk=0.05)
    assert found.level is None
    assert "4 pictures that could be asked are too few to promise a risk of 0.05 (19 would do)" in found.said[0]
    enough = teach(whole, classes_of(kind, 10, 2), risk=0.05)
    assert enough.level is not None
    assert enough.level[0] is None


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ({}, "no picture is in a class yet"),
        ({"kind 0": []}, "no picture is in a class yet"),
        ({"kind 0": ["p0", "p1"]}, "all pictures are of one class, 'kind 0'"),
        ({"kind 0": ["p0"], "kind 1": ["nowhere"]}, "all pictures are of one class"),
    ],
)
def test_one_class_is_no_error(drawn, classes, said):
    whole, _ = drawn(30)
    found = teach(whole, classes, n_next=5)
    assert said in " ".join(found.said)
    assert (found.accuracy, found.level) == (None, None)
    assert len(found.next) == 5
    given = {one for ids in classes.values() for one in ids}
    assert all(one.label is None and one.image_id not in given for one in found.next)
    assert sum(found.counts) == len(given - {"nowhere"})


def test_what_is_not_stored_and_what_is_alone_is_counted(drawn):
    whole, kind = drawn(50)
    classes = classes_of(kind, 5, 2) | {"alone": [f"p{np.flatnonzero(kind == 3)[0]}"], "empty": [], "gone": ["x", "y"]}
    found = teach(whole, classes)
    said = " ".join(found.said)
    assert "2 pictures of the classes, such as 'x', are not in the store" in said
    assert "2 classes without a picture ('empty', 'gone')" in said
    assert "1 picture is the only one of a class" in said
    assert (found.asked, found.given) == (10, (5, 5, 1, 0, 0))
    assert found.counts[3:] == (0, 0)


def test_copies_are_not_asked_about_each_other(drawn):
    whole, kind = drawn(40, content_hash=[f"{row // 2:016x}" for row in range(40)])
    pairs = {f"kind {one}": [f"p{one * 4}", f"p{one * 4 + 1}"] for one in range(2)}
    found = teach(whole, pairs)
    assert found.asked == 0
    assert found.accuracy is None
    assert "4 pictures are the only one of a class, or its copies" in " ".join(found.said)


def test_classes_that_are_taxa_name_as_deep_as_is_sure(drawn):
    rng = np.random.default_rng(3)
    genera, near = rng.normal(size=(2, 48)), rng.normal(size=(4, 48)) * 0.06
    kind = rng.integers(0, 4, 600)
    vectors = genera[kind // 2] + near[kind] + 0.4 * rng.normal(size=(600, 48))
    whole = Whole(
        Pictures.of_table(
            vectors.astype(np.float32),
            pa.table({"image_id": [f"p{row}" for row in range(600)], "uri": [f"/{row}" for row in range(600)]}),
        )
    )
    taxa = [Taxon((None, None, None, None, None, f"Genus{one // 2}", f"Genus{one // 2} s{one}")) for one in range(4)]
    classes = classes_of(kind, 20, 4)
    found = teach(whole, classes, taxa=taxa, risk=0.02)
    assert found.level is not None
    assert found.level[0] == "genus"
    assert found.level[1] > 0.8
    strangers = Pictures.of_table(
        np.concatenate([whole.pictures.vectors, rng.normal(size=(1400, 48)).astype(np.float32)]),
        pa.table({"image_id": [f"p{row}" for row in range(2000)], "uri": [f"/{row}" for row in range(2000)]}),
    )
    among = teach(Whole(strangers), classes, taxa=taxa, risk=0.02).level
    assert among is not None
    assert among[0] == "genus"
    assert among[1] < 0.5
    species = teach(whole, classes, taxa=taxa, risk=0.5).level
    assert species is not None
    assert species[0] == "species"


def test_the_next_to_label_are_those_in_doubt(drawn):
    chosen, all_ = [], []
    for seed in range(6):
        whole, kind = drawn(400, kinds=2, spread=0.5, seed=seed)
        classes = classes_of(kind, 25, 2)
        for n, margins in ((20, chosen), (350, all_)):
            found = teach(whole, classes, n_next=n, seed=seed).next
            assert len({one.image_id for one in found}) == n
            assert not {one.image_id for one in found} & {one for ids in classes.values() for one in ids}
            for one in found:
                assert one.score + one.second_score == pytest.approx(1, abs=1e-5)
                assert {one.label, one.second} == set(classes)
            margins += [one.score - one.second_score for one in found]
    assert np.mean(chosen) < 0.7 * np.mean(all_)


def test_what_cannot_be_taught_is_refused(drawn):
    whole, _ = drawn(10)
    for classes, settings, said in (
        ({"a": ["p0"], "b": ["p0"]}, {}, "in two classes"),
        ({"a": ["p0"]}, {"risk": 1.0}, "risk"),
        ({"a": ["p0"]}, {"method": "knn"}, "unknown method"),
    ):
        with pytest.raises(InputError, match=said):
            teach(whole, classes, **settings)


def test_an_answer_comes_while_a_person_waits_for_it(drawn):
    whole, kind = drawn(6000, kinds=8, d=512)
    classes = classes_of(kind, 20, 5)
    teach(whole, classes)
    times = []  # of this thread, whatever else the machine does
    for _ in range(5):
        began = thread_time()
        found = teach(whole, classes)
        times.append(thread_time() - began)
    assert (found.codes == UNSURE).any()
    assert min(times) < 0.3
