"""Picture and text towers that ONNX Runtime or OpenVINO computes on a CPU; nothing here imports torch.

A folder holds the graphs, `onnx.json`, which says what they are and how close they came to torch when they were made
(`onnx_export`), and the weights that the graphs point at.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from jaxtyping import Float32, UInt8

from cladescope.embedding.encoder import EncoderCard, PrecisionClass
from cladescope.embedding.encoders.parts import SHARE, SideBySide, in_parts
from cladescope.errors import EncoderError
from cladescope.packages import not_installed

FILE = "onnx.json"
FORMAT = 1
PICTURE, TEXT = "picture", "text"
AGREE = 0.99999
"""Cosine to the vectors of torch in float32 from which vectors count as the same."""
TEXT_BATCH = 256
N_PROBES = 8
LEAST = 1e-12
"""Length below which a feature is not scaled further, as torch has it."""

Engine = Literal["onnx", "openvino"]
Tower = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class TowersCard:
    """What `onnx.json` says."""

    card: EncoderCard
    """Identity of the encoder, without the name, which says where it lies."""
    text_scale: float | None
    token_length: int | None
    """Tokens a text; None where the text tower stays in torch."""
    hashes: Mapping[str, str]
    """SHA-256 of the file of each tower."""
    weights: tuple[str, str] | None
    """Name and SHA-256 of the file that holds the weights of all towers; None where each has one of its own."""
    part: int
    """Pictures to compute at a time."""
    cosines: Mapping[str, float]
    """Lowest cosine of each tower to torch on the pictures of `probe_pictures` or some texts, when the graphs were made."""

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "format": FORMAT,
            "card": self.card.to_dict(),
            "text_scale": self.text_scale,
            "token_length": self.token_length,
            "hashes": dict(self.hashes),
            "weights": self.weights,
            "part": self.part,
            "cosines": dict(self.cosines),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TowersCard":
        """What `to_dict` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']!r}, expected {FORMAT}")
        weights = values["weights"]
        return cls(
            card=EncoderCard.from_dict(values["card"]),
            text_scale=None if values["text_scale"] is None else float(values["text_scale"]),
            token_length=values["token_length"],
            hashes=dict(values["hashes"]),
            weights=None if weights is None else (str(weights[0]), str(weights[1])),
            part=int(values["part"]),
            cosines=dict(values["cosines"]),
        )


class Towers:
    """The towers of one folder; each is loaded when it is first used, and its memory is used again from batch to batch."""

    def __init__(
        self, folder: Path, card: TowersCard, *, engine: Engine = "onnx", precision: PrecisionClass = "fp32"
    ) -> None:
        self.folder, self.card = folder, card
        self._engine, self._precision = engine, precision
        self._side_by_side: SideBySide | None = None

    def pictures(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """Vectors of pictures as the image transform gives them; unit length. Raises EncoderError where the engine fails.

        By ONNX Runtime all cores share the few pictures of a query, and each core takes its own of more, to the same bits.
        """
        if self._side_by_side is None and self._engine == "onnx" and len(batch) >= max(2, n_cores()):
            self._side_by_side = self._each_core_its_own()
        if self._side_by_side is not None:
            return self._side_by_side(batch)
        return in_parts(lambda part: _unit(self._picture(np.ascontiguousarray(part))), batch, self.card.part)

    def texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "t d"]:
        """Vectors of texts; unit length."""
        vectors = [np.empty((0, self.card.card.dim), np.float32)]
        for start in range(0, len(texts), TEXT_BATCH):
            vectors.append(_unit(self._text(self._tokens(texts[start : start + TEXT_BATCH]))))
        return np.concatenate(vectors)

    @cached_property
    def _picture(self) -> Tower:
        return tower(self.folder / f"{PICTURE}.onnx", engine=self._engine, precision=self._precision)

    def _each_core_its_own(self) -> SideBySide:
        path, n_threads = self.folder / f"{PICTURE}.onnx", n_cores()
        compute = tower(path, engine=self._engine, precision=self._precision, n_threads=1)
        size = max(1, self.card.part // SHARE)
        return SideBySide(lambda part: _unit(compute(np.ascontiguousarray(part))), size=size, n_threads=n_threads)

    @cached_property
    def _text(self) -> Tower:
        # Texts take no time worth another engine, and full precision costs nothing here.
        return tower(self.folder / f"{TEXT}.onnx", engine="onnx", precision="fp32")

    @cached_property
    def _tokens(self) -> Any:
        from cladescope.embedding.encoders.clip_tokens import ClipTokens  # its word patterns load for half a second

        assert self.card.token_length is not None
        return ClipTokens(self.card.token_length)


def read_towers(folder: Path) -> Towers:
    """The towers of a folder, by ONNX Runtime. Raises EncoderError where there are none, or a file is not what it was when they were made."""
    path = folder / FILE
    try:
        import onnxruntime  # noqa: F401 - a broken installation is told here
    except ImportError as error:
        raise EncoderError(f"onnxruntime cannot be imported ({_first_line(error)})") from error
    try:
        card = TowersCard.from_dict(json.loads(path.read_text(encoding="utf-8")))
        files = {f"{side}.onnx": expected for side, expected in card.hashes.items()}
        for name, expected in (*files.items(), *([card.weights] if card.weights else [])):
            if file_hash(folder / name) != expected:
                raise EncoderError(f"{folder / name} is not the file that the ONNX towers were made with")
    except FileNotFoundError as error:
        raise EncoderError(f"no {Path(str(error.filename)).name} in {folder}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EncoderError(f"{path} cannot be used ({type(error).__name__}: {error})") from error
    return Towers(folder, card)


def tower(path: Path, *, engine: Engine, precision: PrecisionClass, n_threads: int | None = None) -> Tower:
    """A graph ready to compute, with one thread a core or with `n_threads`. Raises EncoderError where the engine is missing or cannot load it."""
    make = _by_onnxruntime if engine == "onnx" else _by_openvino
    try:
        return make(path, precision, n_threads or n_cores())
    except EncoderError:
        raise
    except Exception as error:  # both engines have many kinds of errors, with no base of their own
        raise EncoderError(f"{engine} cannot load {path} ({_first_line(error)}): use runtime torch") from error


def _by_onnxruntime(path: Path, precision: PrecisionClass, n_threads: int) -> Tower:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.log_severity_level = 4  # errors come as exceptions
    options.enable_mem_pattern = False  # a block apart for each size of a batch
    # Threads that spin while they wait take the cores from those that decode.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(batch: np.ndarray) -> np.ndarray:
        try:
            return cast(np.ndarray, session.run(None, {name: batch})[0])
        except Exception as error:
            raise EncoderError(
                f"ONNX Runtime failed with {len(batch)} a batch ({_first_line(error)}): use a smaller batch size"
            ) from error

    return run


def _by_openvino(path: Path, precision: PrecisionClass, n_threads: int) -> Tower:
    try:
        with silent_telemetry():
            import openvino
    except ImportError as error:
        raise EncoderError(not_installed("openvino")) from error
    hint = {"fp32": "f32", "bf16": "bf16"}[precision]
    settings = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": n_threads}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)

    def run(batch: np.ndarray) -> np.ndarray:
        try:
            return np.array(compiled([batch])[0])
        except RuntimeError as error:
            raise EncoderError(
                f"OpenVINO failed with {len(batch)} a batch ({_first_line(error)}): use a smaller batch size"
            ) from error

    return run


@contextmanager
def silent_telemetry() -> Iterator[None]:
    """Keeps OpenVINO from telling Intel, by Google Analytics and unasked, that it is imported.

    It forks a process for that, and writes a number of this user to `~/intel`. Without its package for this it tells nobody.
    """
    name = "openvino_telemetry"
    before = sys.modules.get(name)
    cast(dict[str, Any], sys.modules)[name] = None  # an import raises ImportError
    try:
        yield
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def probe_pictures(size: int) -> UInt8[np.ndarray, "p size size 3"]:
    """Pictures on which runtimes are compared: soft spots of colour with a grain, always the same.

    >>> probe_pictures(32).shape
    (8, 32, 32, 3)
    """
    random = np.random.default_rng(0)
    place = np.linspace(0, 3, size)
    low, high = place.astype(int).clip(0, 2), 0.5 - 0.5 * np.cos(np.pi * (place % 1))
    coarse = random.uniform(0, 255, (N_PROBES, 4, 4, 3))
    rows = coarse[:, low] + (coarse[:, low + 1] - coarse[:, low]) * high[None, :, None, None]
    soft = rows[:, :, low] + (rows[:, :, low + 1] - rows[:, :, low]) * high[None, None, :, None]
    grain = random.normal(0, np.linspace(0, 40, N_PROBES)[:, None, None, None], soft.shape)
    return (soft + grain).clip(0, 255).astype(np.uint8)


def lowest_cosine(one: Float32[np.ndarray, "n d"], other: Float32[np.ndarray, "n d"]) -> float:
    """The lowest cosine of rows that belong together, of vectors of unit length.

    >>> lowest_cosine(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32))
    1.0
    """
    return float(np.einsum("nd,nd->n", one, other, dtype=np.float64).min())


def file_hash(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unit(features: np.ndarray) -> Float32[np.ndarray, "b d"]:
    lengths = np.sqrt(np.einsum("bd,bd->b", features, features))[:, None]
    return cast(np.ndarray, features / np.maximum(lengths, np.float32(LEAST)))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().partition("\n")[0] or type(error).__name__)[:200]
