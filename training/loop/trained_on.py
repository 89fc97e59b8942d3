"""What an exported encoder has seen, written beside it, so that whoever tests it later is warned (`cladescope.embedding.trained_on`).

What the encoders that it started from, was averaged with or learnt from had seen is taken over, where they say it.
"""

from pathlib import Path

import numpy as np

from cladescope.embedding.shipped import SHIPPED
from cladescope.embedding.trained_on import TRAINED_FILE, TrainedOn, trained_on
from cladescope.files import write_json
from cladescope.index.files import disk_errors
from cladescope.taxonomy.taxon import RANKS
from cladescope.training.loop.evaluate import common_names_of
from cladescope.training.loop.export import file_name
from cladescope.training.loop.run import Run
from cladescope.training.model.start import is_local
from cladescope.training.sections import ModelConfig

MAX_PICTURES = 1_000_000
"""Pictures up to which their hashes are listed, 35 bytes each."""


def write_trained_on(folder: Path, run: Run) -> None:
    """Write the file into an exported folder: all that was trained on or chosen by, without what was only tested.

    Raises StoreError where it cannot be written.
    """
    found = _own(run)
    model = run.config.model
    for other in (_start(model), *map(_said, model.averaged_with), *map(_said, run.config.teachers.encoders)):
        found = found if other is None else found.joined(other)
    with disk_errors(folder):
        write_json(folder / TRAINED_FILE, found.to_dict())


def _own(run: Run) -> TrainedOn:
    examples, parts = run.examples, run.split
    known = sorted({int(code) for code in examples.classes()[parts.train]})
    names = common_names_of(examples)
    rows = np.concatenate([parts.train, parts.held_out_images]) if run.config.model.blend_shares else parts.train
    contents = (
        [None] * len(rows) if run.contents is None or len(rows) > MAX_PICTURES else [run.contents[row] for row in rows]
    )
    taxa, labels = [], []
    for code in known:
        taxon = examples.class_taxa[code]
        if examples.by_label:
            labels.append(taxon.name)
        else:
            blank = [""] * (len(RANKS) - len(taxon.path))
            taxa.append((*(name or "" for name in taxon.path), *blank, names[code] or ""))
    return TrainedOn(
        taxa=tuple(taxa),
        labels=tuple(labels),
        pictures=frozenset(filter(None, contents)),
        # A file that could not be read was not trained on either.
        has_all_pictures=run.contents is not None and len(rows) <= MAX_PICTURES,
    )


def _start(model: ModelConfig) -> TrainedOn | None:
    """What the encoder that a run started from says; None where it started from random weights."""
    name = model.open_clip
    if model.timm or (not is_local(name) and "/" not in name):
        weights = model.weights if model.timm else ""
        return TrainedOn(unknown=(Path(weights).name,)) if weights else None
    found = _said(name)
    return found.joined(TrainedOn(unknown=(Path(model.weights).name,))) if model.weights else found


def _said(name: str) -> TrainedOn:
    """What an encoder says of itself; that it is not known, where it says nothing."""
    said = trained_on(str(Path(name).expanduser().resolve()) if is_local(name) and name not in SHIPPED else name)
    return TrainedOn(unknown=(file_name(name),)) if said is None else said
