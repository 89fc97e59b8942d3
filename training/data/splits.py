"""What is held out of training, by species, by picture and by observation.

A species here is a class: the full path of the deepest taxon known. Splits are drawn from sorted ids, and from sorted
addresses where ids are only made of these, so that they depend on the examples, the seed and nothing else: the same
pictures in another folder have the same split. That nothing is on both sides is checked by `cladescope.training.data.apart`.
To keep named taxa out, see `cladescope.training.data.exclusion`.
"""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int

from cladescope.arrays import blocks
from cladescope.embedding.records import id_of_uri
from cladescope.errors import InputError
from cladescope.taxonomy import Taxon
from cladescope.taxonomy.gaps import agree
from cladescope.training.data.apart import check_rows_apart, column
from cladescope.training.data.columns import codes_of
from cladescope.training.data.examples import Examples

PARTS = ("train", "held_out_images", "held_out_species", "tested", "left_out")
"""Names of the parts, as in `Split`."""
_BLOCK_ROWS = 65_536
_MADE_ID = len(id_of_uri(""))


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """How much is held out, and what must stay together."""

    species: float = 0.0
    """Share of the classes that are held out with all their pictures; at least one class where it is not 0. A class with
    classes below it (pictures known to the genus only, beside its species) is never held out."""
    images: float = 0.0
    """Share of the pictures of the other classes that are held out; every class keeps one in training."""
    tested: float = 0.0
    """Share of the pictures of the other classes that nothing is chosen by: for a figure at the very end. Drawn before `images`, which is a
    share of those that are left; every class keeps one in training."""
    group_by: str = "group"
    """`group`: all pictures of one observation stay on one side; `image`: each picture file is on its own."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises InputError for a share that is negative, or 1 or more, and for an unknown `group_by`."""
        for name, share in (("species", self.species), ("images", self.images), ("tested", self.tested)):
            if not 0.0 <= share < 1.0:
                raise InputError(f"{name} is {share}: expected the share to hold out, from 0 to below 1")
        if self.group_by not in ("image", "group"):
            raise InputError(f"group_by is {self.group_by!r}: expected 'image' or 'group'")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}: expected 0 or more")


@dataclass(frozen=True, eq=False)
class Split:
    """Positions of the examples of each part, ascending; no example is in two parts."""

    train: Int[np.ndarray, " t"]
    held_out_images: Int[np.ndarray, " i"]
    """Pictures of classes that are trained on."""
    held_out_species: Int[np.ndarray, " s"]
    """All pictures of classes that are not trained on."""
    tested: Int[np.ndarray, " u"]
    """Further pictures of classes that are trained on."""
    left_out: Int[np.ndarray, " l"]
    """Pictures of other classes that show what a held-out species' picture shows: the same file, or observation."""
    held_out_taxa: tuple[Taxon, ...]
    config: SplitConfig
    overlaps: dict[str, int]
    """What training and a held-out part were found to share, by kind: always 0, and listed is what was looked at."""

    def report(self) -> dict[str, object]:
        """What was held out, in values that JSON knows."""
        return {
            **asdict(self.config),
            **{f"n_{part}": len(getattr(self, part)) for part in PARTS},
            "held_out_taxa": [str(taxon) for taxon in self.held_out_taxa],
            "overlaps": dict(self.overlaps),
        }


def split(examples: Examples, config: SplitConfig, *, contents: Sequence[str | None] | None = None) -> Split:
    """Draw the held-out parts, and check that training shares nothing with them.

    Pictures of one file (`uri`), as boxes of one picture are, stay on one side, with `contents` (from `apart.content_hashes`) also copies of it under other
    names: a duplicate of a held-out picture is held out. A picture that shows what a picture of a held-out species
    shows, under another taxon, is in neither part but in `left_out`. Classes that do not contradict each other, because
    one of them only lacks a rank in between, count as one species and are held out together.

    BioCLIP's own split draws from a set of texts, whose order changes with every process, and its exclusion of species
    compares names of two kinds, and never met: https://github.com/Imageomics/bioclip, `make_splits.py`, `make_wds.py`.

    Raises InputError where a share that is not 0 would hold out nothing, and where nothing would be left to train on.
    """
    n = len(examples)
    if contents is not None and len(contents) != n:
        raise InputError(f"found {len(contents)} content hashes for {n} pictures: expected one each")
    # From here on a position is a place in this order.
    by_id = _drawing_order(examples)
    kinds = ["image_id", "uri", *(["group"] if config.group_by == "group" else [])]
    columns: dict[str, Sequence[Hashable]] = {kind: column(examples, kind) for kind in kinds}
    if contents is not None:
        columns["content"] = contents
    codes = {kind: codes_of(values) for kind, values in columns.items()}
    unit = _units([numbers[by_id] for kind, numbers in codes.items() if kind != "image_id"], n)
    columns, codes = {"taxon": examples.taxa, **columns}, {"taxon": examples.classes(), **codes}
    classes = examples.classes()[by_id]
    species_rng, images_rng, tested_rng = (np.random.default_rng([config.seed, part]) for part in range(3))

    out_classes = _draw_classes(examples.class_taxa, config.species, species_rng)
    out_species = out_classes[classes]
    left_out = np.isin(unit, unit[out_species]) & ~out_species
    others = ~out_species & ~left_out
    tested, out_images = np.zeros(n, bool), np.zeros(n, bool)
    tested[others] = _draw_images(classes[others], unit[others], config.tested, tested_rng)
    rest = others & ~tested
    out_images[rest] = _draw_images(classes[rest], unit[rest], config.images, images_rng)
    train = rest & ~out_images
    if not train.any():
        raise InputError(f"of {n} pictures none would be left to train on: hold out less than species {config.species}")

    rows = {
        "train": np.sort(by_id[train]),
        "held_out_images": np.sort(by_id[out_images]),
        "held_out_species": np.sort(by_id[out_species]),
        "tested": np.sort(by_id[tested]),
        "left_out": np.sort(by_id[left_out]),
    }
    for learnt, part in (
        *(("train", part) for part in ("held_out_species", "held_out_images", "tested")),
        ("held_out_images", "tested"),
    ):
        # Other pictures of the taxa of `held_out_images` and `tested` are trained on.
        compared = {kind: values for kind, values in columns.items() if kind != "taxon" or part == "held_out_species"}
        check_rows_apart(compared, rows[learnt], rows[part], codes=codes)
    return Split(
        **rows,
        held_out_taxa=tuple(examples.class_taxa[code] for code in np.flatnonzero(out_classes)),
        config=config,
        overlaps=dict.fromkeys(columns, 0),
    )


def units_of(examples: Examples) -> Int[np.ndarray, " n"]:
    """A number for each example, the same for those of one file or one observation."""
    return _units([codes_of(examples.parents), codes_of(examples.groups)], len(examples))


def _drawing_order(examples: Examples) -> Int[np.ndarray, " n"]:
    """Positions sorted by ids that their source gave, then by the addresses of those whose id is made of it.

    A made id is a hash of the absolute path and sorts otherwise in every folder. Paths themselves sort alike wherever
    the folder lies that all of them are in. Letters sort by their code points.
    """
    n = len(examples)
    is_made, keys = np.zeros(n, bool), []
    for start, stop in blocks(n, size=_BLOCK_ROWS):
        ids, uris = examples.image_ids[start:stop], examples.uris[start:stop]
        made = [len(one) == _MADE_ID and one == id_of_uri(uri) for one, uri in zip(ids, uris, strict=True)]
        is_made[start:stop] = made
        shown = [uri if is_one else one for is_one, one, uri in zip(made, ids, uris, strict=True)]
        keys.append(pa.array(shown, pa.large_string()))
    table = pa.table({"made": pa.array(is_made), "key": pa.chunked_array(keys, pa.large_string())})
    order: Int[np.ndarray, " n"] = pc.sort_indices(table, [("made", "ascending"), ("key", "ascending")]).to_numpy()
    return order.astype(np.int64)


def _draw_classes(taxa: Sequence[Taxon], share: float, rng: np.random.Generator) -> Bool[np.ndarray, " classes"]:
    """Which classes are held out. Raises InputError where that is none though a share was asked for."""
    out = np.zeros(len(taxa), bool)
    if share == 0.0:
        return out
    species = species_of(taxa)
    # Sorted, a class is followed by the first of those below it.
    above = [code for code, (taxon, following) in enumerate(pairwise(taxa)) if taxon.contains(following)]
    drawable = np.setdiff1d(species, species[above])
    n_species = len(drawable)
    n_out = round(share * n_species)
    if not 0 < n_out < n_species:
        what = "nothing" if n_out == 0 else "everything"
        raise InputError(
            f"a share of {share} of {n_species} species would hold out {what}: "
            f"give one from {1 / n_species:.2g} to below {1 - 1 / n_species:.2g}"
        )
    out[np.isin(species, rng.permutation(drawable)[:n_out])] = True
    return out


def species_of(taxa: Sequence[Taxon]) -> Int[np.ndarray, " classes"]:
    """Number of the species of each class, counted from 0: classes that could be one taxon have the same."""
    named: dict[tuple[int, str], list[int]] = {}
    for code, taxon in enumerate(taxa):
        named.setdefault((len(taxon.key), taxon.key[-1]), []).append(code)
    first = np.arange(len(taxa))
    for codes in named.values():
        for place, code in enumerate(codes):
            for other in codes[:place]:
                if agree(taxa[code], taxa[other]):
                    # Only classes of this name may be one, so that no other is looked through.
                    joined = [one for one in codes if first[one] == first[code]]
                    first[joined] = first[other]
    return np.unique(first, return_inverse=True)[1].astype(np.int64)


def _units(keys: Sequence[Int[np.ndarray, " n"]], n: int) -> Int[np.ndarray, " n"]:
    """The least position of those that a position is tied to, by one key or by a chain of several; -1 ties nothing."""
    unit = np.arange(n)
    coded = []
    for tied in keys:
        coded.append((np.flatnonzero(tied >= 0), tied[tied >= 0], int(tied.max(initial=-1)) + 1))
    while True:
        before = unit.copy()
        for rows, code, n_codes in coded:
            least = np.full(n_codes, n)
            np.minimum.at(least, code, unit[rows])
            unit[rows] = least[code]
        if (unit == before).all():
            return unit


def _draw_images(
    classes: Int[np.ndarray, " n"], unit: Int[np.ndarray, " n"], share: float, rng: np.random.Generator
) -> Bool[np.ndarray, " n"]:
    """Which pictures are held out: whole units in random order until the share is reached, one a class kept back."""
    if share == 0.0:
        return np.zeros(len(classes), bool)
    _, unit = np.unique(unit, return_inverse=True)
    turn = rng.permutation(int(unit.max(initial=-1)) + 1)[unit]
    out = first_units(classes, turn, share * len(classes))
    if not out.any():
        raise InputError(
            f"a share of {share} of {len(classes)} pictures would hold out nothing, "
            "since every class keeps a picture or an observation to train on: give more pictures a class, or images = 0"
        )
    return out


def first_units(
    classes: Int[np.ndarray, " n"], turn: Int[np.ndarray, " n"], wanted: float, *, passes_over: bool = False
) -> Bool[np.ndarray, " n"]:
    """Which pictures are held out: whole units by `turn`, the number that each has, until there are as many pictures as wanted.

    The unit of a class that comes last is kept back. With `passes_over` a unit of more pictures than are wanted in all is none to hold out, unless all are such,
    nor is one with which there would be more too many than there are too few without it.

    >>> classes, turn = np.array([0, 0, 0, 1]), np.array([2, 0, 0, 1])
    >>> first_units(classes, turn, 1.0).tolist()
    [False, True, True, False]
    >>> first_units(np.zeros(5, int), np.array([0, 0, 0, 1, 2]), 1.0, passes_over=True).tolist()
    [False, False, False, True, False]
    >>> first_units(np.zeros(10, int), np.array([0, 1, 2, 3, 4, 5, 5, 5, 5, 6]), 5.5, passes_over=True).tolist()
    [True, True, True, True, True, False, False, False, False, False]
    """
    last = np.full(int(classes.max(initial=-1)) + 1, -1)
    np.maximum.at(last, classes, turn)
    size = np.bincount(turn)
    size[last[last >= 0]] = 0
    if passes_over and ((size > 0) & (size <= wanted)).any():
        size[size > wanted] = 0
        chosen = _nearest(size, wanted)
    else:
        reached = np.cumsum(size) - size
        chosen = (size > 0) & (reached < wanted)
    out: Bool[np.ndarray, " n"] = chosen[turn]
    return out


def _nearest(size: Int[np.ndarray, " u"], wanted: float) -> Bool[np.ndarray, " u"]:
    """Which units are taken, in order: each with which the sum comes nearer to what is wanted; of units of one the first is taken in any case."""
    chosen = np.zeros(len(size), bool)
    left = wanted
    ahead = np.flatnonzero(size)
    while left > 0 and len(ahead):
        most = 2 * left if chosen.any() else max(2 * left, 1)
        ahead = ahead[size[ahead] <= most]
        total = np.cumsum(size[ahead])
        # All that fit, and the first that does not: it was let through, so it is nearer with than without it unless those before it took its room.
        n = int(np.searchsorted(total, left, side="right"))
        chosen[ahead[:n]] = True
        left -= float(total[n - 1]) if n else 0.0
        if left > 0 and n < len(ahead) and size[ahead[n]] <= (2 * left if chosen.any() else most):
            chosen[ahead[n]] = True
            break
        ahead = ahead[n:]
    return chosen
