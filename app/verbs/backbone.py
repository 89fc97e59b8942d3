"""A backbone of names: built from published taxonomies, asked what names mean."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pyarrow import parquet

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened
from cladescope.delimited import DelimitedText, local_opener
from cladescope.embedding.columns import plan_columns
from cladescope.embedding.conflicts import Conflicts, check_place
from cladescope.embedding.sources.rows import read_columns
from cladescope.embedding.table_rules import written_missing
from cladescope.errors import InputError
from cladescope.index.store import Store
from cladescope.paths import local_path
from cladescope.schema import NAME_FIELDS
from cladescope.taxonomy.backbone import Backbone
from cladescope.taxonomy.backbone_match import Match
from cladescope.taxonomy.backbone_names import Lineage
from cladescope.taxonomy.taxon import RANKS

TABLES = (".csv", ".tsv", ".tab", ".parquet")
"""Endings of a table of names by rank; any other file holds a name a line."""


@checked
def backbone(
    action: Literal["build", "match", "trace"],
    names: str | Path | Sequence[str | Path],
    *,
    out: str | Path | None = None,
    backbone: str | Path | None = None,
    release: str | None = None,
    language: str | None = None,
    store: AnyStore | None = None,
    conflicts: str | Path | None = None,
    overwrite: bool = False,
) -> Backbone | list[Match] | list[dict[str, object]]:
    """Build a backbone of names from published taxonomies, or ask one what names mean.

    `names` are one or several. `build` reads these files into the folder `out`: Darwin Core's `Taxon.tsv` and `VernacularName.tsv` or the
    zip of them that GBIF and the Catalogue of Life publish, tables with ranks as CSV or Parquet, the bird checklists' crosswalk; where
    several know a name, the first counts. `release` is what it is called, `language` (ISO 639) that of its common names (English), and `overwrite` replaces an earlier one. `match` asks
    the folder `backbone` about names, paths such as `Plantae > Oenanthe`, or files of them: a name a line, or a table with ranks, whose
    lineages tell taxa of one name apart; what is not sure, or has other ranks above, is written to the CSV file `conflicts`. `trace` tells of pictures of a `store`, by id, how their labels came about: the name as it
    was written, what was taken from it, what a backbone said, and which ones were used.

    Returns the backbone; a `Match` for each name, in order; or a mapping for each picture.

    Raises InputError for files that cannot be used, and where `out` or `backbone` is not given.

    >>> import cladescope
    >>> made = cladescope.backbone("build", ["photos/metadata.csv"], out="backbone")
    >>> cladescope.backbone("match", ["Dafimia demina"], backbone="backbone")[0].status
    'accepted'
    """
    if isinstance(names, str | Path):
        names = [names]
    if not isinstance(names, Sequence):
        raise InputError(f"found names of type {type(names).__name__}, expected a text or several")
    if action == "build":
        if out is None:
            raise InputError("no folder is given for the backbone: name one (out)")
        files = [local_path(name) for name in names]
        return Backbone.build(files, local_path(out), release=release, language=language, overwrite=overwrite)
    if action == "trace":
        if store is None:
            raise InputError("no store is given: name one")
        return _traced(opened(store), [str(name) for name in names])
    if backbone is None:
        raise InputError("no backbone is given: name the folder of one that was built")
    if conflicts is not None:
        check_place(local_path(conflicts))
    asked = [one for name in names for one in _asked(name)]
    found = list(Backbone.open(local_path(backbone)).match(asked))
    if conflicts is not None:
        noted = Conflicts()
        for (text, lineage), match in zip(asked, found, strict=True):
            noted.note(lineage or (text,), match)
        noted.write(local_path(conflicts))
    return found


def _traced(store: Store, image_ids: Sequence[str]) -> list[dict[str, object]]:
    """What the rows of pictures, and the jobs that filled the store, say of their labels."""
    parts = ("image_id", "source", "scientific_name", *RANKS, *(field.name for field in NAME_FIELDS))
    there = [name for name in parts if name in store.schema.names]
    used = {}
    for text in store.runs.column("manifest").to_pylist():
        told = (json.loads(text).get("settings") or {}).get("backbone")
        if isinstance(told, dict):
            used[told["hash"]] = {"release": told["release"], "hash": told["hash"]}
    return [{**store.row(image_id, there), "backbones": list(used.values())} for image_id in image_ids]


def _asked(name: str | Path) -> Iterator[tuple[str, Lineage | None]]:
    """The names that an argument stands for."""
    path = Path(name)
    if not path.is_file():
        yield Backbone.asked(str(name))
    elif path.suffix.lower() in TABLES:
        yield from _rows(path)
    else:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        yield from (Backbone.asked(line.strip()) for line in lines if line.strip())


def _rows(path: Path) -> Iterator[tuple[str, Lineage | None]]:
    """The lineages of a table's rows."""
    if path.suffix.lower() == ".parquet":
        try:
            arrow = parquet.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]})") from error
    else:
        arrow = DelimitedText(str(path), local_opener(path)).table(missing=written_missing(), keep_quoted=True)
    plan = plan_columns(arrow.schema, needs_picture=False)
    if not plan.labels:
        raise InputError(
            f"{path} has the columns {', '.join(arrow.column_names[:8])}: expected some of {', '.join(RANKS)}"
        )
    for batch in arrow.to_batches(max_chunksize=1 << 16):
        labels = read_columns(batch, plan).labels
        columns = [labels[rank].to_pylist() if rank in labels else [None] * batch.num_rows for rank in RANKS]
        for lineage in zip(*columns, strict=True):
            yield next((name for name in reversed(lineage) if name), ""), lineage
