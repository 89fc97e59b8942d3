"""The stage `flag`: what each picture shows an organism as, by its source or guessed, and people that a detector found."""

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float16, Int

from cladescope.embedding.encode import encoded
from cladescope.embedding.records import Record
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from cladescope.files import hash_file
from cladescope.steps import counted
from cladescope.training.curation.basis import dropped_as
from cladescope.training.curation.columns import FLAGGED
from cladescope.training.curation.encode import encoder_of, vectors_of
from cladescope.training.curation.flow import Flow, carried
from cladescope.training.curation.job import Job, Stage
from cladescope.training.curation.kind_guesses import Guesser, learn
from cladescope.training.curation.people import Detections, detections_settings, people_of
from cladescope.training.curation.sections import KINDS
from cladescope.training.curation.units import columns_of, hashed_order, numbered, units_of

MOST: Final = 20_000
"""Pictures of known kind that are learnt from and held out at most, of all kinds together, so that their mix stays; beside those of `kinds.support`."""
_SUPPORT: Final = "\x1fsupport"
"""Stands for a source where the pictures of `kinds.support` do."""
NOT_KNOWN: Final = "kind not known"


def flag(job: Job) -> None:
    """Flag all pictures that are in. Memory: 100 bytes a picture whose kind is known, `MOST` vectors, a part with its vectors, and the detections.

    Raises InputError where a list of examples or detections cannot be used.
    """
    kinds, people = job.config.kinds, job.config.people
    settings = {
        "kinds": {
            "keep": list(kinds.keep),
            "confidence": kinds.confidence,
            "is_guessed": bool(kinds.encoder),
            "support": _hash(kinds.support) if kinds.support else None,
        },
        "people": detections_settings(job),
    }
    with job.stage("flag", settings) as stage:
        if stage.is_done:
            return
        guesser = _guesser(job) if kinds.encoder else None
        stage.more["kinds"] = (
            {"why none is guessed": "no encoder is named (kinds.encoder)"} if guesser is None else dict(guesser.told)
        )
        detections = Detections.read(job) if people.detections else None
        unmade = stage.unmade()
        for part in counted(unmade, "flagging, in parts of records:", len(unmade)):
            _flag_part(job, stage, part, guesser, detections)
        if detections is not None:
            stage.more["people"] = {**_people_told(job), **detections.told()}


def _hash(path: str) -> list[str]:
    """Name and content of a file."""
    try:
        return [Path(path).name, hash_file(Path(path))]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): name a file that is there") from error


def _flag_part(job: Job, stage: Stage, part: int, guesser: Guesser | None, detections: Detections | None) -> None:
    table = job.read("gather", part, ["source", "id", "image_id", "uri"])
    before = job.read(job.before("flag"), part, ["row", "dropped"])
    is_in: Bool[np.ndarray, " n"] = before["dropped"].is_null().to_numpy()
    n = table.num_rows
    said = job.read("screen", part, ["kind"])["kind"].to_pylist()
    kinds: list[str | None] = [kind if kept else None for kind, kept in zip(said, is_in.tolist(), strict=True)]
    sure: list[float | None] = [None] * n
    open_rows = [row for row in np.flatnonzero(is_in).tolist() if kinds[row] is None]
    if guesser is not None and open_rows:
        vectors = vectors_of(job.read("encode", part, ["vector"])["vector"].take(pa.array(open_rows)))
        for row, kind, confidence in zip(open_rows, *guesser.guess(vectors), strict=True):
            kinds[row], sure[row] = kind, None if kind is None else confidence
    reasons: list[str | None] = [None] * n
    for row in open_rows:
        kind = kinds[row]
        if kind is not None and kind not in job.config.kinds.keep:
            reasons[row] = f"{dropped_as(kind)} (guessed)"
    people: list[list[str] | None] = [None] * n
    scores: list[float | None] = [None] * n
    if detections is not None:
        rows = np.flatnonzero(is_in)
        found, found_scores, _ = people_of(detections, table.take(pa.array(rows)))
        for row, some, score in zip(rows.tolist(), found, found_scores, strict=True):
            people[row], scores[row] = some, score
            if some and job.config.people.act == "drop":
                reasons[row] = reasons[row] or f"shows people (detected: {', '.join(some)})"
    changed = Flow()
    stays = [kept and reason is None for kept, reason in zip(is_in.tolist(), reasons, strict=True)]
    opened = set(open_rows)
    changed.change(
        table["source"],
        [
            None
            if not kept or row not in opened
            else NOT_KNOWN
            if kinds[row] is None
            else f"kind guessed: {kinds[row]}"
            for row, kept in enumerate(stays)
        ],
    )
    changed.change(
        table["source"],
        [f"flagged: {', '.join(some)}" if kept and some else None for kept, some in zip(stays, people, strict=True)],
    )
    columns = [
        before["row"],
        pc.dictionary_encode(pa.array(kinds, pa.string())),
        pa.array(sure, pa.float32()),
        pa.array(people, pa.list_(pa.string())),
        pa.array(scores, pa.float32()),
        carried("flag", before["dropped"], reasons),
    ]
    stage.write(part, pa.Table.from_arrays(columns, schema=FLAGGED), changed)


def _guesser(job: Job) -> Guesser:
    """What guesses kinds, learnt from pictures of the run whose source says it, and from the list of examples."""
    rows, kinds, names, sources = _known(job)
    vectors = [_vectors_at(job, rows)]
    if job.config.kinds.support:
        more, more_kinds, more_names, n_lost = _support(job)
        vectors.append(more)
        kinds, names = [*kinds, *more_kinds], [*names, *more_names]
        sources = [*sources, *[_SUPPORT] * len(more_kinds)]
    # An example may be a picture of the run.
    once = sorted({name: place for place, name in reversed(list(enumerate(names)))}.values())
    guesser = learn(
        np.concatenate(vectors)[once],
        [kinds[place] for place in once],
        [sources[place] for place in once],
        confidence=job.config.kinds.confidence,
        seed=job.config.seed,
    )
    if job.config.kinds.support:
        told = {**guesser.told, "examples": {"read": len(more_kinds), "not readable": n_lost}}
        guesser = Guesser(guesser.model, guesser.levels, told)
    return guesser


def _known(job: Job) -> tuple[Int[np.ndarray, " k"], list[str], list[str], list[str]]:
    """Rows, kinds, contents and sources of pictures to learn from: of those of one observation, specimen or content the first by a hash, and `MOST` of all."""
    is_known = np.concatenate(
        [
            np.asarray(
                pc.and_(job.is_in(job.before("flag"), part), pc.is_valid(job.read("screen", part, ["kind"])["kind"]))
            )
            for part in range(job.n_parts)
        ]
    )
    rows = np.flatnonzero(is_known)
    if not len(rows):
        return rows, [], [], []
    told = columns_of(job, "gather", ("id", "source", "observation_id", "specimen_id"), is_known)
    contents = columns_of(job, "look", ("content_hash",), is_known)["content_hash"]
    ties = [
        numbered(told["source"], told["observation_id"]),
        numbered(told["source"], told["specimen_id"]),
        numbered(contents),
    ]
    unit = units_of(ties, len(rows))
    names = pc.coalesce(contents, told["id"]).to_pylist()
    order = np.argsort(hashed_order(0, "kinds", told["id"].to_pylist()))
    order = order[np.sort(np.unique(unit[order], return_index=True)[1])]
    taken = np.sort(order[:MOST])
    kinds = columns_of(job, "screen", ("kind",), is_known)["kind"].to_pylist()
    sources = told["source"].to_pylist()
    kinds, names, sources = ([values[place] for place in taken.tolist()] for values in (kinds, names, sources))
    return rows[taken], kinds, names, sources


def _vectors_at(job: Job, rows: Int[np.ndarray, " k"]) -> Float16[np.ndarray, "k d"]:
    """The vectors of some rows, which ascend."""
    found = []
    for part in range(job.n_parts):
        start = part * job.part_rows
        first, last = np.searchsorted(rows, [start, start + job.part_rows])
        if first < last or part == 0:
            column = job.read("encode", part, ["vector"])["vector"]
            found.append(vectors_of(column.take(pa.array(rows[first:last] - start))))
    whole: Float16[np.ndarray, "k d"] = np.concatenate(found)
    return whole


def _support(job: Job) -> tuple[Float16[np.ndarray, "k d"], list[str], list[str], int]:
    """Vectors, kinds and names of the examples, and how many cannot be read."""
    path = job.config.kinds.support
    encoder = encoder_of(job)
    vectors, kinds, names, n_lost = [np.empty((0, encoder.dim), np.float16)], [], [], 0
    records = support_of(path)
    for batch in encoded(records, encoder, workers=job.config.workers):
        vectors.append(batch.vectors.astype(np.float16))
        kinds += [str(record.extra["kind"]) for record in batch.records]
        names += list(batch.content_hashes)
        n_lost += len(batch.failures)
    return np.concatenate(vectors), kinds, names, n_lost


def support_of(path: str) -> list[Record]:
    """The pictures of known kind that a table names. Raises InputError where one has none of `KINDS`, and as `open_source`."""
    records = list(open_source(path, name="support").records())
    for number, record in enumerate(records):
        kind = record.extra.get("kind")
        if kind not in KINDS:
            raise InputError(
                f"{path} says the kind {kind!r} in record {number}: expected a column kind with some of {', '.join(KINDS)}"
            )
    return records


def _people_told(job: Job) -> dict[str, int]:
    """Pictures by what was found in them, and those that no detector looked at."""
    n_flagged = n_unseen = 0
    for part in range(job.n_parts):
        table = job.read("flag", part, ["people", "dropped"])
        n_flagged += pc.sum(pc.greater(pc.list_value_length(table["people"]), 0)).as_py() or 0
        n_unseen += pc.sum(pc.and_(pc.is_null(table["people"]), pc.is_null(table["dropped"]))).as_py() or 0
    return {"pictures with people": n_flagged, "pictures not looked at": n_unseen}
