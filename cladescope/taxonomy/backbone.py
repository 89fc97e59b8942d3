"""A backbone: all the names that a reference taxonomy knows, on disk, and which taxon a name means there.

A folder of `backbone.json` (release, sources, hash) and two Arrow files (`cladescope.taxonomy.backbone_names`), which are mapped into
memory: what is held grows with the names asked in one block, not with the backbone.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from cladescope.errors import InputError
from cladescope.taxonomy.backbone_match import Match, by_genus, decided, genus_of
from cladescope.taxonomy.backbone_names import FORMAT_VERSION, BackboneNames, Lineage, content_hash
from cladescope.taxonomy.name_parser import parse_name
from cladescope.taxonomy.names import nearest
from cladescope.taxonomy.spelling import fold

BLOCK: Final = 100_000
"""Names that are looked up together."""


class Backbone:
    """A backbone that was built before.

    >>> import tempfile
    >>> import pyarrow as pa
    >>> from pyarrow import parquet
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = pa.table({"class": ["Aves"], "genus": ["Parus"], "species": ["Parus major"]})
    ...     parquet.write_table(table, f"{folder}/taxa.parquet")
    ...     backbone = Backbone.build([Path(folder, "taxa.parquet")], Path(folder, "backbone"))
    ...     found = list(backbone.match_names(["Parus major Linnaeus, 1758", "Parus maior"]))
    >>> [(match.status, match.ranks[2]) for match in found]
    [('accepted', 'Aves'), ('unknown', None)]
    """

    def __init__(self, path: Path, description: dict[str, Any]) -> None:
        """For `open` and `build`."""
        self.path = path
        self.description = description
        self.names = BackboneNames(path)

    @classmethod
    def open(cls, path: Path) -> "Backbone":
        """Raises InputError where `path` is no backbone, another version's, or not as it was built."""
        try:
            description = json.loads((path / "backbone.json").read_text())
            version = int(description["format_version"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is no backbone: build one from a taxonomy (cladescope taxonomy build)") from error
        if version != FORMAT_VERSION:
            newer = "of a newer version" if version > FORMAT_VERSION else "of an earlier version"
            raise InputError(f"{path} is a backbone {newer} ({version}, expected {FORMAT_VERSION}): build it again")
        try:
            whole = content_hash(path) == description["content"]
            named = {"release", "hash", "names", "sources"} <= description.keys()
        except (OSError, KeyError) as error:
            raise InputError(f"{path} is damaged (a file of it is not there): build it again") from error
        if not whole or not named:
            raise InputError(f"{path} is damaged (it is not as it was built): build it again")
        return cls(path, description)

    @classmethod
    def build(
        cls,
        files: Sequence[Path],
        out: Path,
        *,
        release: str | None = None,
        language: str | None = None,
        overwrite: bool = False,
    ) -> "Backbone":
        """Read taxonomies into a new backbone; a name that several know is taken from the first that fits.

        Files are Darwin Core's `Taxon.tsv` and `VernacularName.tsv`, a zip or a folder of them, tables with ranks and the bird
        checklists' crosswalk. Common names are those in a `language` (ISO 639), by default English. Memory and disk: see `backbone_build`.

        Raises InputError where a file cannot be read, or `out` holds something already (a backbone may be replaced: `overwrite`).
        """
        from cladescope.taxonomy.backbone_build import build_backbone

        return cls(out, build_backbone(files, out, release=release, language=language, overwrite=overwrite))

    @property
    def release(self) -> str:
        """What the backbone was made of, as its builder calls it."""
        return str(self.description["release"])

    @property
    def hash(self) -> str:
        """SHA-256 over the hashes of the files that it was made of, and the language."""
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

        A lineage has a name or None for each of the ranks, or one name more at its end whose rank is not known. Of a whole lineage
        whose species is not known the genus is looked up, too.
        """
        asked = iter(lineages)
        while block := list(islice(asked, BLOCK)):
            made = self._matched(dict.fromkeys(block))
            genera = {one: genus_of(one[1]) for one, match in made.items() if match.status == "unknown"}
            above = self._matched(dict.fromkeys((genus[5] or "", genus) for genus in genera.values() if genus))
            for one, genus in genera.items():
                if genus is not None:
                    made[one] = by_genus(one[0], above[genus[5] or "", genus])
            yield from (made[one] for one in block)

    def suggestions(self, text: str, *, k: int = 3) -> list[str]:
        """Names of the backbone that a misspelt one may stand for; none is ever applied."""
        name = parse_name(text).name or text
        names = self.names.starting(fold(name)[:2])
        alike = [one for one in names if abs(len(one) - len(name)) <= 3]
        return nearest(name, alike or names, k=k) if names else []

    def _matched(self, asked: Iterable[tuple[str, Lineage | None]]) -> dict[tuple[str, Lineage | None], Match]:
        keys = {one: _key(one[1]) for one in asked}
        rows = self.names.rows({key for key in keys.values() if key})
        return {one: decided(*one, rows.get(key, ()) if key else None) for one, key in keys.items()}


def _key(lineage: Lineage | None) -> str | None:
    last = next((name for name in reversed(lineage or ()) if name), None)
    return None if last is None else fold(last)
