"""WebDataset shards as TreeOfLife lays them out: tar files in which `ID.jpg` and its texts follow each other.

Only the texts that name the taxon are read, and a `.json` sidecar; a sidecar's other keys are not kept,
because a shard does not say beforehand which there are. Text keys: BioCLIP,
https://github.com/Imageomics/bioclip, `make_wds.py`.
"""

import json
import logging
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from cladescope.embedding.columns import plan_columns
from cladescope.embedding.labels import clean_labels, is_respelt
from cladescope.embedding.locations import open_location
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


@dataclass(slots=True)
class _Sample:
    """The members of one key."""

    key: str
    member: str | None = None
    """Name of the picture's member."""
    data: bytes | None = None
    texts: dict[str, bytes] = field(default_factory=dict)


class WebDatasetSource:
    """Records of shards, one after the other; a sample's first picture is its record's.

    `image_id` is the key without its folder, `uri` is `SHARD#MEMBER`. A sample without a picture, and what
    follows damage in a shard, become one record each with a `problem`. Memory: one sample.
    """

    extra_fields: tuple[pa.Field, ...] = ()

    def __init__(self, shards: Sequence[str], *, name: str) -> None:
        """`shards` are absolute paths or URLs, in the order in which they are read.

        Raises InputError if the first cannot be opened.
        """
        self.name = name
        self._shards = tuple(shards)
        with open_location(self._shards[0]):
            pass

    def count(self) -> int | None:
        """None: the number of samples is known only after reading all shards."""
        return None

    def records(self) -> Iterator[Record]:
        """A record a sample, in the shards' order."""
        for shard in self._shards:
            n_samples = 0
            try:
                for sample in _samples(shard):
                    n_samples += 1
                    yield self._record(shard, sample)
            except InputError as error:
                problem = f"nothing readable after {n_samples} samples: {error}"
                logger.warning("%s", problem)
                yield Record(image_id=id_of_uri(shard), uri=shard, source=self.name, problem=problem)

    def _record(self, shard: str, sample: _Sample) -> Record:
        raw: dict[str, str | None] = {}
        source, problem = None, None
        if sample.data is None:
            problem = f"no picture among the files of {sample.key}"
        try:
            raw, source = _described(sample.texts)
        except ValueError as error:
            problem = problem or f"unreadable text beside the picture: {error}"
        labels = clean_labels(raw)
        return Record(
            image_id=sample.key.rpartition("/")[2],
            uri=f"{shard}#{sample.member or sample.key}",
            source=source or self.name,
            labels=labels,
            respelt=is_respelt(raw, labels),
            data=None if problem else sample.data,
            problem=problem,
        )


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


def _samples(shard: str) -> Iterator[_Sample]:
    """Samples of one shard. Raises InputError where it cannot be read further."""
    sample: _Sample | None = None
    with (
        open_location(shard) as stream,
        tarfile.open(fileobj=stream, mode="r|", bufsize=_BUFFER_BYTES, tarinfo=_StrictHeader) as archive,
    ):
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined] # else the headers of the whole shard add up
            parts = _MEMBER.fullmatch(member.name)
            if parts is None or not member.isfile():
                continue
            if sample is None or sample.key != parts["key"]:
                if sample is not None:
                    yield sample
                sample = _Sample(parts["key"])
            ending = parts["ending"].lower()
            picture = f".{ending}" in PICTURE_SUFFIXES and sample.data is None
            if picture or ending in _TEXTS:
                content = archive.extractfile(member)
                assert content is not None, "a regular member has content"
                if picture:
                    sample.member, sample.data = member.name, content.read()
                else:
                    sample.texts[ending] = content.read()
    if sample is not None:
        yield sample


def _described(texts: Mapping[str, bytes]) -> tuple[dict[str, str | None], str | None]:
    """Raw labels of a sample, and the data set it names. Raises ValueError if a text is not UTF-8 or not JSON."""
    raw: dict[str, str | None] = {}
    source = None
    if "json" in texts:
        raw, source = _from_json(json.loads(texts["json"]))
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


def _from_json(sidecar: object) -> tuple[dict[str, str | None], str | None]:
    if not isinstance(sidecar, dict):
        raise ValueError("the .json sidecar is not an object of keys and values")
    values = {key: value for key, value in sidecar.items() if type(value) in (str, int)}
    types = {str: pa.string(), int: pa.int64()}
    schema = pa.schema([(key, types[type(value)]) for key, value in values.items()])
    plan = plan_columns(schema, needs_picture=False)
    parts = (*plan.labels.items(), *plan.optional.items())
    return {role: str(values[key]) for role, key in parts}, values[plan.source] if plan.source else None
