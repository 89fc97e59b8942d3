"""What other encoders know of the training pictures, for a new one to learn: their vectors side by side, whitened.

The vectors of each teacher are centred on their mean and brought to unit length, so that each counts alike, and whitened
within classes together. A linear layer of the picture side's pooled feature learns to foretell them, by their cosine
(Ranzinger et al. 2023, AM-RADIO, https://arxiv.org/abs/2312.06709); it is no part of what is exported. Each training
picture is encoded once, uncropped, and is what every crop of it is held against.
"""

import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int

from cladescope.arrays import normalise
from cladescope.embedding.encode import PixelEncoder
from cladescope.errors import InputError
from cladescope.training.data.examples import Examples
from cladescope.training.loop.distributed import ALONE, Group
from cladescope.training.loop.evaluate import encode_pictures
from cladescope.training.model.whitening import whitened_projection
from cladescope.training.teachers import TeachersConfig

logger = logging.getLogger(__name__)

LoadEncoder: TypeAlias = Callable[[str], PixelEncoder]
"""Gives an encoder by its name, as `Encoder.load` does."""
RIDGE = 1e-2
"""Share of the features' mean variance that is added to each direction in `foretelling`."""


def taught_vectors(
    examples: Examples,
    rows: Int[np.ndarray, " m"],
    config: TeachersConfig,
    *,
    teachers: Sequence[PixelEncoder],
    workers: int,
    group: Group = ALONE,
    device: torch.device | None = None,
) -> Float32[np.ndarray, "n t"]:
    """For each example what `config.encoders`, loaded, say of it, of unit length; zeros for examples that are not in `rows`.

    A picture that cannot be read has zeros too, and is left out by training in the same way. t is `config.dim`, or
    fewer where the s numbers of all teachers, or the pictures, are fewer. Memory: 24 m s + 24 s^2 bytes, and 4 n t for the result.

    Every process of `group` calls this; `device` is where they exchange vectors.

    Raises InputError where no picture can be read.
    """
    sides: list[Float[np.ndarray, "m d"]] = []
    readable: Bool[np.ndarray, " m"] = np.ones(len(rows), bool)
    for teacher in teachers:
        vectors, kept = encode_pictures(
            examples, rows, teacher.encode_pixels,
            dim=teacher.dim, transform=teacher.transform, workers=workers, group=group, device=device,
        )  # fmt: skip
        there = np.isin(rows, kept)
        readable &= there
        side = np.zeros((len(rows), teacher.dim), np.float32)
        side[there] = vectors
        sides.append(side)
    if not readable.any():
        raise InputError(f"none of {len(rows)} pictures could be read: check that the files are where they were")
    if n_lost := int((~readable).sum()):
        logger.warning("%d of %d pictures could not be read, and teach nothing", n_lost, len(rows))
    known = rows[readable]
    beside = np.concatenate([_centred(side[readable]) for side in sides], axis=1)
    dim = min(config.dim, *beside.shape)
    weight, bias = whitened_projection(beside, examples.classes()[known], dim, shrinkage=config.shrinkage)
    taught = np.zeros((len(examples), dim), np.float32)
    taught[known] = normalise(beside @ weight.T + bias)
    return taught


def _centred(vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    moved: Float[np.ndarray, "n d"] = normalise(vectors - vectors.mean(axis=0))
    return moved


def foretelling(
    features: Float[np.ndarray, "n p"], taught: Float[np.ndarray, "n t"]
) -> tuple[Float[np.ndarray, "t p"], Float[np.ndarray, " t"]]:
    """Weight and bias of the linear map that foretells best, by least squares with a small ridge, what is taught.

    A layer that starts there asks the picture side for no more than it lacks.

    >>> rng = np.random.default_rng(0)
    >>> features = rng.normal(size=(200, 3))
    >>> weight, bias = foretelling(features, features @ np.array([[2.0], [0.0], [1.0]]) + 4)
    >>> weight.round(1) + 0, bias.round(1)
    (array([[2., 0., 1.]]), array([4.]))
    """
    from sklearn.linear_model import Ridge  # half a second, which a run without teachers does not need

    alpha = RIDGE * len(features) * float(features.var(axis=0, dtype=np.float64).mean())
    found = Ridge(alpha=alpha).fit(features.astype(np.float64), taught)
    # Of a single number to foretell scikit-learn gives no matrix.
    return np.atleast_2d(found.coef_), np.atleast_1d(found.intercept_)


def start_foretelling(
    student: torch.nn.Linear, features: Float[np.ndarray, "n p"], taught: Float[np.ndarray, "n t"]
) -> None:
    """Let the layer that foretells start as `foretelling` of some pictures."""
    weight, bias = foretelling(features, taught)
    with torch.no_grad():
        student.weight.copy_(torch.from_numpy(weight))
        student.bias.copy_(torch.from_numpy(bias))
