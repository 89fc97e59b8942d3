"""The runner: forty lines that need numpy, ONNX Runtime and Pillow, and see a picture as `predict` sees it."""

import ast
import io
import subprocess
import sys
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from cladescope.analysis.field_kit import kit
from cladescope.analysis.field_kit.frame import add_frame
from cladescope.analysis.field_kit.nodes import Nodes
from cladescope.analysis.field_kit.packing import runner_text
from cladescope.embedding.prepare import made_of
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import PictureError
from tests.conftest import REPOSITORY

EVEN: Any = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
TRANSFORMS = (
    ImageTransform(size=32, **EVEN),
    ImageTransform(size=28, crop_fraction=0.875, interpolation="bilinear", **EVEN),
    ImageTransform(size=31, resize="squash", interpolation="lanczos", **EVEN),
    ImageTransform(size=33, resize="pad", fill=(9, 200, 77), **EVEN),
    ImageTransform(size=30, resize="pad", crop_fraction=0.9, **EVEN),
)


def noise(width, height, mode="RGB", seed=0):
    bands = {"RGB": 3, "RGBA": 4, "LA": 2, "L": 1, "CMYK": 4}[mode]
    values = np.random.default_rng(seed).integers(0, 256, (height, width, bands), np.uint8)
    return (
        Image.fromarray(values.squeeze(), mode=None if mode != "CMYK" else "CMYK")
        if mode != "LA"
        else Image.merge("LA", [Image.fromarray(values[..., band]) for band in range(2)])
    )


def saved(image, kind, **how):
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def clear_palette():
    image = noise(60, 44).quantize(16)
    image.info["transparency"] = 3
    return image


PICTURES = {
    **{f"turned {one}": saved(noise(61, 44), "JPEG", exif=turned(one)) for one in range(10)},
    **{f"large and turned {one}": saved(noise(403, 517), "JPEG", exif=turned(one)) for one in range(1, 9)},
    "large": saved(noise(1001, 777), "JPEG", subsampling=0),
    "progressive": saved(noise(805, 611), "JPEG", progressive=True),
    "tall": saved(noise(20, 700), "PNG"),
    "wide": saved(noise(701, 20), "PNG"),
    "square": saved(noise(32, 32), "PNG"),
    "enlarged": saved(noise(9, 8), "PNG"),
    "half clear": saved(noise(50, 41, "RGBA"), "PNG"),
    "half clear grey": saved(noise(50, 41, "LA"), "PNG"),
    "clear palette": saved(clear_palette(), "PNG", transparency=3),
    "palette": saved(noise(50, 41).quantize(16), "PNG"),
    "grey": saved(noise(50, 41, "L"), "JPEG"),
    "black and white": saved(noise(50, 41, "L").convert("1"), "PNG"),
    "animation": saved(noise(50, 41), "GIF", save_all=True, append_images=[noise(50, 41, seed=1)]),
    "webp": saved(noise(50, 41, "RGBA"), "WEBP", exif=turned(6)),
    "tiff": saved(noise(50, 41), "TIFF", exif=turned(6)),
    "png that is turned": saved(noise(50, 41), "PNG", exif=turned(8)),
    "several pictures in a jpeg": saved(noise(300, 211), "MPO", save_all=True, append_images=[noise(300, 211, seed=1)]),
}


@pytest.fixture(scope="module", params=TRANSFORMS, ids=str)
def framing(request):
    """A transform, and its frame as a graph: from resized pictures to the square."""
    transform = request.param
    nodes = Nodes("frame")
    square = add_frame(nodes, "pixels", transform)
    nodes.node("Identity", square, output="square")
    make = onnx.helper
    graph = make.make_graph(
        nodes.nodes, "frame", [make.make_tensor_value_info("pixels", 2, ["n", "h", "w", 3])],
        [make.make_empty_tensor_value_info("square")], nodes.constants,
    )  # fmt: skip
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    return transform, onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def seen(data, transform):
    how = Image.Resampling[transform.interpolation.upper()]
    return kit.resized(Image.open(io.BytesIO(data)), transform.min_side, transform.resize, int(how))


@pytest.mark.parametrize("name", PICTURES)
def test_a_kit_sees_the_very_pixels_that_predict_sees(name, framing):
    transform, session = framing
    (square,) = session.run(None, {"pixels": seen(PICTURES[name], transform)[None]})
    np.testing.assert_array_equal(square[0], made_of(PICTURES[name], transform, with_tags=False).pixels)


def test_what_predict_has_rules_of_its_own_for_is_refused_with_what_to_do():
    deep = saved(Image.fromarray(np.zeros((20, 20), np.uint16)), "PNG")
    for data in (deep, saved(noise(20, 20, "CMYK"), "JPEG")):
        with pytest.raises(ValueError, match="save it as 8-bit RGB"):
            seen(data, TRANSFORMS[0])


@pytest.mark.parametrize("size", [(7, 20), (8, 401)])
def test_what_predict_refuses_as_too_small_or_too_thin_is_refused(size):
    data = saved(noise(*size), "PNG")
    with pytest.raises(PictureError):
        made_of(data, TRANSFORMS[0], with_tags=False)
    with pytest.raises(ValueError, match=f"{size[0]} x {size[1]} pixels"):
        seen(data, TRANSFORMS[0])


def test_the_runner_has_forty_lines_and_imports_what_it_says():
    text = runner_text()
    assert len(text.splitlines()) <= 40
    imported = {
        alias.name.split(".")[0] if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported - sys.stdlib_module_names == {"numpy", "onnxruntime", "PIL"}


@pytest.mark.parametrize("arguments", [[], ["kit.onnx"]], ids=["nothing", "no photo"])
def test_the_runner_says_how_it_is_used(arguments):
    ended = subprocess.run([sys.executable, kit.__file__, *arguments], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Names photos by a field kit: `python kit.py kit.onnx photo.jpg ...`")


@pytest.mark.parametrize(
    "content", [None, b"", b"\x08\x08 the first part of a kit"], ids=["missing", "empty", "cut off"]
)
def test_a_kit_that_cannot_be_read_is_one_line(content, tmp_path):
    path = tmp_path / "owls.onnx"
    if content is not None:
        path.write_bytes(content)
    ended = subprocess.run([sys.executable, kit.__file__, path, "a.jpg"], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"error: {path}: ")


def test_the_page_shows_the_runner_as_it_is():
    page = (REPOSITORY / "docs" / "field-kit.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- kit.py -->\n```python\n")[2].partition("```\n<!-- the end of kit.py -->")[0]
    assert shown == runner_text()
