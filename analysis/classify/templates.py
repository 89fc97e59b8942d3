"""A name told in 81 sentences: what zero-shot classifiers make of it in place of one text.

Sentences of Radford et al. 2021, CLIP, https://arxiv.org/abs/2103.00020, as open_clip keeps them, after BioCLIP's own
(Stevens et al. 2024, https://arxiv.org/abs/2311.18803).
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from cladescope.arrays import blocks, normalise
from cladescope.embedding.encoder import Encoder

_TEXT_BATCH = 1024


def templates() -> tuple[Callable[[str], str], ...]:
    """BioCLIP's sentence and the 80 of CLIP for ImageNet.

    >>> len(templates()), templates()[0]("Parus major"), templates()[1]("Parus major")
    (81, 'a photo of Parus major.', 'a bad photo of a Parus major.')
    """
    from open_clip import OPENAI_IMAGENET_TEMPLATES  # loads torch

    return ("a photo of {}.".format, *OPENAI_IMAGENET_TEMPLATES)


def name_vectors(encoder: Encoder, names: Sequence[str]) -> Float[np.ndarray, "c d"]:
    """For each name the mean of the unit vectors of its 81 sentences, brought to unit length.

    Memory: 4 c d bytes, and a batch of texts. Raises EncoderError where the encoder has no text side.
    """
    sentences = templates()
    means = np.zeros((len(names), encoder.card.dim))
    for start, stop in blocks(len(names), size=max(1, _TEXT_BATCH // len(sentences))):
        texts = [sentence(name) for name in names[start:stop] for sentence in sentences]
        encoded = normalise(encoder.encode_texts(texts))
        means[start:stop] = encoded.reshape(stop - start, len(sentences), -1).mean(axis=1)
    return normalise(means.astype(np.float32))
