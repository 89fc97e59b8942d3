"""The stage `look`: each picture is read and decoded once, hashed and measured; what is broken, small, blank or blurred is dropped.

Memory: the columns of a part, some encoded pictures, and a decoded picture a worker. Values do not depend on how many workers there are.
"""

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from PIL import Image
from scipy import ndimage

from cladescope.embedding.decode import Picture, decode
from cladescope.embedding.locations import file_of, is_web_file, local_path, read_bytes
from cladescope.embedding.prepare import content_hash, region_hash, unexpected
from cladescope.embedding.regions import Parents, cropped, region_address, split_region
from cladescope.embedding.schemes import leads_elsewhere
from cladescope.errors import InputError, PictureError
from cladescope.steps import counted
from cladescope.training.curation.columns import LOOKED
from cladescope.training.curation.fetching import Kept, Wanted, fetch, words_of
from cladescope.training.curation.flow import carried
from cladescope.training.curation.job import Job, Stage
from cladescope.training.curation.pdq import check_installed, is_installed, pdq_of
from cladescope.training.curation.sections import PicturesConfig

logger = logging.getLogger(__name__)

SHARP_SIDE: Final = 224
"""Pixels along each side of the grey picture whose sharpness is measured."""
_AHEAD: Final = 64
UNREAD: Final = "could not be read"
UNDECODED: Final = "could not be decoded"
NOT_FETCHED: Final = "on the web, not fetched"
_Whole = tuple[dict[str, Any], Picture | str]


@dataclass(slots=True)
class _Looked:
    """What is known of a picture, and why it is dropped if it is."""

    values: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    problem: str | None = None
    """The reason in full, where something was wrong with the file."""


def look(job: Job) -> None:
    """Look at all pictures that are still in.

    Raises InputError where a package is missing that the configuration needs, where a source disappears half-way, and as `fetch`.
    """
    check_installed(job.config)
    with job.stage("look", settings_of(job)) as stage:
        if stage.is_done:
            return
        unmade = stage.unmade()
        if job.spread is not None:  # servers are asked from one machine alone
            for part in unmade:
                _fetched(job, part, _wanted(job, part)[1])
        job.each(
            partial(_look_at_part, stage, Homes(job)),
            unmade,
            "looking at pictures, in parts of records:",
            is_told=True,
        )


def settings_of(job: Job) -> dict[str, Any]:
    """What decides the stage."""
    pictures = asdict(job.config.pictures)
    del pictures["contact"]
    return {**pictures, "pdq": is_installed()}


def _wanted(job: Job, part: int) -> tuple[list[int], list[tuple[str, str, str]]]:
    """Which records of a part are still in, and their ids, addresses and sources."""
    dropped = job.read(job.before("look"), part, ["dropped"])["dropped"]
    rows = np.flatnonzero(dropped.is_null().to_numpy())
    told = job.read("gather", part, ["id", "uri", "source"]).take(pa.array(rows))
    return rows.tolist(), list(zip(*(told[name].to_pylist() for name in told.column_names), strict=True))


def _look_at_part(stage: Stage, homes: "Homes", part: int) -> None:
    job = stage.job
    before = job.read(job.before("look"), part, ["row", "dropped"])
    rows, wanted = _wanted(job, part)
    kept = _fetched(job, part, wanted)
    values: dict[str, list[Any]] = {name: [None] * before.num_rows for name in LOOKED.names[1:-1]}
    reasons: list[str | None] = [None] * before.num_rows
    looks = _looks([uri for _, uri, _ in wanted], kept, job)
    words = f"looking at pictures, part {part + 1} of {job.n_parts}"
    for row, (_, uri, source), looked in zip(rows, wanted, counted(looks, words, len(rows)), strict=True):
        homes.check(uri, source, is_read=looked.reason != UNREAD)
        if looked.problem is not None:
            logger.warning("%s %s: %s", uri, looked.reason, looked.problem)
        reasons[row] = looked.reason
        for name, value in looked.values.items():
            values[name][row] = value
    arrays = [pa.array(values[one.name], one.type) for one in list(LOOKED)[1:-1]]
    columns = [before["row"].combine_chunks(), *arrays, carried("look", before["dropped"], reasons)]
    stage.write(part, pa.Table.from_arrays(columns, schema=LOOKED))


def _fetched(job: Job, part: int, wanted: Sequence[tuple[str, str, str]]) -> dict[str, Kept]:
    """Pictures of the web by their address, fetched once for all their regions, from ids, addresses and sources."""
    if job.config.pictures.fetch == "never":
        return {}
    places = {source.name: source.path for source in job.config.sources}
    first: dict[str, Wanted] = {}
    for name, uri, source in wanted:
        parent = split_region(uri)[0]
        if is_web_file(parent):
            one = first.setdefault(parent, Wanted(name, parent, public_only=False))
            first[parent] = one._replace(public_only=one.public_only or leads_elsewhere(parent, places[source]))
    answers = fetch(job, part, list(first.values()))
    return dict(zip(first, counted(answers, "fetching pictures", len(first)), strict=True))


def _looks(uris: Sequence[str], kept: dict[str, Kept], job: Job) -> Iterator[_Looked]:
    """A look at each picture, in order, by several threads."""
    parents: Parents[_Whole] = Parents()
    settings, with_pdq = job.config.pictures, is_installed()
    with ThreadPoolExecutor(job.config.workers) as pool:
        for start in range(0, len(uris), _AHEAD):
            some = uris[start : start + _AHEAD]
            yield from pool.map(lambda uri: _look(uri, kept, parents, settings, with_pdq=with_pdq), some)


def _look(
    uri: str,
    kept: dict[str, Kept],
    parents: Parents[_Whole],
    settings: PicturesConfig,
    *,
    with_pdq: bool,
) -> _Looked:
    """Read, decode and measure one picture."""
    looked = _Looked()
    try:
        looked.reason = UNREAD
        parent, box = split_region(uri)
        place, fetched = parent, kept.get(parent)
        if is_web_file(parent) and fetched is None:
            looked.reason = NOT_FETCHED
            return looked
        if fetched is not None:
            if fetched.problem is not None:
                looked.reason, looked.problem = words_of(fetched.problem), fetched.problem
                return looked
            place = f"{fetched.shard.resolve()}#{fetched.member}"

        def whole() -> _Whole:
            return _whole(read_bytes(parent) if fetched is None else fetched.read())

        found, picture = whole() if box is None else parents.get(parent, whole)
        looked.reason, looked.values = UNDECODED, dict(found)
        if isinstance(picture, str):
            looked.problem = picture
            return looked
        if box is not None:
            picture, place = cropped(picture, box).picture, region_address(place, box)
            looked.values["content_hash"] = region_hash(looked.values["content_hash"], box)
        looked.values |= {"picture_at": place, **measured(picture, with_pdq=with_pdq)}
    except PictureError as error:
        looked.problem = str(error)
        return looked
    except Exception as error:  # noqa: BLE001 - whatever a client or decoder raises, it is one picture's affair
        looked.problem = unexpected(error)
        return looked
    looked.reason = _fault(looked.values, settings)
    return looked


def _whole(data: bytes) -> _Whole:
    """What is known of a file, and its picture or why it has none."""
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    values = {"content_hash": content_hash(data), "md5": md5, "n_bytes": len(data)}
    try:
        return values, decode(data)
    except PictureError as error:
        return values, str(error)
    except Exception as error:  # noqa: BLE001 - whatever a decoder raises, it is one picture's affair
        return values, unexpected(error)


def measured(picture: Picture, *, with_pdq: bool) -> dict[str, Any]:
    """Size, spread of grey levels, sharpness and hashes of a decoded picture, by the names of their columns."""
    grey = picture.image.convert("L")
    small = grey.resize((SHARP_SIDE, SHARP_SIDE), Image.Resampling.BILINEAR)
    values: dict[str, Any] = {
        "width": picture.width,
        "height": picture.height,
        "spread": float(np.asarray(grey).std()),
        "sharpness": float(ndimage.laplace(np.asarray(small, np.float64)).var()),
    }
    if with_pdq:
        pdq = pdq_of(picture.image)
        values |= {"pdq": pdq.hash, "pdq_mirrored": pdq.mirrored, "pdq_quality": pdq.quality}
    return values


def _fault(values: dict[str, Any], settings: PicturesConfig) -> str | None:
    """Why a picture that can be seen is dropped."""
    if min(values["width"], values["height"]) < settings.min_side:
        return f"shorter side below {settings.min_side} pixels"
    if values["spread"] < settings.blank_below:
        return "blank"
    return "blurred" if values["sharpness"] < settings.blurred_below else None


class Homes:
    """Folders, shards and tables that pictures were read from, so that one that disappears is told from a picture that is missing.

    Memory: their names.
    """

    def __init__(self, job: Job) -> None:
        """Nothing is read."""
        self.job = job
        self.held: set[str] = set()
        """Those that a picture was read from in this run."""
        self.paths = {one.name: local_path(one.path) for one in job.config.sources}
        self._earlier: set[str] | None = None

    def check(self, uri: str, source: str, *, is_read: bool) -> None:
        """Note a picture of this machine that was read; raises InputError where one was not because all of its source is gone."""
        home = _home_of(uri)
        if home is None:
            return
        if is_read:
            self.held.add(home)
            return
        path = self.paths.get(source)
        is_pattern = path is not None and any(mark in path for mark in "*?[{")
        if path is not None and not is_pattern and not os.path.lexists(path):
            raise InputError(_gone(source, path))
        if not os.path.lexists(home) and self._held(home):
            raise InputError(_gone(source, home))

    def _held(self, home: str) -> bool:
        """Whether a picture was read from there, in this run or in one before."""
        if home in self.held:
            return True
        if self._earlier is None:  # looked through once, however many folders are missing
            self._earlier = {
                found
                for part in range(self.job.n_parts)
                if self.job.path("look", part).exists()
                for at in self.job.read("look", part, ["picture_at"])["picture_at"].drop_null().to_pylist()
                if (found := _home_of(at)) is not None
            }
        return home in self._earlier


def _home_of(uri: str) -> str | None:
    """The folder of a picture on this machine, or the file around it."""
    path, file = local_path(split_region(uri)[0]), file_of(uri)
    if path is None or file is None:
        return None
    return file if file != path else str(Path(file).parent)


def _gone(source: str, place: str) -> str:
    return (
        f"source {source} disappears: {place} is gone; bring it back and run the same command again, what is done stays"
    )
