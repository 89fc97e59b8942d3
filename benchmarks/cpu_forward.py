"""How fast a CPU encodes pictures and texts, by what computes the encoder: the table of docs/benchmarks.md.

python benchmarks/cpu_forward.py --encoder tiny --encoder ViT-B-32

`tiny` is the encoder that ships; others are architectures of open_clip with random weights. Each way runs in a process of its own, for
the allocator's settings are those of a whole process; medians over the rounds. The cosine is the lowest to torch as it comes.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from side_by_side import machine, print_table, seconds

from cladescope.embedding.encoder import Encoder, Precision, Runtime
from cladescope.embedding.encoders import open_clip_model
from cladescope.embedding.encoders.onnx_towers import lowest_cosine, probe_pictures

WAYS: dict[str, tuple[Runtime, Precision, bool, bool]] = {
    "torch, as it comes": ("torch", "fp32", False, False),
    "torch, memory kept": ("torch", "fp32", True, False),
    "torch, memory kept, in parts": ("torch", "fp32", True, True),
    "torch, bf16 weights": ("torch", "bf16", True, True),
    "ONNX Runtime, fp32": ("onnx", "fp32", True, True),
    "OpenVINO, fp32": ("openvino", "fp32", True, True),
    "OpenVINO, bf16": ("openvino", "bf16", True, True),
}
"""Runtime, precision, whether memory is kept, and whether a batch is computed in parts, as the encoders do by themselves."""
BATCH = 32
TEXTS = [f"a photo of Animalia Chordata Aves Passeriformes Paridae Parus number {n}." for n in range(64)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", action="append", help="repeatable (default: tiny, ViT-S-32, ViT-B-32, ViT-B-16)")
    parser.add_argument("--way", action="append", choices=WAYS, help="repeatable (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        _one(*options.one, rounds=options.rounds)
        return
    print(f"{machine()}; batches of {BATCH}, medians of {options.rounds} rounds\n")
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for name in options.encoder or ["tiny", "ViT-S-32", "ViT-B-32", "ViT-B-16"]:
            encoder = name if name == "tiny" else str(_random(name, Path(place)))
            for way in options.way or WAYS:
                found = _apart(encoder, way, Path(place), options.rounds)
                rows.append([name, way, *found])
    heads = [
        "encoder",
        "way",
        "pictures/s",
        "one picture, ms",
        "cosine",
        "page faults a picture",
        "texts/s",
        "peak, MB",
    ]
    print_table(heads, rows)


def _random(name: str, place: Path) -> Path:
    """A checkpoint folder of an architecture with random weights."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model(name, pretrained=None)
    folder = place / name
    folder.mkdir()
    config = {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": {"size": [224, 224]}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    return folder


def _apart(encoder: str, way: str, place: Path, rounds: int) -> list[str]:
    """The figures of one way, measured in a process of its own."""
    command = [sys.executable, __file__, "--rounds", str(rounds), "--one", encoder, way, str(place)]
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "XDG_CACHE_HOME": str(place)})
    if ended.returncode:
        return [ended.stderr.strip().splitlines()[-1][:100], "-", "-", "-", "-", "-"]
    found: list[str] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _one(name: str, way: str, place: str, *, rounds: int) -> None:
    """Measure one way and print its figures; the first way of an encoder leaves its vectors for the others to be compared with."""
    runtime, precision, is_kept, is_parted = WAYS[way]
    if not is_kept:
        open_clip_model.keep_memory = lambda: False
    encoder = Encoder.load(name, device="cpu", precision=precision, runtime=runtime)
    if isinstance(encoder, open_clip_model.OpenClipEncoder) and not is_parted:
        encoder.part = BATCH
    batch = np.concatenate([probe_pictures(encoder.transform.size)] * (BATCH // 8))
    reference = Path(place) / f"{Path(name).name}.npy"
    vectors = encoder.encode_pixels(batch[:8])
    if not reference.exists():
        np.save(reference, vectors)
    cosine = lowest_cosine(vectors, np.load(reference))
    once = seconds(lambda: encoder.encode_pixels(batch))
    repeats = max(1, round(2 / once))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    many = _median(lambda: [encoder.encode_pixels(batch) for _ in range(repeats)], rounds)
    faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / (rounds * repeats * BATCH)
    encoder.encode_pixels(batch[:1])
    single = _median(lambda: [encoder.encode_pixels(batch[:1]) for _ in range(8)], rounds) / 8
    encoder.encode_texts(TEXTS)
    texts = len(TEXTS) / _median(lambda: encoder.encode_texts(TEXTS), rounds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = [
        f"{repeats * BATCH / many:.1f}",
        f"{1000 * single:.1f}",
        f"{cosine:.7f}",
        f"{faults:.0f}",
        f"{texts:.0f}",
    ]
    print(json.dumps([*figures, f"{peak:.0f}"]))


def _median(task: Callable[[], object], rounds: int) -> float:
    return float(np.median([seconds(task) for _ in range(rounds)]))


if __name__ == "__main__":
    main()
