"""What makes `known.safetensors` for an encoder: the file is read back, tells its own pictures from frames, and other lists are refused."""

import csv
import importlib
import shutil

import numpy as np
import pytest
from PIL import Image

from cladescope.analysis.classify.encoder_known import read_known
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.shipped import shipped_folder
from cladescope.taxonomy.taxon import RANKS
from cladescope.training.data.examples import load_examples
from tests.conftest import REPOSITORY
from tests.training.small_runs import manifest_of


@pytest.fixture
def known_taxa(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module("known_taxa")


@pytest.fixture
def examples(clades):
    return load_examples(manifest_of(clades))


@pytest.fixture
def frames(tmp_path):
    """Grey frames of noise, without an organism."""
    rng = np.random.default_rng(0)
    (tmp_path / "frames").mkdir()
    paths = [tmp_path / "frames" / f"{number}.png" for number in range(12)]
    for path in paths:
        grey = np.clip(rng.normal(60, 12, (64, 64, 1)), 0, 255).astype(np.uint8)
        Image.fromarray(np.repeat(grey, 3, axis=2)).save(path)
    return paths


def encoder_with(taxa, folder):
    """`tiny` with another list of taxa."""
    shutil.copytree(shipped_folder("tiny"), folder, ignore=shutil.ignore_patterns("known.safetensors"))
    with (folder / "taxa.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*RANKS, "common_name"])
        table.writerows([*(name or "" for name in taxon.path), *[""] * (8 - len(taxon.path))] for taxon in taxa)
    return Encoder.load(str(folder))


def test_the_file_is_of_this_list_and_tells_pictures_from_frames(known_taxa, examples, frames, tmp_path):
    listed = examples.take(np.flatnonzero(examples.classes() < 8))
    unlisted = examples.take(np.flatnonzero(examples.classes() >= 8))
    encoder = encoder_with(listed.class_taxa, tmp_path / "encoder")
    path = known_taxa.made(encoder, listed, listed, unlisted, frames)
    assert path == tmp_path / "encoder" / "known.safetensors"
    found = read_known(encoder.taxa_file, encoder.card, 8)
    assert (len(found.back_off.seen), len(found.back_off.unseen)) == (len(listed), len(unlisted))
    # Of an unlisted picture some name is always wrong, at the species at least; of a listed one it need not be.
    assert (found.back_off.unseen > 0).all()
    pictures, empty = known_taxa.vectors_of(encoder, listed), encoder.encode_images(list(map(str, frames)))
    assert found.known.looks_empty(empty).all()
    assert not found.known.looks_empty(pictures).any()
    assert found.known.nearness(pictures).min() > found.known.nearness(empty).max()
    moved = pictures @ found.known.axes.astype(np.float32)
    nearest = np.linalg.norm(moved[:, None] - found.known.means.astype(np.float32), axis=2).argmin(axis=1)
    assert (nearest == listed.classes()).mean() > 0.8


def test_pictures_of_another_list_are_refused(known_taxa, examples, frames, tmp_path):
    encoder = encoder_with(examples.class_taxa[:-1], tmp_path / "encoder")
    with pytest.raises(AssertionError, match="1 taxa trained on are not in the list"):
        known_taxa.made(encoder, examples, examples, examples, frames)
    assert not (tmp_path / "encoder" / "known.safetensors").exists()
