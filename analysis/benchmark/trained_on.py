"""Whether an encoder was trained on the taxa that a task asks for: then its scores say nothing of taxa that it has not seen."""

import pyarrow as pa

from cladescope.analysis.benchmark.tasks import Task, TaskClass


def trained_note(name: str, trained: pa.Table, task: Task) -> str | None:
    """A warning where an encoder, called `name`, was `trained` (a table of taxa by rank) on species of a task; None where on none."""
    known = {str(species).lower(): str(species) for species in trained["species"].to_pylist() if species}
    asked = [_name_of(one) for one in task.classes]
    seen = [known[one] for one in asked if one in known]
    if not seen:
        return None
    listed = ", ".join(seen[:3]) + (", ..." if len(seen) > 3 else "")
    return (
        f"{task.name}: {name} was trained on {len(seen):,} of the {len(asked):,} classes ({listed}), and may have seen these very pictures: "
        "it will score lower on taxa that are new to it"
    )


def _name_of(one: TaskClass) -> str:
    """A class's name as a species is written, in small letters."""
    return (one.taxon.name if one.taxon is not None else one.label.replace("_", " ")).lower()
