"""Encoders that teach: their vectors against an independent computation, and a run that learns from them."""

import shutil

import numpy as np
import pytest

from cladescope.embedding.encoder import Encoder
from cladescope.embedding.trained_on import trained_on
from cladescope.errors import ConfigError, EncoderError, InputError
from cladescope.training.data.examples import load_examples
from cladescope.training.loop import prepare
from cladescope.training.loop.teaching import RIDGE, foretelling, taught_vectors
from cladescope.training.loop.train import train
from cladescope.training.teachers import TeachersConfig
from tests.training.small_runs import card, curve, manifest_of, small

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_layer_that_foretells_starts_as_least_squares_with_a_ridge():
    rng = np.random.default_rng(0)
    features, taught = rng.normal(size=(60, 7)) + 5, rng.normal(size=(60, 3))
    weight, bias = foretelling(features, taught)
    ridge = np.sqrt(RIDGE * 60 * features.var(axis=0).mean())
    centred = np.concatenate([features - features.mean(axis=0), ridge * np.eye(7)])
    wanted = np.concatenate([taught - taught.mean(axis=0), np.zeros((7, 3))])
    expected = np.linalg.lstsq(centred, wanted, rcond=None)[0].T
    np.testing.assert_allclose(weight, expected, rtol=1e-8)
    np.testing.assert_allclose(bias, taught.mean(axis=0) - expected @ features.mean(axis=0), rtol=1e-8)


def test_what_is_taught_is_whitened_within_classes_over_all_teachers(clades):
    """Cosines of vectors that are whitened are those under the inverse of the covariance within classes."""
    examples = load_examples(manifest_of(clades))
    rows = np.arange(0, len(examples), 2)
    config = TeachersConfig(encoders=("pixels", "tiny"), dim=10_000, shrinkage=1.5)
    taught = taught_vectors(
        examples, rows, config, teachers=[Encoder.load(name) for name in config.encoders], workers=2
    )
    others = np.setdiff1d(np.arange(len(examples)), rows)
    assert not taught[others].any()
    sides = []
    for name in config.encoders:
        vectors = Encoder.load(name).encode_images([examples.read(int(row)) for row in rows]).astype(np.float64)
        vectors -= vectors.mean(axis=0)
        sides.append(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    beside = np.concatenate(sides, axis=1)
    classes = examples.classes()[rows]
    within = beside - np.stack([beside[classes == own].mean(axis=0) for own in classes])
    covariance = within.T @ within / (len(rows) - len(np.unique(classes)))
    inverse = np.linalg.inv(covariance + 1.5 * np.trace(covariance) / len(covariance) * np.eye(len(covariance)))
    centred = beside - beside.mean(axis=0)
    products = centred @ inverse @ centred.T
    lengths = np.sqrt(np.diag(products))
    np.testing.assert_allclose(taught[rows] @ taught[rows].T, products / np.outer(lengths, lengths), atol=2e-4)


def test_a_picture_that_cannot_be_read_teaches_nothing_and_is_counted(clades, tmp_path, caplog):
    source = tmp_path / "clades"
    shutil.copytree(clades, source)
    broken = sorted(source.glob("images/*/001.jpg"))[:2]
    for path in broken:
        path.write_bytes(b"no picture")
    examples = load_examples(manifest_of(source))
    rows = np.arange(len(examples))
    taught = taught_vectors(
        examples, rows, TeachersConfig(encoders=("pixels",), dim=16), teachers=[Encoder.load("pixels")], workers=2
    )
    ends = tuple(f"{path.parent.name}/{path.name}" for path in broken)
    lost = np.array([uri.endswith(ends) for uri in examples.uris])
    assert lost.sum() == 2
    np.testing.assert_array_equal(np.linalg.norm(taught, axis=1) == 0, lost)
    np.testing.assert_allclose(np.linalg.norm(taught[~lost], axis=1), 1, rtol=1e-5)
    assert "2 of 48 pictures could not be read, and teach nothing" in caplog.text


def test_a_run_comes_nearer_to_its_teachers_and_its_card_names_them(clades, tmp_path):
    config = small(clades, {"teachers.encoders": ["pixels"], "teachers.dim": 16, "loop.epochs": 4})
    folder = train(config, tmp_path / "run", load_encoder=Encoder.load)
    distances = [line["teachers"] for line in curve(tmp_path / "run") if "teachers" in line]
    assert np.mean(distances[-4:]) < np.mean(distances[:4])
    assert card(tmp_path / "run")["taught_by"] == ["pixels"]
    assert "| taught by | pixels |" in (folder / "README.md").read_text()


def test_what_teachers_had_seen_is_not_known_and_said_without_folders(clades, tmp_path):
    name = "timm:tf_efficientnet_lite2@/home/ann/lite2.safetensors?size=260"
    config = small(clades, {"teachers.encoders": [name], "teachers.dim": 4, "loop.epochs": 1})
    folder = train(config, tmp_path / "run", load_encoder=lambda _: Encoder.load("pixels"))
    seen = trained_on(str(folder))
    assert (seen.has_all_pictures, seen.unknown) == (False, ("timm:tf_efficientnet_lite2@lite2.safetensors?size=260",))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"teachers.encoders": ["pixels", "pixels"]}, "expected each of them once"),
        (
            {"teachers.encoders": ["pixels"], "teachers.weight": 0.0},
            "teachers.weight is 0.0: expected a positive weight",
        ),
        ({"teachers.encoders": ["pixels"], "teachers.weight": float("nan")}, "expected a positive weight"),
        ({"teachers.shrinkage": -1.0}, "teachers.shrinkage is -1.0: expected a number of at least 0"),
        ({"teachers.dim": 0}, "teachers.dim is 0: expected a number of at least 1"),
        ({"teachers.encoders": ["pixels"], "model.lock_image": True}, "leave one of them out"),
    ],
)
def test_teachers_that_cannot_teach_are_told_before_anything_starts(clades, values, said):
    with pytest.raises(ConfigError, match=said):
        small(clades, values)


def test_a_teacher_that_is_not_there_is_named_before_pictures_are_read(clades, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "run_data", lambda *_: pytest.fail("pictures are read first"))
    with pytest.raises(EncoderError, match="nobody"):
        train(small(clades, {"teachers.encoders": ["nobody"]}), tmp_path / "run", load_encoder=Encoder.load)
    with pytest.raises(InputError, match="nothing was given that loads them"):
        train(small(clades, {"teachers.encoders": ["pixels"]}), tmp_path / "other")
