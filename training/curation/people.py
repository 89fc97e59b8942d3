"""People, faces and hands in pictures, by what a detector said that was run before: `[people]`."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyarrow import parquet

from cladescope.delimited import DelimitedText, local_opener
from cladescope.delimited.headers import spelled
from cladescope.embedding.sources.megadetector import answers
from cladescope.errors import InputError
from cladescope.files import hash_file
from cladescope.nearest import did_you_mean
from cladescope.steps import counted
from cladescope.training.curation.ends import PathEnds, parts_of
from cladescope.training.curation.job import Job
from cladescope.training.curation.sections import PEOPLE

_FILE: Final = ("file", "filename", "file_name", "filepath", "path", "uri")
_WANTED: Final = "expected MegaDetector's JSON, or a table with file or image_id, kind and score"


@dataclass(eq=False)
class _Looked:
    """One picture that a detector looked at."""

    kinds: set[str]
    """What was found in it and counts."""
    score: float | None = None
    """The best score of these."""
    met: str | None = None
    """Address of the first picture whose address ends with its name."""
    is_met: bool = False
    is_ambiguous: bool = False
    """Several pictures' addresses end with its name: it says nothing of any."""


@dataclass(frozen=True)
class _Said:
    """One line of a file of detections; `kind` is None where the detector found nothing."""

    name: str
    is_id: bool
    kind: str | None = None
    score: float = math.nan


class Detections:
    """What detectors said of the pictures of a job. Memory: some 800 bytes a picture that was looked at."""

    def __init__(self, job: Job) -> None:
        """Use `read`."""
        config = job.config.people
        self._least = config.least
        self._met_kinds: Counter[str] = Counter()
        self._kinds = frozenset(kind.casefold() for kind in config.kinds)
        self._by_id: dict[str, _Looked] = {}
        self._by_path: dict[tuple[str, ...], _Looked] = {}
        self._of_file: dict[str, list[_Looked]] = {}
        self.not_read = 0
        """Pictures that a detector names and could not read: it did not look at them."""
        self.without_score = 0
        """Detections without a score, which do not count."""
        for path in config.detections:
            self._of_file[path] = list(self._read(Path(path)))
        self._ends = PathEnds("/".join(parts) for parts in self._by_path)
        self._looked = list(self._by_path.values())

    @classmethod
    def read(cls, job: Job) -> "Detections":
        """Read all files of `people.detections`, and find which pictures they speak of.

        A picture is named by its `image_id`, its whole address, or the end of its address by whole folders, of several such the longest. A name that
        several addresses end with is not used.

        Raises InputError where a file cannot be read, or speaks of no picture of the job.
        """
        found = cls(job)
        if found._of_file:
            tables = counted(
                job.scan("gather", ["image_id", "uri"]), "matching detections, in parts of records:", job.n_parts
            )
            for table in tables:
                found._meet(table)
            found._check()
            found._check_kinds()
        return found

    def of(self, image_id: str, uri: str) -> tuple[list[str] | None, float | None, bool]:
        """What was found in a picture and counts, sorted, the best score of that, and whether a detector looked at it."""
        looked = self._by_id.get(image_id)
        if looked is None and (place := self._ends.find(uri)) is not None:
            looked = self._looked[place]
        if looked is None or looked.is_ambiguous:
            return None, None, False
        return sorted(looked.kinds), looked.score, True

    def told(self) -> dict[str, int]:
        """Figures, in plain values."""
        every = [*self._by_id.values(), *self._looked]
        return {
            "looked_at": len(every),
            "met": sum(one.is_met and not one.is_ambiguous for one in every),
            "ambiguous": sum(one.is_ambiguous for one in every),
            "not_met": sum(not one.is_met for one in every),
            "not_read": self.not_read,
            "detections_without_score": self.without_score,
            **{
                f"detections of {kind}, which do not count": n
                for kind, n in sorted(self._met_kinds.items())
                if kind not in self._kinds
            },
        }

    def _read(self, path: Path) -> Iterator[_Looked]:
        for said in _lines(path, self._failed):
            parts = parts_of(said.name)
            if said.is_id:
                looked = self._by_id.setdefault(said.name, _Looked(set()))
            elif parts:
                looked = self._by_path.setdefault(parts, _Looked(set()))
            else:
                continue
            if said.kind is not None:
                self.without_score += math.isnan(said.score)
                self._met_kinds[said.kind.casefold()] += 1
                if said.score >= self._least and said.kind.casefold() in self._kinds:
                    looked.kinds.add(said.kind.casefold())
                    looked.score = max(said.score, looked.score or 0.0)
            yield looked

    def _failed(self) -> None:
        self.not_read += 1

    def _meet(self, table: pa.Table) -> None:
        for image_id, uri in zip(table["image_id"].to_pylist(), table["uri"].to_pylist(), strict=True):
            if (looked := self._by_id.get(image_id)) is not None:
                looked.is_met = True
            elif (place := self._ends.find(uri)) is not None:
                looked = self._looked[place]
                address = "/".join(parts_of(uri))
                looked.is_ambiguous |= looked.met is not None and looked.met != address
                looked.met, looked.is_met = looked.met or address, True

    def _check_kinds(self) -> None:
        known = {*PEOPLE, *self._met_kinds}
        for kind in sorted(self._kinds - known):
            kinds = ", ".join(sorted(self._met_kinds)) or "none"
            raise InputError(
                f"people.kinds names {kind!r}, and no detection is of that kind: the files have {kinds}{did_you_mean(kind, known)}"
            )

    def _check(self) -> None:
        for path, some in self._of_file.items():
            if any(one.is_met and not one.is_ambiguous for one in some):
                continue
            if any(one.is_ambiguous for one in some):
                raise InputError(
                    f"{path} names its pictures by what the addresses of several end with: name them with more of their folders"
                )
            raise InputError(
                f"{path} speaks of {len({id(one) for one in some}):,} pictures and none is here: "
                "name them by image_id, by their whole addresses, or by the ends of these"
            )


def people_of(detections: Detections, table: pa.Table) -> tuple[list[list[str] | None], list[float | None], int]:
    """For each row of `image_id` and `uri` the kinds that were found in it and count (null: no detector looked), and the best score; how many nobody looked at."""
    found = [
        detections.of(image_id, uri)
        for image_id, uri in zip(table["image_id"].to_pylist(), table["uri"].to_pylist(), strict=True)
    ]
    return [kinds for kinds, _, _ in found], [score for _, score, _ in found], sum(not looked for *_, looked in found)


def detections_settings(job: Job) -> dict[str, Any]:
    """What decides the answers: the section, and what is in its files. Raises InputError for a file that is not there."""
    config = job.config.people
    for path in config.detections:
        if not Path(path).is_file():
            raise InputError(f"{path} is not there: {_WANTED}")
    files = [[Path(path).name, hash_file(Path(path))] for path in config.detections]
    return {"detections": files, "least": config.least, "kinds": list(config.kinds), "act": config.act}


def check_detections(path: Path) -> None:
    """Raises InputError for a file that is none of detections, or whose first line cannot be used."""
    next(_lines(path, lambda: None), None)


def _lines(path: Path, failed: Callable[[], None]) -> Iterator[_Said]:
    return _megadetector(path, failed) if path.suffix.lower() == ".json" else _table(path)


def _megadetector(path: Path, failed: Callable[[], None]) -> Iterator[_Said]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}): {_WANTED}") from error
    if not isinstance(document, Mapping) or not isinstance(document.get("images"), list):
        raise InputError(f"{path} has no list of images: {_WANTED}")
    for answer in answers(document):
        if answer.file is None or answer.failure is not None:
            failed()
            continue
        yield _Said(answer.file, is_id=False)
        for one in answer.detections:
            yield _Said(answer.file, is_id=False, kind=one.kind, score=one.confidence)


def _table(path: Path) -> Iterator[_Said]:
    if path.suffix.lower() == ".parquet":
        try:
            table = parquet.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]}): {_WANTED}") from error
    else:
        table = DelimitedText(str(path), local_opener(path)).table()
    names = table.column_names
    columns = {
        word: next(iter(spelled(names, spellings, order=names)), None)
        for word, spellings in (
            ("file", _FILE),
            ("image_id", ("image_id",)),
            ("kind", ("kind",)),
            ("score", ("score",)),
        )
    }
    called = columns["image_id"] or columns["file"]
    if called is None or columns["kind"] is None or columns["score"] is None:
        raise InputError(f"{path} has the columns {', '.join(names)}: {_WANTED}")
    values = [table[name].to_pylist() for name in (called, columns["kind"], columns["score"])]
    for number, (name, kind, score) in enumerate(zip(*values, strict=True), start=1):
        if name in (None, ""):
            raise InputError(f"{path} names no picture in row {number}: {_WANTED}")
        yield _Said(
            str(name), columns["image_id"] is not None, str(kind) if kind else None, _score(path, number, score)
        )


def _score(path: Path, number: int, score: object) -> float:
    """Raises InputError for what is no share."""
    if score is None or score == "":
        return math.nan
    try:
        found = float(str(score))
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise InputError(f"{path} has the score {score!r} in row {number}: expected a number from 0 to 1")
    return found
