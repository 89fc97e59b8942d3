"""The sections of a curation's configuration: one frozen dataclass each, checked before anything starts."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from cladescope.licences import ELEMENTS, SHORT_FORMS, short_form
from cladescope.taxonomy import RANKS
from cladescope.training.section import Problem, Section, one_of, out_of_range

KINDS = ("live", "specimen", "fossil", "drawing", "microscope", "camera trap")
"""What a picture may show an organism as."""
PEOPLE = ("person", "face", "hand")
"""Kinds of detections of people."""
TOGETHER = ("observation", "specimen", "duplicates", "place", "source")
"""What may tie pictures to each other, so that a split puts them on one side."""


@dataclass(frozen=True, kw_only=True)
class SourceConfig(Section):
    """One source of pictures: `[[sources]]`, once for each."""

    name: str = ""
    """What the source is called in the catalogue; one of a kind."""
    path: str = ""
    """What `embed` opens (a folder, table, archive, shards), or a store; beside the configuration unless it is a whole path or an address."""
    labels_from: str = ""
    """How labels are read from the names of folders, as `embed --labels-from`."""
    specimen: str = ""
    """Own column of the source that says which specimen is shown; empty: `specimen_id`, `sampleid`, `processid`, `catalogNumber`, whichever is there."""
    publisher: str = ""
    """Who published it, where its rows do not say so."""
    licence: str = ""
    """The licence of pictures that name none."""
    rights_holder: str = ""
    """Whose pictures are that name nobody."""
    kind: str = ""
    """What its pictures show an organism as where its rows do not say it, such as `specimen`; of tables of camera traps that is known."""
    limit: int = 0
    """So many records and no more; 0 for all."""

    def problems(self) -> Iterator[Problem]:
        """A source has a name and a path."""
        if not re.fullmatch(r"[\w.-]+", self.name):
            yield Problem(
                ("sources.name", "sources"),
                f"a source is called {self.name!r}: expected letters, digits, '-', '_' and '.'",
            )
        if self.name in ("backbone", "record"):
            yield Problem(
                ("sources.name",),
                f"a source is called {self.name!r}, which means something else in names.common_names: name it otherwise",
            )
        if self.kind:
            yield from one_of("sources.kind", self.kind, KINDS)
        if not self.path:
            yield Problem(("sources.path", "sources"), f"source {self.name!r} has no path: say where its pictures are")
        if self.limit < 0:
            yield Problem(("sources.limit",), f"sources.limit is {self.limit}: expected 0 for all, or more")


@dataclass(frozen=True, kw_only=True)
class NamesConfig(Section):
    """What taxa are called, `[names]`."""

    backbone: str = ""
    """Folder of a backbone (`taxonomy build`); empty leaves names as they are written."""
    common_names: tuple[str, ...] = ("backbone", "record")
    """Where common names are taken from, the first that has one: `backbone`, `record` (the picture's own), the name of a source, or a file (`scientific_name` or
    ranks, and `common_name`)."""
    fall_back: bool = False
    """A taxon without a common name takes that of its genus, family and so on, which `common_name_rank` says."""
    unknown: Literal["keep", "drop"] = "keep"
    """Pictures whose name the backbone does not know, finds ambiguous or in conflict."""
    least_rank: str = "kingdom"
    """Pictures of which not even this rank is known are dropped."""

    def problems(self) -> Iterator[Problem]:
        """Words are those that there are."""
        yield from one_of("names.unknown", self.unknown, ("keep", "drop"))
        yield from one_of("names.least_rank", self.least_rank, RANKS)


@dataclass(frozen=True, kw_only=True)
class LicencesConfig(Section):
    """Which licences may go in, `[licences]`. A licence is compared by its short form (`CC BY-NC 4.0` is `by-nc`), letter case aside."""

    forbid: tuple[str, ...] = ()
    """Licences whose pictures are dropped: a short form (`by-nd`, `all rights reserved`) is that licence alone, `nd`, `nc` or `sa` every licence that asks for it."""
    allow: tuple[str, ...] = ()
    """If any are named: licences whose pictures alone go in, in the same words."""
    unknown: Literal["", "keep", "drop"] = ""
    """Pictures of which no licence is known; empty drops them where `allow` names licences, and keeps them otherwise."""

    def problems(self) -> Iterator[Problem]:
        """Either a list of what may, or of what may not."""
        yield from one_of("licences.unknown", self.unknown, ("", "keep", "drop"))
        for name in ("forbid", "allow"):
            for word in getattr(self, name):
                if short_form(word) is None and word.strip().lower() not in ELEMENTS:
                    yield Problem(
                        (f"licences.{name}",),
                        f"licences.{name} has {word!r}: expected some of {', '.join((*SHORT_FORMS, *ELEMENTS))}",
                    )
        forbidden, allowed = (
            {short_form(word) or word.strip().lower() for word in words} for words in (self.forbid, self.allow)
        )
        if both := sorted(forbidden & allowed):
            yield Problem(("licences.forbid",), f"licences.forbid and licences.allow both name {both[0]!r}")


@dataclass(frozen=True, kw_only=True)
class PicturesConfig(Section):
    """What a picture must be, `[pictures]`."""

    min_side: int = 64
    """Least pixels of the shorter side; TreeOfLife-200M asks for 224."""
    blank_below: float = 3.0
    """A picture whose grey levels spread less (standard deviation, of 255) is blank."""
    blurred_below: float = 0.0
    """A picture whose sharpness is less is blurred: variance of the Laplacian at 224 pixels; 0 drops none."""
    contact: str = ""
    """How servers can reach you, for pictures that are fetched from the web."""
    fetch: Literal["keep", "never"] = "keep"
    """`keep`: pictures of the web are fetched once and kept in shards; `never`: they are dropped."""

    def problems(self) -> Iterator[Problem]:
        """Numbers are in their range."""
        yield from out_of_range(self, "min_side", 1, math.inf)
        yield from out_of_range(self, "blank_below", 0, 255)
        yield from out_of_range(self, "blurred_below", 0, math.inf)
        yield from one_of("pictures.fetch", self.fetch, ("keep", "never"))


@dataclass(frozen=True, kw_only=True)
class DuplicatesConfig(Section):
    """Pictures that are there twice, `[duplicates]`."""

    near: Literal["no", "copies", "same", "alike"] = "same"
    """`copies` the same bytes, `same` one photograph whatever was done to it, `alike` also frames of one moment; `no` looks for none."""
    pdq_bits: int = 31
    """Pairs whose PDQ hashes, or that of one and the mirror image of the other, differ in so many of 256 bits are looked at."""
    contradiction: Literal["drop", "keep"] = "drop"
    """Of one photograph, or one id of a source, under two names that contradict each other: drop both, or keep the one that would be kept anyway."""

    def problems(self) -> Iterator[Problem]:
        """Words and numbers are those that there are."""
        yield from one_of("duplicates.near", self.near, ("no", "copies", "same", "alike"))
        yield from one_of("duplicates.contradiction", self.contradiction, ("drop", "keep"))
        yield from out_of_range(self, "pdq_bits", 0, 64)


@dataclass(frozen=True, kw_only=True)
class PeopleConfig(Section):
    """People, faces and hands, `[people]`: by the answers of a detector that was run before."""

    detections: tuple[str, ...] = ()
    """Files of detections: MegaDetector's JSON, or tables with `file` or `image_id`, `kind` and `score`."""
    least: float = 0.5
    """Least score of a detection that counts."""
    kinds: tuple[str, ...] = PEOPLE
    """Kinds of detections that are meant."""
    act: Literal["flag", "drop"] = "flag"
    """`flag` keeps the picture and says so in the catalogue."""

    def problems(self) -> Iterator[Problem]:
        """Words and numbers are those that there are."""
        yield from one_of("people.act", self.act, ("flag", "drop"))
        if self.act == "drop" and not self.detections:
            yield Problem(
                ("people.act",), "people.act is 'drop', and no detections are given: name files in people.detections"
            )
        yield from out_of_range(self, "least", 0, 1)


@dataclass(frozen=True, kw_only=True)
class BurstsConfig(Section):
    """Many pictures of one observation, as camera traps take them, `[bursts]`."""

    most: int = 0
    """Most pictures of an observation; 0 for any number. TreeOfLife-200M has 15."""
    act: Literal["thin", "drop"] = "thin"
    """`thin` keeps `most` of them, spread evenly; `drop` drops the whole observation, unless a taxon would be lost with it."""

    def problems(self) -> Iterator[Problem]:
        """Words and numbers are those that there are."""
        yield from out_of_range(self, "most", 0, math.inf)
        yield from one_of("bursts.act", self.act, ("thin", "drop"))


@dataclass(frozen=True, kw_only=True)
class KindsConfig(Section):
    """Live animals, specimens, drawings and so on, `[kinds]`."""

    keep: tuple[str, ...] = KINDS
    """Kinds of pictures that go in; those whose kind is not known always do."""
    encoder: str = ""
    """Encoder that guesses the kind of pictures whose source does not say it, and whose vectors lead to duplicates; empty: none."""
    support: str = ""
    """A table with `file` and `kind` of pictures to learn kinds from, beside those whose source says it."""
    confidence: float = 0.9
    """A kind is guessed where the share of right guesses among held-out pictures of known kind is at least this."""

    def problems(self) -> Iterator[Problem]:
        """Words and numbers are those that there are."""
        for one in self.keep:
            yield from one_of("kinds.keep", one, KINDS)
        yield from out_of_range(self, "confidence", 0.5, 1)
        if self.support and not self.encoder:
            yield Problem(("kinds.support",), "kinds.support needs an encoder to learn with: name kinds.encoder")


@dataclass(frozen=True, kw_only=True)
class ExcludeConfig(Section):
    """What must not be in the data set, such as a test set: `[[exclude]]`, once for each."""

    taxa: str = ""
    """A list of taxa (a table with ranks, paths a line, JSON): their pictures are dropped, with all below them."""
    pictures: str = ""
    """Pictures, as a source or store: what shows the same photograph is dropped."""
    ids: str = ""
    """A list of picture ids or file names, a line each or JSON: these pictures are dropped."""
    must_hit: bool = True
    """It is an error if one of the three meets nothing: a list that meets nothing is mostly written otherwise than the data."""

    def problems(self) -> Iterator[Problem]:
        """It names something."""
        if not (self.taxa or self.pictures or self.ids):
            yield Problem(("exclude.taxa", "exclude"), "an exclusion names nothing: give taxa, pictures or ids")


@dataclass(frozen=True, kw_only=True)
class SplitsConfig(Section):
    """What is trained on and what is held out, `[splits]`."""

    val: float = 0.05
    """Share of the pictures that are validated on, those of held-out species and sources aside, by whole units; every species keeps one in training."""
    test: float = 0.0
    """As `val`, for a part that nothing is chosen by."""
    species: float = 0.0
    """Share of the species that are held out whole, as `test_species`."""
    train_small: float = 0.0
    """Share of the training pictures that are also in `train_small`, as BioCLIP's TreeOfLife-1M is."""
    together: tuple[str, ...] = ("observation", "specimen", "duplicates")
    """What ties pictures to one side: observation, specimen, duplicates, place, source."""
    place_degrees: float = 0.01
    """Side of the squares, in degrees, that are one place."""
    held_out_sources: tuple[str, ...] = ()
    """Sources whose pictures are all in `test`."""

    def problems(self) -> Iterator[Problem]:
        """Words and numbers are those that there are."""
        for name in ("val", "test", "species", "train_small"):
            yield from out_of_range(self, name, 0, 0.9)
        if self.val + self.test >= 1 > max(self.val, self.test):
            yield Problem(
                ("splits.test", "splits.val"),
                f"splits.val and splits.test are {self.val + self.test:g} together: expected less than 1, so that there is something to train on",
            )
        for one in self.together:
            yield from one_of("splits.together", one, TOGETHER)
        if not 0 < self.place_degrees <= 10:
            yield Problem(
                ("splits.place_degrees",),
                f"splits.place_degrees is {self.place_degrees}: expected degrees above 0, to 10",
            )


@dataclass(frozen=True, kw_only=True)
class OutConfig(Section):
    """What is written, `[out]`."""

    size: int = 224
    """Pixels along each side of the pictures in the shards, squashed as BioCLIP's are; 0 keeps the picture's own bytes."""
    samples_per_shard: int = 10_000
    """Most pictures of a shard."""
    lance: bool = False
    """Write the catalogue as a Lance table, too."""

    def problems(self) -> Iterator[Problem]:
        """Numbers are in their range."""
        yield from out_of_range(self, "size", 0, 4096)
        yield from out_of_range(self, "samples_per_shard", 1, 1_000_000)
