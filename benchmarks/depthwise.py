"""Seconds of a training step of two backbones in bfloat16, with depthwise convolutions in bfloat16 and in float32, and wholly in float32.

    python benchmarks/depthwise.py [--size 176] [--batch 64]

One thread; the first three stages stay as they are, as in the recipe `tiny`; medians of three steps, in turn.
"""

import argparse
import time
from statistics import median

import timm
import torch
from side_by_side import print_table

from cladescope.training.model.depthwise import depthwise_in_float32
from cladescope.training.model.folding import fold_norms

BACKBONES = ("mobilenetv2_100", "tf_efficientnet_lite0")
WAYS = ("bf16", "bf16, depthwise in float32", "float32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=176)
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for backbone in BACKBONES:
        models = [made(backbone, way) for way in WAYS]
        images = torch.rand(options.batch, 3, options.size, options.size).contiguous(memory_format=torch.channels_last)
        seconds: list[list[float]] = [[] for _ in WAYS]
        for turn in range(4):
            for place, (model, way) in enumerate(zip(models, WAYS, strict=True)):
                begun = time.perf_counter()
                step(model, images, in_half=way != "float32")
                if turn:
                    seconds[place].append(time.perf_counter() - begun)
        found = [median(one) for one in seconds]
        rows.append([backbone, *(f"{one:.2f} ({found[0] / one:.2f}x)" for one in found)])
    print_table(["s a step", *WAYS], rows)


def made(backbone: str, way: str) -> torch.nn.Module:
    """A backbone whose norms are folded, and whose first stages stay as they are."""
    model: torch.nn.Module = timm.create_model(backbone, num_classes=0)
    fold_norms(model.eval())
    for name, weight in model.named_parameters():
        weight.requires_grad_(not name.startswith(("conv_stem", "blocks.0.", "blocks.1.")))
    if "depthwise" in way:
        depthwise_in_float32(model)
    return model.to(memory_format=torch.channels_last)


def step(model: torch.nn.Module, images: torch.Tensor, *, in_half: bool) -> None:
    """Forward and backward."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=in_half):
        features = model(images)
    features.float().square().mean().backward()


if __name__ == "__main__":
    main()
