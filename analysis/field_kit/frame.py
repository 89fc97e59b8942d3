"""Cutting a resized picture to the square of an encoder, or filling it up to that, within an ONNX graph."""

import numpy as np

from cladescope.analysis.field_kit.nodes import Nodes
from cladescope.embedding.transform import ImageTransform


def add_frame(nodes: Nodes, pixels: str, transform: ImageTransform) -> str:
    """From pictures of one size, resized as the transform says (`ImageTransform.placed`), to its square; the same pixels as `ImageTransform.apply`."""
    sides = nodes.node("Shape", pixels, start=1, end=3)
    size = nodes.whole(transform.size)
    gap, none = nodes.node("Sub", size, sides), nodes.whole(0)
    half = nodes.node("Div", nodes.cast(nodes.node("Min", gap, none), np.float32), nodes.constant(2.0))
    start = nodes.node(
        "Neg", nodes.cast(nodes.node("Round", half), np.int64)
    )  # of a half to the even number, as Python's
    end = nodes.node("Add", start, nodes.node("Min", sides, size))
    cut = nodes.node("Slice", pixels, start, end, nodes.whole([1, 2]))
    if transform.resize != "pad":  # which alone leaves a side that is too short
        return cut
    lack = nodes.node("Max", gap, none)
    before = nodes.node("Div", lack, nodes.whole(2))
    edge = nodes.whole([0])
    pads = nodes.node("Concat", edge, before, edge, edge, nodes.node("Sub", lack, before), edge, axis=0)
    fill = nodes.constant(transform.fill, np.int32)
    apart = nodes.node("Sub", nodes.cast(cut, np.int32), fill)
    padded = nodes.node("Pad", apart, pads, nodes.constant(0, np.int32))
    return nodes.cast(nodes.node("Add", padded, fill), np.uint8)
