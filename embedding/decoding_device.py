"""Whether there is a device that can decode pictures for a job (`embedding.device_decode`), asked before the job makes anything."""

import importlib

from cladescope.errors import EncoderError


def decoding_device() -> str:
    """The device's name for torch.

    Raises EncoderError where there is none, or torch or torchvision is not installed.
    """
    try:
        import torch

        importlib.import_module("torchvision.io")
    except ImportError as error:
        raise EncoderError(
            f"pictures are decoded on a device by torch and torchvision, and {error.name} is not installed: install it, or decode on the cpu"
        ) from error
    if not torch.cuda.is_available():
        raise EncoderError("pictures are decoded on a device by CUDA, and no CUDA device was found: decode on the cpu")
    return "cuda"
