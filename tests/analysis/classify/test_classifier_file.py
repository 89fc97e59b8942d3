"""Classifier files: what is written comes back, and what cannot be used is said in one line."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from cladescope.analysis.classify.back_off import BackOff, RankConfidence
from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.classifier_file import Classifier, load_classifier, save_classifier
from cladescope.analysis.classify.classifier_parts import hash_parts
from cladescope.analysis.classify.fit import fit_store
from cladescope.analysis.classify.known import known_of
from cladescope.analysis.classify.neighbour_vote import NeighbourVote
from cladescope.analysis.classify.settings import Setting
from cladescope.embedding.encoder import EncoderCard
from cladescope.errors import InputError, StoreError
from cladescope.taxonomy.taxon import Taxon
from tests.conftest import REPOSITORY

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
        back_off=BackOff(
            np.array([0.5, 0.0]), np.array([0.7]), RankConfidence(np.ones(7), np.arange(7.0), np.full(7, 0.5))
        ),
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
    for name in ("slopes", "offsets", "weights"):
        np.testing.assert_array_equal(
            getattr(read.back_off.confidence, name), getattr(written.back_off.confidence, name)
        )
    assert read.created


def test_what_is_known_comes_back_as_it_was_written(tmp_path):
    rng = np.random.default_rng(2)
    known = known_of(rng.normal(size=(50, 4)), np.arange(50) % 3)
    read = load_classifier(save_classifier(replace(classifier(), known=known), tmp_path / "birds.safetensors")).known
    np.testing.assert_array_equal(read.chances(QUERIES), known.chances(QUERIES))


def test_the_setting_comes_back_and_older_files_have_none(tmp_path):
    setting = Setting("alpha", 0.3, (1.0, 0.3), 40)
    read = load_classifier(save_classifier(replace(classifier(), setting=setting), tmp_path / "birds.safetensors"))
    assert read.setting == setting
    assert Setting.of_dict(None) is None
    assert load_classifier(save_classifier(classifier(), tmp_path / "plain.safetensors")).setting is None


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
    save_file({"vectors": QUERIES}, path, metadata={"cladescope.classifier": '{"format_version": 3}'})
    with pytest.raises(InputError, match="format 3"):
        load_classifier(path)
    save_file({"vectors": QUERIES}, path, metadata={"cladescope.classifier": '{"format_version": 1}'})
    with pytest.raises(InputError, match="damaged"):
        load_classifier(path)


OLD = REPOSITORY / "tests" / "data" / "classifier-v1"
"""Written on 2026-11-25 by the code before files had a hash, from the parts that stand in this module."""


def test_a_file_of_a_time_without_hashes_is_read(tmp_path):
    read = load_classifier(OLD / "simpleshot.safetensors")
    np.testing.assert_allclose(read.probabilities(QUERIES), classifier().probabilities(QUERIES), rtol=1e-6)
    assert (read.back_off.seen.tolist(), read.counts.tolist(), read.data_version) == ([0.5, 0.0], [3, 1, 2], 7)
    assert read.known is None
    vote = load_classifier(OLD / "knn.safetensors")
    assert (vote.classes.k, vote.labels) == (4, ("a", "b", "c"))
    with safe_open(OLD / "knn.safetensors", framework="numpy") as file:
        assert set(file.metadata()) == {"cladescope.classifier"}


def parts_of(path):
    with safe_open(path, framework="numpy") as file:
        names = list(file.keys())
        return json.loads(file.metadata()["cladescope.classifier"]), {name: file.get_tensor(name) for name in names}


@pytest.mark.parametrize(
    "name, value",
    [
        ("counts", np.array([3, -1, 2])),
        ("counts", np.array([3, 1])),
        ("counts", np.array([3.0, 1.0, 2.0])),
        ("vectors", np.full((3, 4), np.nan, np.float32)),
        ("vectors", np.ones((2, 4), np.float32)),
        ("vectors", np.ones((3, 5), np.float32)),
        ("vectors", np.ones(3, np.float32)),
        ("bias", np.ones(2, np.float32)),
        ("bias", np.array([0, np.inf, 0], np.float32)),
        ("centre", np.ones(3, np.float32)),
        ("log_prior", np.array([0, np.nan, 0], np.float32)),
        ("critical_seen", np.array([0.5, 7.0])),
        ("critical_unseen", np.array([[0.5]])),
        ("confidence", np.ones((2, 6))),
        ("confidence", np.full((2, 7), np.inf)),
        ("scale", float("nan")),
        ("scale", -3.5),
        ("scale", "3.5"),
        ("kappa", -1.0),
        ("data_version", -7),
        ("data_version", True),
        ("format_version", 0),
        ("labels", []),
        ("labels", ["Aves", "Insecta"]),
        ("labels", [1, 2, 3]),
        ("labels", "Ave"),
        ("taxa", [["Animalia"], ["Plantae"]]),
        ("taxa", [[], [], []]),
        ("taxa", [["Animalia", None], ["Plantae"], ["Fungi"]]),
        ("taxa", 7),
        ("common_names", ["bird"]),
        ("encoder", {"name": "pixels"}),
        ("encoder", {"dim": 4}),
        ("store", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("has_hash", [True, False])
def test_parts_that_are_none_of_a_classifier_are_refused_in_a_line(tmp_path, name, value, has_hash):
    about, arrays = parts_of(OLD / "simpleshot.safetensors")
    (arrays if isinstance(value, np.ndarray) else about)[name] = value
    header = {"cladescope.classifier": json.dumps(about)}
    if has_hash:
        header["cladescope.hash"] = hash_parts(header["cladescope.classifier"], arrays)
    save_file(arrays, tmp_path / "odd.safetensors", metadata=header)
    with pytest.raises(InputError, match=r"odd.safetensors is damaged \(.+\): fit it anew$") as refused:
        load_classifier(tmp_path / "odd.safetensors")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name, value", [("classes", np.arange(9)), ("classes", -np.arange(9)), ("classes", np.zeros(8, int)), ("k", 0)])  # fmt: skip
def test_votes_that_name_no_class_are_refused(tmp_path, name, value):
    about, arrays = parts_of(OLD / "knn.safetensors")
    (arrays if isinstance(value, np.ndarray) else about)[name] = value
    save_file(arrays, tmp_path / "odd.safetensors", metadata={"cladescope.classifier": json.dumps(about)})
    with pytest.raises(InputError, match="is damaged"):
        load_classifier(tmp_path / "odd.safetensors")


@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(max_examples=60)
def test_one_flipped_bit_anywhere_is_refused_or_changes_nothing(written_bytes, place, bit):
    folder, whole = written_bytes
    content = bytearray(whole)
    content[place % len(content)] ^= 1 << bit
    (folder / "flipped.safetensors").write_bytes(content)
    try:
        read = load_classifier(folder / "flipped.safetensors")
    except InputError:
        return
    np.testing.assert_array_equal(read.probabilities(QUERIES), classifier().probabilities(QUERIES))
    assert (read.labels, read.counts.tolist(), read.card) == (classifier().labels, [3, 1, 2], CARD)


@pytest.fixture(scope="module")
def written_bytes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flipped")
    return folder, save_classifier(classifier(), folder / "whole.safetensors").read_bytes()


def test_some_classes_of_a_classifier_without_distances(store):
    fitted = fit_store(store, rank="species", calibration=0.0).classifier
    rows = np.arange(len(fitted.labels)) % 2 == 0
    plain = replace(fitted, known=None).only(rows)
    assert plain.known is None
    assert plain.labels == fitted.labels[::2]
    assert fitted.known is None or len(fitted.only(rows).known.means) == rows.sum()


def test_a_file_says_which_vectors_of_a_store_it_is_of(store, tmp_path):
    fitted = fit_store(store, rank="genus", calibration=0.0).classifier
    for name in (None, "dino"):
        save_classifier(replace(fitted, vectors=name), tmp_path / "c.safetensors", overwrite=True)
        assert load_classifier(tmp_path / "c.safetensors").vectors == name
