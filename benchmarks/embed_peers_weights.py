"""The weights that `embed_peers.py` gives to all programs, and their vectors as each program writes them."""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import open_clip
import pyarrow.parquet as pq
import torch
from embed import write_random_model

from cladescope.embedding.encoders.onnx_export import export_beside
from cladescope.embedding.shipped import shipped_folder
from cladescope.index.store import Store

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
RCLIP_MODEL, RCLIP_SIDE = "ViT-B-32-256", 256
RCLIP_FOLDER = f"{RCLIP_MODEL}-datacomp_s34b_b86k"
"""Where rclip 3.3 looks for its graphs, below RCLIP_DATADIR."""
RCLIP_FILES = (f"{RCLIP_FOLDER}/textual.onnx", "tokenizer/bpe_simple_vocab_16e6.txt.gz")
"""These must be there; a search by a picture does not read them."""


def large_tiny(folder: Path) -> Path:
    """The checkpoint of `tiny` for pictures as large as rclip makes them, with the mean and deviation that rclip knows."""
    folder.mkdir()
    about = json.loads((shipped_folder("tiny") / CONFIG).read_text())
    about["model_cfg"]["vision_cfg"]["image_size"] = RCLIP_SIDE
    about["preprocess_cfg"] |= {
        "size": [RCLIP_SIDE, RCLIP_SIDE],
        "mean": open_clip.OPENAI_DATASET_MEAN,
        "std": open_clip.OPENAI_DATASET_STD,
    }
    (folder / CONFIG).write_text(json.dumps(about))
    shutil.copyfile(shipped_folder("tiny") / WEIGHTS, folder / WEIGHTS)
    export_beside(folder)
    return folder


def random_vit(folder: Path) -> Path:
    """A checkpoint of rclip's architecture with random weights."""
    write_random_model(folder, seed=0, name=RCLIP_MODEL)
    export_beside(folder)
    return folder


class _PictureTower(torch.nn.Module):
    """Normalised pixels to features."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.model.encode_image(pixels)  # type: ignore[operator]
        return features


def rclip_models(checkpoint: Path, folder: Path) -> Path:
    """A checkpoint as the folder that rclip would have downloaded."""
    for name in RCLIP_FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{checkpoint}")
    pixels = torch.zeros(2, 3, RCLIP_SIDE, RCLIP_SIDE)
    torch.onnx.export(
        _PictureTower(model).eval(), (pixels,), str(folder / "visual.onnx"), input_names=["input"], output_names=["output"],
        dynamic_axes={"input": {0: "pictures"}, "output": {0: "pictures"}}, opset_version=17, dynamo=False,
    )  # fmt: skip
    (folder / RCLIP_FOLDER / "visual.onnx").symlink_to(folder / "visual.onnx")
    return folder


Vectors = Iterator[tuple[str, np.ndarray]]
"""Files and their vectors."""


def _cladescope(out: Path) -> Vectors:
    for batch in Store.open(out / "store").scan(["uri", "vector"]):
        vectors = batch["vector"].flatten().to_numpy().reshape(len(batch), -1).astype(np.float32)
        yield from zip(batch["uri"].to_pylist(), vectors, strict=True)


def _clip_retrieval(out: Path) -> Vectors:
    files = pq.read_table(out / "metadata" / "metadata_0.parquet")["image_path"].to_pylist()
    yield from zip(files, np.load(out / "img_emb" / "img_emb_0.npy").astype(np.float32), strict=True)


def _pybioclip(out: Path) -> Vectors:
    for file, vector in json.loads((out / "vectors.json").read_text())["embeddings"].items():
        yield file, np.array(vector, np.float32)


def _rclip(out: Path) -> Vectors:
    with contextlib.closing(sqlite3.connect(out / "db.sqlite3")) as base:
        for file, vector in base.execute("SELECT filepath, vector FROM images"):
            yield file, np.frombuffer(vector, np.float32)


READERS: dict[str, Callable[[Path], Vectors]] = {
    "cladescope": _cladescope,
    "clip-retrieval": _clip_retrieval,
    "pybioclip": _pybioclip,
    "rclip": _rclip,
}
