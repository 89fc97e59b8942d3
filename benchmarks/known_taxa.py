"""Make `known.safetensors` beside the list of taxa of an encoder that `train` exported: how far from these taxa a picture may be, and how sure a name.

    python benchmarks/known_taxa.py run/export --trained organisms/metadata.csv --listed seedlings.csv --unlisted birds.csv --empty frames/

`--trained` are the pictures that the encoder was trained on: they give the means, and how near pictures of known taxa lie (`known_of`).
`--listed` are other pictures of taxa in the list and `--unlisted` pictures of taxa that are not: both decide where a name stops
(`BackOff`). `--empty` is a folder of frames without an organism: a plane (logistic regression) tells them from all other pictures. The first
three are what `train` learns from: a table, a folder or a store. `benchmarks/not_known.py` measures the result, on pictures that are none of these.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from cladescope.analysis.classify.answer_paths import critical_values
from cladescope.analysis.classify.back_off import BackOff
from cladescope.analysis.classify.choosing import told_choice
from cladescope.analysis.classify.class_gallery import Classes
from cladescope.analysis.classify.encoder_known import EncoderKnown, write_known
from cladescope.analysis.classify.known import Known, known_of
from cladescope.analysis.classify.taxon_lists import read_taxa, taxa_of
from cladescope.embedding.encoder import Encoder
from cladescope.training.data.examples import Examples, load_examples

C = 10.0
"""Inverse strength of the plane's regularisation."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", type=Path, help="the folder that `train` exported")
    for name in ("trained", "listed", "unlisted"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--empty", required=True, type=Path)
    options = parser.parse_args()
    encoder = Encoder.load(str(options.encoder))
    trained, listed, unlisted = (load_examples(name) for name in (options.trained, options.listed, options.unlisted))
    frames = sorted(path for path in options.empty.rglob("*") if path.suffix in (".jpg", ".png"))
    print(
        f"{len(trained)} pictures trained on, {len(listed)} of listed taxa, {len(unlisted)} of others, {len(frames)} frames"
    )
    print(made(encoder, trained, listed, unlisted, frames))


def made(encoder: Encoder, trained: Examples, listed: Examples, unlisted: Examples, frames: list[Path]) -> Path:
    """Write the file and return its path."""
    assert encoder.taxa_file is not None, "the encoder's folder has no taxa.csv"
    rows = {taxon.key: row for row, taxon in enumerate(taxa_of(read_taxa(encoder.taxa_file)))}
    missing = sorted({str(taxon) for taxon in trained.taxa if taxon.key not in rows})
    assert not missing, (
        f"{len(missing)} taxa trained on are not in the list, such as {missing[0]}: give the pictures of this encoder"
    )
    classes = np.array([rows[taxon.key] for taxon in trained.taxa])
    assert len(np.unique(classes)) == len(rows), (
        f"the list has {len(rows)} taxa, the pictures {len(np.unique(classes))}"
    )
    choice = told_choice(encoder)
    of_trained, of_listed, of_unlisted = (vectors_of(encoder, examples) for examples in (trained, listed, unlisted))
    known = known_of(of_trained, classes)
    assert known is not None, "no class has two pictures"
    organisms = np.concatenate([of_trained, of_listed, of_unlisted])
    empty = encoder.encode_images(list(map(str, frames)))
    back_off = BackOff(critical(choice.classes, of_listed, listed), critical(choice.classes, of_unlisted, unlisted))
    with_plane = Known(known.means, known.axes, known.held, plane(empty, organisms))
    return write_known(EncoderKnown(with_plane, back_off), encoder.taxa_file.parent, encoder.card)


def vectors_of(encoder: Encoder, examples: Examples) -> np.ndarray:
    return encoder.encode_images((examples.read(row) for row in range(len(examples))), batch_size=64)


def critical(classes: Classes, vectors: np.ndarray, examples: Examples) -> np.ndarray:
    """Confidence of the first wrong name of each picture; see `critical_values`."""
    assert classes.tree is not None
    return critical_values(classes.tree, classes.probabilities(vectors), list(examples.taxa))


def plane(empty: np.ndarray, organisms: np.ndarray) -> np.ndarray:
    """Weights of a unit vector, and the offset, that are positive on the side of empty frames; both kinds count alike."""
    vectors = np.concatenate([empty, organisms])
    is_empty = np.arange(len(vectors)) < len(empty)
    found = LogisticRegression(C=C, class_weight="balanced", max_iter=2000).fit(vectors, is_empty)
    return np.append(found.coef_[0], found.intercept_).astype(np.float32)


if __name__ == "__main__":
    main()
