"""Pictures of the web, fetched once and kept in shards of the job: `work/fetched/part-PART-SHARD.tar`, in the order in which they came.

A shard has few pictures, since a later stage that reads one member passes those before it. Each picture is followed by `ID.json`, which says
where it was fetched, how long it is and its hashes; of one that could not be had there is only that, with the reason. A shard that was cut short is
kept as far as it is whole, and no picture that lies in it is asked for again. Servers are asked by the manners of `embedding.web`.
"""

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from cladescope.embedding.decode import kind_of_bytes
from cladescope.embedding.prepare import unexpected
from cladescope.embedding.web import Web, introduce
from cladescope.errors import InputError, PictureError, StoreError
from cladescope.files import replacing
from cladescope.training.curation.job import Job

SHARD_PICTURES: Final = 500
"""Pictures of a shard."""
THREADS: Final = 16
"""Pictures on their way at the same time, from all servers together."""
_AHEAD: Final = 64
"""Pictures that are asked for at the same time, most of which wait for a thread; memory: so many encoded pictures."""
_ENDINGS: Final = {"JPEG": "jpg", "JPEG 2000": "jp2", "TIFF": "tif", "HEIF": "heic"}


class Kept(NamedTuple):
    """Where a fetched picture lies, or why there is none."""

    shard: Path
    member: str
    start: int
    n_bytes: int
    problem: str | None

    def read(self) -> bytes:
        """The encoded picture. Raises PictureError where the shard is not as it was."""
        try:
            with self.shard.open("rb") as stream:
                stream.seek(self.start)
                return stream.read(self.n_bytes)
        except OSError as error:
            raise PictureError(f"cannot read {self.shard}: {error.strerror or error}") from error


class Wanted(NamedTuple):
    """A picture to fetch."""

    name: str
    """What its file is called, without an ending."""
    url: str
    public_only: bool
    """Whether its address comes from a table that lies elsewhere, so that it may not lead into this network."""


def fetch(job: Job, part: int, wanted: Sequence[Wanted]) -> Iterator[Kept]:
    """Fetch the pictures of a part that are not there yet; one answer for each, in their order.

    Raises InputError for a shard of other pictures or a contact that cannot stand in a header, StoreError where the disk is full.
    """
    web = introduce(job.config.pictures.contact or None)
    folder = job.work / "fetched"
    for number, start in enumerate(range(0, len(wanted), SHARD_PICTURES)):
        shard = folder / f"part-{part:06d}-{number:04d}.tar"
        some = wanted[start : start + SHARD_PICTURES]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            shard.touch()
            with shard.open("r+b") as stream:
                whole = _whole(stream, shard)
                there = {kept.member.rpartition(".")[0]: kept for kept, _ in whole}
                if not there.keys() <= {one.name for one in some}:
                    raise InputError(f"{shard} has other pictures than the sources: delete {folder} and run it again")
                stream.seek(whole[-1][1] if whole else 0)
                stream.truncate()
                missing = [one for one in some if one.name not in there]
                there |= _append(stream, shard, missing, web)
        except OSError as error:
            raise StoreError(
                f"cannot write {shard} ({error.strerror or error}): make room and run the same command again, what is there stays"
            ) from error
        yield from (there[one.name] for one in some)


def forget_failed(folder: Path) -> None:
    """Take out of the shards in a folder what servers did not give, so that it is asked for again. A shard is as it was, or as it is to be.

    Raises StoreError where the disk is full or cannot be written.
    """
    for shard in sorted(folder.glob("part-*.tar")):
        with shard.open("rb") as stream:
            whole = _whole(stream, shard)
            if all(kept.problem is None for kept, _ in whole):
                continue
            try:
                with replacing(shard) as draft, draft.open("wb") as less:
                    start = 0
                    for kept, end in whole:
                        if kept.problem is None:
                            stream.seek(start)
                            less.write(stream.read(end - start))
                        start = end
                    less.write(bytes(2 * tarfile.BLOCKSIZE))
            except OSError as error:
                raise StoreError(
                    f"cannot write {shard} ({error.strerror or error}): make room and run the same command again, what is there stays"
                ) from error


def _append(stream: BinaryIO, shard: Path, wanted: Sequence[Wanted], web: Web) -> dict[str, Kept]:
    """Fetch pictures and write each at the end of a shard as soon as it is there; by name."""
    kept = {}
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for (name, url, _), got in _answers(web, wanted):
            about: dict[str, object] = {"url": url}
            if isinstance(got, str):
                about["problem"] = got
                kept[name] = Kept(shard, f"{name}.json", 0, 0, got)
            else:
                member = f"{name}.{_ending(got)}"
                about |= {
                    "md5": hashlib.md5(got, usedforsecurity=False).hexdigest(),
                    "sha256": hashlib.sha256(got).hexdigest(),
                    "n_bytes": len(got),
                }
                kept[name] = Kept(shard, member, archive.offset + tarfile.BLOCKSIZE, len(got), None)
                _add(archive, member, got)
            _add(archive, f"{name}.json", json.dumps(about, sort_keys=True).encode())
            stream.flush()
    return kept


def _add(archive: tarfile.TarFile, member: str, data: bytes) -> None:
    entry = tarfile.TarInfo(member)
    entry.size = len(data)
    archive.addfile(entry, BytesIO(data))


def _answers(web: Web, wanted: Sequence[Wanted]) -> Iterator[tuple[Wanted, bytes | str]]:
    """Pictures with their content or what is wrong, as they come: none that is there waits for one that is slow, and would be lost if the job were killed."""
    asked: dict[Future[bytes | str], Wanted] = {}
    pool = ThreadPoolExecutor(THREADS)
    try:
        for one in wanted:
            asked[pool.submit(_answer, web, one)] = one
            while len(asked) == _AHEAD:
                yield from _come(asked)
        while asked:
            yield from _come(asked)
    finally:
        pool.shutdown(cancel_futures=True)


def _come(asked: dict[Future[bytes | str], Wanted]) -> Iterator[tuple[Wanted, bytes | str]]:
    """The answers that have come, one at least; they are asked no more."""
    for future in wait(asked, return_when=FIRST_COMPLETED).done:
        yield asked.pop(future), future.result()


def _answer(web: Web, one: Wanted) -> bytes | str:
    try:
        return web.fetch(one.url, public_only=one.public_only)
    except PictureError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever a client raises, it is one picture's affair
        return unexpected(error)


def words_of(problem: str) -> str:
    """Why a picture could not be fetched, in few words, so that alike ones are counted together.

    >>> words_of("no such file (404): https://a.org/tit.jpg")
    'server has it no more (404)'
    """
    said = problem.split(": http", 1)[0]
    for code in ("404", "410"):
        if f"({code})" in said:
            return f"server has it no more ({code})"
    if said.startswith("cannot reach"):
        return "server could not be reached"
    if "refused" in said:
        return "server refused"
    return "server did not give it"


def _ending(data: bytes) -> str:
    kind = kind_of_bytes(data)
    return "bin" if kind is None else _ENDINGS.get(kind, kind.lower())


def _whole(stream: BinaryIO, shard: Path) -> list[tuple[Kept, int]]:
    """What a shard has that is whole, and where each ends."""
    kept: list[tuple[Kept, int]] = []
    end, size = 0, os.fstat(stream.fileno()).st_size
    picture: Kept | None = None
    while end < size:
        start = end if picture is None else picture.start + _padded(picture.n_bytes)
        stream.seek(start)
        try:
            entry = tarfile.TarInfo.frombuf(stream.read(tarfile.BLOCKSIZE), "utf-8", "strict")
        except tarfile.HeaderError:  # the end of the archive, or where it was cut short
            break
        after = start + tarfile.BLOCKSIZE + _padded(entry.size)
        if after > size:
            break
        data = stream.read(entry.size)
        if picture is None and not entry.name.endswith(".json"):
            picture = Kept(shard, entry.name, start + tarfile.BLOCKSIZE, entry.size, None)
            digest = hashlib.sha256(data).hexdigest()
            continue
        try:
            about = json.loads(data)
        except ValueError:
            break
        if picture is not None and about.get("sha256") != digest:
            break
        kept.append((picture or Kept(shard, entry.name, 0, 0, about.get("problem")), after))
        picture, end = None, after
    return kept


def _padded(n_bytes: int) -> int:
    """Bytes that content takes in a shard."""
    return -(-n_bytes // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
