"""Whether an encoder was trained on the taxa or the pictures that a task asks for: then its scores say little of what is new to it."""

from collections.abc import Set as AbstractSet

from cladescope.analysis.benchmark.tasks import Task, TaskClass
from cladescope.embedding.encoder import UNKNOWN_ENCODER
from cladescope.embedding.trained_on import TrainedOn

_SHOWN = 3


def trained_note(name: str, trained: TrainedOn | None, task: Task, contents: AbstractSet[str]) -> str | None:
    """What to say of an encoder, called `name`, that was `trained` on classes or pictures of a task, or of which that is not known; else None.

    Classes are compared by the names of taxa at any rank, by common names and by labels; pictures by the hashes of their files, `contents`.
    """
    if trained is None:
        of = "the encoder of these vectors" if name == UNKNOWN_ENCODER else name
        return f"{task.name}: {of} does not say what it was trained on: whether it has seen these classes or pictures is not known"
    known = {one.casefold(): one for row in (*trained.taxa, trained.labels) for one in row if one}
    seen = [known[asked] for one in task.classes if (asked := _name_of(one)) in known]
    n_seen = len(trained.pictures & contents)
    start = (
        f"what {' and '.join(trained.unknown)} had seen, from which it started or learnt, is not known"
        if trained.unknown
        else ""
    )
    if seen or n_seen:
        what = [_classes(seen, task)] * bool(seen) + [_pictures(n_seen, len(contents), trained)]
        told = f"{name} was trained on {', and '.join(filter(None, what))}: it will score lower on what is new to it"
        return f"{task.name}: {told}; {start}" if start else f"{task.name}: {told}"
    if known and not any(map(_is_named, task.classes)):
        told = "these are no taxa whose names could be compared with those that it was trained on"
        return (
            f"{task.name}: whether {name} has seen these classes is not known: {'; '.join(filter(None, (told, start)))}"
        )
    return f"{task.name}: {start}" if start else None


def _classes(seen: list[str], task: Task) -> str:
    listed = ", ".join(seen[:_SHOWN]) + (", ..." if len(seen) > _SHOWN else "")
    return f"{len(seen):,} of the {len(task.classes):,} classes ({listed})"


def _pictures(n_seen: int, n: int, trained: TrainedOn) -> str:
    if n_seen:
        return f"{n_seen:,} of these {n:,} pictures" + (
            "" if trained.has_all_pictures else ", and may have seen more of them"
        )
    return "none of these very files" if trained.has_all_pictures else "may have seen these very pictures"


def _is_named(one: TaskClass) -> bool:
    """Whether a class is a taxon by its ranks, or has the two words of a species."""
    return one.taxon is not None or len(one.label.replace("_", " ").split()) == 2


def _name_of(one: TaskClass) -> str:
    """A class's name as a species is written, in small letters."""
    return (one.taxon.name if one.taxon is not None else one.label.replace("_", " ")).casefold()
