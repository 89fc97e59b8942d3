"""Retrieval and zero-shot of the benchmark, beside scikit-learn and plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, top_k_accuracy_score

from cladescope.analysis.benchmark.tasks import TaskClass
from cladescope.analysis.classify.templates import (
    answers,
    class_text,
    clean,
    name_vectors,
    positions,
    templates,
    zero_shot,
)
from cladescope.analysis.measures import ranking
from cladescope.analysis.measures.ranking import average_precision, retrieval
from cladescope.embedding.encoder import Encoder
from cladescope.errors import EncoderError, InputError
from cladescope.taxonomy.taxon import Taxon

LION = Taxon(("Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Panthera", "Panthera leo"))


def vectors_of(n, d=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


@given(seed=st.integers(0, 10_000), n=st.integers(3, 30), classes=st.integers(1, 5))
def test_retrieval_is_that_of_plain_loops(seed, n, classes):
    rng = np.random.default_rng(seed)
    vectors, code = rng.normal(size=(n, 4)), rng.integers(-1, classes, n)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = {}
    for query in range(n):
        others = [row for row in range(n) if row != query]
        relevant = np.array([code[row] == code[query] for row in others])
        if code[query] < 0 or not relevant.any():
            continue
        scores = unit[others] @ unit[query]
        first = relevant[np.argsort(-scores, kind="stable")]
        expected[query] = (first[:1].any(), first[:5].any(), average_precision_score(relevant, scores))
    if not expected:
        with pytest.raises(InputError, match="nothing to find again"):
            retrieval(vectors, {"label": code})
        return
    found = retrieval(vectors, {"label": code}, ks=[1, 5])
    assert np.flatnonzero(found["label mAP"].asked).tolist() == list(expected)
    for place, name in enumerate(("recall@1", "recall@5", "mAP")):
        ours = found[f"label {name}"].scored[list(expected)]
        assert ours == pytest.approx([float(values[place]) for values in expected.values()], abs=1e-9)


def test_blocks_change_no_ranking(monkeypatch):
    vectors, code = vectors_of(50), np.arange(50) % 4
    whole = retrieval(vectors, {"label": code})
    monkeypatch.setattr(ranking, "BLOCK_BYTES", 32 * 50 * 7)
    parts = retrieval(vectors, {"label": code})
    assert all((whole[name].scored == parts[name].scored).all() for name in whole)


def test_duplicates_find_each_other_and_singletons_are_not_asked():
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    found = retrieval(vectors, {"label": np.array([5, 5, 2]), "genus": np.array([-1, -1, 0])})
    assert found["label recall@1"].value == found["label mAP"].value == 1.0
    assert found["label mAP"].asked.tolist() == [1, 1, 0]
    assert not any(name.startswith("genus") for name in found)


def test_a_list_that_holds_all_relevant_first_has_precision_one():
    assert average_precision(np.array([[True, True, False]])).tolist() == [1.0]


@given(seed=st.integers(0, 10_000), k=st.integers(1, 4))
def test_zero_shot_is_scikit_learns_top_k(seed, k):
    rng = np.random.default_rng(seed)
    vectors, classes, texts = rng.normal(size=(40, 5)), rng.integers(0, 6, 40), vectors_of(6, 5, seed)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    asked = rng.random(40) < 0.7
    asked[0] = True
    found = zero_shot(vectors, classes, asked, texts, kind="asis", ks=[k])[f"asis top-{k}"]
    scores = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) @ texts.T)[asked]
    assert found.value == pytest.approx(top_k_accuracy_score(classes[asked], scores, k=k, labels=np.arange(6)))


def test_an_encoder_that_tells_no_names_apart_gains_nothing():
    same = np.ones((4, 3)) / np.sqrt(3)
    assert positions(np.eye(3), same, np.array([0, 1, 3])).tolist() == [0, 1, 3]


def test_there_are_81_sentences_and_bioclips_own_comes_first():
    sentences = [sentence("X") for sentence in templates()]
    assert len(set(sentences)) == 81
    assert sentences[0] == "a photo of X."
    assert all("X" in sentence for sentence in sentences)


def test_a_class_vector_is_the_unit_mean_of_unit_sentences(checkpoint, monkeypatch):
    encoder = Encoder.load(str(checkpoint))
    monkeypatch.setattr("cladescope.analysis.classify.templates._TEXT_BATCH", 100)
    found = name_vectors(encoder, ["lion", "puma"])
    texts = encoder.encode_texts([sentence("puma") for sentence in templates()]).astype(np.float64)
    mean = (texts / np.linalg.norm(texts, axis=1, keepdims=True)).mean(axis=0)
    assert found[1] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_an_encoder_without_texts_says_so():
    with pytest.raises(EncoderError, match="has no text side"):
        name_vectors(Encoder.load("pixels"), ["lion"])


@pytest.mark.parametrize(
    "kind, text",
    [
        ("asis", "P_leo"),
        ("clean", "P leo"),
        ("sci", "Panthera leo"),
        ("com", "Lion"),
        ("taxon", "Animalia Chordata Mammalia Carnivora Felidae Panthera leo"),
        ("sci_com", "Panthera leo with common name Lion"),
        ("taxon_com", "Animalia Chordata Mammalia Carnivora Felidae Panthera leo with common name Lion"),
    ],
)
def test_texts_are_those_of_the_protocol(kind, text):
    assert class_text(TaskClass(label="P_leo", taxon=LION, common_name="Lion"), kind) == text


@pytest.mark.parametrize("kind, without", [("com", "sci"), ("sci_com", "sci"), ("taxon_com", "taxon")])
def test_without_a_common_name_the_tail_is_left_out(kind, without):
    lion = TaskClass(label="x", taxon=LION)
    assert class_text(lion, kind) == class_text(lion, without)


def test_a_text_that_the_task_cannot_give_is_refused():
    with pytest.raises(InputError, match="no ranks for the class 'x', so that it has no 'sci' text: use --text asis"):
        class_text(TaskClass(label="x"), "sci")
    with pytest.raises(InputError, match="found the text kind 'latin', expected one of asis, sci"):
        class_text(TaskClass(label="x"), "latin")


@pytest.mark.parametrize(
    "label, name",
    [
        ("Amanita phalloides (Vaill. ex Fr.) Link", "Amanita phalloides"),
        ("Clitocybe nebularis (Batsch) Quél.", "Clitocybe nebularis"),
        ("Clitocybe fragrans Sowerby", "Clitocybe fragrans"),
        ("Amanita excelsa Gonn. & Rabenh.", "Amanita excelsa"),
        ("Mycena galopus (Pers.) P.Kumm., 1871", "Mycena galopus"),
        ("Aphis citricola Vander Goot", "Aphis citricola"),
        ("Parus major (Linnaeus, 1758)", "Parus major"),
        ("Tomato___Late_blight", "Tomato Late blight"),
        ("Corn___Cercospora_leaf_spot Gray_leaf_spot", "Corn Cercospora leaf spot Gray leaf spot"),
        ("Orange___Haunglongbing_(Citrus_greening)", "Orange Haunglongbing (Citrus greening)"),
        ("Bell_pepper leaf spot", "Bell pepper leaf spot"),
        ("Apple Scab Leaf", "Apple Scab Leaf"),
        ("Mango flat beak leafhopper", "Mango flat beak leafhopper"),
        ("ABBOTTS BABBLER", "ABBOTTS BABBLER"),
        ("Les Bibions et autres (Bibio et autres)", "Les Bibions et autres (Bibio et autres)"),
    ],
)
def test_labels_are_cleaned_of_underscores_and_authors_only(label, name):
    assert clean(label) == name
    assert clean(clean(label)) == clean(label)


def test_classes_of_the_same_text_are_one_answer():
    texts, number = answers(["lion", "puma", "lion"])
    assert (texts, number.tolist()) == (["lion", "puma"], [0, 1, 0])
