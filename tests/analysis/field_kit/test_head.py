"""The head of a kit says what `Answers` says, for every kind of classes and every way to stop."""

import numpy as np
import onnx
import onnxruntime
import pytest

import cladescope
from cladescope.analysis.classify.choosing import Choice, fitted_choice
from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.known import DOUBT, Known
from cladescope.analysis.classify.said import name_said
from cladescope.analysis.classify.stopping import Stops, stops
from cladescope.analysis.field_kit.head import add_head
from cladescope.analysis.field_kit.nodes import Nodes
from cladescope.analysis.field_kit.texts import VERDICTS, texts_of
from cladescope.taxonomy.taxon import Taxon

METHODS = ("simpleshot", "prototypes", "logistic", "ridge", "knn")


def said_by_head(answers, vectors):
    """Name, verdict, score, guess and its score of each vector, by ONNX Runtime."""
    nodes = Nodes("head")
    said = add_head(nodes, "features", answers)
    make = onnx.helper
    # That each name stands for one value a picture, the graph says too: broadcast over the pictures.
    outputs = {
        "node": said.node,
        "score": said.score,
        "guess": said.guess,
        "near": said.guess_score,
        "verdict": said.verdict,
    }
    for name, value in outputs.items():
        nodes.node("Identity", value, output=name)
    graph = make.make_graph(
        nodes.nodes, "head", [make.make_tensor_value_info("features", 1, ["q", vectors.shape[1]]), *nodes.inputs],
        [make.make_empty_tensor_value_info(name) for name in outputs], nodes.constants,
    )  # fmt: skip
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(list(outputs), {"features": vectors.astype(np.float32)})
    names = [name for name, _ in texts_of(answers).names]
    return [
        (names[node] if verdict == 0 else VERDICTS[verdict], VERDICTS[verdict], score, names[guess], near)
        for node, score, guess, near, verdict in zip(*found, strict=True)
    ]


def check_same(answers, vectors):
    """Compare the head with `Answers.of`; return the verdicts, for tests that want all of them to occur."""
    theirs = [found[0] for found in answers.of(vectors)]
    ours = said_by_head(answers, vectors)
    assert [one[:2] for one in ours] == [(name_said(one), one["verdict"]) for one in theirs]
    np.testing.assert_allclose([one[2] for one in ours], [one["score"] for one in theirs], atol=1e-4)
    aside = [(mine, one) for mine, one in zip(ours, theirs, strict=True) if one.get("nearest")]
    assert [mine[3] for mine, _ in aside] == [one["nearest"] for _, one in aside]
    np.testing.assert_allclose([mine[4] for mine, _ in aside], [one["nearest_score"] for _, one in aside], atol=1e-4)
    return [one[1] for one in ours]


@pytest.fixture(scope="module")
def asked(_clade_store):
    """The store's vectors, mixed with each other and with noise, so that some are known, some doubtful, some far."""
    vectors, _ = cladescope.open(_clade_store).to_numpy("species")
    rng = np.random.default_rng(0)
    mixed = [(1 - share) * vectors + share * vectors[rng.permutation(len(vectors))] for share in (0.0, 0.3, 0.5)]
    return np.concatenate([*mixed, rng.normal(size=(8, vectors.shape[1])).astype(np.float32)])


@pytest.mark.parametrize("method", METHODS)
def test_classifiers_of_every_method_say_the_same_at_every_risk_and_rank(method, store, asked):
    fitted = cladescope.fit(store, method=method).classifier
    assert fitted.known is not None
    assert fitted.back_off is not None
    seen = set()
    ways = ((None, True, "genus"), (0.05, False, "species"), (0.3, False, "species"), (0.3, True, "family"))
    for risk, closed, rank in ways:
        choice = fitted_choice(fitted, store)
        stop = stops(choice, store, risk=risk, calibrate_on=None, closed_set=closed, doubt=DOUBT, fitted=True)
        seen |= set(check_same(stop.answers(choice, rank=rank), asked))
    assert seen >= {"named", "not sure", "not known"}


@pytest.mark.parametrize("method", ["simpleshot", "knn"])
def test_classes_within_a_clade_say_the_same_and_name_nothing_else(method, store, asked):
    fitted = cladescope.fit(store, method=method).classifier
    tree = fitted.tree
    sizes = tree.classes_in(np.arange(len(tree))).sum(axis=1)
    clade = tree.taxon(np.flatnonzero((sizes > 1) & (sizes < tree.n_classes))[0])
    choice = fitted_choice(fitted, store, within=[str(clade)])
    n = len(choice.classes.labels)
    assert len(choice.known.means) == n
    stop = stops(choice, store, risk=0.3, calibrate_on=None, closed_set=False, doubt=DOUBT, fitted=True)
    answers = stop.answers(choice, rank="species")
    check_same(answers, asked)
    assert all(clade.name in choice.classes.tree.class_taxon(row).path for row in range(n))
    assert "no risk is promised" in choice.notes[0]


def test_plain_labels_and_what_they_count_towards_say_the_same(store, asked):
    fitted = cladescope.fit(store, rank="genus").classifier
    plain = ClassGallery(
        fitted.classes.vectors, fitted.labels, 20.0, centre=fitted.classes.centre, bias=fitted.classes.bias
    )
    nothing = Stops(None, None, None, ())
    for bins in (None, tuple(f"bin {row % 2}" for row in range(len(fitted.labels)))):
        assert set(check_same(nothing.answers(Choice(classes=plain, bins=bins), rank="species"), asked)) == {"named"}
        risky = Stops(fitted.back_off, 0.4, None, ())
        check_same(risky.answers(Choice(classes=plain, bins=bins, known=fitted.known), rank="species"), asked)


def test_a_prior_and_names_without_some_ranks_say_the_same():
    rng = np.random.default_rng(1)
    taxa = [
        Taxon(("Animalia", "Chordata", None, None, "Paridae", "Parus", "Parus major")),
        Taxon(("Animalia", "Chordata", "Aves")),
        Taxon(("Fungi",)),
        Taxon((None, None, None, "Lamiales")),
    ]
    prior = np.log(np.array([1.0, 2.0, 0.0001, 0.5], np.float32))
    vectors = rng.normal(size=(4, 6)).astype(np.float16)
    gallery = ClassGallery(vectors, [str(one) for one in taxa], 3.0, tree=ClassTree.from_taxa(taxa), log_prior=prior)
    asked = rng.normal(size=(40, 6)).astype(np.float32)
    choice = Choice(classes=gallery)
    nothing = Stops(None, None, None, ())
    for rank in ("kingdom", "family", "species"):
        check_same(nothing.answers(choice, rank=rank), asked)


def test_a_frame_on_the_side_of_empty_ones_is_called_empty():
    rng = np.random.default_rng(2)
    means = rng.normal(size=(3, 5)).astype(np.float16)
    plane = np.array([1, 0, 0, 0, 0, 0.1], np.float32)
    known = Known(means, np.eye(5, dtype=np.float16), np.linspace(-3, 0, 99, dtype=np.float32), plane)
    choice = Choice(classes=ClassGallery(means, ("a", "b", "c"), 5.0), known=known)
    verdicts = check_same(
        Stops(None, None, 0.4, ()).answers(choice, rank="species"), rng.normal(size=(60, 5)).astype(np.float32)
    )
    assert set(verdicts) == {"named", "not known", "empty"}
