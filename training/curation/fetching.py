"""Pictures of the web, fetched once and kept: politely by host, hashed, in one tar a part, which a killed job goes on with.

A tar has for each picture its file and a JSON with its address and hashes. An unfinished one is read up to its last whole picture. How servers are asked is
`cladescope.embedding.web`'s: a named agent, few requests at once to one host, patience where it asks for that.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from cladescope.embedding import web
from cladescope.embedding.locations import suffix_of
from cladescope.embedding.sources.walk import PICTURE_SUFFIXES
from cladescope.errors import PictureError, StoreError
from cladescope.steps import counted
from cladescope.training.curation.job import Job
from cladescope.training.data.shard_places import Span

FOLDER: Final = "fetched"
AT_ONCE: Final = 32
"""Requests at the same time, to all hosts together."""
_END: Final = bytes(2 * tarfile.BLOCKSIZE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A picture of the web: where it lies now, or why it does not."""

    place: str = ""
    """`part-000000.tar#ID.jpg`, with the whole path."""
    span: Span | None = None
    problem: str | None = None
    """In few words, None where it was fetched."""
    why: str = ""


def fetch_part(job: Job, part: int, wanted: Sequence[tuple[str, str]]) -> dict[str, Fetched]:
    """Fetch the pictures of a part, ids and addresses, but those that were fetched before; by id. Memory: `AT_ONCE` encoded pictures.

    What failed is asked for again when the part is looked at again.

    Raises StoreError where the disk is full: what is whole stays.
    """
    if not wanted or job.config.pictures.fetch == "never":
        return {}
    web.introduce(job.config.pictures.contact or None)
    path = job.work / FOLDER / f"part-{part:06d}.tar"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _Kept(path) as kept:
            todo = [(image_id, url) for image_id, url in wanted if image_id not in kept.found]
            answers = counted(_answers(todo), f"fetching pictures of part {part}", len(todo))
            failed = {}
            for (image_id, url), (content, problem, why) in zip(todo, answers, strict=True):
                if problem is None:
                    kept.add(image_id, url, content)
                else:
                    failed[image_id] = Fetched(problem=problem, why=why)
            return {**kept.found, **failed}
    except OSError as error:
        raise StoreError(
            f"cannot keep fetched pictures in {path} ({error.strerror or error}): make room and run it again, what is there stays"
        ) from error


def _answers(todo: Sequence[tuple[str, str]]) -> Iterator[tuple[bytes, str | None, str]]:
    """The content of each address in order, or why there is none in few words and in many."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ahead: list[Future[tuple[bytes, str | None, str]]] = []
        rest = iter(todo)
        try:
            for _, url in rest:
                ahead.append(pool.submit(_fetched, url))
                if len(ahead) == AT_ONCE:
                    yield ahead.pop(0).result()
            while ahead:
                yield ahead.pop(0).result()
        finally:
            for one in ahead:
                one.cancel()


def _fetched(url: str) -> tuple[bytes, str | None, str]:
    try:
        return web.current().fetch(url), None, ""
    except PictureError as error:
        return b"", _kind(str(error)), str(error)


def _kind(why: str) -> str:
    """A failure in few words.

    >>> _kind("no such file (404): https://a.org/1.jpg"), _kind("cannot reach https://a.org/1.jpg: timed out")
    ('the server has it no more', 'the server could not be reached')
    """
    if "(404)" in why or "(410)" in why:
        return "the server has it no more"
    if "cannot reach" in why:
        return "the server could not be reached"
    return "the server did not give it"


class _Kept:
    """The tar of a part that is being filled."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.found: dict[str, Fetched] = {}

    def __enter__(self) -> "_Kept":
        end = self._read() if self._path.exists() else 0
        self._stream: BinaryIO = self._path.open("r+b" if self._path.exists() else "wb")
        self._stream.truncate(end)
        self._stream.seek(end)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._stream.write(_END)
        self._stream.close()

    def add(self, image_id: str, url: str, content: bytes) -> None:
        """Put a picture in."""
        ending = suffix_of(url) if suffix_of(url) in PICTURE_SUFFIXES else ".jpg"
        told = {
            "id": image_id,
            "url": url,
            "member": f"{image_id}{ending}",
            "n_bytes": len(content),
            "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        start = self._member(f"{image_id}{ending}", content)
        self._member(f"{image_id}.json", json.dumps(told).encode())
        self._stream.flush()
        self._note(told, start)

    def _member(self, name: str, content: bytes) -> int:
        """Write a member; where its content begins."""
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        self._stream.write(entry.tobuf(tarfile.PAX_FORMAT))
        start = self._stream.tell()
        self._stream.write(content + bytes(-len(content) % tarfile.BLOCKSIZE))
        return start

    def _note(self, told: Mapping[str, Any], start: int) -> None:
        place = f"{self._path}#{told['member']}"
        self.found[told["id"]] = Fetched(place, (str(self._path), start, told["n_bytes"]))

    def _read(self) -> int:
        """Take note of all whole pictures; where the last ends."""
        end, places = 0, dict[str, tuple[int, int]]()
        size = self._path.stat().st_size
        try:
            with tarfile.open(self._path, "r:") as archive:
                for entry in archive:
                    stop = entry.offset_data + -(-entry.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                    if stop > size:
                        break
                    if not entry.name.endswith(".json"):
                        places[entry.name] = (entry.offset_data, entry.size)
                        continue
                    told = json.load(io.BytesIO(archive.extractfile(entry).read()))  # type: ignore[union-attr]
                    self._note(told, places[told["member"]][0])
                    end = stop
        except tarfile.TarError:
            pass  # what comes after the last whole picture is written anew
        return end
