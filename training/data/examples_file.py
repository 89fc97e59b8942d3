"""Examples and their split in files that several processes map: whoever opens them holds none of their rows in memory of its own."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cladescope.taxonomy import Taxon
from cladescope.training.data.columns import AddressColumn, CodedColumn, SpanColumn, TextColumn, coded
from cladescope.training.data.examples import Examples
from cladescope.training.data.splits import PARTS, Split, SplitConfig

TEXTS, CODES, VALUES, SPLIT = "texts.arrow", "codes.arrow", "values.json", "split.json"
_BLOCK_ROWS = 65_536
_CODED = {"taxon": "taxa", "common_name": "common_names", "source": "sources", "licence": "licences"}
_NAMED = {"image_id": "image_ids", "group": "groups"}


def write_examples(examples: Examples, folder: Path) -> None:
    """Write examples into a folder: texts and numbers as Arrow files, and the few values that many rows have.

    Memory: 44 bytes a picture while it works. Raises OSError where the folder cannot be written.
    """
    uris, spans = examples.uris, examples.spans
    assert isinstance(uris, AddressColumn), "examples that were loaded have columns"
    assert isinstance(spans, SpanColumn), "examples that were loaded have columns"
    few = {name: coded(getattr(examples, column)) for name, column in _CODED.items()} | {"beginning": uris.beginnings}
    texts = {name: _texts(getattr(examples, column)) for name, column in _NAMED.items()} | {"rest": uris.rests}
    _write(folder / TEXTS, pa.table({name: column.values for name, column in texts.items()}), rows=_BLOCK_ROWS)
    numbers = {name: column.codes for name, column in few.items()}
    numbers |= {"offset": spans.offsets, "size": spans.sizes, "class": examples.classes()}
    # One batch, so that a column is one array wherever it is mapped.
    _write(folder / CODES, pa.table({name: pa.array(values) for name, values in numbers.items()}), rows=None)
    values: dict[str, Any] = {name: list(column.values) for name, column in few.items() if name != "taxon"}
    values["taxon"] = [taxon.path for taxon in few["taxon"].values]
    values |= {"skipped": dict(examples.skipped), "by_label": examples.by_label}
    (folder / VALUES).write_text(json.dumps(values), encoding="utf-8")


def open_examples(folder: Path) -> Examples:
    """The examples of a folder, whose rows stay in its files; these may be deleted once they are open.

    Raises OSError where they cannot be read.
    """
    said = json.loads((folder / VALUES).read_text(encoding="utf-8"))
    texts, numbers = _mapped(folder / TEXTS), _mapped(folder / CODES)
    values: dict[str, Sequence[Any]] = said | {"taxon": [Taxon(tuple(path)) for path in said["taxon"]]}
    array = {name: _array(numbers[name]) for name in numbers.column_names}
    few = {name: CodedColumn[Any](array[name], values[name]) for name in ("beginning", *_CODED)}
    return Examples(
        **{column: few[name] for name, column in _CODED.items()},
        **{column: TextColumn(texts[name]) for name, column in _NAMED.items()},
        uris=AddressColumn(few["beginning"], TextColumn(texts["rest"])),
        spans=SpanColumn(few["beginning"], array["offset"], array["size"]),
        skipped=Counter(said["skipped"]),
        by_label=said["by_label"],
        known_classes=array["class"],
    )


def write_split(parts: Split, folder: Path) -> None:
    """Write the parts of a split beside its examples. Raises OSError where the folder cannot be written."""
    for part in PARTS:
        np.save(folder / f"{part}.npy", getattr(parts, part))
    said = {
        "config": vars(parts.config),
        "overlaps": parts.overlaps,
        "held_out_taxa": [taxon.path for taxon in parts.held_out_taxa],
    }
    (folder / SPLIT).write_text(json.dumps(said), encoding="utf-8")


def open_split(folder: Path) -> Split:
    """The split in a folder, whose rows stay in its files. Raises OSError where it cannot be read."""
    said = json.loads((folder / SPLIT).read_text(encoding="utf-8"))
    return Split(
        **{part: np.asarray(np.load(folder / f"{part}.npy", mmap_mode="r")) for part in PARTS},
        held_out_taxa=tuple(Taxon(tuple(path)) for path in said["held_out_taxa"]),
        config=SplitConfig(**said["config"]),
        overlaps=said["overlaps"],
    )


def _texts(values: Sequence[Any]) -> TextColumn:
    return (
        values
        if isinstance(values, TextColumn)
        else TextColumn(pa.chunked_array([pa.array(values, pa.large_string())]))
    )


def _write(path: Path, table: pa.Table, *, rows: int | None) -> None:
    with pa.OSFile(os.fspath(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)


def _mapped(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(os.fspath(path))).read_all()


def _array(column: pa.ChunkedArray) -> np.ndarray:
    """A column of numbers as the array that it is in its file."""
    if not column.num_chunks:
        return np.empty(0, column.type.to_pandas_dtype())
    found: np.ndarray = column.chunk(0).to_numpy(zero_copy_only=True)
    return found
