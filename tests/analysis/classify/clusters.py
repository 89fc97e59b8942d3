"""Vectors of classes around their own points, and taxa to hang them from."""

import numpy as np
import pytest

from cladescope.taxonomy.taxon import Taxon

NAMES = tuple(f"class {row:02}" for row in range(12))


@pytest.fixture
def clusters():
    """Vectors of 12 classes around their own points: 240 to learn from, 120 to ask."""
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(12, 16))
    classes = np.arange(360) % 12
    vectors = (middles[classes] + rng.normal(size=(360, 16))).astype(np.float32)
    return vectors[:240], classes[:240], vectors[240:], classes[240:]


def species(family, genus, name):
    return Taxon(("Animalia", None, None, None, family, genus, f"{genus} {name}"))


TAXA = [species("F", "G", "a"), species("F", "G", "b"), species("F", "H", "c"), species("E", "K", "d")]
