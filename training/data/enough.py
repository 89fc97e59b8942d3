"""Whether pictures are enough to train on some, choose by others and test on a third part: said before anything is computed."""

import logging

import numpy as np

from cladescope.errors import InputError
from cladescope.shown import counted
from cladescope.training.data.examples import Examples

logger = logging.getLogger(__name__)

LEAST = 40
"""Pictures below which three parts say nothing."""


def check_enough(examples: Examples) -> None:
    """Say how many classes have one picture only, which can be learnt from but never tested.

    Raises InputError for fewer than `LEAST` pictures, and where fewer than two classes have several.

    >>> from cladescope.taxonomy import Taxon
    >>> taxa = (Taxon(("Animalia",)), Taxon(("Plantae",)))
    >>> check_enough(Examples(["a", "b"], ["/a.jpg", "/b.jpg"], taxa, [None] * 2, [None] * 2, ["s"] * 2, [None] * 2, [None] * 2))
    Traceback (most recent call last):
    cladescope.errors.InputError: found 2 pictures of 2 taxa: expected at least 40, to train on some, choose by others and test on ...
    """
    counts = np.bincount(examples.classes())
    one, what = ("label", "labels") if examples.by_label else ("taxon", "taxa")
    if len(examples) < LEAST:
        raise InputError(
            f"found {counted(len(examples), 'picture')} of {counted(len(counts), one, what)}: expected at least {LEAST}, to train on some, choose by others "
            "and test on a third part; with fewer, fit a classifier on the vectors of an encoder as it is"
        )
    n_alone = int((counts == 1).sum())
    if len(counts) - n_alone < 2:
        raise InputError(
            f"{n_alone} of {len(counts)} {what} have one picture each: expected at least two {what} with several, of which some can be tested"
        )
    if n_alone:
        logger.info("%d of %d %s have one picture, which is trained on and never tested", n_alone, len(counts), what)
