"""What the torch encoders share: where they run, what their weights hash to, what to say where no network is."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import huggingface_hub.constants
import numpy as np
import torch
from jaxtyping import Float32, UInt8

from cladescope.embedding.encoder import Device, Precision
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import DeviceFullError, EncoderError
from cladescope.weight_hash import weight_hash

ANSWER_SECONDS = 5.0
"""How long the hub may take to answer at all."""

Made = TypeVar("Made")


def resolve_device(device: Device) -> torch.device:
    """The device to compute on. Raises EncoderError where CUDA is asked for and absent."""
    if device == "cuda" and not torch.cuda.is_available():
        raise EncoderError("no CUDA device was found: use the device cpu, or install a driver that torch can see")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def resolve_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """The type of weights and activations: `auto` is bf16 on a GPU and fp32 on a CPU."""
    if precision == "auto":
        precision = "bf16" if device.type == "cuda" else "fp32"
    return torch.bfloat16 if precision == "bf16" else torch.float32


def hash_weights(model: torch.nn.Module) -> str:
    """`weight_hash` of a model's state."""
    tensors = ((name, tensor.detach().cpu().contiguous()) for name, tensor in sorted(model.state_dict().items()))
    return weight_hash(
        (name, str(values.dtype), values.shape, values.reshape(-1).view(torch.uint8).numpy())
        for name, values in tensors
    )


class Normaliser:
    """uint8 pictures to a model's input, on its device and in its type; 3 b h w numbers.

    A GPU gets them from pinned memory by a stream of their own, so that they come while it computes another batch.
    """

    def __init__(self, transform: ImageTransform, *, device: torch.device, dtype: torch.dtype) -> None:
        shape = (1, 3, 1, 1)
        self.device, self.dtype = device, dtype
        self.mean = torch.tensor(transform.mean, device=device).view(shape)
        self.std = torch.tensor(transform.std, device=device).view(shape)
        self._copying = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def sent(self, batch: UInt8[np.ndarray, "b h w 3"]) -> torch.Tensor:
        """The pictures on the device as they are; what is done with them there waits for the copy, and nobody here does."""
        pixels = torch.from_numpy(np.ascontiguousarray(batch))
        if self._copying is None:
            return pixels.to(self.device)
        computing = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self._copying):
            # torch gives the pinned memory to no other before the copy is done
            copied = pixels.pin_memory().to(self.device, non_blocking=True)
        computing.wait_stream(self._copying)
        copied.record_stream(computing)  # so that its memory is not given to the next copy too early
        return copied

    def __call__(self, batch: UInt8[np.ndarray, "b h w 3"]) -> torch.Tensor:
        return self.normalised(self.sent(batch))

    def normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """The model's input, of pictures that lie on the device, b h w 3."""
        scaled = pixels.permute(0, 3, 1, 2).float().div_(255)
        return scaled.sub_(self.mean).div_(self.std).to(self.dtype)


@contextmanager
def outputs_watched(model: torch.nn.Module) -> Iterator[list[int]]:
    """Numbers in the result of each layer of a model while the block runs, for one picture.

    >>> layer = torch.nn.Linear(2, 3)
    >>> with outputs_watched(layer) as sizes:
    ...     _ = layer(torch.zeros(1, 2))
    >>> sizes
    [3]
    """
    sizes: list[int] = []

    def note(module: torch.nn.Module, given: object, made: object) -> None:
        if isinstance(made, torch.Tensor):
            sizes.append(made.numel())

    handles = [module.register_forward_hook(note) for module in model.modules()]
    try:
        yield sizes
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def memory_errors(n: int) -> Iterator[None]:
    """Say what to do when a batch of `n` pictures does not fit the device."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceFullError(
            f"the device is out of memory with {n} pictures a batch: use a smaller batch size; what is stored stays"
        ) from error


def unit_vectors_of(features: torch.Tensor) -> Callable[[], Float32[np.ndarray, "b d"]]:
    """A model's output as float32 rows of unit length on the CPU, once the device that computes them is asked for them.

    They are copied from a GPU right behind their computation: a copy that is only ordered when they are asked for would wait for the
    batch that was begun meanwhile.
    """
    unit = torch.nn.functional.normalize(features.float(), dim=-1)
    if unit.device.type == "cpu":
        return unit.numpy
    with memory_errors(len(unit)):
        here = torch.empty(unit.shape, dtype=unit.dtype, pin_memory=True)
    here.copy_(unit, non_blocking=True)
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record(torch.cuda.current_stream(unit.device))

    def found() -> Float32[np.ndarray, "b d"]:
        with memory_errors(len(unit)):
            copied.synchronize()
        return here.numpy().copy()  # pinned memory is for the next batch

    return found


def to_unit_vectors(features: torch.Tensor) -> Float32[np.ndarray, "b d"]:
    """A model's output as float32 rows of unit length on the CPU."""
    return unit_vectors_of(features)()


def cached_or_fetched(name: str, make: Callable[[], Made]) -> Made:
    """What `make` makes from files of the hub: from the copies on this machine where all are there, else fetched.

    Everything in `make` first sees the hub's offline mode, which is `local_files_only` for every call; so a model that was
    fetched once loads without a network, and stays the same. The hub is asked for one answer before files are fetched,
    since its client would try in vain for minutes.

    Raises EncoderError, naming the local alternative, where the files are neither cached nor within reach.
    """
    constants = huggingface_hub.constants
    allowed = not constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        return make()
    except (OSError, RuntimeError, ValueError) as error:
        found, cause = f"{constants.ENDPOINT} is out of reach and no copy is cached here", error
    finally:
        constants.HF_HUB_OFFLINE = not allowed
    if allowed and _hub_answers():
        try:
            return make()
        except OSError as error:
            found, cause = _first_line(error), error
    raise EncoderError(
        f"cannot get the weights of {name!r} ({found}): connect to the network, or bring the files from a machine "
        f"that has them and name {_local_alternative(name)}; `pixels` needs no weights"
    ) from cause


def _local_alternative(name: str) -> str:
    if name.startswith("timm:"):
        return "the file: timm:NAME@FILE.safetensors"
    return "their folder (open_clip_config.json and open_clip_model.safetensors)"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _hub_answers() -> bool:
    request = urllib.request.Request(huggingface_hub.constants.ENDPOINT, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS):
            return True
    except urllib.error.HTTPError:  # an answer, if an unfriendly one
        return True
    except OSError:
        return False
