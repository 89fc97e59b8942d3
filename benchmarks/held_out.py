"""Encoders side by side on pictures that a training run held out: zero-shot, few-shot, centroids, nearest neighbours.

python benchmarks/held_out.py organisms/metadata.csv --split runs/tiny/split.json --encoder runs/tiny/export --encoder pixels

`split.json` is what `cladescope train` wrote; the same split is drawn again from the same source. Each figure is in
percent with the 95 % interval of a bootstrap over pictures (few-shot: over the pictures asked for, mean of five folds).

`zero-shot seen`: held-out pictures over the names of all classes that were trained on; `zero-shot unseen`: pictures of
held-out classes over the names of these. `centroid`: held-out pictures over the class means of all training pictures.
`1-shot`, `5-shot`: SimpleShot over held-out classes of at least eight pictures. `1-NN`: pictures of held-out classes,
nearest picture of the training part, at each rank; a class that the training part does not have cannot be right.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from side_by_side import print_table

from cladescope.analysis import metrics
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.prompts import prompt
from cladescope.taxon import RANKS
from cladescope.training.evaluate import MIN_FEW_SHOT_IMAGES, TEXT_TYPE, common_names_of
from cladescope.training.examples import Examples, load_examples
from cladescope.training.splits import Split, SplitConfig, content_hashes, split

SHOTS = (1, 5)
NEIGHBOUR_RANKS = ("class", "order", "family")


def right_by_score(encoder: Encoder, examples: Examples, parts: Split) -> dict[str, np.ndarray]:
    """For each score whether each picture that was asked for was right, or how often over the folds."""
    classes, codes = examples.classes(), examples.codes()
    pictures = encoder.encode_images((examples.read(row) for row in range(len(examples))), batch_size=64)
    seen = np.unique(classes[parts.train])
    found: dict[str, np.ndarray] = {}
    if encoder.card.has_text:
        for name, rows, options in (
            ("zero-shot seen", parts.held_out_images, seen),
            ("zero-shot unseen", parts.held_out_species, np.unique(classes[parts.held_out_species])),
        ):
            found[name] = zero_shot(encoder, examples, pictures[rows], options) == classes[rows]
    rows = parts.held_out_images
    found["centroid"] = nearest_centroid(pictures[parts.train], classes[parts.train], pictures[rows]) == classes[rows]
    unseen = parts.held_out_species
    known, counts = np.unique(classes[unseen], return_counts=True)
    enough = unseen[np.isin(classes[unseen], known[counts >= MIN_FEW_SHOT_IMAGES])]
    for k in SHOTS:
        found[f"{k}-shot"] = metrics.simple_shot(pictures[enough], classes[enough], k=k)
    similarity = unit(pictures[unseen]) @ unit(pictures[parts.train]).T
    nearest = parts.train[similarity.argmax(axis=1)]
    for rank in NEIGHBOUR_RANKS:
        place = RANKS.index(rank)
        has = codes[unseen, place] >= 0
        found[f"1-NN {rank}"] = (codes[unseen, place] == codes[nearest, place])[has]
    return found


def zero_shot(
    encoder: Encoder, examples: Examples, pictures: np.ndarray, options: np.ndarray, *, text_type: str = TEXT_TYPE
) -> np.ndarray:
    """The class whose text is nearest to each picture."""
    names = common_names_of(examples)
    texts = [prompt(examples.class_taxa[code], text_type, common_name=names[code]) for code in options]
    return options[(pictures @ encoder.encode_texts(texts).T).argmax(axis=1)]


def nearest_centroid(train: np.ndarray, classes: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The class whose mean of unit vectors, brought to unit length, is nearest by cosine."""
    options, inverse = np.unique(classes, return_inverse=True)
    means = np.zeros((len(options), train.shape[1]))
    np.add.at(means, inverse, unit(train))
    return options[(unit(queries) @ unit(means).T).argmax(axis=1)]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows at unit length."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cell(values: np.ndarray | None, *, is_folds: bool) -> str:
    if values is None:
        return "-"
    if is_folds:
        return f"{100 * values.mean():.1f} ±{100 * values.std():.1f}"
    low, high = metrics.bootstrap_interval(values.astype(float))
    return f"{100 * values.mean():.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def table(found: dict[str, dict[str, np.ndarray]]) -> tuple[list[str], list[Sequence[str]]]:
    """Header and rows: a score a row, an encoder a column."""
    scores = list(dict.fromkeys(score for of in found.values() for score in of))
    rows = [
        [score, *(cell(of.get(score), is_folds=score.endswith("-shot")) for of in found.values())] for score in scores
    ]
    return ["score, %", *found], rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="the manifest, folder or shards that the run was trained on")
    parser.add_argument("--split", required=True, help="split.json of the run")
    parser.add_argument("--encoder", action="append", required=True, metavar="[LABEL=]NAME", help="repeatable")
    options = parser.parse_args()
    report = json.loads(Path(options.split).read_text())
    examples = load_examples(options.source)
    config = SplitConfig(**{key: report[key] for key in ("species", "images", "group_by", "seed")})
    contents = content_hashes(examples) if "content" in report["overlaps"] else None
    parts = split(examples, config, contents=contents)
    assert len(parts.train) == report["n_train"], "the source is not what it was"
    print(
        f"{len(parts.train)} training pictures of {len(np.unique(examples.classes()[parts.train]))} classes; held out "
        f"{len(parts.held_out_images)} pictures of these and {len(parts.held_out_species)} of "
        f"{len(parts.held_out_taxa)} other classes\n"
    )
    found = {}
    for text in options.encoder:
        label, equals, name = text.partition("=") if "?" not in text.partition("=")[0] else ("", "", "")
        label, name = (label, name) if equals else (text, text)
        found[label] = right_by_score(Encoder.load(name), examples, parts)
    print_table(*table(found))


if __name__ == "__main__":
    main()
