"""Encoders of torch whose picture side is compiled by `torch.compile`, for one number of pictures at a time.

Fewer pictures, as in the last batch, are filled up and the rows of the filling dropped, so that nothing is compiled again. Whatever
keeps it from being compiled or from computing leaves the rest to torch as it is, and the job is told; so does memory that a device
lacks, for which the number is halved and compiled anew.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from types import FunctionType
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from cladescope.embedding.encode import BATCH_SIZE
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.encoders.onnx_towers import AGREE, lowest_cosine, probe_pictures
from cladescope.embedding.encoders.torch_encoder import TorchEncoder
from cladescope.embedding.encoders.weights import memory_errors, unit_vectors_of
from cladescope.embedding.portions import is_memory_error

logger = logging.getLogger(__name__)

BACKEND = "inductor"
"""What compiles; one of `torch.compiler.list_backends(None)`."""
PAYS_BACK: Final = 120.0
"""Seconds that a job has waited for its GPU when compiling, which takes about one minute, is taken to pay back."""
WORTH_IT: Final = 0.97
"""Share of the time without at which an encoder that a job compiled by itself stays so: on an H200 a ViT-B-16 gained nothing."""
ROUNDED_AS_EAGER: dict[str, Any] = {"emulate_precision_casts": True}
"""Has inductor round to bf16 where torch does without it, so that vectors stay the same."""

Waiting = Callable[[], Float32[np.ndarray, "b d"]]


class CompiledEncoder(Encoder):
    """An encoder that computes as torch comes until `start`, and compiled from then on, for `size` pictures at a time.

    Not started by anybody, it starts itself when its GPU was waited for `PAYS_BACK` seconds, and stays compiled where the vectors
    stay the same to a cosine of `AGREE` and a batch takes less than `WORTH_IT` of the time. Memory: at times that of both ways.
    """

    def __init__(self, eager: TorchEncoder) -> None:
        """Nothing is compiled yet."""
        self.card, self.taxa_file = eager.card, eager.taxa_file
        self.size: int | None = None
        """Pictures at a time; None while nothing is compiled."""
        self.n_compiled, self.n_eager = 0, 0
        """Pictures that have vectors by each way."""
        self.why_eager: str | None = None
        """Why torch as it comes does it all, or does it again."""
        self._eager = eager
        self._forward: Callable[[torch.Tensor], torch.Tensor] | None = None
        self._longest, self._waited = 1, 0.0

    def start(self, size: int) -> float:
        """Compile for `size` pictures at a time, and return the lowest cosine to the vectors of torch as it comes.

        NaN where it cannot be compiled; `why_eager` says why, and torch as it comes computes what follows.
        """
        self._compile_for(size)
        pictures = probe_pictures(self.transform.size)
        try:
            expected = self._eager.encode_pixels(pictures)
            found = self._begin_compiled(pictures)
            cosine = math.nan if found is None else lowest_cosine(found(), expected)
        except Exception as error:
            if not is_memory_error(error):
                raise
            self._give_up("the device is out of memory")
            return math.nan
        if found is not None and math.isnan(cosine):
            self._give_up("its vectors are no numbers")
        return cosine

    @property
    def notes(self) -> tuple[str, ...]:
        """How many pictures were computed in which way."""
        if self.why_eager is not None:
            told = f"the encoder is not compiled ({self.why_eager}): {self.n_eager:,} pictures were encoded without"
        elif self.size is None:
            return self._eager.notes
        else:
            told = f"compiled for {self.size} pictures at a time: {self.n_compiled:,} of {self.n_compiled + self.n_eager:,} pictures"
        return (*self._eager.notes, told)

    @property
    def computes_apart(self) -> bool:
        """Whether it computes on a GPU."""
        return self._eager.computes_apart

    @property
    def text_scale(self) -> float:
        """That of the encoder as it comes."""
        return self._eager.text_scale

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "t d"]:
        """Vectors of texts by torch as it comes."""
        return self._eager.encode_texts(texts)

    def encode_pixels(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """Vectors of the picture side; unit length."""
        return self.begin_pixels(batch)()

    def begin_pixels(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Waiting:
        """Send a batch to the device; what comes back waits for its vectors. Raises DeviceFullError where it has no room."""
        self._longest = max(self._longest, len(batch))
        if self.size is None and self.why_eager is None and self._waited >= PAYS_BACK:
            self._start_if_same()
        waiting = None if self.size is None else self._begin_compiled(batch)
        if waiting is not None:
            return partial(self._counted, waiting, is_compiled=True)
        if self.computes_apart:
            return partial(self._counted, self._eager.begin_pixels(batch), is_compiled=False)
        vectors = self._eager.encode_pixels(batch)
        return partial(self._counted, lambda: vectors, is_compiled=False)

    def _start_if_same(self) -> None:
        """Compile in the midst of a job, whose vectors must not change."""
        logger.info("the device was waited for %.0f seconds: the encoder is compiled", self._waited)
        cosine = self.start(self._longest)
        if cosine < AGREE:
            self._give_up(f"its vectors would have a cosine of {cosine:.6f} with those without")
        elif self.size is not None:
            self._give_up_if_no_faster(self.size)

    def _give_up_if_no_faster(self, size: int) -> None:
        """Time a batch of each way, three times in turn."""
        blank = np.zeros((size, self.transform.size, self.transform.size, 3), np.uint8)
        seconds: tuple[list[float], list[float]] = ([], [])
        for _ in range(3):
            for took, begin in zip(seconds, (self._begin_compiled, self._eager.begin_pixels), strict=True):
                began = time.monotonic()
                if (waiting := begin(blank)) is None:
                    return
                waiting()
                took.append(time.monotonic() - began)
        compiled_seconds, eager_seconds = map(median, seconds)
        if compiled_seconds > WORTH_IT * eager_seconds:
            self._give_up(f"{size} pictures took {compiled_seconds:.3f} s, and {eager_seconds:.3f} s without")

    def _counted(self, waiting: Waiting, *, is_compiled: bool) -> Float32[np.ndarray, "b d"]:
        began = time.monotonic()
        vectors = waiting()
        self._waited += time.monotonic() - began
        self.n_compiled += is_compiled * len(vectors)
        self.n_eager += (not is_compiled) * len(vectors)
        return vectors

    def _compile_for(self, size: int) -> None:
        """Have the next batch compile for `size` pictures at a time.

        Each size has a code object of its own, since torch counts how often one is compiled, by any encoder of the process, and refuses at some number.
        """
        features, normalised = self._eager.features, self._eager.normaliser.normalised
        forward = lambda pixels: features(normalised(pixels))  # noqa: E731 - a function, which tests would wrap in another
        own = FunctionType(forward.__code__.replace(), forward.__globals__, closure=forward.__closure__)
        options = ROUNDED_AS_EAGER if BACKEND == "inductor" else None
        self.size = size
        self._forward = torch.compile(own, fullgraph=True, dynamic=False, backend=BACKEND, options=options)

    def _begin_compiled(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Waiting | None:
        """Begin with a batch; None where that cannot be compiled. Raises DeviceFullError where not even so many pictures fit."""
        while self.size is not None:
            parts = [batch[start : start + self.size] for start in range(0, len(batch), self.size)]
            try:
                waiting = [self._begin_part(part, self.size) for part in parts]
            except Exception as error:
                if not is_memory_error(error):
                    self._give_up(_gist(error))
                    continue
                is_whole = len(batch) >= self.size
                self._halve()
                if is_whole:
                    raise
            else:
                return partial(self._end, waiting)
        return None

    def _end(self, waiting: Sequence[Waiting]) -> Float32[np.ndarray, "b d"]:
        try:
            return np.concatenate([one() for one in waiting])
        except Exception as error:
            if is_memory_error(error):
                self._halve()
            raise

    @torch.inference_mode()
    def _begin_part(self, part: UInt8[np.ndarray, "p h w 3"], size: int) -> Waiting:
        assert self._forward is not None
        with memory_errors(size):
            pixels = self._eager.normaliser.sent(part)
            filled = torch.nn.functional.pad(pixels, (0, 0) * 3 + (0, size - len(part)))
            return unit_vectors_of(self._forward(filled)[: len(part)])

    def _halve(self) -> None:
        assert self.size is not None
        self._compile_for(max(1, self.size // 2))
        logger.warning("the device is out of memory: the encoder is compiled anew for %d pictures at a time", self.size)

    def _give_up(self, why: str) -> None:
        self.size, self.why_eager, self._forward = None, why, None
        logger.warning("the encoder is not compiled: %s", why)


def compiled(eager: Encoder, batch_size: int = BATCH_SIZE) -> CompiledEncoder:
    """An encoder of torch compiled now: for `batch_size` pictures at a time on a GPU, on a CPU for those of a part.

    The card names the runtime, with the lowest cosine to torch as it comes, where that is below `AGREE`.
    """
    assert isinstance(eager, TorchEncoder), "torch computes it"
    made = CompiledEncoder(eager)
    cosine = made.start(batch_size if eager.computes_apart else min(batch_size, eager.part))
    if cosine < AGREE:
        made.card = replace(eager.card, runtime="compiled", cosine=round(cosine, 6))
    return made


def _gist(error: BaseException) -> str:
    """What went wrong, on one line; that of the error within, where a backend of torch failed.

    >>> _gist(RuntimeError("no compiler\\nsearched in ..."))
    'RuntimeError: no compiler'
    """
    error = getattr(error, "inner_exception", None) or error
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
