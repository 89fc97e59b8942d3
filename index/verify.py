"""Verification: every part of a store read, and compared with what was noted of it and with the other parts.

It reads and changes nothing. Each check is a function of a store that gives what it looked at and what is wrong.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cladescope.errors import StoreError
from cladescope.index import identity, remote
from cladescope.index.compaction import MANY_FRAGMENTS
from cladescope.index.ledger import Ledger, changed_files, database_files
from cladescope.index.named_vectors import column_of
from cladescope.index.storage import storage
from cladescope.index.store import Store
from cladescope.schema import images_schema, vector_type
from cladescope.steps import counted, step

UNIT_TOLERANCE = 1e-3
"""How far the length of a stored vector may be from 1: rounding to 16 bits moves each number by up to 1 in 2048."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    looked_at: str
    """What, and how many."""
    problems: tuple[str, ...] = ()
    """What is wrong, one sentence each."""
    notes: tuple[str, ...] = ()
    """What could not be checked, or is as it may be."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What verifying a store found."""

    store: str
    checks: tuple[Check, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """Of all checks."""
        return tuple(problem for check in self.checks for problem in check.problems)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"store": self.store, "is_sound": self.is_sound, "checks": [asdict(check) for check in self.checks]}


def verify(path: str | Path) -> Verification:
    """Check a store as a whole: files against hashes, rows against runs, vectors, pictures, and the index against the rows.

    Reads every file of the store. Memory: the ids of all pictures, about 100 bytes each, and the index.

    Raises StoreError where there is no store, or its description cannot be read.
    """
    folder = Path(path)
    identity.read(folder)
    with step("comparing files with their hashes"):
        files, damaged = _files(folder)
    checks = [files]
    try:
        store = Store.open(folder)
    except StoreError as error:
        checks.append(Check(name="tables", looked_at="images, failures, runs", problems=(str(error),)))
        return Verification(store=remote.shown(folder), checks=tuple(checks))
    for name, (check, tables) in counted(CHECKS.items(), "checking", len(CHECKS)):
        if unread := sorted(damaged & set(tables)):
            note = f"files of {', '.join(unread)} are damaged, and of some damage the engine dies"
            checks.append(Check(name=name, looked_at="not read", notes=(note,)))
            continue
        try:
            checks.append(check(store))
        except StoreError as error:
            checks.append(Check(name=name, looked_at="cut short", problems=(str(error),)))
    return Verification(store=remote.shown(folder), checks=tuple(checks))


def _files(folder: Path) -> tuple[Check, set[str]]:
    """Files of the database against the hashes in the ledger, and the tables that have damaged rows."""
    there = {path.relative_to(folder).as_posix() for path in database_files(folder)}
    try:
        ledger = Ledger.read(folder)
    except StoreError as error:
        return Check(name="files", looked_at=f"{len(there):,} files", problems=(str(error),)), set()
    if (url := remote.url_of(folder)) is not None:
        note = f"no hashes are kept of what lies at {url}: its storage keeps its own"
        return Check(name="files", looked_at="none", notes=(note,)), set()
    if ledger is None:
        note = "no hashes were kept: no job has ended since cladescope keeps them; the next one writes them"
        return Check(name="files", looked_at=f"{len(there):,} files", notes=(note,)), set()
    changed = list(changed_files(folder, ledger))
    gone, new = sorted(ledger.files.keys() - there), there - ledger.files.keys()
    problems = [*_told(changed, "not as they were written"), *(() if ledger.pruning else _told(gone, "gone"))]
    notes = [f"{len(new):,} files have no hash yet: a job writes, or was killed"] if new else []
    if gone and ledger.pruning:
        notes.append(f"{len(gone):,} files are gone: a job removes earlier versions, or was killed at it")
    looked_at = f"{len(there & ledger.files.keys()):,} files against their hashes"
    damaged = {Path(name).parts[1].removesuffix(".lance") for name in changed if Path(name).parts[2] == "data"}
    return Check(name="files", looked_at=looked_at, problems=tuple(problems), notes=tuple(notes)), damaged


def _description(store: Store) -> Check:
    """store.json against the columns of the pictures."""
    problems = []
    for field in images_schema(store.card.dim):
        place = store.schema.get_field_index(field.name)
        if place < 0:
            problems.append(f"images has no column {field.name}")
        elif store.schema.field(place).type != field.type:
            problems.append(f"column {field.name} holds {store.schema.field(place).type}, expected {field.type}")
    there = store.tables["images"].schema
    for name, card in store.named.items():
        place = there.get_field_index(column_of(name))
        if place < 0 or there.field(place).type != vector_type(card.dim):
            problems.append(f"images has no column of {card.dim} numbers for the vectors {name}")
    held = storage(store.path, store.tables)
    notes = [
        f"{name} lies in {one.fragments:,} fragments, which are read slowly if they are small: compact the store"
        for name, one in held.items()
        if one.fragments > 2 * MANY_FRAGMENTS
    ]
    images = held["images"]
    looked_at = f"{len(store.schema)} columns, {images.fragments:,} fragments, {images.versions:,} versions"
    return Check(name="description", looked_at=looked_at, problems=tuple(problems), notes=tuple(notes))


def _runs(store: Store) -> Check:
    """Rows against what the ledger and the runs say that there were."""
    ledger = _ledger_of(store)
    problems = [] if ledger is None else ledger.losses(store.tables)
    runs = store.runs.sort_by("ended").to_pylist()
    now = {"verb": "now", "version": store.version, "images": store.count()}
    known = [{"verb": run["verb"], **json.loads(run["manifest"]).get("store", {})} for run in runs]
    steps = [step for step in known if "images" in step]
    for before, after in pairwise([*steps, now]):
        if after["version"] < before["version"] or (after["images"] < before["images"] and after["verb"] != "delete"):
            problems.append(
                f"after a run of {before['verb']} there were {before['images']:,} pictures (version {before['version']}), "
                f"and {after['images']:,} (version {after['version']}) {'are there' if after is now else 'after the next'}"
            )
    silent = len(known) - len(steps)
    notes = [f"{silent:,} runs do not say how many pictures there were after them"] if silent else []
    looked_at = f"{len(runs):,} runs, {now['images']:,} pictures"
    return Check(name="runs", looked_at=looked_at, problems=tuple(problems), notes=tuple(notes))


def _views(store: Store) -> Iterator[tuple[Store, str]]:
    """The store, and as it is for the vectors of each further encoder, with words for these."""
    yield store, ""
    for name in store.named:
        yield Store.open(store.path, vectors=name), f" of {name}"


def _vectors(store: Store) -> Check:
    """Every vector finite and of unit length, those of further encoders too."""
    problems, counted = [], []
    for view, whose in _views(store):
        n, bad, example = 0, 0, 0
        for row_ids, vectors in view.vectors():
            with np.errstate(over="ignore", invalid="ignore"):
                lengths = np.linalg.norm(vectors.astype(np.float32), axis=1)
                wrong = ~(np.abs(lengths - 1) <= UNIT_TOLERANCE)
            if wrong.any() and not bad:
                example = int(row_ids[np.flatnonzero(wrong)[0]])
            n, bad = n + len(vectors), bad + int(wrong.sum())
        if bad:
            (row,) = view.rows([example], ["image_id"])
            what = f"{bad:,} vectors{whose} are not finite or not of length 1"
            problems.append(f"{what}, for instance that of {row['image_id']!r}")
        if n != view.count():
            problems.append(f"{n:,} vectors{whose} are there for {view.count():,} pictures")
        counted.append(f"{n:,} vectors{whose}")
    return Check(name="vectors", looked_at=", ".join(counted), problems=tuple(problems))


def _pictures(store: Store) -> Check:
    """Each picture once, and none both stored and failed."""
    failures = store.failures
    # A record whose id is taken failed, and the picture that has the id is stored.
    failed = failures.filter(pc.not_equal(failures.column("stage"), "identity")).column("uri")
    ids, both = [pa.array([], pa.string())], [pa.array([], pa.string())]
    for batch in store.scan(["image_id", "uri"]):
        ids.append(batch.column("image_id"))
        both.append(batch.column("uri").filter(pc.is_in(batch.column("uri"), value_set=failed)))
    counts = pc.value_counts(pa.chunked_array(ids))
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").to_pylist()
    problems = [
        *_told(repeated, "the image_id of several rows"),
        *_told(pa.chunked_array(both).to_pylist(), "both stored and among the failures"),
    ]
    return Check(
        name="pictures",
        looked_at=f"{sum(map(len, ids)):,} pictures, {failures.num_rows:,} failures",
        problems=tuple(problems),
    )


def _index(store: Store) -> Check:
    """Each index against its hashes, its row ids against the rows, and its vectors against theirs."""
    own, *others = [(_one_index(view), whose) for view, whose in _views(store)]
    checks = [own, *((check, whose) for check, whose in others if check.looked_at != "none")]
    return Check(
        name="index",
        looked_at=", ".join(f"{check.looked_at}{whose}" for check, whose in checks),
        problems=tuple(f"{problem}{whose}" for check, whose in checks for problem in check.problems),
        notes=tuple(f"{note}{whose}" for check, whose in checks for note in check.notes),
    )


def _one_index(store: Store) -> Check:
    from cladescope.index.ann.files import AnnIndex, EarlierIndexError, check_hashes, folder  # loads FAISS
    from cladescope.index.ann.misfit import misfit

    try:
        index = AnnIndex.find(store.path, store.vectors_name)
    except EarlierIndexError as error:
        return Check(name="index", looked_at="not read", notes=(str(error),))
    if index is None:
        return Check(name="index", looked_at="none")
    card, problems = index.card, []
    check_hashes(folder(store.path, store.vectors_name), card)
    if (reason := misfit(store, card)) is not None:
        return Check(name="index", looked_at=f"{card.n_vectors:,} vectors of the index", problems=(reason,))
    order = np.argsort(index.rows.row_ids, kind="stable")
    sorted_ids = index.rows.row_ids[order]
    if repeated := int((np.diff(sorted_ids) == 0).sum()):
        problems.append(f"{repeated:,} row ids of the index repeat another")
    met = other = missing = 0
    for row_ids, vectors in store.vectors(condition=f"NOT ({store.since(card.store_version)})"):
        keys = row_ids.astype(np.int64)
        places = np.minimum(np.searchsorted(sorted_ids, keys), len(sorted_ids) - 1)
        known = sorted_ids[places] == keys
        other += int((index.flat.vectors[order[places[known]]] != vectors[known]).any(axis=1).sum())
        met, missing = met + int(known.sum()), missing + int((~known).sum())
    if other:
        problems.append(f"{other:,} vectors of the index are not those of their rows")
    if missing:
        problems.append(f"{missing:,} pictures are older than the index and not in it")
    if problems:
        problems.append("build the index again")
    gone = len(sorted_ids) - met
    notes = [f"{gone:,} of its vectors belong to pictures that were deleted"] if gone else []
    looked_at = f"{len(sorted_ids):,} vectors of the index"
    return Check(name="index", looked_at=looked_at, problems=tuple(problems), notes=tuple(notes))


CHECKS: dict[str, tuple[Callable[[Store], Check], tuple[str, ...]]] = {
    "description": (_description, ()),
    "runs": (_runs, ("runs",)),
    "vectors": (_vectors, ("images",)),
    "pictures": (_pictures, ("images", "failures")),
    "index": (_index, ("images",)),
}
"""Each check, and the tables whose rows it reads."""


def _ledger_of(store: Store) -> Ledger | None:
    """The ledger; None where there is none or it is damaged, which `_files` tells."""
    try:
        return Ledger.read(store.path)
    except StoreError:
        return None


def _told(names: list[str], what: str) -> Iterator[str]:
    """How many are wrong, and one of them."""
    if names:
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        yield f"{names[0]}{more}: {what}"
