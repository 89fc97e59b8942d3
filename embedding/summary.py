"""How far a stored job is, and what it did in the end."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cladescope.embedding.stages import StageProfile

SHOWN_CONTRADICTIONS = 100
PARSED = {"authorship removed": "authorship", "infraspecific": "infraspecific", "qualifier": "qualifier"}
"""What a summary calls the columns that hold what was parsed out of a name."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is."""

    done: int
    """Records that came to an end: embedded, already stored or failed."""
    total: int | None
    """Records of the source, where known."""
    embedded: int
    failed: int
    seconds: float
    """Since the job began."""
    pace: float | None = None
    """Records a second lately (`embedding.pace`); None stands for the mean since the beginning."""
    lately: float | None = None
    """Pictures embedded a second lately; None likewise."""
    filled: int = 0
    """Pictures that were stored before and got vectors of further encoders; they are among `done` and `total` a second time."""
    unfilled: int = 0
    """Those that could not be given them, likewise."""
    to_fill: int = 0
    """How many of `total` these are, done or still to do."""

    @property
    def already_stored(self) -> int:
        """Records of the source that came to an end because they are stored."""
        return self.done - self.embedded - self.failed - self.filled - self.unfilled

    @property
    def rate(self) -> float:
        """Pictures embedded a second."""
        if self.lately is not None:
            return self.lately
        return self.embedded / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds still to go at the pace of late; None where the total is unknown or nothing moves."""
        if self.total is None or not self.done or not self.seconds:
            return None
        pace = self.done / self.seconds if self.pace is None else self.pace
        return max(0, self.total - self.done) / pace if pace > 0 else None


@dataclass(kw_only=True)
class EmbedSummary:
    """What a job did."""

    records: int = 0
    embedded: int = 0
    """Rows in `images` that were made: of new pictures, and of those whose content changed."""
    changed: int = 0
    """Of these, rows in place of earlier ones of the same picture, whose content was another."""
    moved: int = 0
    """Pictures recognised by content at another address; their rows have the vectors that they had."""
    relabelled: int = 0
    """Stored pictures of which labels or other columns were put right, without encoding."""
    gone: int = 0
    """Stored pictures that this source listed once and lists no more, or that are none any more."""
    gone_uris: list[str] = field(default_factory=list)
    """Addresses of the first of these."""
    pruned: int = 0
    """Of those that are gone, rows that were deleted."""
    reused: int = 0
    """Of these, rows whose content was known, so that it was not encoded again."""
    respelt: int = 0
    """Of the new rows, those in which the name of a taxon is spelt otherwise than in the source."""
    names: Counter[str] = field(default_factory=Counter)
    """Of the new rows, how many had what in the name of their taxon beside it: see `names_parsed`."""
    missing: Counter[str] = field(default_factory=Counter)
    """Words such as `NA` that were read as labels that are not known, in all records of the source."""
    paths: Counter[str] = field(default_factory=Counter)
    """Records whose path is written otherwise than the file is called, by the rule that found it."""
    cut: int = 0
    """Regions that reach over the edge of their picture and were cut there."""
    tags: Counter[str] = field(default_factory=Counter)
    """Of the new rows, how many got a date, a place, ... from what is written into the picture's file."""
    tag_problems: Counter[str] = field(default_factory=Counter)
    """What of that could not be read, and in how many pictures."""
    left_out: dict[str, int] = field(default_factory=dict)
    """What the source had and no record tells of, in words (`media without an occurrence`), and how many."""
    contradictions: Counter[str] = field(default_factory=Counter)
    """Lineages that contradict each other (`embedding.contradictions`), and the number of records."""
    ignored: dict[str, int] = field(default_factory=dict)
    """Files of a folder that are not named as pictures, by ending."""
    folders: dict[str, int] = field(default_factory=dict)
    """Names of folders by what they were read as (`folder_labels`), and files whose own name was."""
    filled: int = 0
    """Pictures that were stored before and got vectors of further encoders."""
    unfilled: Counter[str] = field(default_factory=Counter)
    """Why others could not get them, and how many."""
    renamed: dict[str, str] = field(default_factory=dict)
    """Columns of the source whose name is taken, or cannot stand, and the name under which the store keeps each."""
    notes: tuple[str, ...] = ()
    """What the user should know of the job beside its counts."""
    already_stored: int = 0
    unchecked: int = 0
    """Of these, pictures at URLs that were not fetched again, so that it is not known whether they changed."""
    unreachable: int = 0
    """Of these, pictures at URLs that should be compared and could not be had now; they stay as they are."""
    failed: int = 0
    failures_by_reason: Counter[str] = field(default_factory=Counter)
    """Failures by stage and reason, the reason without its figures."""
    seconds: float = 0.0
    encode_seconds: float = 0.0
    """Time spent inside the encoder."""
    decoded: Counter[str] = field(default_factory=Counter)
    """Where pictures were decoded, of a job with a device for that: `on the device`, or on the CPU by the reason; with processes: `in processes` and `in threads`."""
    decode_cosine: float | None = None
    """Least cosine between vectors of pictures decoded on that device and on the CPU; None where too few were compared."""
    ways: list[dict[str, Any]] = field(default_factory=list)
    """How the processor computed the pictures of each encoder, and how that was chosen (`encoders.tuned`); empty where nothing is chosen."""
    stages: tuple[StageProfile, ...] = ()
    """How busy listing, reading, decoding, encoding and writing were; empty for jobs that have no such stages."""
    bottleneck: str | None = None
    """Which of these the others waited for, in a sentence."""
    stopped: bool = False
    """Whether the job was asked to stop before the source's end."""

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain values for JSON, with the speed."""
        rate = (self.embedded + self.filled) / self.seconds if self.seconds else 0.0
        return {
            "records": self.records,
            "embedded": self.embedded,
            "changed": self.changed,
            "moved": self.moved,
            "relabelled": self.relabelled,
            "gone": self.gone,
            "gone_uris": self.gone_uris,
            "pruned": self.pruned,
            "reused": self.reused,
            "respelt": self.respelt,
            "names": dict(self.names.most_common()),
            "missing": dict(self.missing.most_common()),
            "paths": dict(self.paths),
            "cut": self.cut,
            "tags": dict(self.tags.most_common()),
            "tag_problems": dict(self.tag_problems.most_common()),
            "left_out": self.left_out,
            "contradictions": dict(self.contradictions.most_common(SHOWN_CONTRADICTIONS)),
            "contradicting_records": self.contradictions.total(),
            "ignored": self.ignored,
            "folders": self.folders,
            "filled": self.filled,
            "unfilled": dict(self.unfilled.most_common()),
            "renamed": self.renamed,
            "notes": list(self.notes),
            "already_stored": self.already_stored,
            "unchecked": self.unchecked,
            "unreachable": self.unreachable,
            "failed": self.failed,
            "failures": dict(self.failures_by_reason.most_common()),
            "stopped": self.stopped,
            "seconds": round(self.seconds, 3),
            "encode_seconds": round(self.encode_seconds, 3),
            "pictures_per_second": round(rate, 1),
            "decoded": dict(self.decoded.most_common()),
            "decode_cosine": self.decode_cosine,
            "ways": self.ways,
            "stages": {one.stage: one.to_dict() for one in self.stages},
            "bottleneck": self.bottleneck,
        }


def names_parsed(images: pa.Table) -> Counter[str]:
    """How many rows of `images` had in the name of their taxon an author, a qualifier, ..., and how many of these no species.

    >>> names = {"species": [None, "Parus major"], "qualifier": ["sp.", None], "verbatim_name": ["Parus sp.", None]}
    >>> dict(names_parsed(pa.table(names)))
    {'qualifier': 1, 'no species': 1}
    """
    found: Counter[str] = Counter()
    if "taxon_match" in images.column_names:
        matches = pc.value_counts(images["taxon_match"].combine_chunks().drop_null()).to_pylist()
        found.update({f"backbone: {match['values']}": match["counts"] for match in matches})
    if "verbatim_name" not in images.column_names:
        return found
    for word, part in PARSED.items():
        if part in images.column_names:
            found[word] = images.num_rows - images[part].null_count
    parsed = pc.is_valid(images["verbatim_name"])
    species = images["species"]
    found["no species"] = pc.sum(pc.and_(parsed, pc.is_null(species))).as_py() or 0
    signed = pc.and_(parsed, pc.fill_null(pc.match_substring(species, "×"), False))
    pairs = zip(species.filter(signed).to_pylist(), images["verbatim_name"].filter(signed).to_pylist(), strict=True)
    found["hybrid sign unified"] = sum(name not in verbatim for name, verbatim in pairs)
    return +found


def gist(reason: str, uri: str) -> str:
    """A reason without its particulars, so that equal reasons can be counted.

    >>> gist("no permission to read /a.jpg", "/a.jpg"), gist("empty file: 0 bytes", "/a.jpg")
    ('no permission to read', 'empty file')
    >>> gist("1 x 9000 pixels: too thin (one side is over 50 times the other)", "/a.png")
    'too thin'
    >>> gist("its box 0.6,0.6,0.9,0.9 lies outside the picture of 160 x 120 pixels", "/a.png")
    'its box … lies outside the picture of … x … pixels'
    """
    found, _, judgement = reason.replace(uri, "").partition(":")
    if judgement and found[0].isdigit():
        found = judgement.partition("(")[0]
    return re.sub(r"'[^']*'|(?<![\w-])\d+(?:[.,]\d+)*", "…", found).strip()
