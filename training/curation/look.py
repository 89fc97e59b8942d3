"""The stage `look`: every picture is read and decoded once; its hashes, size and what tells a blank or blurred one are kept.

Pictures of the web are fetched first, and kept (`cladescope.training.curation.fetching`).
"""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from PIL import Image
from scipy.ndimage import laplace

from cladescope.embedding.decode import decode
from cladescope.embedding.locations import file_of, is_web_file, local_path, read_bytes
from cladescope.embedding.prepare import content_hash, region_hash
from cladescope.embedding.regions import cropped, split_region
from cladescope.errors import InputError, PictureError
from cladescope.steps import step
from cladescope.training.curation.columns import LOOKED
from cladescope.training.curation.fetching import Fetched, fetch_part
from cladescope.training.curation.flow import carried
from cladescope.training.curation.job import Job, Stage
from cladescope.training.curation.pdq import check_installed, is_installed, pdq_of
from cladescope.training.curation.sections import PicturesConfig
from cladescope.training.data.shard_index import read_span
from cladescope.training.data.shard_places import Span, find_spans

logger = logging.getLogger(__name__)

NOT_READ: Final = "could not be read"
NOT_DECODED: Final = "could not be decoded"
NOT_FETCHED: Final = "on the web, not fetched"
_SHARPNESS_SIDE: Final = 224
_AHEAD: Final = 512


@dataclass(frozen=True, slots=True)
class _Look:
    """What is kept of a picture."""

    values: dict[str, Any]
    problem: str | None = None


def look(job: Job) -> None:
    """Look at all pictures. Memory: a part of records, and `workers` decoded pictures.

    Raises InputError where the package of PDQ hashes is needed and missing, and where a source's pictures disappear while they are looked at; StoreError
    where the disk is full: what was done stays.
    """
    check_installed(job.config)
    config = job.config.pictures
    settings = {
        "min_side": config.min_side,
        "blank_below": config.blank_below,
        "blurred_below": config.blurred_below,
        "fetch": config.fetch,
        "pdq": is_installed(),
    }
    with job.stage("look", settings) as stage:
        if stage.is_done:
            return
        seen = _Seen()
        with step("looking at pictures", _n_in(job)) as tell, ThreadPoolExecutor(job.config.workers) as pool:
            done = 0
            for part in range(job.n_parts):
                if stage.path(part).exists():
                    done += job.is_in("screen", part).to_pylist().count(True)
                    tell(done)
                    continue
                done = _look_part(job, stage, part, pool, seen, done, tell)


def _n_in(job: Job) -> int:
    return sum(job.is_in("screen", part).to_pylist().count(True) for part in range(job.n_parts))


def _look_part(job: Job, stage: Stage, part: int, pool: ThreadPoolExecutor, seen: "_Seen", done: int, tell: Any) -> int:
    gathered = job.read("gather", part, ["row", "id", "source", "uri"])
    before = job.read("screen", part, ["dropped"])["dropped"]
    rows = np.flatnonzero(before.is_null().to_numpy()).tolist()
    uris, ids = gathered["uri"].to_pylist(), gathered["id"].to_pylist()
    sources = gathered["source"].to_pylist()
    fetched = fetch_part(job, part, [(ids[row], uris[row]) for row in rows if is_web_file(split_region(uris[row])[0])])
    spans = dict(zip(rows, find_spans([split_region(uris[row])[0] for row in rows]), strict=True))
    looks: list[_Look | None] = [None] * gathered.num_rows
    for start in range(0, len(rows), _AHEAD):
        some = rows[start : start + _AHEAD]
        found = pool.map(lambda row: _look(uris[row], spans[row], fetched.get(ids[row]), job.config.pictures), some)
        for row, one in zip(some, found, strict=True):
            looks[row] = one
            seen.note(sources[row], uris[row], one)
            if one.problem is not None:
                logger.warning("%s (%s): %s", one.problem, uris[row], one.values.get("why", ""))
        done += len(some)
        tell(done)
    columns: list[pa.Array] = []
    for field in LOOKED:
        if field.name == "row":
            columns.append(gathered["row"])
        elif field.name == "dropped":
            columns.append(carried("look", before, [None if one is None else one.problem for one in looks]))
        else:
            values = [None if one is None else one.values.get(field.name) for one in looks]
            columns.append(pa.array(values, field.type))
    stage.write(part, pa.Table.from_arrays(columns, schema=LOOKED))
    return done


class _Seen:
    """Which source's pictures were there, so that a disk that is taken off is told from pictures that are missing."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._failed: Counter[str] = Counter()

    def note(self, source: str, uri: str, found: _Look) -> None:
        """Raises InputError where a picture cannot be read, and the last one of its source that could is gone, too."""
        file = file_of(uri) or local_path(split_region(uri)[0])
        if file is None:
            return
        if found.problem != NOT_READ:
            self._last[source] = file
            return
        if os.path.lexists(file):
            return
        last = self._last.get(source)
        gone = last is not None and not os.path.lexists(last)
        if gone or not Path(file).parent.parent.is_dir():
            raise InputError(
                f"the pictures of source {source} are gone ({file}): bring them back and run the same command again, what was done stays"
            )


def _look(uri: str, span: Span | None, fetched: Fetched | None, config: PicturesConfig) -> _Look:
    """What there is to know of one picture."""
    parent, box = split_region(uri)
    place = uri
    if is_web_file(parent):
        if config.fetch == "never":
            return _Look({}, NOT_FETCHED)
        if fetched is None or fetched.problem is not None:
            return _Look(
                {"why": "" if fetched is None else fetched.why}, "not fetched" if fetched is None else fetched.problem
            )
        place, span = fetched.place if box is None else f"{fetched.place}{uri[len(parent) :]}", fetched.span
    try:
        data = read_bytes(split_region(place)[0]) if span is None else read_span(*span)
    except PictureError as error:
        return _Look({"why": str(error)}, NOT_READ)
    hashed = content_hash(data)
    values: dict[str, Any] = {
        "picture_at": place,
        "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "n_bytes": len(data),
    }
    values["content_hash"] = hashed if box is None else region_hash(hashed, box)
    try:
        picture = decode(data) if box is None else cropped(decode(data), box).picture
    except PictureError as error:
        return _Look({**values, "why": str(error)}, NOT_DECODED)
    values |= {"width": picture.width, "height": picture.height, **_measured(picture.image)}
    return _Look(values, _problem(values, config))


def _measured(image: Image.Image) -> dict[str, Any]:
    """Spread, sharpness and perceptual hashes of a picture."""
    grey = image.convert("L")
    small = np.asarray(grey.resize((_SHARPNESS_SIDE, _SHARPNESS_SIDE), Image.Resampling.BOX), np.float32)
    found: dict[str, Any] = {
        "spread": float(np.asarray(grey, np.float32).std()),
        "sharpness": float(laplace(small).var()),
    }
    if is_installed():
        own, mirrored, quality = pdq_of(image)
        found |= {"pdq": own, "pdq_mirrored": mirrored, "pdq_quality": quality}
    return found


def _problem(values: dict[str, Any], config: PicturesConfig) -> str | None:
    """Why a picture that could be decoded is dropped."""
    if min(values["width"], values["height"]) < config.min_side:
        return f"shorter side below {config.min_side} pixels"
    if values["spread"] < config.blank_below:
        return "blank"
    if values["sharpness"] < config.blurred_below:
        return "blurred"
    return None


def pictures_at(job: Job, stage: str, part: int) -> Iterator[tuple[int, str]]:
    """The records of a part that are still in after a stage, with where their picture lies."""
    places: Sequence[str | None] = job.read("look", part, ["picture_at"])["picture_at"].to_pylist()
    for row, (place, is_in) in enumerate(zip(places, job.is_in(stage, part).to_pylist(), strict=True)):
        if is_in and place is not None:
            yield row, place
