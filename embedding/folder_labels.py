"""The labels of a picture by where it lies: what the names of its folders, and its own, say together; or what a pattern takes from its path.

What one name says is told by `folder_names`. Ranks above what the names say are inferred from the taxa that are known, and marked as such.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from posixpath import basename, splitext
from typing import Final

from cladescope.embedding.columns import LABEL_NAMES
from cladescope.embedding.folder_company import Company
from cladescope.embedding.folder_names import FolderName, said_by, scheme_ranks
from cladescope.embedding.known_taxa import KnownTaxa, shipped_taxa
from cladescope.embedding.labels import clean_labels, is_respelt, missing_words
from cladescope.errors import UsageError
from cladescope.nearest import did_you_mean
from cladescope.schema import LABEL, own_name
from cladescope.shown import counted
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.spelling import fold

FOLDER: Final = "folder"
RULES: Final = (FOLDER, "parent", "none")
_TWO_WORDS: Final = re.compile(r"[\d\W_]*[^\W\d_]{2,}[ _.-]+[^\W\d_]{2,}")
"""What a file's name must hold to be looked at: `Ciconia_nigra_0012`, and not `IMG_0012`."""
_COUNTER: Final = re.compile(r"(?<=[^\W\d])[\W_]*\d[\d\W_]*$")
_KEPT_FILES: Final = 10_000
_SHOWN: Final = 3
_COUNTED: Final = {
    "scheme": "as taxa in iNaturalist's scheme", "binomial": "as species", "genus": "as genera", "common": "by common names",
    "higher": "as higher taxa",
}  # fmt: skip
_PASSED: Final = {
    "date": ("date", "dates"), "camera": ("camera's folder", "cameras' folders"), "code": ("code or number", "codes or numbers"),
    "split": ("part of a split", "parts of a split"), "unknown": ("that says nothing", "that say nothing"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """What is known of a picture by its path."""

    labels: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str | None] = field(default_factory=dict)
    """`label`, and what else a pattern takes."""
    respelt: bool = False
    missing: tuple[str, ...] = ()


class FolderLabels:
    """Reads labels from paths below a root, one after the other; 300 bytes a name that it has met."""

    def __init__(self, rule: str = FOLDER) -> None:
        """`rule` is `folder` (every folder on the way), `parent` (the one that a picture lies in), `none`, or a pattern with named groups.

        Raises InputError for what is none of these.
        """
        self.pattern = None if rule in RULES else _pattern(rule)
        self.rule = rule
        self.remark = ""
        """Why this rule, where another might be expected."""
        self._known: KnownTaxa | None = None
        self.start_over()

    def start_over(self) -> None:
        """Forget what was counted, as where a source is read a second time."""
        self._names: dict[str, FolderName] = {}
        self._among: dict[tuple[str, str], FolderName] = {}
        self._company: Company | None = None
        self._files: dict[str, FolderName] = {}
        self._last: tuple[str, ...] | None = None
        self._said = Said(extra={LABEL: None})
        self._counts: Counter[str] = Counter()
        self._inferred: Counter[bool] = Counter()

    @property
    def known(self) -> KnownTaxa:
        """The taxa that names are looked up among: those of the shipped encoder unless others are given."""
        if self._known is None:
            self._known = shipped_taxa()
        return self._known

    @known.setter
    def known(self, taxa: KnownTaxa) -> None:
        self._known = taxa
        self.start_over()

    @cached_property
    def columns(self) -> dict[str, str]:
        """Names of a pattern's groups that are columns of their own, and those of the columns."""
        groups = () if self.pattern is None else self.pattern.groupindex
        return {name: own_name(name) for name in groups if name not in LABEL_NAMES and name != LABEL}

    def of(self, root: str, parts: Sequence[str]) -> Said:
        """What is said of the picture with these folders below `root`, then its own name."""
        if self.pattern is not None:
            return self._by_pattern("/".join(parts))
        if self.rule == "none":
            return self._said
        folders = tuple(parts[:-1])
        if folders != self._last:
            self._last, self._said = folders, self._by_folders(root, folders)
        if self._said.labels or self.rule != FOLDER or not parts or not _TWO_WORDS.match(parts[-1]):
            return self._said
        found = self._read_file(splitext(parts[-1])[0])
        if found.kind not in ("binomial", "common") and "qualifier" not in found.labels:
            return self._said
        self._counts["files"] += 1
        return Said(self._with_ranks_above(dict(found.labels), found), self._said.extra)

    def _by_folders(self, root: str, folders: tuple[str, ...]) -> Said:
        place = f"{root}/{'/'.join(folders)}"
        if raw := next(filter(None, map(scheme_ranks, reversed(place.split("/")))), {}):
            for name in folders:
                self._read(name)
            labels = clean_labels(raw)
            return Said(labels, {LABEL: None}, is_respelt(raw, labels), missing_words(raw))
        if self.rule == "parent":
            own = [self._read(name, "/".join([root, *folders[:-1]])) for name in folders[-1:]]
            label = folders[-1] if folders else None
            said = own
        else:
            said = [self._read(name, "/".join([root, *folders[:depth]])) for depth, name in enumerate(folders)]
            if said_by(basename(root), self.known).is_taxon:
                said = [self._read(basename(root)), *said]
            label = next((one.written for one in reversed(said) if one.kind == "word"), None)
        taxa = [one for one in said if one.is_taxon]
        if not taxa:
            return Said(extra={LABEL: label})
        lowest = max(enumerate(taxa), key=lambda one: (_depth(one[1]), one[0]))[1]
        labels = dict(lowest.labels)
        for other in reversed(taxa):
            if other is lowest:
                continue
            differs = any(
                fold(labels[rank]) != fold(name)
                for rank, name in other.labels.items()
                if rank in RANKS and rank in labels
            )
            self._counts["within another taxon"] += differs
            if not differs:
                ranks = RANKS[: _depth(lowest)]
                labels |= {rank: name for rank, name in other.labels.items() if rank in ranks and rank not in labels}
        return Said(self._with_ranks_above(labels, lowest), {LABEL: lowest.written})

    def _read(self, name: str, place: str | None = None) -> FolderName:
        """What the name of a folder says; where its `place` is given, among the folders beside it."""
        if name not in self._names:
            self._names[name] = said_by(name, self.known)
        said = self._names[name]
        if place is None or said.kind != "word":
            return said
        if (name, place) not in self._among:
            self._company = self._company or Company(self.known)
            self._among[name, place] = self._company.said_of(said, place)
        return self._among[name, place]

    def _read_file(self, name: str) -> FolderName:
        """What a file's name says; numbers at its end, by which files of one name are told apart, make no difference."""
        bare = _COUNTER.sub("", name)
        if bare not in self._files:
            if len(self._files) >= _KEPT_FILES:
                self._files.clear()
            self._files[bare] = said_by(bare, self.known)
        return self._files[bare]

    def _with_ranks_above(self, labels: dict[str, str], said: FolderName) -> dict[str, str]:
        """The labels with the ranks that the known taxa add, which are noted in `inferred`."""
        lineage = said.lineage or self.known.above(labels)
        fits = lineage is not None and all(
            not name or rank not in labels or fold(labels[rank]) == fold(name)
            for rank, name in zip(RANKS, lineage, strict=True)
        )
        found = {}
        if lineage is not None and fits:
            ranks = zip(RANKS[: _depth(said)], lineage, strict=False)
            found = {rank: name for rank, name in ranks if name and rank not in labels}
        own: dict[str, str | None] = {rank: labels[rank] for rank in ("genus", "species") if rank in labels}
        differs = lineage is None and len(own) < len(labels) and self.known.above(own) is not None
        self._counts["contradict what is known"] += differs or (lineage is not None and not fits)
        told = [*found, *(rank for rank in ("genus", "species") if said.kind == "common" and rank in labels)]
        self._inferred[bool(found)] += 1
        notes = [f"{', '.join(told)} from {self.known.said}"] if told else []
        if said.by_company:
            notes.append("genus, species by the form of the name among folders that are species")
        return {**labels, **found, "inferred": "; ".join(notes)} if notes else labels

    def _by_pattern(self, path: str) -> Said:
        assert self.pattern is not None
        match = self.pattern.search(path)
        self._counts["matched" if match else "not matched"] += 1
        groups = {} if match is None else match.groupdict()
        words = {
            name: None if value is None else value.replace("_", " ")
            for name, value in groups.items()
            if name in LABEL_NAMES
        }
        labels = clean_labels(words)
        extra = {LABEL: groups.get(LABEL), **{column: groups.get(name) for name, column in self.columns.items()}}
        if not any(rank in labels for rank in RANKS):
            return Said(labels, extra, missing=missing_words(words))
        before = dict(labels)
        lineage = self.known.above(labels)
        depth = max(place for place, rank in enumerate(RANKS) if rank in labels)
        found = {
            rank: name for rank, name in zip(RANKS[:depth], lineage or (), strict=False) if name and rank not in labels
        }
        self._inferred[bool(found)] += 1
        noted = {"inferred": f"{', '.join(found)} from {self.known.said}"} if found else {}
        return Said({**before, **found, **noted}, extra, missing=missing_words(words))

    # What was done

    @property
    def _distinct(self) -> list[FolderName]:
        """What each distinct name was taken for; a species where it is one in any place."""
        found = dict(self._names)
        found.update({name: said for (name, _), said in self._among.items() if said.by_company})
        return list(found.values())

    @property
    def counts(self) -> dict[str, int]:
        """Distinct names of folders by what they say, files that named a taxon themselves, and what went otherwise."""
        kinds = Counter(one.kind for one in self._distinct)
        by_company = sum(one.by_company for one in self._distinct)
        return {
            **dict(kinds.most_common()),
            **({"by company": by_company} if by_company else {}),
            **{name: n for name, n in self._counts.items() if n},
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """The same for people, in lines."""
        remark = (self.remark,) if self.remark else ()
        if self.pattern is not None:
            unmatched = self._counts["not matched"]
            return (
                *remark,
                f"labels from paths by the pattern: {counted(self._counts['matched'], 'picture matches', 'pictures match')}, {counted(unmatched, 'does', 'do')} not",
            )
        by_kind: dict[str, list[str]] = {}
        for one in self._distinct:
            by_kind.setdefault(one.kind, []).append(one.written)
        parts = [f"{len(by_kind[kind]):,} read {words}" for kind, words in _COUNTED.items() if kind in by_kind]
        passed = [
            f"{len(by_kind[kind]):,} {words[len(by_kind[kind]) > 1]}"
            for kind, words in _PASSED.items()
            if kind in by_kind
        ]
        parts += (
            [f"{' and '.join([', '.join(passed[:-1]), passed[-1]] if len(passed) > 1 else passed)} passed over"]
            if passed
            else []
        )
        if plain := by_kind.get("word"):
            some = ", ".join(plain[:_SHOWN]) + (", ..." if len(plain) > _SHOWN else "")
            parts.append(f"{len(plain):,} word{'s' * (len(plain) > 1)} kept as label only: {some}")
        lines = [f"names of folders: {'; '.join(parts)}"] if parts and self.rule != "none" else []
        if guessed := [one.written for one in self._distinct if one.by_company]:
            some = ", ".join(guessed[:_SHOWN]) + (", ..." if len(guessed) > _SHOWN else "")
            lines.append(
                f"{len(guessed):,} of these species by the form of the name alone, among folders that are species: {some}"
            )
        if files := self._counts["files"]:
            lines.append(f"names of files: {files:,} read as taxa")
        for what in ("within another taxon", "contradict what is known"):
            if n := self._counts[what]:
                lines.append(
                    f"names of folders that {'lie ' * what.startswith('w')}{what}: {n:,}, the inner name counts alone"
                )
        if self._inferred[True] or self._inferred[False]:
            lines.append(
                f"ranks above inferred from {self.known.said} for {self._inferred[True]:,} of {self._inferred.total():,} of these names"
                + (": a backbone knows more" if self._inferred[False] and "backbone" not in self.known.said else "")
            )
        return (*remark, *lines)


def _depth(said: FolderName) -> int:
    """The place of the narrowest rank that a name gives; that of the species for one in doubt (`sp.`) is its genus."""
    return max((place for place, rank in enumerate(RANKS) if rank in said.labels), default=-1)


def _pattern(rule: str) -> re.Pattern[str]:
    expected = f"expected {', '.join(RULES)}, or a regular expression with named groups such as '(?P<species>[^/]+)/(?P<site>[^/]+)/'"
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise UsageError(f"found labels from {rule!r}, which is no regular expression ({error}): {expected}") from error
    if not pattern.groupindex:
        raise UsageError(f"found labels from {rule!r}: {expected}{did_you_mean(rule, RULES)}")
    return pattern
