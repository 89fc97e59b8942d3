"""Convolutions padded as TensorFlow has it become one operation each of an ONNX graph, with the same numbers."""

import io
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from timm.layers import Conv2dSame

from cladescope.embedding.encoders.fixed_padding import fixed_padding


def exported(tower, images):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            tower, (images,), buffer, dynamo=False, opset_version=17, input_names=["images"], dynamic_axes={"images": {0: "n"}}
        )  # fmt: skip
    return onnx.load_model_from_string(buffer.getvalue())


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 26), (31, 45)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_graph_has_one_convolution_for_each_and_gives_the_same_numbers(height, width, bias):
    torch.manual_seed(0)
    tower = torch.nn.Sequential(
        Conv2dSame(3, 8, 3, stride=2, bias=bias),
        torch.nn.ReLU6(),
        Conv2dSame(8, 8, 5, stride=2, groups=8, bias=bias),
        Conv2dSame(8, 4, 3, dilation=2, bias=bias),
    ).eval()
    images = torch.rand(2, 3, height, width)
    expected = tower(images).detach().numpy()
    with torch.inference_mode(), fixed_padding(tower, images):
        graph = exported(tower, images)
    kinds = [node.op_type for node in graph.graph.node]
    assert kinds.count("Conv") == 3
    assert not {"Pad", "Shape"} & set(kinds)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    more = torch.cat([images, images.flip(0), images])
    found = session.run(None, {"images": more.numpy()})[0]
    np.testing.assert_allclose(found[:2], expected, atol=1e-5)
    np.testing.assert_allclose(found[2:4], expected[::-1], atol=1e-5)


def test_afterwards_padding_is_computed_from_the_shape_again():
    tower = torch.nn.Sequential(Conv2dSame(1, 1, 3, stride=2))
    with fixed_padding(tower, torch.rand(1, 1, 8, 8)):
        assert "forward" in tower[0].__dict__
    assert "forward" not in tower[0].__dict__
    assert not tower[0]._forward_pre_hooks
    odd = torch.rand(1, 1, 9, 9)
    padded = torch.nn.functional.conv2d(odd, tower[0].weight, tower[0].bias, stride=2, padding=1)
    torch.testing.assert_close(tower(odd), padded)


def test_a_tower_without_such_convolutions_is_left_alone():
    tower = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3))
    with fixed_padding(tower, torch.rand(1, 1, 8, 8)):
        assert "forward" not in tower[0].__dict__
