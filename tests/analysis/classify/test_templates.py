"""A name in 81 sentences."""

import numpy as np
import pytest

from cladescope.analysis.classify.templates import name_vectors, templates
from cladescope.embedding.encoder import Encoder
from cladescope.errors import EncoderError


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
