"""Accuracy of encoders side by side on pictures that a training run has not seen: zero-shot, few-shot, nearest neighbours.

python benchmarks/encoder_accuracy.py organisms/metadata.csv --split runs/tiny/split.json --encoder runs/tiny/export \\
    --encoder pixels --against pixels

`split.json` is what `cladescope train` wrote; the same split is drawn again from the same source. Each figure is in
percent with the 95 % interval of a bootstrap over pictures (few-shot: mean and standard deviation of five folds). With
`--against`, a second table has the differences from that encoder, with the interval of a bootstrap over the pictures that
both were asked for (few-shot: of a picture's share of right answers over the folds in which it is asked for).

`zero-shot seen`: held-out pictures over the names of all classes that were trained on; `zero-shot unseen`: pictures of
held-out classes over the names of these. `centroid`: held-out pictures over the class means of all training pictures.
`1-shot`, `5-shot`: SimpleShot over held-out classes of at least eight pictures. `1-NN`: pictures of held-out classes,
nearest picture of the training part, at each rank; a class that the training part does not have cannot be right.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from side_by_side import print_table

from cladescope.analysis.measures import paired
from cladescope.analysis.measures.class_sums import class_sums
from cladescope.analysis.measures.outcomes import Figure, Outcome
from cladescope.analysis.measures.simple_shot import few_shot
from cladescope.arrays import normalise
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.prompts import prompt
from cladescope.taxonomy.taxon import RANKS
from cladescope.training.data.apart import content_hashes
from cladescope.training.data.examples import Examples, load_examples
from cladescope.training.data.splits import Split, SplitConfig, split
from cladescope.training.loop.evaluate import MIN_FEW_SHOT_IMAGES, TEXT_TYPE, common_names_of

SHOTS = (1, 5)
NEIGHBOUR_RANKS = ("class", "order", "family")


def redraw(source: str, report_path: str) -> tuple[Examples, Split]:
    """The examples, and the split of a run whose `split.json` lies at a path."""
    report = json.loads(Path(report_path).read_text())
    examples = load_examples(source)
    config = SplitConfig(**{key: report[key] for key in ("species", "images", "group_by", "seed")})
    parts = split(examples, config, contents=content_hashes(examples) if "content" in report["overlaps"] else None)
    drawn = sorted(map(str, parts.held_out_taxa))
    assert (len(parts.train), drawn) == (report["n_train"], sorted(report["held_out_taxa"])), (
        "the source is not what it was"
    )
    return examples, parts


def right_by_score(encoder: Encoder, examples: Examples, parts: Split) -> dict[str, Outcome]:
    """For each score what each of its pictures scored."""
    classes, codes = examples.classes(), examples.codes()
    pictures = encoder.encode_images((examples.read(row) for row in range(len(examples))), batch_size=64)
    seen = np.unique(classes[parts.train])
    found: dict[str, Outcome] = {}
    if encoder.card.has_text:
        for name, rows, options in (
            ("zero-shot seen", parts.held_out_images, seen),
            ("zero-shot unseen", parts.held_out_species, np.unique(classes[parts.held_out_species])),
        ):
            found[name] = once(zero_shot(encoder, examples, pictures[rows], options) == classes[rows])
    rows = parts.held_out_images
    named = nearest_centroid(pictures[parts.train], classes[parts.train], pictures[rows])
    found["centroid"] = once(named == classes[rows])
    unseen = parts.held_out_species
    known, counts = np.unique(classes[unseen], return_counts=True)
    enough = unseen[np.isin(classes[unseen], known[counts >= MIN_FEW_SHOT_IMAGES])]
    found |= few_shot(pictures[enough].astype(np.float64), classes[enough], SHOTS)
    similarity = normalise(pictures[unseen]) @ normalise(pictures[parts.train]).T
    nearest = parts.train[similarity.argmax(axis=1)]
    for rank in NEIGHBOUR_RANKS:
        place = RANKS.index(rank)
        has = codes[unseen, place] >= 0
        found[f"1-NN {rank}"] = once((codes[unseen, place] == codes[nearest, place])[has])
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
    sums, _ = class_sums(normalise(train), inverse)
    return options[(normalise(queries) @ normalise(sums).T).argmax(axis=1)]


def once(right: np.ndarray) -> Outcome:
    """What pictures scored that were asked once."""
    return Outcome(right.astype(float), np.ones(len(right)))


def cell(outcome: Outcome | None) -> str:
    """A score in percent, of few-shot with its standard deviation over folds, else with its interval."""
    if outcome is None:
        return "-"
    figure = Figure.of(outcome)
    if figure.std is not None:
        return f"{100 * figure.value:.1f} ±{100 * figure.std:.1f}"
    return f"{100 * figure.value:.1f} [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"


def difference(outcome: Outcome | None, base: Outcome | None) -> str:
    """Mean difference of two encoders on the same pictures, each with its share of right answers, and its interval."""
    if outcome is None or base is None:
        return "-"
    found = paired.difference(shares(base), shares(outcome))
    return f"{100 * found.value:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def shares(outcome: Outcome) -> Outcome:
    """The share of right answers of each picture that was asked, all of which weigh alike."""
    asked = outcome.asked > 0
    return Outcome(np.where(asked, outcome.scored / np.maximum(outcome.asked, 1), 0.0), asked.astype(float))


def tables(found: dict[str, dict[str, Outcome]], *, against: str | None) -> list[tuple[list[str], list[list[str]]]]:
    """Header and rows of the scores, and of the differences from one encoder: a score a row, an encoder a column."""
    scores = list(dict.fromkeys(score for of in found.values() for score in of))
    made = [(["score, %", *found], [[score, *(cell(of.get(score)) for of in found.values())] for score in scores])]
    if against is not None:
        others = {label: of for label, of in found.items() if label != against}
        base = found[against]
        rows = [[score, *(difference(of.get(score), base.get(score)) for of in others.values())] for score in scores]
        made.append((["difference, points", *(f"{label} - {against}" for label in others)], rows))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="the manifest, folder or shards that the run was trained on")
    parser.add_argument("--split", required=True, help="split.json of the run")
    parser.add_argument("--encoder", action="append", required=True, metavar="[LABEL=]NAME", help="repeatable")
    parser.add_argument("--against", metavar="LABEL", help="the encoder from which differences are taken")
    options = parser.parse_args()
    names = dict(labelled(text) for text in options.encoder)
    if options.against is not None and options.against not in names:
        parser.error(f"--against is {options.against!r}: expected one of {', '.join(names)}")
    examples, parts = redraw(options.source, options.split)
    print(
        f"{len(parts.train)} training pictures of {len(np.unique(examples.classes()[parts.train]))} classes; held out "
        f"{len(parts.held_out_images)} pictures of these and {len(parts.held_out_species)} of "
        f"{len(parts.held_out_taxa)} other classes"
    )
    found = {label: right_by_score(Encoder.load(name), examples, parts) for label, name in names.items()}
    for header, rows in tables(found, against=options.against):
        print()
        print_table(header, rows)


def labelled(text: str) -> tuple[str, str]:
    """Label and name of `LABEL=NAME`, or the name twice; a `=` after a `?` is the name's own."""
    label, equals, name = text.partition("=")
    return (label, name) if equals and "?" not in label else (text, text)


if __name__ == "__main__":
    main()
