"""The package that reads and writes ONNX graphs, which few need: it comes with the extra `onnx`."""

from typing import Any

from cladescope.errors import EncoderError
from cladescope.packages import not_installed


def onnx_package() -> Any:
    """The package that writes graphs. Raises EncoderError, naming the extra, where it is missing."""
    try:
        import onnx
    except ImportError as error:
        raise EncoderError(f"no graph can be written: {not_installed('onnx')}") from error
    return onnx
