"""What to say where pictures are asked for by a taxon in a store whose pictures have none."""

from collections.abc import Callable, Collection

from cladescope.index.literals import quote
from cladescope.schema import LABEL, NAMING


def instead_of_taxon(name: str, columns: Collection[str], count_rows: Callable[[str], int]) -> str:
    """How pictures are chosen by a name: by what was predicted, by labels, or not before names are proposed.

    `columns` are those of the store, and `count_rows` counts its pictures under a condition.

    >>> instead_of_taxon("Aves", ["predicted_class", "label"], lambda condition: 7 * ("predicted_class" in condition))
    '7 are predicted to be of \\'Aves\\': choose by "predicted_class = \\'Aves\\'" as a condition'
    """
    for column in NAMING:
        condition = f"{column} = {quote(name)}"
        if column in columns and (n := count_rows(condition)):
            are = "is" if n == 1 else "are"
            return f'{n:,} {are} predicted to be of {name!r}: choose by "{condition}" as a condition'
    if count_rows(f"{LABEL} IS NOT NULL"):
        return f'choose by its label, "{LABEL} = {quote(name)}" as a condition'
    return "none has a label either; predict proposes names"
