"""Picture and text towers that ONNX Runtime or OpenVINO computes on a CPU; nothing here imports torch.

A folder holds the graphs, `onnx.json`, which says what they are and how close they came to torch when they were made
(`onnx_export`), and the weights that the graphs point at.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import local
from typing import Any, Literal, cast
from weakref import WeakValueDictionary

import numpy as np
from jaxtyping import Float32, UInt8

from cladescope.embedding.encoder import EncoderCard, PrecisionClass
from cladescope.embedding.encoders.parts import SHARE, SideBySide, in_parts
from cladescope.embedding.ways import Compute, Way, ways_of
from cladescope.errors import EncoderError
from cladescope.packages import not_installed, versions_of
from cladescope.processor import n_cores

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
        self._side_by_side: Compute | None = None
        self._towers: WeakValueDictionary[tuple[int, int], Tower] = WeakValueDictionary()
        """Loaded picture towers by callers and threads, as long as somebody computes by them."""

    def pictures(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """Vectors of pictures as the image transform gives them; unit length. Raises EncoderError where the engine fails.

        All cores share the few pictures of a query, and each core takes its own of more, to the same bits.
        """
        if self._side_by_side is None and len(batch) >= max(2, n_cores()):
            self._side_by_side = self.in_way(self.default_way)
            vars(self).pop("_picture", None)  # whose memory is free then
        return self.few_pictures(batch) if self._side_by_side is None else self._side_by_side(batch)

    def few_pictures(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """The same, by all cores together."""
        return in_parts(lambda part: _unit(self._picture(np.ascontiguousarray(part))), batch, self.card.part)

    @property
    def default_way(self) -> Way:
        """That of many pictures: each core computes its own."""
        cores = n_cores()
        return Way(part=max(1, self.card.part // SHARE) if cores > 1 else self.card.part, side_by_side=cores, threads=1)

    @property
    def other_ways(self) -> tuple[Way, ...]:
        """Parts of half and twice as many pictures, and the other of the two."""
        found = ways_of(part=self.card.part, share=SHARE, cores=n_cores())
        return tuple(way for way in found if way != self.default_way)

    @property
    def engine(self) -> dict[str, str]:
        """What computes the picture tower, with its version and precision."""
        package = "onnxruntime" if self._engine == "onnx" else "openvino"
        return {**versions_of([package]), "precision": self._precision}

    def in_way(self, way: Way) -> Compute:
        """What computes vectors of unit length in a way. Raises EncoderError where the engine fails."""
        compute = self._tower(way.side_by_side, way.threads)
        unit = lambda part: _unit(compute(np.ascontiguousarray(part)))  # noqa: E731 - a short one for both
        if way.side_by_side == 1:
            return lambda batch: in_parts(unit, batch, way.part)
        return SideBySide(unit, size=way.part, n_threads=way.side_by_side)

    def texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "t d"]:
        """Vectors of texts; unit length."""
        vectors = [np.empty((0, self.card.card.dim), np.float32)]
        for start in range(0, len(texts), TEXT_BATCH):
            vectors.append(_unit(self._text(self._tokens(texts[start : start + TEXT_BATCH]))))
        return np.concatenate(vectors)

    @cached_property
    def _picture(self) -> Tower:
        return self._tower(1, n_cores())

    def _tower(self, n_callers: int, n_threads: int) -> Tower:
        """The picture tower for so many callers at once, with so many threads to each; those that share one share its memory."""
        # ONNX Runtime's callers bring the thread that computes, OpenVINO's ask for one of so many streams.
        key = (1 if self._engine == "onnx" else n_callers, n_threads)
        found = self._towers.get(key)
        if found is None:
            path = self.folder / f"{PICTURE}.onnx"
            found = tower(
                path, engine=self._engine, precision=self._precision, n_threads=n_threads, n_callers=n_callers
            )
            self._towers[key] = found
        return found

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


def tower(
    path: Path, *, engine: Engine, precision: PrecisionClass, n_threads: int | None = None, n_callers: int = 1
) -> Tower:
    """A graph ready to compute, with one thread a core or with `n_threads`, for so many callers at once.

    Raises EncoderError where the engine is missing or cannot load it.
    """
    threads = n_threads or n_cores()
    try:
        if engine == "onnx":
            return _by_onnxruntime(path, threads)
        return _by_openvino(path, precision, threads, n_callers)
    except EncoderError:
        raise
    except Exception as error:  # both engines have many kinds of errors, with no base of their own
        raise EncoderError(f"{engine} cannot load {path} ({_first_line(error)}): use runtime torch") from error


def _by_onnxruntime(path: Path, n_threads: int) -> Tower:
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


def _by_openvino(path: Path, precision: PrecisionClass, n_threads: int, n_callers: int) -> Tower:
    try:
        with silent_telemetry():
            import openvino
    except ImportError as error:
        raise EncoderError(not_installed("openvino")) from error
    hint = {"fp32": "f32", "bf16": "bf16"}[precision]
    settings = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": n_threads}
    if n_callers > 1:
        settings |= {"NUM_STREAMS": n_callers, "INFERENCE_NUM_THREADS": n_callers * n_threads}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    own = local()

    def run(batch: np.ndarray) -> np.ndarray:
        try:
            if not hasattr(own, "request"):
                own.request = compiled.create_infer_request()  # of each caller, for one computes one batch at a time
            return np.array(own.request.infer([batch])[0])
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
