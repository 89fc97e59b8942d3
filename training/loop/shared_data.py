"""The data of a run: loaded and split by one process, in files that all others map.

The files lie in the run's folder while the run starts, and are gone once all have opened them. Where a process does not see that folder, since
it is of another machine without a disk in common, it loads the data itself.
"""

import hashlib
import json
import logging
import os
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cladescope.errors import InputError
from cladescope.files import PART, process_runs
from cladescope.index.files import disk_errors
from cladescope.training.config import TrainConfig
from cladescope.training.data.apart import content_hashes
from cladescope.training.data.columns import coded
from cladescope.training.data.enough import check_enough
from cladescope.training.data.examples import Examples, check_several_classes, load_examples
from cladescope.training.data.examples_file import open_examples, open_split, write_examples, write_split
from cladescope.training.data.exclusion import exclude_taxa
from cladescope.training.data.splits import Split, SplitConfig, split
from cladescope.training.loop.distributed import Group

logger = logging.getLogger(__name__)

MAPPED_FROM = 1_000_000
"""Pictures from which a process that is alone maps its data, too, so that the system may take their memory back."""
_FOLDER = f"{PART}examples"
_BEGUN, _DONE, _FAILED = "begun.json", "done.json", "failed.json"
_LONGEST_NAP = 1.0


@dataclass(frozen=True, eq=False)
class RunData:
    """What is learnt from, and how it is split."""

    examples: Examples
    split: Split
    data_hash: str
    """Of what a resumed run must find again: ids, taxa and common names, in their order."""
    contents: Sequence[str | None] | None = None
    """Hash of each example's file, in the process that loaded the data where files were compared."""


def run_data(config: TrainConfig, folder: Path, group: Group) -> RunData:
    """The data that a configuration names; all processes of the group must come here together.

    Raises InputError in every process where the data cannot be used.
    """
    scratch = folder / _FOLDER
    if group.n_processes == 1:
        data = _load(config)
        return data if len(data.examples) < MAPPED_FROM else _through_files(data, scratch)
    if group.is_first:
        with disk_errors(folder):
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            (scratch / _BEGUN).write_text(json.dumps({"host": socket.gethostname(), "process": os.getpid()}))
    group.wait()
    try:
        if group.is_first:
            return _given_out(config, scratch)
        if not (scratch / _BEGUN).exists():
            logger.warning("process %d does not see %s: it loads the data itself", group.process, folder)
            return _load(config)
        return _taken(scratch)
    finally:
        group.wait()
        if group.is_first:
            shutil.rmtree(scratch, ignore_errors=True)


def _given_out(config: TrainConfig, scratch: Path) -> RunData:
    """Load, write for the others, and tell them that it is there or why not."""
    try:
        data = _load(config)
        with disk_errors(scratch):
            _write(data, scratch)
        return _opened(scratch, data.contents)
    except BaseException as error:
        (scratch / f"{PART}{_FAILED}").write_text(json.dumps(str(error)), encoding="utf-8")
        (scratch / f"{PART}{_FAILED}").replace(scratch / _FAILED)
        raise


def _taken(scratch: Path) -> RunData:
    """What another process loads, once it is there."""
    begun = json.loads((scratch / _BEGUN).read_text(encoding="utf-8"))
    nap = 0.01
    while not (scratch / _DONE).exists():
        if (scratch / _FAILED).exists():
            raise InputError(json.loads((scratch / _FAILED).read_text(encoding="utf-8")))
        if begun["host"] == socket.gethostname() and not process_runs(begun["process"]):
            raise InputError("the process that loads the data has ended: start the run again")
        time.sleep(nap)
        nap = min(2 * nap, _LONGEST_NAP)
    return _opened(scratch, None)


def _through_files(data: RunData, scratch: Path) -> RunData:
    with disk_errors(scratch.parent):
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        try:
            _write(data, scratch)
            return _opened(scratch, data.contents)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _write(data: RunData, scratch: Path) -> None:
    write_examples(data.examples, scratch)
    write_split(data.split, scratch)
    draft = scratch / f"{PART}{_DONE}"
    draft.write_text(json.dumps({"data_hash": data.data_hash}), encoding="utf-8")
    draft.replace(scratch / _DONE)


def _opened(scratch: Path, contents: Sequence[str | None] | None) -> RunData:
    said = json.loads((scratch / _DONE).read_text(encoding="utf-8"))
    return RunData(open_examples(scratch), open_split(scratch), said["data_hash"], contents)


def _load(config: TrainConfig) -> RunData:
    examples = load_examples(
        config.data.source, classes=config.data.classes, labels_from=config.data.labels_from or None
    )
    if config.data.exclude:
        examples = examples.take(exclude_taxa(examples, config.data.exclude).kept)
    check_several_classes(examples)
    if config.data.tested_images:
        check_enough(examples)
    contents = content_hashes(examples, workers=config.data.workers) if config.data.compare_contents else None
    parts = split(
        examples,
        SplitConfig(
            species=config.data.held_out_species,
            images=config.data.held_out_images,
            tested=config.data.tested_images,
            group_by=config.data.group_by,
            seed=config.data.split_seed,
        ),
        contents=contents,
    )
    check_several_classes(examples, parts.train)
    return RunData(examples, parts, data_hash(examples), contents)


def data_hash(examples: Examples) -> str:
    """SHA-256 of ids, paths of taxa and common names, in their order."""
    # As `repr((image_id, path, common_name))`, whose last two parts are told once for each different value.
    taxa, names = examples.spelt_taxa, coded(examples.common_names)
    paths = [repr(taxon.path) for taxon in taxa.values]
    commons = [*map(repr, names.values), repr(None)]
    digest = hashlib.sha256()
    for image_id, taxon, name in zip(examples.image_ids, taxa.codes, names.codes, strict=True):
        digest.update(f"({image_id!r}, {paths[taxon]}, {commons[name]})".encode())
    return digest.hexdigest()
