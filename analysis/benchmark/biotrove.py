"""BioTrove's tests of life stages and of species that are taken for each other, as it publishes them: a table each.

Yang et al. 2024, BioTrove, https://arxiv.org/abs/2406.17720; `model_validation/metadata/final_lifestages_metadata.csv` (path, class_out,
life_stages, scientificName, common_name) and `confounding_species.csv` (path, pair, scientific_name, class_options) of
github.com/baskargroup/Arboretum. The pairs are Chiranjeevi et al. 2023, https://arxiv.org/abs/2306.02507.
"""

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pyarrow as pa

from cladescope.analysis.benchmark.file_task import file_task
from cladescope.analysis.benchmark.published_table import counted_reasons, picture_folder, published_table
from cladescope.analysis.benchmark.questions import Choices
from cladescope.analysis.benchmark.tasks import Task
from cladescope.errors import InputError

_ALIKE = 0.9


def read_life_stages(path: Path, *, images: Path | None = None) -> Task:
    """Species at their stages: a class is a species at a stage, called by both. The choices of a picture are the stages of its species.

    Rows without path, name or stage are left out and counted. No picture is opened.

    Raises InputError for a table that is not the published one.
    """
    rows = published_table(
        _table(path), ("path", "life_stages"), ("class_out", "common_name", "scientificName")
    ).to_pylist()
    reasons: Counter[str] = Counter()
    kept = []
    for row in rows:
        species = row["common_name"] or row["scientificName"]
        if not row["path"] or not row["life_stages"] or not species:
            reasons[f"rows of {path.name} have no path, name or stage"] += 1
        else:
            kept.append(
                (row["path"], row["class_out"] or f"{species} {row['life_stages']}", species, row["life_stages"])
            )
    classes = {label: (species, stage) for _, label, species, stage in reversed(kept)}
    labels = tuple(dict.fromkeys(label for _, label, _, _ in kept))
    names = tuple(dict.fromkeys(species for _, _, species, _ in kept))
    sets = tuple(tuple(place for place, label in enumerate(labels) if classes[label][0] == name) for name in names)
    number = np.array([names.index(classes[label][0]) for _, label, _, _ in kept], np.int64)
    facets = {
        "species": tuple(classes[label][0] for label in labels),
        "stage": tuple(classes[label][1] for label in labels),
    }
    choices = Choices(sets=sets, names=names, number=number, among="right stage, species given", facets=facets)
    return _task(path, [one[0] for one in kept], [one[1] for one in kept], choices, images, reasons)


def read_confusable(path: Path, *, images: Path | None = None) -> Task:
    """Pairs of species that are taken for each other: the choices of a picture are the two species of its pair (`A!B` in class_options).

    A name that is none of its options, but for a misspelling one of them, is that one; both kinds of rows are counted. No picture is
    opened.

    Raises InputError for a table that is not the published one.
    """
    rows = published_table(_table(path), ("path", "pair", "scientific_name", "class_options")).to_pylist()
    reasons: Counter[str] = Counter()
    kept = []
    for row in rows:
        options = tuple(option.strip() for option in row["class_options"].split("!") if option.strip())
        close = get_close_matches(row["scientific_name"], options, 1, _ALIKE)
        if not row["path"] or len(options) < 2 or not close:
            reasons[f"rows of {path.name} have no path, no two options, or a name that is none of them"] += 1
            continue
        if close[0] != row["scientific_name"]:
            reasons[f"rows of {path.name} misspell their species, which is one of the options: they are kept"] += 1
        kept.append((row["path"], close[0], row["pair"], options))
    labels = tuple(dict.fromkeys(label for _, label, _, _ in kept))
    pairs = {pair: options for _, _, pair, options in reversed(kept)}
    names = tuple(dict.fromkeys(pair for _, _, pair, _ in kept))
    if missing := [one for options in pairs.values() for one in options if one not in labels]:
        raise InputError(
            f"{path} has no picture of {missing[0]!r}, which is an option: expected the table as it is published"
        )
    sets = tuple(tuple(labels.index(option) for option in pairs[name]) for name in names)
    number = np.array([names.index(pair) for _, _, pair, _ in kept], np.int64)
    called = tuple(f"{name}: {' or '.join(pairs[name])}" for name in names)
    choices = Choices(sets=sets, names=called, number=number, among="right of its pair")
    return _task(path, [one[0] for one in kept], [one[1] for one in kept], choices, images, reasons)


def _table(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path} is no file: expected BioTrove's table (CSV) as it is published")
    return path


def _task(
    path: Path,
    written: Sequence[str],
    labels: Sequence[str],
    choices: Choices,
    images: Path | None,
    reasons: Counter[str],
) -> Task:
    folder = picture_folder(path.resolve().parent, (), images=images, of=path.name)
    depth = _depth(folder, written)
    return file_task(
        [str(folder.joinpath(*one.split("/")[depth:])) for one in written],
        pa.array(labels, pa.string()),
        name=path.stem,
        address=str(path.resolve()),
        left_out=(
            *counted_reasons(reasons),
            *([f"the first {depth} parts of each published path, which is that of another machine"] * (depth > 1)),
        ),
        question=choices,
        root=str(folder),
    )


def _depth(folder: Path, written: Sequence[str]) -> int:
    """How many parts at the front of published paths are not below the folder: as few as leave a file that is there, of the first rows.

    Where none is there, those up to the root of the published paths.
    """
    for one in written[:50]:
        parts = one.split("/")
        for depth in range(len(parts)):
            if parts[depth] and folder.joinpath(*parts[depth:]).is_file():
                return depth
    return 1 if written and written[0].startswith("/") else 0
