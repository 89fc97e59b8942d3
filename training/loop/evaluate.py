"""How good the towers are on pictures that were held out: zero-shot, few-shot, nearest neighbours.

Several processes each encode their share of the pictures and texts; the scores are computed where they are asked for.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8

from cladescope.analysis.measures.accuracy import top_k_accuracy
from cladescope.analysis.measures.simple_shot import few_shot as simple_shot
from cladescope.arrays import blocks
from cladescope.embedding.decode import decode
from cladescope.embedding.prompts import prompt
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import PictureError
from cladescope.taxonomy.taxon import Taxon
from cladescope.training.data.examples import Examples
from cladescope.training.data.splits import Split
from cladescope.training.data.texts import Tokens
from cladescope.training.loop.distributed import ALONE, Group
from cladescope.training.loop.nearest import nearest_by_rank
from cladescope.training.model.towers import Towers

BATCH = 128
TEXT_BATCH = 256
SHOTS = {"one_shot": 1, "five_shot": 5}
MIN_FEW_SHOT_IMAGES = 8
"""Pictures of a held-out class that takes part in few-shot: five to learn from and some to be asked for."""
SCORES = ("zero_shot_images", "zero_shot_species", *SHOTS)
"""What can be monitored. `images`: held-out pictures of classes that were trained on, over all of these classes;
`species`: pictures of held-out classes, over the held-out classes."""
TEXT_TYPE = "taxon_com"


@runtime_checkable
class Autocast(Protocol):
    """Makes the context in which a forward pass computes."""

    def __call__(self) -> AbstractContextManager[object]: ...


def encode_examples(
    towers: Towers,
    examples: Examples,
    rows: Int[np.ndarray, " n"],
    *,
    transform: ImageTransform | None = None,
    workers: int,
    autocast: Autocast,
    pooled: bool = False,
    group: Group = ALONE,
) -> tuple[Float32[np.ndarray, "m d"], Int[np.ndarray, " m"]]:
    """`encode_pictures` by towers, which must be in evaluation mode; with `pooled` the features before the projection."""
    chosen = transform or towers.transform

    def encode(pixels: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        with torch.inference_mode(), autocast():
            features = towers.pooled(normalised(pixels, chosen, towers.device))
            vectors: Float32[np.ndarray, "b d"] = (
                (features if pooled else towers.project(features)).float().cpu().numpy()
            )
        return vectors

    return encode_pictures(
        examples, rows, encode,
        dim=towers.pooled_dim if pooled else towers.embed_dim, transform=chosen, workers=workers, group=group,
        device=towers.device,
    )  # fmt: skip


def encode_pictures(
    examples: Examples,
    rows: Int[np.ndarray, " n"],
    encode: Callable[[UInt8[np.ndarray, "b h w 3"]], Float32[np.ndarray, "b d"]],
    *,
    dim: int,
    transform: ImageTransform,
    workers: int,
    group: Group = ALONE,
    device: torch.device | None = None,
) -> tuple[Float32[np.ndarray, "m d"], Int[np.ndarray, " m"]]:
    """Vectors of some examples, and their rows, both in the order of `rows`; pictures that cannot be read are left out.

    `encode` makes vectors of `dim` numbers of pixels as `transform` has them. Every process of `group` calls this with the same
    arguments, encodes its share of the pictures, and has the vectors of all; `device` is where processes exchange them.
    """
    vectors, kept = [], []
    places = np.arange(len(rows))[group.process :: group.n_processes]
    for read, pixels in _read(examples, rows, places, transform, workers):
        kept.append(read)
        vectors.append(encode(pixels))
    found = np.concatenate([np.empty((0, dim), np.float32), *vectors])
    place = np.concatenate([np.empty(0, np.int64), *kept])
    if group.n_processes > 1:
        # As many rows from each process: what one lacks is filled up, and taken out again by its place of -1.
        assert device is not None
        lacking = -(-len(rows) // group.n_processes) - len(place)
        found = _gathered(np.pad(found, ((0, lacking), (0, 0))), group, device)
        place = _gathered(np.pad(place, (0, lacking), constant_values=-1), group, device)
        order = np.argsort(place, kind="stable")[int((place < 0).sum()) :]
        found, place = found[order], place[order]
    return found, rows[place]


def _gathered(values: np.ndarray, group: Group, device: torch.device) -> np.ndarray:
    """Rows of all processes, as many of each."""
    gathered: np.ndarray = group.gather(torch.from_numpy(values).to(device)).cpu().numpy()
    return gathered


def normalised(pixels: np.ndarray, transform: ImageTransform, device: torch.device) -> Float[torch.Tensor, "b 3 h w"]:
    """Pictures as a model takes them: colours first, normalised, in channels-last memory, which is faster."""
    values = torch.from_numpy(pixels).to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)
    shape = (1, 3, 1, 1)
    mean, std = (torch.tensor(three, device=device).view(shape) for three in (transform.mean, transform.std))
    return values.sub_(mean).div_(std).contiguous(memory_format=torch.channels_last)


def encode_taxa(
    towers: Towers,
    tokens: Tokens,
    taxa: Sequence[Taxon],
    common_names: Sequence[str | None],
    *,
    autocast: Autocast,
    text_type: str = TEXT_TYPE,
    group: Group = ALONE,
) -> Float32[np.ndarray, "t d"]:
    """Vectors of taxa from their texts, of which each process of `group` encodes its share."""
    texts = [prompt(taxon, text_type, common_name=name) for taxon, name in zip(taxa, common_names, strict=True)]
    share = -(-len(texts) // group.n_processes)
    own = (texts + texts[:1] * (share * group.n_processes))[group.process * share :][:share]
    parts = []
    for start, stop in blocks(len(own), size=TEXT_BATCH):
        with torch.inference_mode(), autocast():
            parts.append(towers.texts(tokens(own[start:stop]).to(towers.device)).float().cpu().numpy())
    vectors = np.concatenate(parts)
    return vectors if group.n_processes == 1 else _gathered(vectors, group, towers.device)[: len(texts)]


def evaluate(
    towers: Towers,
    tokens: Tokens,
    examples: Examples,
    split: Split,
    *,
    with_texts: bool,
    workers: int,
    autocast: Autocast,
    group: Group = ALONE,
    nearest: dict[str, float] | None = None,
) -> dict[str, float]:
    """Scores on the held-out parts, by the names in `SCORES`; a part that is empty has none.

    Into `nearest`, if given, goes how often the nearest picture of the part is a relative (`nearest_by_rank`).
    Every process of `group` calls this; the first has the scores, the others none.
    """
    classes, taxa = examples.classes(), examples.class_taxa
    common_names = common_names_of(examples)
    training = towers.training
    towers.eval()
    found: dict[str, float] = {}
    try:
        for part, rows in (("images", split.held_out_images), ("species", split.held_out_species)):
            if not len(rows):
                continue
            vectors, kept = encode_examples(towers, examples, rows, workers=workers, autocast=autocast, group=group)
            if nearest is not None and group.is_first:
                nearest.update(nearest_by_rank(part, vectors, examples.rank_codes()[classes[kept]]))
            if with_texts:
                options = np.unique(classes[split.train] if part == "images" else classes[kept])
                names = [common_names[code] for code in options]
                named = [taxa[code] for code in options]
                text = encode_taxa(towers, tokens, named, names, autocast=autocast, group=group)
                right = np.searchsorted(options, classes[kept])
                if group.is_first:
                    found[f"zero_shot_{part}"] = top_k_accuracy(vectors @ text.T, right, 1)
            if part == "species" and group.is_first:
                found |= few_shot(vectors, classes[kept])
    finally:
        towers.train(training)
    return found


def few_shot(vectors: Float[np.ndarray, "n d"], classes: Int[np.ndarray, " n"]) -> dict[str, float]:
    """SimpleShot accuracy over the classes with enough pictures, mean of five folds; nothing where two are not there."""
    known, counts = np.unique(classes, return_counts=True)
    enough = np.isin(classes, known[counts >= MIN_FEW_SHOT_IMAGES])
    if len(np.unique(classes[enough])) < 2:
        return {}
    found = simple_shot(vectors[enough], classes[enough], tuple(SHOTS.values()))
    return {name: float(np.mean(found[f"{k}-shot"].folds)) for name, k in SHOTS.items()}


def common_names_of(examples: Examples) -> list[str | None]:
    """A common name for each class: the first that one of its pictures has."""
    names: list[str | None] = [None] * len(examples.class_taxa)
    for code, name in zip(examples.classes().tolist(), examples.common_names, strict=True):
        names[code] = names[code] or name
    return names


def _read(
    examples: Examples,
    rows: Int[np.ndarray, " n"],
    places: Int[np.ndarray, " m"],
    transform: ImageTransform,
    workers: int,
) -> Iterator[tuple[Int[np.ndarray, " b"], np.ndarray]]:
    """Blocks of pictures at some places in `rows`, and their places; those that cannot be read are left out."""

    def one(row: int) -> np.ndarray | None:
        try:
            picture = decode(examples.read(row), min_side=transform.min_side)
            return transform.apply(picture.image, picture.box)
        except PictureError:
            return None

    with ThreadPoolExecutor(workers) as pool:
        ahead = None
        for start, stop in [*blocks(len(places), size=BATCH), (0, 0)]:
            # The next batch is read while the caller computes with this one.
            here = places[start:stop]
            coming = (here, [pool.submit(one, int(row)) for row in rows[here]])
            if ahead is not None:
                pixels = [job.result() for job in ahead[1]]
                good = [place for place, picture in enumerate(pixels) if picture is not None]
                if good:
                    yield ahead[0][good], np.stack([picture for picture in pixels if picture is not None])
            ahead = coming if stop else None
