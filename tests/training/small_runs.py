"""What the tests of training share: a small configuration, and runs of it."""

import contextlib
import json
from pathlib import Path

import torch

from cladescope.training.config import load_config
from cladescope.training.loop import checkpoint
from cladescope.training.loop.distributed import Group
from cladescope.training.loop.logs import read_log
from cladescope.training.loop.prepare import prepare
from cladescope.training.loop.train import _epoch

SMALL = Path(__file__).parents[1] / "data" / "small.toml"
OPEN_CLIP = {"model.timm": "", "model.freeze_norm": False, "model.image_size": 0}
"""With `model.open_clip`: that model in the place of the one from timm."""
EVERY_PAIR = {
    "clip": 1.0,
    "clip_masked": 0.7,
    "clip_positive": 0.5,
    "siglip": 0.01,
    "siglip_taxa": 0.01,
    "level_restricted": 0.3,
}
EVERY_TERM = {**EVERY_PAIR, "cross_entropy": 0.4, "hierarchical_cross_entropy": 0.2}


def small(source, overrides=None):
    """The small configuration on a manifest or on simulated clades, with some keys replaced."""
    manifest = manifest_of(source) if source.is_dir() else source
    return load_config(SMALL, {"data.source": str(manifest), **(overrides or {})})


def manifest_of(clades):
    """A manifest beside simulated clades with ids of its own, so that what is held out does not depend on their place."""
    path = clades.parent / f"{clades.name}-pictures.csv"
    if not path.exists():
        header, *lines = (clades / "metadata.csv").read_text().splitlines()
        rows = [f"{line.partition(',')[0]},{clades.name}/{line}" for line in lines]
        path.write_text("\n".join([f"image_id,{header}", *rows]) + "\n")
    return path


def started(config, folder):
    """A run in this process, before its first step; token embeddings that start at zero are drawn."""
    run = prepare(config, folder, Group(), resume=False)
    wake_texts(run.towers)
    return run


def wake_texts(towers):
    """Draw the token embeddings, which start at zero, so that different texts have different vectors."""
    generator = torch.Generator().manual_seed(5)
    weight = towers.clip.text.token_embedding.weight
    with torch.no_grad():
        weight.copy_(torch.randn(weight.shape, generator=generator) * 0.3)


def batches_of(run, n):
    """The next n batches of the epoch that a run is in."""
    with contextlib.closing(_epoch(run)) as stream:
        return [next(stream) for _ in range(n)]


def captions(clades, path, *, n=16):
    """A manifest of captioned pictures for replay; one has no caption."""
    files = sorted(clades.glob("images/*/*.jpg"))[:n]
    lines = [f'{file},"picture number {place}, wow! of something"' for place, file in enumerate(files)]
    path.write_text("\n".join(["file,caption", *lines, f'{files[0].parent / "001.jpg"},"  "']) + "\n")
    return path


def curve(folder):
    """Lines of a log without times."""
    timed = ("time", "pictures_per_second")
    return [{key: value for key, value in line.items() if key not in timed} for line in read_log(folder / "log.jsonl")]


def states(folder, name="last.pt"):
    """Every tensor of a checkpoint by its place in it, and where the run is."""
    progress, content = checkpoint.load(folder / "checkpoints" / name)
    return progress, dict(_tensors(content, ""))


def card(folder):
    """Card of a run's exported encoder."""
    return json.loads((folder / "export" / "card.json").read_text())


def _tensors(value, at):
    if isinstance(value, torch.Tensor):
        yield at, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _tensors(inner, f"{at}/{key}")
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _tensors(inner, f"{at}/{place}")
