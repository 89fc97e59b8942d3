"""The paper's two ablations on small data: text types (trained x tested) and objectives, each row a training run.

python benchmarks/ablations.py organisms/metadata.csv --weights efficientnet_lite0.safetensors

Text types: the picture side is locked with its whitened projection (features computed once), only the text side learns;
accuracy of zero-shot over all classes trained on, for held-out pictures, with each text type in the question.

Objectives: pictures of --size pixels, first stages frozen, the recipe `tiny` otherwise, without teachers; zero-shot where the objective
trains texts, 1- and 5-shot over held-out classes, and 1-NN agreement of pictures of held-out classes with the training
part. The runs are short, so that rows can be compared with each other and with nothing else.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from encoder_accuracy import right_by_score, zero_shot
from side_by_side import machine, print_table

from cladescope.embedding.encoder import Encoder
from cladescope.embedding.prompts import TEXT_TYPES
from cladescope.training.config import load_config
from cladescope.training.data.apart import content_hashes
from cladescope.training.data.examples import Examples, load_examples
from cladescope.training.data.splits import Split, SplitConfig, split
from cladescope.training.loop.train import train

OBJECTIVES = (
    "cross_entropy",
    "hierarchical_cross_entropy",
    "clip",
    "clip_masked",
    "clip_positive",
    "siglip",
    "level_restricted",
)
TEXTLESS = ("cross_entropy", "hierarchical_cross_entropy")


def encoder_of(overrides: dict[str, Any], folder: Path) -> Encoder:
    """The encoder that a run with these keys ends with."""
    return Encoder.load(str(train(load_config("tiny", overrides), folder, recipe="ablation")), device="cpu")


def text_types(common: dict[str, Any], examples: Examples, parts: Split, folder: Path, *, steps: int) -> None:
    classes = examples.classes()
    rows = parts.held_out_images
    options = np.unique(classes[parts.train])
    table = []
    for name, chosen in (*((one, [one]) for one in TEXT_TYPES), ("mixture", list(TEXT_TYPES))):
        keys = {
            **common,
            "data.text_types": chosen,
            "model.lock_image": True,
            "model.lock_image_steps": 0,
            "objective.terms": {"clip_positive": 1.0},
            "loop.epochs": max(1, steps * 64 // len(parts.train)),
            "loop.evaluate_every": 0,
        }
        encoder = encoder_of(keys, folder / f"text-{name}")
        pictures = encoder.encode_images(examples.read(row) for row in rows)
        right = [
            (zero_shot(encoder, examples, pictures, options, text_type=asked) == classes[rows]).mean()
            for asked in TEXT_TYPES
        ]
        table.append([name, *(f"{100 * share:.1f}" for share in right)])
    print(f"\nText types: trained (rows) x tested (columns), zero-shot over {len(options)} classes, %\n")
    print_table(["", *TEXT_TYPES], table)


def objectives(common: dict[str, Any], examples: Examples, parts: Split, folder: Path, *, epochs: int) -> None:
    table, columns = (
        [],
        ("zero-shot seen", "zero-shot unseen", "1-shot", "5-shot", "1-NN class", "1-NN order", "1-NN family"),
    )
    for name in OBJECTIVES:
        keys = {
            **common,
            "objective.terms": {name: 1.0},
            "model.lock_image_steps": 0,
            "model.lock_image_cached": False,
            "model.frozen_stages": 5,
            "loop.epochs": epochs,
            "loop.evaluate_every": 0,
            "loop.monitor": "one_shot",
        }
        encoder = encoder_of(keys, folder / f"objective-{name}")
        found = right_by_score(encoder, examples, parts)
        if name in TEXTLESS:
            found = {score: values for score, values in found.items() if not score.startswith("zero")}
        table.append([name, *(f"{100 * found[score].value:.1f}" if score in found else "-" for score in columns)])
    print(f"\nObjectives, {epochs} epochs, %\n")
    print_table(["", *columns], table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--weights", required=True, help="of the backbone, as recipe `tiny` takes them")
    parser.add_argument("--size", type=int, default=128, help="pixels of the objectives' runs (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=600, help="of each text run (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=4, help="of each objective's run (default: %(default)s)")
    options = parser.parse_args()
    common = {"data.source": options.source, "model.weights": options.weights, "teachers.encoders": []}
    config = load_config("tiny", common).data
    examples = load_examples(options.source)
    sizes = SplitConfig(
        species=config.held_out_species, images=config.held_out_images, group_by=config.group_by, seed=config.split_seed
    )
    parts = split(examples, sizes, contents=content_hashes(examples) if config.compare_contents else None)
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        text_types(common, examples, parts, Path(name), steps=options.steps)
        sized = {**common, "model.image_size": options.size, "model.export_size": options.size}
        objectives(sized, examples, parts, Path(name), epochs=options.epochs)


if __name__ == "__main__":
    main()
