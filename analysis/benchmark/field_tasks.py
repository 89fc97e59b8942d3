"""The protocols of published tasks of the field: who reads each, which heads it has, and what it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cladescope.analysis.benchmark.biobench import read_beluga, read_ecdysis
from cladescope.analysis.benchmark.biobench_clips import read_kabr, read_mammalnet
from cladescope.analysis.benchmark.biotrove import read_confusable, read_life_stages
from cladescope.analysis.benchmark.fungiclef import read_fungiclef
from cladescope.analysis.benchmark.herbarium19 import read_herbarium19
from cladescope.analysis.benchmark.inquire import read_inquire
from cladescope.analysis.benchmark.inquire_rerank import read_inquire_rerank
from cladescope.analysis.benchmark.newt import read_newt
from cladescope.analysis.benchmark.tasks import Task
from cladescope.analysis.benchmark.trait_tasks import read_awa2, read_fishnet

NEWT, FISHNET, AWA2, INQUIRE = "newt", "fishnet", "awa2", "inquire"
FUNGICLEF, KABR, MAMMALNET = "fungiclef", "kabr", "mammalnet"
LIFE_STAGES, CONFUSABLE, ECDYSIS, BELUGA = "life-stages", "confusable", "ecdysis", "beluga"
INQUIRE_RERANK, HERBARIUM19 = "inquire-rerank", "herbarium19"


@dataclass(frozen=True, kw_only=True)
class FieldTask:
    """A published task and how it is read."""

    read: Callable[..., Task]
    """From a path, and the folder of pictures (`images`)."""
    needs_text: bool = False


FIELD_TASKS: Mapping[str, FieldTask] = {
    NEWT: FieldTask(read=read_newt),
    FISHNET: FieldTask(read=read_fishnet),
    AWA2: FieldTask(read=read_awa2),
    INQUIRE: FieldTask(read=read_inquire, needs_text=True),
    INQUIRE_RERANK: FieldTask(read=read_inquire_rerank, needs_text=True),
    LIFE_STAGES: FieldTask(read=read_life_stages, needs_text=True),
    CONFUSABLE: FieldTask(read=read_confusable, needs_text=True),
    ECDYSIS: FieldTask(read=read_ecdysis),
    BELUGA: FieldTask(read=read_beluga),
    FUNGICLEF: FieldTask(read=read_fungiclef),
    KABR: FieldTask(read=read_kabr),
    MAMMALNET: FieldTask(read=read_mammalnet),
    HERBARIUM19: FieldTask(read=read_herbarium19),
}
"""By the name of the protocol."""


def read_field_task(protocol: str, path: Path, *, images: Path | None = None) -> Task:
    """The task of published files under a protocol. Raises InputError for what is not published so."""
    return FIELD_TASKS[protocol].read(path, images=images)
