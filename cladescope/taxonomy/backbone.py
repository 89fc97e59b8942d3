"""A backbone: all the names that a reference taxonomy knows, on disk, and which taxon a name means there.

A folder of `backbone.json` (release, sources, hash) and `names.parquet`, one row a name, sorted by it. Matching reads the
file in a stream and holds only the rows that the asked names meet: memory grows with the names asked in one block, not with
the backbone.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import polars as pl

from cladescope.errors import InputError
from cladescope.files import is_new_folder, replacing
from cladescope.taxonomy.backbone_sources import COLUMNS, read_taxonomy
from cladescope.taxonomy.name_parser import parse_name
from cladescope.taxonomy.names import nearest
from cladescope.taxonomy.spelling import fold
from cladescope.taxonomy.taxon import RANK_INDEX, RANKS

FORMAT_VERSION: Final = 1
BLOCK: Final = 250_000
"""Names that are looked up in one pass over the backbone."""
_SURE: Final = 3
"""Kingdom, phylum and class: where two lineages differ in one of these they are of two taxa that share a name."""
_KINGDOMS: Final = {"metazoa": "animalia", "viridiplantae": "plantae", "archaeplastida": "plantae"}
"""Kingdoms that go by two names."""

Lineage = tuple[str | None, ...]
_NOTHING: Final[Lineage] = (None,) * len(RANKS)


@dataclass(frozen=True, slots=True)
class Match:
    """What a backbone says of a name."""

    asked: str
    status: str
    """`accepted`; `synonym` (of the accepted taxon in `ranks`); `ambiguous` (several taxa fit); `conflict` (the backbone has
    the name only under another kingdom, phylum or class); `unknown`; `no name` (nothing that can be looked up)."""
    ranks: Lineage = _NOTHING
    """The accepted taxon's name at each rank; all null where none is found."""
    taxon_id: str | None = None
    others: tuple[Lineage, ...] = ()
    """Where none is chosen: the taxa that bear the name."""
    differs: tuple[str, ...] = ()
    """Ranks at which the asked lineage has another name than the backbone."""

    @property
    def found(self) -> bool:
        """Whether the name means one taxon."""
        return self.status in ("accepted", "synonym")

    def to_dict(self) -> dict[str, Any]:
        """The match as plain values for JSON."""
        return {
            "asked": self.asked,
            "status": self.status,
            "taxon_id": self.taxon_id,
            **dict(zip(RANKS, self.ranks, strict=True)),
            "others": [list(ranks) for ranks in self.others],
            "differs": list(self.differs),
        }


class Backbone:
    """A backbone that was built before.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = pl.DataFrame({"class": ["Aves"], "genus": ["Parus"], "species": ["Parus major"]})
    ...     table.write_parquet(f"{folder}/taxa.parquet")
    ...     backbone = Backbone.build([Path(folder, "taxa.parquet")], Path(folder, "backbone"))
    ...     found = list(backbone.match_names(["Parus major Linnaeus, 1758", "Parus maior"]))
    >>> [(match.status, match.ranks[2]) for match in found]
    [('accepted', 'Aves'), ('unknown', None)]
    """

    def __init__(self, path: Path, description: dict[str, Any]) -> None:
        """For `open` and `build`."""
        self.path = path
        self.description = description

    @classmethod
    def open(cls, path: Path) -> "Backbone":
        """Raises InputError where `path` is no backbone or another version's."""
        try:
            description = json.loads((path / "backbone.json").read_text())
            version = int(description["format_version"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is no backbone: build one from a taxonomy first") from error
        if version > FORMAT_VERSION or not (path / "names.parquet").is_file():
            raise InputError(f"{path} is damaged or of a newer version ({version}): build it again")
        return cls(path, description)

    @classmethod
    def build(cls, files: Sequence[Path], out: Path, *, release: str | None = None) -> "Backbone":
        """Read taxonomies into a new backbone; a name that several know is taken from the first that fits.

        Raises InputError where a file cannot be read, or `out` holds something already.
        """
        if not files:
            raise InputError("no file is given: expected Taxon.tsv, taxonomy.parquet, ...")
        if not is_new_folder(out):
            raise InputError(f"{out} is there already: choose another folder, or delete it")
        sources: list[dict[str, Any]] = []
        tables = []
        for order, path in enumerate(files):
            table = read_taxonomy(path)
            tables.append(table.with_columns(source=pl.lit(order, pl.Int16)))
            sources.append({"file": path.name, "sha256": _sha256(path), "names": len(table)})
        names = pl.concat(tables)
        tables.clear()
        names = names.with_columns(key=_keys(names["name"])).sort("key", "source", "status", maintain_order=True)
        # Repeats stand side by side now, so that none has to be looked for among all the others.
        told = pl.struct("name", "rank", "status", *RANKS)
        names = names.filter(told.ne_missing(told.shift()))
        digest = hashlib.sha256("".join(source["sha256"] for source in sources).encode()).hexdigest()
        description = {
            "format_version": FORMAT_VERSION,
            "release": release or " + ".join(source["file"] for source in sources),
            "hash": digest,
            "names": len(names),
            "synonyms": int((names["status"] == "synonym").sum()),
            "sources": sources,
        }
        with replacing(out) as draft:
            draft.mkdir(parents=True)
            names.write_parquet(draft / "names.parquet", row_group_size=1 << 18)
            (draft / "backbone.json").write_text(json.dumps(description, indent=2))
        return cls(out, description)

    @property
    def release(self) -> str:
        """What the backbone was made of, as its builder calls it."""
        return str(self.description["release"])

    @property
    def hash(self) -> str:
        """SHA-256 over the hashes of the files that it was made of."""
        return str(self.description["hash"])

    def match_names(self, texts: Iterable[str]) -> Iterator[Match]:
        """What each text means, as for `match`, its name alone being known: `Plantae > Oenanthe` says what it lies in."""
        return self.match(map(self.asked, texts))

    @staticmethod
    def asked(text: str) -> tuple[str, Lineage | None]:
        """A text as `match` takes it: a name, or a path in which any ancestors may be left out."""
        *above, last = (part.strip() for part in text.split(">"))
        found = parse_name(last)
        name = None if found.qualifier and found.species is None else found.name
        return text, None if name is None else (*above, name)

    def match(self, lineages: Iterable[tuple[str, Lineage | None]]) -> Iterator[Match]:
        """What each name means, in order. A name comes with the lineage that its record gives, None where that is not known.

        A lineage has a name or None for each of the ranks, or one name more at its end whose rank is not known.
        """
        asked = iter(lineages)
        while block := list(islice(asked, BLOCK)):
            wanted = [(text, lineage, _key(lineage)) for text, lineage in block]
            candidates = self._candidates({key for _, _, key in wanted if key})
            made: dict[tuple[str, Lineage | None], Match] = {}
            for text, lineage, key in wanted:
                if (found := made.get((text, lineage))) is None:
                    found = made[text, lineage] = _decided(text, lineage, candidates.get(key, ()) if key else None)
                yield found

    def suggestions(self, text: str, *, k: int = 3) -> list[str]:
        """Names of the backbone that a misspelt one may stand for; none is ever applied."""
        name = parse_name(text).name or text
        start = fold(name)[:2]
        near = pl.scan_parquet(self.path / "names.parquet").filter(pl.col("key").str.starts_with(start))
        names = near.select("name").unique().collect(engine="streaming")["name"].to_list()
        return nearest(name, names, k=k) if names else []

    def _candidates(self, keys: set[str]) -> dict[str, list[tuple[Any, ...]]]:
        """The backbone's rows of some names."""
        wanted = pl.LazyFrame({"key": list(keys)}, schema={"key": pl.String})
        rows = pl.scan_parquet(self.path / "names.parquet").join(wanted, on="key", how="semi")
        found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for key, *row in rows.select("key", "source", *COLUMNS).collect(engine="streaming").iter_rows():
            found[key].append((*row[:5], tuple(row[5 : 5 + len(RANKS)])))
        return found


def _key(lineage: Lineage | None) -> str | None:
    last = next((name for name in reversed(lineage or ()) if name), None)
    return None if last is None else fold(last)


def _decided(text: str, lineage: Lineage | None, candidates: Sequence[tuple[Any, ...]] | None) -> Match:
    """The one taxon among candidates (source, rank, name, status, id, lineage) that a lineage means."""
    if candidates is None:
        return Match(text, "no name")
    if not candidates:
        return Match(text, "unknown")
    whole = lineage is not None and len(lineage) == len(RANKS)
    asked = (lineage or _NOTHING) if whole else _NOTHING
    own = max((place for place, name in enumerate(asked) if name), default=-1)
    above = [] if whole else [name for name in (lineage or ())[:-1] if name]
    fits = []
    for row in candidates:
        taxon = row[5]
        if (own >= 0 and RANK_INDEX[row[1]] != own) or not _one_class(asked, taxon):
            continue
        if not all(any(_same(name, other) for other in taxon if other) for name in above):
            continue
        # Of those that nothing contradicts, the one of which the asked lineage says most; its genus says something, too.
        genus = asked[5] or (row[2].removeprefix("× ").split(" ")[0] if row[1] == "species" else None)
        pairs = zip((*asked[:5], genus), taxon[:6], strict=True)
        fits.append((-sum(_same(a, b) for a, b in pairs if a and b), row[0], row))
    if not fits:
        return Match(text, "conflict", others=tuple(dict.fromkeys(row[5] for row in candidates)))
    if len(fits) > 1 and all(_one_class(a[2][5], b[2][5]) for a in fits for b in fits):
        # Several sources know the taxon: the first that was given to `build` counts.
        first = min(one[1] for one in fits)
        fits = [one for one in fits if one[1] == first]
    best = min(one[0] for one in fits)
    fits = [one for one in fits if one[0] == best]
    taxa = dict.fromkeys(one[2][5] for one in fits)
    if len(taxa) > 1:
        return Match(text, "ambiguous", others=tuple(taxa))
    row = min((one[2] for one in fits), key=lambda row: row[3])
    taxon = row[5]
    upto = RANK_INDEX[row[1]] if row[3] == "accepted" else RANK_INDEX["genus"]
    both = zip(RANKS[:upto], asked, taxon, strict=False)
    differs = tuple(rank for rank, a, b in both if a and b and not _same(a, b))
    return Match(text, row[3], taxon, row[4], differs=differs)


def _keys(names: pl.Series) -> pl.Series:
    """Names as they are compared; only those that are more than small and capital letters pass through Python."""
    odd = names.filter(~names.str.contains(r"^[A-Z][a-z]+(?: [a-z-]{2,})?$")).unique()
    new = pl.Series([fold(name) for name in odd.to_list()], dtype=pl.String)
    return (
        names.str.to_lowercase()
        if not len(odd)
        else names.str.to_lowercase()
        .set(names.is_in(odd.implode()), None)
        .fill_null(names.replace_strict(odd, new, default=None))
    )


def _same(name: str, other: str) -> bool:
    if name == other:
        return True
    a, b = fold(name), fold(other)
    return _KINGDOMS.get(a, a) == _KINGDOMS.get(b, b)


def _one_class(lineage: Lineage, other: Lineage) -> bool:
    """Whether no kingdom, phylum or class says that two lineages are of two taxa."""
    return all(not a or not b or _same(a, b) for a, b in zip(lineage[:_SURE], other[:_SURE], strict=True))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
