"""WebDataset shards as TreeOfLife lays them out: tar files in which `ID.jpg` and its texts follow each other.

Members that follow each other and share a key are a sample. As in the webdataset library a key is a member's name, its folder
included, up to the first dot behind the last slash (`base_plus_ext`, https://github.com/webdataset/webdataset), and a leading
`./` is left out. What follows the key is the field: of `birds/tit.2.jpg` the key is `birds/tit` and the field `2.jpg`. Where
fields differ before their ending, each picture is a record, known by its name without the ending.

Only the texts that name the taxon are read, and a `.json` sidecar; a sidecar's other keys are not kept,
because a shard does not say beforehand which there are. Text keys: BioCLIP,
https://github.com/Imageomics/bioclip, `make_wds.py`.
"""

import json
import logging
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from cladescope.embedding.bounds import MAX_FILE_BYTES, too_large
from cladescope.embedding.columns import plan_columns
from cladescope.embedding.labels import clean_labels, is_respelt, missing_words, written_otherwise
from cladescope.embedding.locations import is_web, open_location
from cladescope.embedding.records import Record, id_of_uri
from cladescope.embedding.sources.walk import PICTURE_SUFFIXES
from cladescope.errors import InputError
from cladescope.taxonomy import RANKS

logger = logging.getLogger(__name__)

_MEMBER = re.compile(r"(?P<key>(?:.*/)?[^./]+)\.(?P<ending>[^/]+)")
_TEXTS = frozenset({"taxontag.txt", "taxonomic_name.txt", "scientific_name.txt", "common_name.txt", "json"})
_ROLES = (*RANKS[:-1], "epithet")
_TAG = re.compile(
    r"a photo of\s+"
    + "".join(rf"(?:{'species' if role == 'epithet' else role} (?P<{role}>.+?)(?:\s+|\.?$))?" for role in _ROLES)
)
_BUFFER_BYTES = 2**20
_APART = "the files of {} do not lie side by side in the shard: pack them in the order of their names"
MAX_TEXT_BYTES = 2**20
"""Most bytes of a text or sidecar beside a picture."""


@dataclass(slots=True)
class _Picture:
    """A picture of a sample."""

    member: str
    data: bytes | None
    problem: str | None = None


@dataclass(slots=True)
class _Sample:
    """The members of one key."""

    key: str
    pictures: dict[str, _Picture] = field(default_factory=dict)
    """Pictures by the part of their field that stands before the ending, `` for `tit.jpg` and `2.` for `tit.2.jpg`."""
    texts: dict[str, bytes] = field(default_factory=dict)
    """Texts by field, in lower case."""
    problem: str | None = None

    def texts_of(self, part: str) -> dict[str, bytes]:
        """Texts beside one picture: those of the whole sample, and its own in their place."""
        common = {name: text for name, text in self.texts.items() if name in _TEXTS}
        own = {name.removeprefix(part): text for name, text in self.texts.items() if name.startswith(part)}
        return common | {name: text for name, text in own.items() if name in _TEXTS}


class WebDatasetSource:
    """Records of shards, one after the other; a sample's pictures in their order.

    `image_id` is the member's name without its ending, `uri` is `SHARD#MEMBER`. A sample without a picture, and what
    follows damage in a shard, become one record each with a `problem`. Of several pictures that differ in nothing but their
    ending (`tit.jpg`, `tit.png`) the first is taken, the others are counted. Where the files of a sample do not lie side by
    side, what comes later is a record with a `problem`. Memory: one sample, and a number for every sample of a shard.
    """

    extra_fields: tuple[pa.Field, ...] = ()

    def __init__(self, shards: Sequence[str], *, name: str, must_open: bool = True) -> None:
        """`shards` are absolute paths or URLs, in the order in which they are read.

        Raises InputError if the first cannot be opened; one of the web is only opened when it is read, and none before
        that where `must_open` is not set.
        """
        self.name = name
        self.left_out: Mapping[str, int] = {}
        self.ignored: Mapping[str, int] = {}
        self.shards = tuple(shards)
        if must_open and not is_web(self.shards[0]):
            with open_location(self.shards[0]):
                pass

    def count(self) -> int | None:
        """None: the number of samples is known only after reading all shards."""
        return None

    def records(self) -> Iterator[Record]:
        """A record a sample, in the shards' order."""
        n_others = 0
        self.ignored = ignored = Counter[str]()
        for shard in self.shards:
            n_samples = 0
            seen: set[int] = set()
            try:
                for sample, n_more in _samples(shard, ignored):
                    n_samples += 1
                    n_others += n_more
                    if hash(sample.key) in seen:
                        sample.problem = _APART.format(_spelt(sample.key))
                    seen.add(hash(sample.key))
                    yield from self._records(shard, sample)
            except InputError as error:
                problem = f"nothing readable after {n_samples} samples: {error}"
                logger.warning("%s", problem)
                yield Record(image_id=id_of_uri(shard), uri=shard, source=self.name, problem=problem)
        self.left_out = {"pictures that differ from another in nothing but their ending": n_others} if n_others else {}

    def _records(self, shard: str, sample: _Sample) -> Iterator[Record]:
        missing = _Picture(sample.key, None, sample.problem or f"no picture among the files of {sample.key}")
        for part, picture in sample.pictures.items() or [("", missing)]:
            raw: dict[str, str | None] = {}
            source, problem = None, picture.problem or sample.problem
            try:
                raw, source = _described(sample.texts_of(part))
            except ValueError as error:
                problem = problem or f"unreadable text beside the picture: {error}"
            labels = clean_labels(raw)
            yield Record(
                image_id=_spelt(sample.key + (f".{part[:-1]}" if part else "")),
                uri=f"{shard}#{_spelt(picture.member)}",
                source=source or self.name,
                labels=labels,
                respelt=is_respelt(raw, labels),
                written=written_otherwise(raw, labels),
                missing=missing_words(raw),
                data=None if problem else picture.data,
                problem=problem,
            )


def _spelt(name: str) -> str:
    """A member's name; what is not UTF-8 in it is spelt out."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class _StrictHeader(tarfile.TarInfo):
    """A member's header, whose damage is an error; `tarfile` alone takes it for the end of the archive."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_StrictHeader":
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":
                raise
            raise tarfile.ReadError(f"the archive is cut off or damaged ({error})") from error


def _samples(shard: str, ignored: Counter[str]) -> Iterator[tuple[_Sample, int]]:
    """Samples of one shard, and how many pictures of each were passed over; other members are counted in `ignored` by their fields. Raises InputError where it cannot be read further."""
    sample: _Sample | None = None
    n_more = 0
    with (
        open_location(shard, in_order=True) as stream,
        tarfile.open(fileobj=stream, mode="r|", bufsize=_BUFFER_BYTES, tarinfo=_StrictHeader) as archive,
    ):
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined] # else the headers of the whole shard add up
            parts = _MEMBER.fullmatch(member.name)
            if parts is None or member.isdir():
                ignored["without ending"] += not member.isdir()
                continue
            key = parts["key"].removeprefix("./")
            if sample is None or sample.key != key:
                if sample is not None:
                    yield sample, n_more
                sample, n_more = _Sample(key), 0
            ending = parts["ending"].lower()
            part = ending[: ending.rfind(".") + 1]
            if f".{ending.removeprefix(part)}" in PICTURE_SUFFIXES:
                if part in sample.pictures:
                    n_more += 1
                else:
                    sample.pictures[part] = _picture(archive, member)
            elif any(ending == text or ending.endswith(f".{text}") for text in _TEXTS):
                if member.size > MAX_TEXT_BYTES:
                    sample.problem = (
                        f"{member.name} has {member.size} bytes: expected at most {MAX_TEXT_BYTES} of a text"
                    )
                elif (content := archive.extractfile(member)) is not None:
                    sample.texts[ending] = content.read()
            else:
                ignored[f".{ending}"] += 1
    if sample is not None:
        yield sample, n_more


def _picture(archive: tarfile.TarFile, member: tarfile.TarInfo) -> _Picture:
    """A picture's member, read; one that is no file, or too large, has a problem in place of its data."""
    if not member.isfile():
        kind = "a link" if member.islnk() or member.issym() else "a device or pipe"
        return _Picture(member.name, None, f"is {kind} in the archive, not a file: {_spelt(member.name)}")
    if member.size > MAX_FILE_BYTES:
        return _Picture(member.name, None, too_large(member.size))
    content = archive.extractfile(member)
    assert content is not None, "a regular member has content"
    return _Picture(member.name, content.read())


def _described(texts: Mapping[str, bytes]) -> tuple[dict[str, str | None], str | None]:
    """Raw labels of a sample, and the data set it names. Raises ValueError if a text is not UTF-8 or not JSON."""
    raw: dict[str, str | None] = {}
    source = None
    if "json" in texts:
        try:
            raw, source = _from_json(json.loads(texts["json"]))
        except RecursionError:
            raise ValueError("the .json sidecar is nested too deeply") from None
    words = {ending: " ".join(text.decode().split()) for ending, text in texts.items() if ending != "json"}
    taxonomic, scientific = words.get("taxonomic_name.txt", ""), words.get("scientific_name.txt")
    tagged = _TAG.fullmatch(words.get("taxontag.txt", ""))
    if tagged is not None:
        raw = {role: value for role, value in raw.items() if role not in RANKS} | tagged.groupdict()
    elif not any(raw.get(rank) for rank in RANKS) and len(taxonomic.split()) == len(_ROLES):
        raw |= dict(zip(_ROLES, taxonomic.split(), strict=True))
    if scientific:
        raw["scientific_name"] = scientific
    common = words.get("common_name.txt")
    # Where there is no common name, the shards repeat the scientific or the taxonomic one.
    if common and common not in (scientific, taxonomic):
        raw["common_name"] = common
    return raw, source


def _names(value: object) -> object:
    """A list of names as one text, in which the rules of names see several; any other value as it is."""
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return "; ".join(value)
    return value


def _from_json(sidecar: object) -> tuple[dict[str, str | None], str | None]:
    if not isinstance(sidecar, dict):
        raise ValueError("the .json sidecar is not an object of keys and values")
    said = {key: _names(value) for key, value in sidecar.items()}
    values: dict[str, Any] = {key: value for key, value in said.items() if type(value) in (str, int)}
    nested = [key for key, value in sidecar.items() if isinstance(value, list | dict) and key not in values]
    odd = plan_columns(pa.schema([(key, pa.string()) for key in nested]), needs_picture=False).labels
    if odd:
        raise ValueError(f"the .json sidecar has no name but {next(iter(odd))!r} with parts of its own")
    try:
        "".join(f"{key}{value}" for key, value in values.items()).encode()
    except UnicodeEncodeError:
        raise ValueError("the .json sidecar holds half of a character") from None
    types = {str: pa.string(), int: pa.int64()}
    schema = pa.schema([(key, types[type(value)]) for key, value in values.items()])
    plan = plan_columns(schema, needs_picture=False)
    parts = (*plan.labels.items(), *plan.optional.items())
    return {role: str(values[key]) for role, key in parts}, values[plan.source] if plan.source else None
