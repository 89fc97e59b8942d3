"""Asking a field kit, as any program with ONNX Runtime may."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from cladescope.analysis.classify.answers import Answers
from cladescope.analysis.classify.said import name_said

BATCH = 8


@dataclass(frozen=True, eq=False)
class Told:
    """What a kit says of some pictures."""

    answer: Shaped[np.ndarray, "n columns"]
    """Texts: name, rank, and what the kit has columns for."""
    nearest: Shaped[np.ndarray, " n"]
    """The narrowest guess where that is another."""
    score: Float32[np.ndarray, " n"]
    vector: Float32[np.ndarray, "n d"]


def ask(model: bytes, pictures: UInt8[np.ndarray, "n h w 3"]) -> Told:
    """What a kit, given as the bytes of its file, says of pictures of one size."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    parts: list[list[Any]] = [
        session.run(["answer", "nearest", "score", "vector"], {"pixels": pictures[start : start + BATCH]})
        for start in range(0, len(pictures), BATCH)
    ]
    return Told(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def says_the_same(told: Told, answers: Answers, vectors: Float32[np.ndarray, "n d"]) -> bool:
    """Whether a kit's names and nearest guesses are those of `answers` for vectors of the same pictures, and its scores but for rounding."""
    said = [found[0] for found in answers.of(vectors)]
    names = [(name_said(one), str(one.get("nearest") or "")) for one in said]
    scores = np.array([float(one["score"]) for one in said], np.float32)
    same = list(zip(told.answer[:, 0].tolist(), told.nearest.tolist(), strict=True)) == names
    return same and bool(np.allclose(told.score, scores, atol=ROUNDING))


ROUNDING = 1e-3
"""By which scores that are the same may differ."""
