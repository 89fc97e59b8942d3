"""The towers of a torch encoder as ONNX graphs, which are checked to give the same vectors before they count.

A graph stands beside the weights and holds none: its initialisers are external data (onnx.ai/onnx/repo-docs/ExternalData.html) that
point into the checkpoint's own `open_clip_model.safetensors`, whose tensors lie there as plain bytes. So weights are written
once, and neither an export nor a runtime can change them. Where there is no such file, the weights are written beside the graph.
"""

import contextlib
import hashlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float32
from safetensors import safe_open

from cladescope.embedding.encoders.clip_tokens import ClipTokens
from cladescope.embedding.encoders.fixed_padding import fixed_padding
from cladescope.embedding.encoders.identity import PROBE_TEXT
from cladescope.embedding.encoders.onnx_package import onnx_package
from cladescope.embedding.encoders.onnx_towers import (
    AGREE,
    FILE,
    PICTURE,
    TEXT,
    Towers,
    TowersCard,
    file_hash,
    lowest_cosine,
    probe_pictures,
    read_towers,
)
from cladescope.embedding.encoders.open_clip_model import OpenClipEncoder, load
from cladescope.embedding.encoders.timm_model import TimmEncoder
from cladescope.embedding.text_scale import WEIGHTS_FILE
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import EncoderError
from cladescope.files import replacing, write_json

logger = logging.getLogger(__name__)

OPSET = 17
"""Has layer normalisation; every onnxruntime since 1.12 reads it."""
PROBE_TEXTS = (PROBE_TEXT, "a photo of Parus major.", "owl", "a photo of Animalia Chordata Aves Passeriformes Paridae.")
_PREFIX = "model."
"""What stands before the names of a model's weights in the graph of a tower."""


class _PictureTower(torch.nn.Module):
    """From pixels as `ImageTransform.apply` gives them to features."""

    def __init__(self, model: Any, transform: ImageTransform, *, is_clip: bool) -> None:
        super().__init__()
        self.model, self._is_clip = model, is_clip
        mean, std = torch.tensor(transform.mean).view(1, 3, 1, 1), torch.tensor(transform.std).view(1, 3, 1, 1)
        self.factor, self.shift = torch.nn.Parameter(1 / (255 * std)), torch.nn.Parameter(-mean / std)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        scaled = pixels.permute(0, 3, 1, 2).float() * self.factor + self.shift
        features: torch.Tensor = self.model.encode_image(scaled) if self._is_clip else self.model(scaled)
        return features


class _TextTower(torch.nn.Module):
    """From tokens to features."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.model.encode_text(tokens)
        return features


def export_towers(encoder: OpenClipEncoder | TimmEncoder, folder: Path, *, weights: Path | None = None) -> TowersCard:
    """Write `picture.onnx`, `text.onnx` where the tokens are CLIP's, and `onnx.json` into a folder; return what that says.

    `weights` is a safetensors file in the folder whose tensors the graphs point at. Existing files are replaced, `onnx.json` last,
    so that what was not written to the end does not count.

    Raises EncoderError where onnx is missing, the model cannot be traced, or the vectors are not the same to a cosine of `AGREE`.
    """
    onnx_package()
    model, transform = encoder._model, encoder.transform
    clip = encoder if isinstance(encoder, OpenClipEncoder) else None
    stored = {} if weights is None else _header(weights)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = probe_pictures(transform.size)
    named = {"input_names": ["pixels"], "dynamic_axes": {"pixels": {0: "pictures"}, "features": {0: "pictures"}}}
    tower = _PictureTower(model, transform, is_clip=clip is not None)
    parts = {
        PICTURE: _written(tower, torch.from_numpy(pictures[:2]), folder / f"{PICTURE}.onnx", named, weights, stored)
    }
    length = None if clip is None else _token_length(clip)
    if length is not None:
        named = {"input_names": ["tokens"], "dynamic_axes": {"tokens": {0: "texts"}, "features": {0: "texts"}}}
        tokens = torch.from_numpy(ClipTokens(length)(PROBE_TEXTS[1:3]))
        parts[TEXT] = _written(_TextTower(model), tokens, folder / f"{TEXT}.onnx", named, weights, stored)
    card = TowersCard(
        card=replace(encoder.card, name=""),
        text_scale=encoder.text_scale if encoder.card.has_text else None,
        token_length=length,
        hashes=parts,
        weights=None if weights is None else (weights.name, file_hash(weights)),
        part=encoder.part,
        cosines={},
    )
    towers = Towers(folder, card)
    cosines = {PICTURE: lowest_cosine(towers.pictures(pictures), encoder.encode_pixels(pictures))}
    if length is not None:
        cosines[TEXT] = lowest_cosine(towers.texts(PROBE_TEXTS), encoder.encode_texts(PROBE_TEXTS))
    for side, cosine in cosines.items():
        if not cosine >= AGREE:
            raise EncoderError(
                f"the {side} tower of {encoder.card.name!r} in ONNX is not that of torch (cosine {cosine:.6f}, expected {AGREE}): use runtime torch"
            )
    card = replace(card, cosines=cosines)
    write_json(folder / FILE, card.to_dict())
    return card


def export_beside(folder: Path) -> TowersCard:
    """Write the towers of a checkpoint folder beside its weights. Raises EncoderError as `export_towers`."""
    encoder = load(str(folder), device="cpu", precision="fp32")
    weights = folder / WEIGHTS_FILE
    return export_towers(cast(OpenClipEncoder, encoder), folder, weights=weights if weights.is_file() else None)


def cached_towers(encoder: OpenClipEncoder | TimmEncoder, cache: Path) -> Towers:
    """The towers of an encoder from a folder of many, made there if they are not there yet or damaged. Raises EncoderError as `export_towers`."""
    known = f"{encoder.card.identity}, {encoder.transform.to_dict()}"
    folder = cache / hashlib.blake2b(known.encode(), digest_size=16).hexdigest()
    try:
        return read_towers(folder)
    except EncoderError as error:
        logger.info("%s: towers of %s are made", error, encoder.card.name)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with replacing(folder, over=True) as draft:
            export_towers(encoder, draft)
    except OSError as error:
        raise EncoderError(
            f"cannot write {folder} ({error.strerror}): free some space, or use runtime torch"
        ) from error
    return read_towers(folder)


def _written(
    tower: torch.nn.Module,
    example: torch.Tensor,
    path: Path,
    named: Mapping[str, Any],
    weights: Path | None,
    stored: Mapping[str, Any],
) -> str:
    """Write the graph of one tower; return the hash of its file."""
    onnx = onnx_package()
    buffer: Any = io.BytesIO()  # torch writes into it, though its types name paths alone
    try:
        with (
            warnings.catch_warnings(),
            torch.inference_mode(),
            _as_written(),
            fixed_padding(tower.eval(), example),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            warnings.simplefilter("ignore")  # of shapes that stay as they are, which the check of the vectors settles
            torch.onnx.export(
                tower, (example,), buffer, dynamo=False, opset_version=OPSET, do_constant_folding=False,
                output_names=["features"], **named,
            )  # fmt: skip
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        first = str(error).strip().partition("\n")[0]
        raise EncoderError(f"this model cannot be written as ONNX ({first[:200]}): use runtime torch") from error
    graph = onnx.load_model_from_string(buffer.getvalue())
    with replacing(path) as draft:
        if weights is None:
            onnx.save_model(graph, draft, save_as_external_data=True, location=f"{path.stem}.weights")
        else:
            _point_into(graph.graph, weights, stored)
            draft.write_bytes(graph.SerializeToString(deterministic=True))
    return file_hash(path)


@contextlib.contextmanager
def _as_written() -> Iterator[None]:
    """Attention as its module has it, and not as the one operation that torch computes in its place."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _point_into(graph: Any, weights: Path, stored: Mapping[str, Any]) -> None:
    """Replace initialisers by what a safetensors file holds under the same name, as float32 where it holds float16."""
    onnx = onnx_package()
    casts = []
    with safe_open(weights, framework="numpy") as file:
        for tensor in graph.initializer:
            name = tensor.name.removeprefix(_PREFIX)
            place = stored.get(name)
            if place is None or place["shape"] != list(tensor.dims) or place["dtype"] not in ("F16", "F32"):
                continue
            if not np.array_equal(onnx.numpy_helper.to_array(tensor), file.get_tensor(name).astype(np.float32)):
                continue
            start, end = place["data_offsets"]
            is_half = place["dtype"] == "F16"
            tensor.ClearField("raw_data")
            tensor.data_type = onnx.TensorProto.FLOAT16 if is_half else onnx.TensorProto.FLOAT
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in (("location", weights.name), ("offset", start), ("length", end - start)):
                tensor.external_data.add(key=key, value=str(value))
            if is_half:
                casts += _in_full(graph, tensor)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _in_full(graph: Any, tensor: Any) -> list[Any]:
    """Nodes that make float32 of a float16 initialiser. A table of embeddings stays as it is: the rows taken are converted."""
    onnx = onnx_package()
    users = [node for node in graph.node if tensor.name in node.input]
    if len(users) == 1 and users[0].op_type == "Gather" and users[0].input[0] == tensor.name:
        taken, place = users[0], list(graph.node).index(users[0])
        output = taken.output[0]
        taken.output[0] = f"{output}.half"
        graph.node.insert(
            place + 1, onnx.helper.make_node("Cast", [taken.output[0]], [output], to=onnx.TensorProto.FLOAT)
        )
        return []
    name = tensor.name
    tensor.name = f"{name}.half"
    return [onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT)]


def _header(path: Path) -> dict[str, Any]:
    """Type, shape and place in the file, in bytes from its start, of each tensor of a safetensors file."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(size))
    header.pop("__metadata__", None)
    for place in header.values():
        place["data_offsets"] = [8 + size + offset for offset in place["data_offsets"]]
    return header


def _token_length(encoder: OpenClipEncoder) -> int | None:
    """Tokens a text, where the model's tokenizer gives those of `ClipTokens`; else None."""
    tokenizer: Callable[[list[str]], torch.Tensor] = encoder._tokenizer
    expected: Float32[np.ndarray, "t length"] = tokenizer(list(PROBE_TEXTS)).numpy()
    length = int(expected.shape[1])
    same = np.array_equal(expected, ClipTokens(length)(PROBE_TEXTS))
    if not same:
        logger.info("the tokenizer of %s is not CLIP's: its text tower stays in torch", encoder.card.name)
    return length if same else None
