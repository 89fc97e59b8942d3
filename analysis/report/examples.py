"""Photographs of what a report means by a neighbourhood and by a triplet: a typical one of each, drawn from the pictures."""

from dataclasses import dataclass, replace

import numpy as np

from cladescope.analysis.pictures import Pictures
from cladescope.index.neighbour_graph import nearest_others
from cladescope.index.store import Store
from cladescope.schema import LABEL

N_NEAR = 4
MOST = 2000
"""Pictures among which examples are looked for."""
N_TRIPLES = 5000


@dataclass(frozen=True, kw_only=True)
class Example:
    """Some pictures in a row, and what they show."""

    title: str
    words: str
    pictures: tuple[tuple[str, str], ...]
    """Address and caption of each."""


def examples(store: Store, pictures: Pictures, label: str, *, seed: int = 0) -> list[Example]:
    """A neighbourhood and, where ranks tell relatives from strangers, a triplet; what the pictures of the store do not have is left out."""
    some = pictures.sample(MOST, seed=seed)
    found = [one for one in (_neighbourhood(some, label), _triplet(some, label, seed=seed)) if one is not None]
    ids = [image_id for one in found for image_id, _ in one.pictures]
    uris = {image_id: str(row["uri"]) for image_id, row in store.rows_by_id(ids, ["uri"]).items()}
    return [replace(one, pictures=tuple((uris.get(id_, id_), said) for id_, said in one.pictures)) for one in found]


def _neighbourhood(pictures: Pictures, label: str) -> Example | None:
    """The picture whose four nearest are of its own kind as often as is usual, and about as near as is usual."""
    rank = pictures.narrowest if LABEL not in pictures.ranks else LABEL
    kinds = pictures.labels(rank)
    known = np.flatnonzero(kinds >= 0)
    if len(known) <= N_NEAR or len(np.unique(kinds[known])) < 2:
        return None
    scores, near = nearest_others(pictures.vectors[known], np.arange(len(known)), N_NEAR)
    same = (kinds[known][near] == kinds[known][:, None]).sum(axis=1)
    usual = round(float(same.mean()))
    closeness = np.abs(scores[:, 0] - np.median(scores[:, 0]))
    chosen = int(np.lexsort([closeness, np.abs(same - usual)])[0])
    rows = known[near[chosen]]
    own = kinds[known[chosen]]
    ids, names = pictures.texts("image_id").to_pylist(), pictures.lineages(rank)
    shown = [(str(ids[known[chosen]]), f"a picture: {_name(names[known[chosen]])}")]
    shown += [
        (str(ids[row]), f"{place}. {_name(names[row])}, {'the same' if kinds[row] == own else 'another'} {rank}")
        for place, row in enumerate(rows.tolist(), 1)
    ]
    words = f"A picture and the {N_NEAR} that {label} finds most like it: {same[chosen]} of them are of its own {rank}, which is usual here."
    return Example(title="A neighbourhood", words=words, pictures=tuple(shown))


def _triplet(pictures: Pictures, label: str, *, seed: int) -> Example | None:
    """Three species, two of them closer relatives: the widest difference in kinship among triples drawn at random."""
    if LABEL in pictures.ranks:
        return None
    codes, species = pictures.codes, pictures.labels("species")
    known = np.flatnonzero(species >= 0)
    if len(known) < 3:
        return None
    draws = known[np.random.default_rng(seed).integers(len(known), size=(N_TRIPLES, 3))]
    a, b, c = draws.T
    # Ranks down to where two meet: both have a name there and share it, and all above.
    together = np.logical_and.accumulate(codes[a] == codes[b], axis=1).sum(axis=1)
    apart = np.logical_and.accumulate(codes[a] == codes[c], axis=1).sum(axis=1)
    usable = (species[a] != species[b]) & (species[a] != species[c]) & (species[b] != species[c]) & (together > apart)
    if not usable.any():
        return None
    chosen = int(np.argmax(np.where(usable, together - apart, -1)))
    one, kin, stranger = draws[chosen].tolist()
    rank = pictures.ranks[int(together[chosen]) - 1]
    clade, vectors = _name(pictures.lineages(rank)[one]), pictures.vectors
    near, far = float(vectors[one] @ vectors[kin]), float(vectors[one] @ vectors[stranger])
    ids, names = pictures.texts("image_id").to_pylist(), pictures.lineages("species")
    holds = "and the relatives are also the more alike" if near > far else "but it finds the stranger more alike"
    words = (
        f"Three species: the first two are the closer relatives, both of {clade} ({rank}). To {label} the likeness of the first to its "
        f"relative is {round(near, 2) + 0.0:.2f}, to the third {round(far, 2) + 0.0:.2f}: {holds}. The report counts how often it is so."
    )
    captions = zip((one, kin, stranger), ("one", "its relative", "a stranger"), strict=True)
    shown = tuple((str(ids[row]), f"{what}: {_name(names[row])}") for row, what in captions)
    return Example(title="A triplet", words=words, pictures=shown)


def _name(lineage: tuple[str, ...] | None) -> str:
    return "no name" if lineage is None else lineage[-1]
