"""Encoders on a GPU: pictures a second of the model alone, of our code around it, and from JPEG bytes to vectors.

PYTHONPATH=. python benchmarks/gpu_encoders.py
PYTHONPATH=. python benchmarks/gpu_encoders.py --models tiny --device cpu --pictures 8 --batches 4 --seconds 0.1

Needs torch, open_clip, Pillow, pillow-heif, NumPy and what the `embedding` package imports; neither FAISS nor LanceDB. Weights are
random (of `tiny` the shipped ones): speed does not depend on them. Pictures are smooth noise with some grain, made on the spot;
each has a comment of its own, so that none is taken for another.

`forward` is the model's picture tower on pixels that lie on the device; `encode_pixels` is our code, from uint8 pixels in NumPy
to unit vectors in NumPy, and `compiled` the same compiled for the largest batch (`encoders.compiled`), with the least cosine to that which is not and the
seconds that compiling took; half a batch is filled up. `decode` is reading, decoding and transforming without an encoder, `whole` all of it, as `embed` does
without a store. TFLOP/s counts the operations of matrix products and convolutions; `share` is TFLOP/s of the largest
product measured on the device in the same type, and for `whole` pictures a second of the smaller of `decode` and `encode_pixels`.
Each figure is the median of the calls that --seconds hold, three at least, after one that is not counted.
"""

import argparse
import json
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from gpu import median_seconds, show
from jaxtyping import Float32, UInt8
from PIL import Image
from side_by_side import machine
from torch.utils.flop_counter import FlopCounterMode

from cladescope.embedding.encode import WORKERS, encoded
from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.encoders.compiled import CompiledEncoder
from cladescope.embedding.encoders.open_clip_model import OpenClipEncoder
from cladescope.embedding.encoders.weights import Normaliser
from cladescope.embedding.given import as_records
from cladescope.embedding.transform import ImageTransform

TYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
SIZES = {"500 px": (500, 375), "3 megapixels": (2048, 1536)}
PRODUCT = 8192
"""Rows and columns of the matrices whose product gives the device's limit."""


def encoder_of(name: str, device: str, precision: str) -> OpenClipEncoder:
    """`tiny`, or a model of open_clip with random weights."""
    if name == "tiny":
        loaded = Encoder.load(name, device="cpu" if device == "cpu" else "cuda", precision=precision, runtime="torch")  # type: ignore[arg-type]
        assert isinstance(loaded, OpenClipEncoder)
        return loaded
    place, dtype = torch.device(device), TYPES[precision]
    with place:
        model = open_clip.create_model(name, pretrained=None, device=place)
    model = model.eval().to(device=place, dtype=dtype)
    transform = ImageTransform.from_open_clip(model.visual.preprocess_cfg)
    card = EncoderCard(
        name=name, dim=model.visual.output_dim, weight_hash=None, transform=transform, has_text=False, precision=None
    )
    return OpenClipEncoder(model, None, card, Normaliser(transform, device=place, dtype=dtype))


@cache
def jpegs(size: tuple[int, int], n: int, *, n_made: int = 32) -> list[bytes]:
    """JPEGs of quality 90; after `n_made` of them the pixels repeat, the bytes do not."""
    generator, made = np.random.default_rng(0), []
    for _ in range(min(n, n_made)):
        coarse = Image.fromarray(generator.integers(0, 256, (24, 32, 3), np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        )
        grain = generator.normal(0, 6, (size[1], size[0], 3))
        buffer = BytesIO()
        Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
        made.append(buffer.getvalue())
    comments = (b"\xff\xfe\x00\x0a%08d" % number for number in range(n))
    return [
        made[number % len(made)][:2] + comment + made[number % len(made)][2:] for number, comment in enumerate(comments)
    ]


@dataclass(frozen=True)
class Nothing:
    """An encoder that computes nothing."""

    transform: ImageTransform
    dim: int = 1

    def encode_pixels(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b 1"]:
        """Ones."""
        return np.ones((len(batch), 1), np.float32)


def run_through(encoder: Any, pictures: list[bytes], batch_size: int) -> None:
    """Encode pictures as a job does, and see that none is lost."""
    found = sum(len(batch.vectors) for batch in encoded(as_records(pictures), encoder, batch_size=batch_size))
    assert found == len(pictures), f"{found} of {len(pictures)} pictures have a vector"


def measured(work: Callable[[], object], n: int, device: str, least: float) -> dict[str, float]:
    """Pictures a second, and the most memory of the device at a time."""
    if device != "cpu":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    middle = median_seconds(work, device, least=least)
    row = {"pictures_per_s": n / middle, "ms": 1e3 * middle}
    return row if device == "cpu" else row | {"peak_mb": torch.cuda.max_memory_allocated() / 1e6}


def limits(device: str, least: float) -> dict[str, float]:
    """TFLOP/s of a large product of random matrices in each type."""
    size, found = PRODUCT if device != "cpu" else PRODUCT // 16, {}
    for name, dtype in TYPES.items():
        a = torch.randn(size, size, device=device, dtype=dtype)
        found[name] = 2e-12 * size**3 / median_seconds(lambda a=a: a @ a, device, least=least)  # type: ignore[misc]
    return found


def measure_forward(name: str, precision: str, options: argparse.Namespace, limit: float) -> list[dict[str, Any]]:
    """The model alone, eager and compiled, and our code around it."""
    device, found = options.device, []
    encoder = encoder_of(name, device, precision)
    size, generator = encoder.transform.size, np.random.default_rng(0)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        encoder.features(encoder.normaliser(np.zeros((1, size, size, 3), np.uint8)))
    flops = counter.get_total_flops()
    for batch in options.batches:
        pixels = generator.integers(0, 256, (batch, size, size, 3), np.uint8)
        with torch.inference_mode():
            sent = encoder.normaliser(pixels)
        forward = torch.inference_mode()(partial(encoder.features, sent))
        ways: dict[str, tuple[int, Callable[[], object]]] = {
            "forward": (batch, forward),
            "encode_pixels": (batch, partial(encoder.encode_pixels, pixels)),
        }
        row: dict[str, Any] = {"model": name, "precision": precision, "batch": batch}
        about: dict[str, Any] = {}
        if options.compile and batch == options.batches[-1] and precision == ("fp32" if device == "cpu" else "bf16"):
            began = time.perf_counter()
            made = CompiledEncoder(encoder)
            about["cosine"] = made.start(batch)
            about["compile_s"] = time.perf_counter() - began
            if made.size != batch:
                print(f"{name}: {made.notes[-1]}")
            short = pixels[: max(1, batch // 2)]
            ways["encode_pixels, compiled"] = (batch, partial(made.encode_pixels, pixels))
            ways["encode_pixels, compiled, half a batch"] = (len(short), partial(made.encode_pixels, short))
        for way, (n, work) in ways.items():
            figures = measured(work, n, device, options.seconds)
            tflops = 1e-12 * flops * figures["pictures_per_s"]
            found.append(row | {"way": way} | figures | {"tflops": tflops, "share": tflops / limit})
            found[-1] |= about if "compiled" in way else {}
    return found


def measure_whole(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """From JPEG bytes in memory, without the encoder and with it, in bf16 on a GPU and fp32 elsewhere."""
    device, batch, found = options.device, options.batches[-1], []
    precision = "fp32" if device == "cpu" else "bf16"
    encoder = encoder_of(name, device, precision)
    pixels = np.zeros((batch, encoder.transform.size, encoder.transform.size, 3), np.uint8)
    alone = measured(partial(encoder.encode_pixels, pixels), batch, device, options.seconds)["pictures_per_s"]
    for shown, size in SIZES.items():
        n = max(1, options.pictures // (1 if size[0] < 1000 else 4))
        pictures, row = jpegs(size, n), {"model": name, "pictures": shown, "precision": precision, "batch": batch}
        decode = measured(partial(run_through, Nothing(encoder.transform), pictures, batch), n, "cpu", options.seconds)
        found.append(row | {"way": f"decode, {WORKERS} threads"} | decode)
        whole = measured(partial(run_through, encoder, pictures, batch), n, device, options.seconds)
        share = whole["pictures_per_s"] / min(alone, decode["pictures_per_s"])
        found.append(row | {"way": "whole"} | whole | {"share": share})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["ViT-B-16", "ViT-L-14", "tiny"])
    parser.add_argument("--device", default="cuda", help="cuda or cpu (default: %(default)s)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64, 256, 1024])
    parser.add_argument("--pictures", type=int, default=8192, help="for `decode` and `whole` (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.6, help="for each figure (default: %(default)s)")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too: a minute more a model")
    parser.add_argument(
        "--out", type=Path, default=Path(os.environ.get("OUT", ".")), help="folder for gpu-encoders.json"
    )
    options = parser.parse_args()
    device = options.device
    card = torch.cuda.get_device_name() if device != "cpu" else "no card"
    print(f"{machine()}; {card}; torch {torch.__version__}, open_clip {open_clip.__version__}")
    limit = limits(device, options.seconds)
    result: dict[str, Any] = {"machine": machine(), "card": card, "torch": torch.__version__, "tflops_limit": limit}
    print(", ".join(f"{name}: {value:,.1f} TFLOP/s at most" for name, value in limit.items()))
    for name in options.models:
        parts = {
            "forward": [partial(measure_forward, name, kind, options, limit[kind]) for kind in TYPES],
            "whole": [partial(measure_whole, name, options)],
        }
        for part, works in parts.items():
            rows = []
            for work in works:
                try:
                    rows += work()
                except RuntimeError:
                    traceback.print_exc()
            show(rows)
            result.setdefault(part, []).extend(rows)
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / "gpu-encoders.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
