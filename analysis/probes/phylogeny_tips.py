"""Species and the tips of a phylogeny: which are which, what each side lacks, and how far apart they are along the branches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from cladescope.analysis.probes.trees import binomial, match_tips
from cladescope.phylogeny.tree import Tree
from cladescope.shown import counted


@dataclass(frozen=True, eq=False)
class MatchedTips:
    """Places of species and the rows of their tips, and what a report says of the rest."""

    places: list[int]
    rows: list[int]
    about: dict[str, Any]
    """`matched` and `unmatched` species, `tips` of the tree, those `tips_without_pictures`; and where there are any `repeated_tips`, `repeated_names`."""
    note: str

    @classmethod
    def of(cls, names: Sequence[str], tree: Tree) -> "MatchedTips":
        """Of the names of species, by `match_tips`.

        >>> tree = Tree(parent=np.array([-1, 0, 0, 0]), length=np.ones(4), label=(None, "Pica pica", "Pica_pica", "Apus apus"))
        >>> MatchedTips.of(["Pica pica", "Parus major"], tree).note
        '1 of 2 species are tips of the phylogeny; 1 of its 3 tips have no pictures; 1 tip repeats the name of another and is left out'
        """
        places, rows = match_tips(names, tree)
        matched = set(places)
        called = [binomial(label) for label in tree.tip_labels if label]
        theirs, own = set(called), {binomial(name) for name in names}
        about: dict[str, Any] = {
            "matched": len(places),
            "unmatched": sorted(
                name for place, name in enumerate(names) if place not in matched and binomial(name) not in theirs
            ),
            "tips": tree.n_tips,
            "tips_without_pictures": tree.n_tips - sum(name in own for name in called),
        }
        note = (
            f"{len(places):,} of {len(names):,} species are tips of the phylogeny; {about['tips_without_pictures']:,} of its "
            f"{tree.n_tips:,} tips have no pictures"
        )
        again = sum(name in own for name in called) - len(theirs & own)
        twice = sum(binomial(name) in theirs for name in names) - len(places)
        for key, n, noun in (("repeated_tips", again, "tip"), ("repeated_names", twice, "species")):
            if n:
                about[key] = n
                said = counted(n, noun, noun if noun == "species" else None)
                note += f"; {said} {'repeats' if n == 1 else 'repeat'} the name of another and {'is' if n == 1 else 'are'} left out"
        return cls(places, rows, about, note)


def paths(tree: Tree, rows: Sequence[int]) -> tuple[Float[np.ndarray, "s s"], str]:
    """Distances along the branches, and what was done for them: branches are counted where any has no length, and negative ones count as 0."""
    below = tree.length[1:]
    if lacking := int(np.isnan(below).sum()):
        note = f"branches are counted, for {lacking:,} of {len(below):,} have no length"
        return tree.with_unit_lengths().cophenetic(list(rows)), note
    if negative := int((below < 0).sum()):
        tree = replace(tree, length=np.maximum(tree.length, 0))
        return tree.cophenetic(list(rows)), f"{counted(negative, 'branch', 'branches')} of negative length count as 0"
    return tree.cophenetic(list(rows)), ""
