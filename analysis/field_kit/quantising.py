"""A picture tower in whole numbers of eight bits, and how far that moves vectors and answers.

Weights (for each channel) and values between operations are kept as int8 with a scale, which pictures decide: static quantisation of
ONNX Runtime (Jacob et al. 2018, Quantization and training of neural networks for integer-arithmetic-only inference,
https://arxiv.org/abs/1712.05877), lowest and highest value seen. Pictures that decide a scale say nothing of what it costs: others do.
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import UInt8

from cladescope.analysis.field_kit.asking import BATCH, Told
from cladescope.embedding.encoders.onnx_package import onnx_package
from cladescope.errors import EncoderError, InputError

LEAST_COSINE: Final = 0.99
"""Mean cosine of vectors in int8 and in fp32 from which a kit is in int8, unless another is asked for."""
MOST_CALIBRATING, MOST_HELD_OUT = 128, 512
FEWEST: Final = 20
"""Pictures of either kind below which nothing is said."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What int8 costs, on pictures that took no part in its calibration."""

    calibrated_on: int
    """Pictures that decided the scales."""
    held_out: int
    """Other pictures, which were asked."""
    mean_cosine: float
    """Of their vectors in int8 and in fp32."""
    lowest_cosine: float
    least_cosine: float
    """That was asked for, of the mean."""
    same_name: int
    """Of those pictures, how many get the same name, or the same verdict."""
    named: int
    """Of those pictures, how many fp32 names."""
    same_of_named: int
    """Of these, how many get the same name: verdicts alone agree easily where most pictures are not known."""

    @property
    def is_enough(self) -> bool:
        """Whether the cosine allows int8."""
        return self.mean_cosine >= self.least_cosine

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"int8, calibrated on {self.calibrated_on:,} pictures: mean cosine {self.mean_cosine:.4f} to fp32 on {self.held_out:,} others (lowest "
            f"{self.lowest_cosine:.4f}); {self.same_name:,} of these get the same name or verdict, among them {self.same_of_named:,} of the "
            f"{self.named:,} that fp32 names"
        )


def halves(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of n pictures calibrate and which are asked, drawn at random: a fifth and the rest, within bounds.

    Raises InputError for too few.

    >>> [len(part) for part in halves(200, 0)], [len(part) for part in halves(5000, 0)]
    ([40, 160], [128, 512])
    """
    order = np.random.default_rng(seed).permutation(n)
    calibrating = min(MOST_CALIBRATING, max(FEWEST, n // 5))
    held = order[calibrating : calibrating + MOST_HELD_OUT]
    if len(held) < FEWEST:
        raise InputError(
            f"{n:,} pictures that can be read are too few to calibrate int8 and to measure it: give {2 * FEWEST} or more"
        )
    return order[:calibrating], held


def measured(whole: Told, small: Told, *, calibrated_on: int, least_cosine: float) -> Measured:
    """What two kits say of the same pictures, the one in fp32 and the other in int8."""
    same, named = whole.answer[:, 0] == small.answer[:, 0], whole.answer[:, 1] != ""
    cosines = np.einsum("nd,nd->n", whole.vector, small.vector, dtype=np.float64)
    return Measured(
        calibrated_on=calibrated_on,
        held_out=len(cosines),
        mean_cosine=float(cosines.mean()),
        lowest_cosine=float(cosines.min()),
        least_cosine=least_cosine,
        same_name=int(same.sum()),
        named=int(named.sum()),
        same_of_named=int((same & named).sum()),
    )


def in_int8(tower: Any, pictures: UInt8[np.ndarray, "n h w 3"]) -> Any:
    """A picture tower (`pixels` to `features`) in int8, calibrated on pictures; the given one stays as it is.

    Raises EncoderError where ONNX Runtime cannot do that.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    onnx = onnx_package()
    with tempfile.TemporaryDirectory() as folder, _unspoken():
        plain, ready, small = (Path(folder, f"{name}.onnx") for name in ("plain", "ready", "small"))
        onnx.save_model(tower, plain)
        try:
            quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
            quantize_static(
                str(ready), str(small), _Batches(tower.graph.input[0].name, pictures), quant_format=QuantFormat.QDQ, per_channel=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax,
            )  # fmt: skip
        except Exception as error:  # it has many kinds of errors, with no base of their own
            first = (str(error).strip().partition("\n")[0] or type(error).__name__)[:200]
            raise EncoderError(
                f"this encoder cannot be had in int8 ({first}): leave out the pictures to calibrate on"
            ) from error
        return onnx.load_model(small)


class _Batches:
    """Pictures as ONNX Runtime asks for them."""

    def __init__(self, name: str, pictures: UInt8[np.ndarray, "n h w 3"]) -> None:
        self._parts: Iterator[dict[str, np.ndarray]] = (
            {name: pictures[start : start + BATCH]} for start in range(0, len(pictures), BATCH)
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch, None at the end."""
        return next(self._parts, None)


@contextmanager
def _unspoken() -> Iterator[None]:
    """Keeps the advice that ONNX Runtime gives to all loggers from the user."""
    root = logging.getLogger()
    quiet = lambda record: "quantization" not in record.pathname  # noqa: E731
    root.addFilter(quiet)
    try:
        yield
    finally:
        root.removeFilter(quiet)
