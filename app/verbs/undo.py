"""Turning back a sorting."""

from pathlib import Path

from cladescope.analysis.undo_sorting import Undone, undo_sorting
from cladescope.app.verbs.arguments import checked
from cladescope.paths import local_path


@checked
def undo(log: str | Path) -> Undone:
    """Turn back what a sorting did: moved pictures return to where they were, links and copies go; returns how many what became of.

    `log` is the log of a sorting, or the folder that pictures were sorted into, which means its latest log. A copy goes only while its original is
    there and has the same bytes; nothing is moved over another file. What cannot be turned back is kept and told, and the log with it.

    Raises InputError where there is no log, or it is damaged.

    >>> import cladescope
    >>> fitted = cladescope.fit("photos.store", rank="genus", out="genus.safetensors")
    >>> said = cladescope.predict("photos.store", classifier="genus.safetensors", rank="genus")
    >>> done = cladescope.act_on(said, sort_into="by-genus")
    >>> cladescope.undo("by-genus").links_removed
    24
    """
    return undo_sorting(local_path(log))
