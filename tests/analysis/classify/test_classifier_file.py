"""Classifier files: what is written comes back, and what cannot be used is said in one line."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from cladescope.analysis.classify.back_off import BackOff, RankConfidence
from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.classifier_file import Classifier, load_classifier, save_classifier
from cladescope.analysis.classify.neighbour_vote import NeighbourVote
from cladescope.embedding.encoder import EncoderCard
from cladescope.errors import InputError, StoreError
from cladescope.taxonomy.taxon import Taxon

CARD = EncoderCard(name="pixels", dim=4, weight_hash="a" * 64, transform=None, has_text=False)
TAXA = [Taxon(("Animalia", "Chordata", "Aves")), Taxon(("Animalia", None, "Insecta")), Taxon(("Plantae",))]
QUERIES = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def classifier(*, classes=None):
    made = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    gallery = ClassGallery(
        made,
        tuple(taxon.name for taxon in TAXA),
        3.5,
        tree=ClassTree.from_taxa(TAXA),
        bias=np.arange(3, dtype=np.float32),
        centre=np.full(4, 0.1, np.float32),
    )
    return Classifier(
        classes=gallery if classes is None else classes,
        method="simpleshot",
        target="class",
        card=CARD,
        store="photos.store",
        data_version=7,
        counts=np.array([3, 1, 2]),
        back_off=BackOff(np.array([0.5, 0.0]), np.array([0.7]), RankConfidence(np.ones(7), np.arange(7.0))),
        kappa=2.0,
    )


def test_a_classifier_comes_back_as_it_was_written(tmp_path):
    written = classifier()
    read = load_classifier(save_classifier(written, tmp_path / "birds.safetensors"))
    np.testing.assert_array_equal(read.probabilities(QUERIES), written.probabilities(QUERIES))
    assert [read.tree.class_taxon(row) for row in range(3)] == TAXA
    for name in ("labels", "method", "target", "card", "store", "data_version", "kappa", "version"):
        assert getattr(read, name) == getattr(written, name), name
    np.testing.assert_array_equal(read.counts, written.counts)
    for name in ("seen", "unseen"):
        np.testing.assert_array_equal(getattr(read.back_off, name), getattr(written.back_off, name))
    for name in ("slopes", "offsets"):
        np.testing.assert_array_equal(
            getattr(read.back_off.confidence, name), getattr(written.back_off.confidence, name)
        )
    assert read.created


def test_neighbours_come_back_in_half_precision(tmp_path):
    support = np.random.default_rng(2).normal(size=(9, 4)).astype(np.float32)
    vote = NeighbourVote(support, np.arange(9) % 3, ("a", "b", "c"), k=4, scale=2.0)
    read = load_classifier(save_classifier(classifier(classes=vote), tmp_path / "knn.safetensors"))
    assert (read.classes.vectors.dtype, read.classes.k, read.classes.scale, read.tree) == (np.float16, 4, 2.0, None)
    np.testing.assert_allclose(read.probabilities(QUERIES), vote.probabilities(QUERIES), atol=0.02)


def test_vectors_of_another_encoder_are_refused_with_both_names():
    with pytest.raises(StoreError, match="'pixels'.*'tiny'|'tiny'.*'pixels'"):
        classifier().check(replace(CARD, name="tiny", weight_hash="b" * 64))
    classifier().check(CARD)


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path):
    path = save_classifier(classifier(), tmp_path / "birds.safetensors")
    with pytest.raises(InputError, match="is there already"):
        save_classifier(classifier(), path)
    with pytest.raises(InputError, match="is no folder"):
        save_classifier(classifier(), tmp_path / "none" / "birds.safetensors")
    assert [entry.name for entry in tmp_path.iterdir()] == ["birds.safetensors"]


def test_files_that_are_no_classifier_are_named(tmp_path):
    path = tmp_path / "other.safetensors"
    with pytest.raises(InputError, match="is not a file"):
        load_classifier(path)
    path.write_bytes(b"no tensors")
    with pytest.raises(InputError, match="cannot be read"):
        load_classifier(path)
    save_file({"vectors": QUERIES}, path)
    with pytest.raises(InputError, match="holds no classifier"):
        load_classifier(path)
    save_file({"vectors": QUERIES}, path, metadata={"cladescope.classifier": '{"format_version": 2}'})
    with pytest.raises(InputError, match="format 2"):
        load_classifier(path)
    save_file({"vectors": QUERIES}, path, metadata={"cladescope.classifier": '{"format_version": 1}'})
    with pytest.raises(InputError, match="damaged"):
        load_classifier(path)
