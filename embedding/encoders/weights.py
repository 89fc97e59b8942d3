"""What the torch encoders share: where they run, what their weights hash to, what to say where no network is."""

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import huggingface_hub.constants
import numpy as np
import torch
from jaxtyping import Float32, UInt8

from cladescope.embedding.encoder import Device, Precision
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import EncoderError

PROBE_SECONDS = 5.0


def resolve_device(device: Device) -> torch.device:
    """The device to compute on. Raises EncoderError where CUDA is asked for and absent."""
    if device == "cuda" and not torch.cuda.is_available():
        raise EncoderError("no CUDA device was found: use --device cpu, or install a driver that torch can see")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def resolve_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """The type of weights and activations: `auto` is bf16 on a GPU and fp32 on a CPU."""
    if precision == "auto":
        precision = "bf16" if device.type == "cuda" else "fp32"
    return torch.bfloat16 if precision == "bf16" else torch.float32


def hash_weights(model: torch.nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of a model's state, in the order of the names.

    Two files that hold the same weights in other formats have one hash.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


class Normaliser:
    """uint8 pictures to a model's input, on its device and in its type; 3 b h w numbers."""

    def __init__(self, transform: ImageTransform, *, device: torch.device, dtype: torch.dtype) -> None:
        shape = (1, 3, 1, 1)
        self.device, self.dtype = device, dtype
        self.mean = torch.tensor(transform.mean, device=device).view(shape)
        self.std = torch.tensor(transform.std, device=device).view(shape)

    def __call__(self, batch: UInt8[np.ndarray, "b h w 3"]) -> torch.Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(batch)).to(self.device, non_blocking=True)
        scaled = pixels.permute(0, 3, 1, 2).float().div_(255)
        return scaled.sub_(self.mean).div_(self.std).to(self.dtype)


@contextmanager
def memory_errors(n: int) -> Iterator[None]:
    """Say what to do when a batch of `n` pictures does not fit the device."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise EncoderError(
            f"the device is out of memory with {n} pictures a batch: use a smaller --batch-size; what is stored stays"
        ) from error


def to_unit_vectors(features: torch.Tensor) -> Float32[np.ndarray, "b d"]:
    """A model's output as float32 rows of unit length on the CPU."""
    unit = torch.nn.functional.normalize(features.float(), dim=-1)
    return unit.cpu().numpy()


@contextmanager
def hub_or_cache(name: str) -> Iterator[None]:
    """Load from the hub, or from its local cache at once where the network is away.

    Without this, a machine without network waits for minutes of repeated tries, even where all files are cached.

    Raises EncoderError, naming the local alternative, where the files are neither cached nor within reach.
    """
    constants = huggingface_hub.constants
    before = constants.HF_HUB_OFFLINE
    reachable = not before and _reachable(constants.ENDPOINT)
    constants.HF_HUB_OFFLINE = not reachable
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        if reachable and not isinstance(error, OSError):
            raise
        found = _first_line(error) if reachable else f"{constants.ENDPOINT} is out of reach and no copy is cached here"
        raise EncoderError(
            f"cannot get the weights of {name!r} ({found}): connect to the network, or bring the files from a machine "
            f"that has them and name {_local_alternative(name)}; `pixels` needs no weights"
        ) from error
    finally:
        constants.HF_HUB_OFFLINE = before


def _local_alternative(name: str) -> str:
    if name.startswith("timm:"):
        return "the file: timm:NAME@FILE.safetensors"
    return "their folder (open_clip_config.json and open_clip_model.safetensors)"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _reachable(endpoint: str) -> bool:
    if any(os.environ.get(key) for key in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")):
        return True
    address = urlsplit(endpoint)
    try:
        with socket.create_connection((address.hostname or "", address.port or 443), timeout=PROBE_SECONDS):
            return True
    except OSError:
        return False
