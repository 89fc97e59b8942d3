"""How sure is enough, as the labelled pictures of a store decide it; and of which pictures that promises anything."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from jaxtyping import Float32

from cladescope.analysis.classify.back_off import BackOff, calibrated
from cladescope.analysis.classify.choosing import Choice
from cladescope.analysis.classify.class_gallery import block_rows
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.made_with import picture_numbers
from cladescope.errors import InputError
from cladescope.index.vector_block import vector_block
from cladescope.shown import counted
from cladescope.taxonomy.spelling import fold
from cladescope.taxonomy.taxon import RANKS, Taxon

if TYPE_CHECKING:
    from cladescope.index.store import Store


@dataclass
class _Read:
    """What the labelled pictures of a store were, picture by picture."""

    asked: Counter[Taxon] = field(default_factory=Counter)
    n_own: int = 0
    n_copies: int = 0
    n_above: int = 0
    n_bare: int = 0
    """Without any rank."""


def calibrated_on(choice: Choice, store: "Store", *, fitted: bool) -> tuple[BackOff, tuple[str, ...]]:
    """Where answers stop, from a store's labelled pictures, block by block; and what was left out, and for which pictures a risk is promised.

    Left out are pictures that the classes of a `fitted` classifier were made with, of which answers are right far more often than of others;
    copies by content, which say nothing more; and pictures of a taxon above the classes, such as a genus of some, which cannot say
    whether a name below it is wrong.

    Raises InputError where the classes are no taxa, where no picture is left, and for a classifier of an earlier version, which does not
    know its pictures.
    """
    classes = choice.classes
    tree = classes.tree
    if tree is None:
        raise InputError("a risk needs classes that are taxa: give taxa, or labels with columns for ranks")
    if fitted and choice.made_with is None:
        raise InputError(
            "the classifier is of an earlier version, which did not keep what pictures it was made with, so that those among "
            f"the pictures of {store.path} cannot be left out: fit it anew"
        )
    own = set() if choice.made_with is None else set(choice.made_with.tolist())
    read = _Read()

    def asked() -> Iterator[tuple[Float32[np.ndarray, "b c"], list[Taxon]]]:
        there = [name for name in ("image_id", "content_hash") if name in store.schema.names]
        class_nodes, met = set(tree.class_node.tolist()), set[int]()
        for batch in store.scan([*there, *RANKS, "vector"], block_rows=min(1024, block_rows(classes))):
            rows, taxa = [], []
            numbers = picture_numbers(pa.Table.from_batches([batch])).tolist()
            for row, (number, ranks) in enumerate(zip(numbers, batch.select(list(RANKS)).to_pylist(), strict=True)):
                taxon = Taxon.from_ranks(ranks)
                node = None if taxon is None else tree.node_of(taxon)
                if taxon is None:
                    read.n_bare += 1
                elif number in own:
                    read.n_own += 1
                elif number in met:
                    read.n_copies += 1
                elif node is not None and node not in class_nodes:
                    read.n_above += 1
                else:
                    rows.append(row)
                    taxa.append(taxon)
                met.add(number)
            read.asked.update(taxa)
            if rows:
                yield classes.probabilities(vector_block(batch)[rows]), taxa

    try:
        found = calibrated(tree, asked())
    except InputError:
        raise InputError(_none_left(read, store)) from None
    return found, (*_left_out(read, store), _promised(tree, read.asked, store))


def _none_left(read: _Read, store: "Store") -> str:
    if read.n_own and not read.n_above:
        whole = "the only labelled picture" if read.n_own == 1 else f"all {read.n_own:,} labelled pictures"
        return (
            f"the classifier was made with {whole} of {store.path}, which can say nothing of how often it is wrong: "
            "give a store of others, or leave it out, for the classifier has a calibration of its own"
        )
    reasons = {
        "the classifier was made with": read.n_own,
        "are named only above the classes": read.n_above,
        "have no rank": read.n_bare,
    }
    said = ", ".join(f"{n:,} {reason}" for reason, n in reasons.items() if n)
    return f"no picture of {store.path} says whether a name is wrong ({said or 'it has none'}): give labelled pictures of taxa among the classes"


def _left_out(read: _Read, store: "Store") -> list[str]:
    """What of the labelled pictures decides nothing, and why."""
    of = f"of {store.path}"
    said = []
    if read.n_own:
        said.append(
            f"{counted(read.n_own, 'picture')} {of} that the classifier was made with, and cannot be calibrated by: left out"
        )
    if read.n_copies:
        said.append(
            f"{counted(read.n_copies, 'picture')} {of} with the content of another, which say nothing more: left out"
        )
    if read.n_above:
        said.append(
            f"{counted(read.n_above, 'picture')} {of} named only above the classes, so that a wrong name below would pass for right: left out"
        )
    return said


def _promised(tree: ClassTree, asked: Counter[Taxon], store: "Store") -> str:
    """How many pictures, and of which classes, decided how sure is enough: a risk is kept for pictures of such classes, in such shares."""
    among = [taxon for taxon in asked if tree.node_of(taxon) is not None]
    n, n_among = sum(asked.values()), sum(asked[taxon] for taxon in among)
    classes = counted(tree.n_classes, "class", "classes")
    whose = f"{counted(n, 'picture')} of {store.path}"
    names = {fold(tree.class_taxon(row).name) for row in range(tree.n_classes)}
    alike = sum(count for taxon, count in asked.items() if tree.node_of(taxon) is None and fold(taxon.name) in names)
    hint = (
        f"; {alike:,} of these have the name of a class and other ranks above it, or none: fill in or correct the ranks above"
        if alike
        else ""
    )
    if not among:
        return f"{whose}, all of taxa that are none of the {classes}, decide how sure is enough: of pictures of the classes no risk is promised{hint}"
    strangers = f", and {n - n_among:,} of taxa that are none of them{hint}" if n_among < n else ""
    some = f"all of {among[0].name}" if len(among) == 1 else f"{n_among:,} of them of {len(among):,} of the {classes}"
    if len(among) == tree.n_classes:
        some = f"{n_among:,} of them of all {classes}"
    others = tree.n_classes - len(among)
    rest = f"of {'the other class' if others == 1 else f'the other {others:,} classes'} no risk is promised"
    return f"{whose}, {some}{strangers}, decide how sure is enough: the risk is that of pictures like these" + (
        f", and {rest}" if others else ""
    )
