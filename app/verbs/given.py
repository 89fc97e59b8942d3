"""Arguments of the verbs: a store as a path or open, one picture or several, one clade or several."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import Image

from cladescope.embedding.given import AnyPicture
from cladescope.errors import InputError
from cladescope.object_storage import object_url
from cladescope.paths import local_path
from cladescope.phylogeny.newick import read_tree
from cladescope.phylogeny.tree import Tree

if TYPE_CHECKING:
    from cladescope.embedding.encoder import Encoder, EncoderCard, Runtime
    from cladescope.index.store import Store

    AnyStore: TypeAlias = str | os.PathLike[str] | Store
else:
    # To name the class would load LanceDB, which naming pictures by a classifier does not need.
    AnyStore = Any
"""A store: its folder, or a `Store` that is open."""


def opened(store: AnyStore, runtime: "Runtime | None" = None, *, vectors: str | None = None) -> "Store":
    """The store in a folder; one that is open stays as it is, but for the runtime of its encoder, where one is given, and for the
    `vectors` of a further encoder, which it is opened for anew (`Store.open`).

    Raises StoreError where there is none, InputError for a URL, for what is neither a path nor a store, and for an unknown name.
    """
    from cladescope.index.store import Store as _Store

    if not isinstance(store, str | os.PathLike | _Store):
        raise InputError(
            f"found a value of type {type(store).__name__}, expected a store: its folder, or an open Store"
        )
    if isinstance(store, _Store):
        other = vectors not in (None, store.vectors_name)
        held = _Store.open(store.path, version=store.pinned, vectors=vectors) if other else store
    else:
        held = _Store.open(store, vectors=vectors)
    if runtime is not None:
        held.encode_by(runtime)
    return held


def opened_for(store: AnyStore, card: "EncoderCard") -> "Store":
    """The store in a folder, open for its vectors by an encoder, where it has such (`fitting_vectors`). Raises as `opened`."""
    from cladescope.index.fitting_vectors import fitting_vectors

    return fitting_vectors(opened(store), card)


def vector_notes(store: "Store", where: str | None = None) -> tuple[str, ...]:
    """By which vectors of a store pictures are named, where they are not its own, and how many of those under a condition have none."""
    if store.vectors_name is None:
        return ()
    return (f"pictures are named by the vectors {store.vectors_name}", *store.notes(store.condition(where=where)))


def encoder_beside(encoder: "str | Encoder | None", card: "EncoderCard | None", runtime: "Runtime") -> "Encoder":
    """An encoder, loaded as the vectors of `card` were made, where there are such; without a name that of `card`, else `tiny`."""
    from cladescope.embedding.encoder import DEFAULT_ENCODER, UNKNOWN_ENCODER, Encoder

    if isinstance(encoder, Encoder):
        return encoder
    if card is None:
        return Encoder.load(encoder or DEFAULT_ENCODER, runtime=runtime)
    return Encoder.of(card, encoder or (DEFAULT_ENCODER if card.name == UNKNOWN_ENCODER else None), runtime=runtime)


def is_there(store: str | os.PathLike[str]) -> bool:
    """Whether a store lies at a path or address."""
    from cladescope.index.remote import folder_of

    return (folder_of(store) / "store.json").exists()


def is_store(place: object) -> bool:
    """Whether something means a store: one that is open, a folder with a store in it, or a path that ends in `.store`."""
    if isinstance(place, str | os.PathLike):
        text = os.fspath(place)
        if object_url(text) is not None:
            return is_there(text)
        return os.path.isfile(os.path.join(text, "store.json")) or text.rstrip("/").endswith(".store")  # noqa: PTH113, PTH118
    return not isinstance(place, bytes | Image.Image | np.ndarray | Sequence)


def compared_of(store: AnyStore, compare: AnyStore | Sequence[AnyStore]) -> "list[Store]":
    """Stores to compare with, opened: what is no store of its own but a name of vectors of `store` means these. Raises as `opened`."""
    several = [compare] if isinstance(compare, str | os.PathLike) or not isinstance(compare, Sequence) else compare
    from cladescope.index.named_vectors import name_of

    held = opened(store)
    names = {name_of(held.card), *held.named}
    return [
        opened(store, vectors=str(one))
        if isinstance(one, str | os.PathLike) and str(one) in names and not is_store(one)
        else opened(one)
        for one in several
    ]


def tree_of(tree: str | Path | Tree | None) -> Tree | None:
    """A phylogeny, or the one in a file of Newick or Nexus. Raises InputError where the file holds none."""
    return tree if tree is None or isinstance(tree, Tree) else read_tree(local_path(tree))


def pictures_of(given: AnyPicture | Sequence[AnyPicture]) -> list[AnyPicture]:
    """One picture or several as a list; an array of four axes is several pictures. Raises InputError for what is none.

    >>> len(pictures_of("tit.jpg")), len(pictures_of(["a.jpg", b"..."])), len(pictures_of(np.zeros((3, 8, 8, 3), np.uint8)))
    (1, 2, 3)
    """
    if isinstance(given, str | Path | bytes | Image.Image) or (isinstance(given, np.ndarray) and given.ndim < 4):
        return [given]
    if not isinstance(given, Iterable):
        raise InputError(
            f"found a value of type {type(given).__name__}, expected a picture: a path, bytes, a Pillow image or an array"
        )
    return list(given)


def within_of(within: str | Sequence[str] | None) -> str | Sequence[str] | None:
    """What was given, and None for none of several; an empty name is no clade, and is refused where it is looked up.

    >>> within_of("Aves"), within_of([]), within_of("")
    ('Aves', None, '')
    """
    from cladescope.analysis.classify.name_lists import is_list

    if files := [one for one in clades_of(within) if is_list(one)]:
        raise InputError(
            f"{files[0]} is a file, expected a taxon: give each of its names on its own (predict takes a file)"
        )
    return within if clades_of(within) else None


def clades_of(within: str | Sequence[str] | None) -> tuple[str, ...]:
    """One clade or several, a union, as a tuple; none for None.

    >>> clades_of("Aves"), clades_of(["Aves", "Insecta"]), clades_of(None)
    (('Aves',), ('Aves', 'Insecta'), ())
    """
    return () if within is None else (within,) if isinstance(within, str) else tuple(within)
