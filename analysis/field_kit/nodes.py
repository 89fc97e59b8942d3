"""An ONNX graph that is written node by node (https://onnx.ai/onnx/intro/concepts.html); what the nodes compute is said elsewhere."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from cladescope.embedding.encoders.onnx_package import onnx_package

PREFIX: Final = "kit."
"""Begins every name that is given here, so that none is one of a tower."""
LEAST: Final = 1e-12
"""Length below which a row is not scaled further."""


class Nodes:
    """Nodes and constants; a name stands for what a node gives. Every operation is one of opset 17."""

    def __init__(self, part: str) -> None:
        """Of a part of a graph, whose names begin with its own. Raises EncoderError, naming the extra, where the package that writes graphs is missing."""
        self._onnx, self._part = onnx_package(), f"{PREFIX}{part}"
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        """Constants that a caller may replace."""

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """A node of an operation, called by its number unless its output has a name."""
        name = output or f"{self._part}.{len(self.nodes)}.{kind}"
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, values: Any, kind: type = np.float32, *, name: str = "", may_be_given: bool = False) -> str:
        """A constant of a type of NumPy, texts among them; one that has a name of its own `may_be_given` by a caller."""
        array: np.ndarray = np.asarray(values, dtype=object if kind is str else kind)
        named = name or f"{self._part}.constant.{len(self.constants)}"
        make = self._onnx.helper
        if kind is str:
            texts = [str(text).encode() for text in array.ravel()]
            tensor = make.make_tensor(named, self._onnx.TensorProto.STRING, array.shape, texts)
        else:
            tensor = self._onnx.numpy_helper.from_array(np.array(array, order="C"), named)
        self.constants.append(tensor)
        if may_be_given:
            self.inputs.append(make.make_tensor_value_info(named, tensor.data_type, array.shape))
        return named

    def whole(self, values: Sequence[int] | np.ndarray | int) -> str:
        """A constant of whole numbers."""
        return self.constant(values, np.int64)

    def cast(self, value: str, kind: type) -> str:
        """A value in another type of NumPy."""
        number = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        return self.node("Cast", value, to=number)

    def length(self, rows: str) -> str:
        """Length of each row, as a column."""
        return self.node("ReduceL2", rows, axes=[1], keepdims=1)

    def unit(self, rows: str) -> str:
        """Rows of unit length."""
        return self.node("Div", rows, self.node("Max", self.length(rows), self.constant(LEAST)))

    def size(self, value: str, axis: int) -> str:
        """How long a value is along an axis, as a list of one number."""
        return self.node("Shape", value, start=axis, end=axis + 1)

    def filled(self, like: str, columns: int, value: float | int, kind: type = np.float32) -> str:
        """A table of one value, with a row for each of another table."""
        shape = self.node("Concat", self.size(like, 0), self.whole([columns]), axis=0)
        return self.node("Expand", self.constant(value, kind), shape)

    def added_by(self, values: str, place: np.ndarray, columns: int) -> str:
        """Each row's values, added up where their places, one a column of `values`, are the same: a table of so many columns."""
        places = self.node("Expand", self.whole(place[None]), self.node("Shape", values))
        return self.added(values, places, columns)

    def added(self, values: str, places: str, columns: int) -> str:
        """Each row's values, added up where the row's places are the same."""
        return self.node("ScatterElements", self.filled(values, columns, 0.0), places, values, axis=1, reduction="add")
