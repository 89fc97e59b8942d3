"""Stores of made-up vectors, small enough that an index of one takes a moment."""

import numpy as np

from cladescope.arrays import normalise
from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.records import Record
from cladescope.embedding.tables import failures_table, images_table
from cladescope.index.store import Store

DIM = 16


def card(has_text=False):
    return EncoderCard(name="made-up", dim=DIM, weight_hash=None, transform=None, has_text=has_text)


def clustered(n, *, seed=0, spread=0.6, n_species=40):
    """Unit vectors about as many centres as there are species, and the species of each."""
    rng = np.random.default_rng(seed)
    species = rng.integers(0, n_species, n)
    centres = np.random.default_rng(99).standard_normal((n_species, DIM))
    vectors = centres[species] + spread * rng.standard_normal((n, DIM))
    return normalise(vectors.astype(np.float32)).astype(np.float16), species


def labels(species):
    return {
        "kingdom": "Animalia",
        "class": f"C{species % 3}",
        "genus": f"G{species % 10}",
        "species": f"G{species % 10} s{species}",
    }


def add(store, vectors, species, *, first=0, observations=None, sources=("s",)):
    records = [
        Record(
            image_id=f"i{first + row}",
            uri=f"/{first + row}.jpg",
            source=sources[row % len(sources)],
            labels=labels(int(one)) | ({} if observations is None else {"observation_id": observations[row]}),
        )
        for row, one in enumerate(species)
    ]
    store.write(images_table(records, vectors, (), {}), failures_table([]))


def made(folder, n, *, has_text=False, **more):
    """A store of n clustered vectors."""
    store = Store.create(folder / "s", card(has_text))
    add(store, *clustered(n), **more)
    return store
