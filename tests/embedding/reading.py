"""Reading sources in tests: files put in place, records read and checked, a remote file system in memory."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from cladescope.embedding.records import Record, Source, left_out_of
from cladescope.embedding.sources import open_source
from cladescope.schema import RESERVED_COLUMNS

REAL_MANIFEST = Path(__file__).resolve().parents[3] / "shared/data/organisms/metadata.csv"
INAT = "00001_Animalia_Arthropoda_Insecta_Lepidoptera_Nymphalidae_Vanessa_atalanta"
LINEAGE = {
    "kingdom": "Animalia",
    "phylum": "Arthropoda",
    "class": "Insecta",
    "order": "Lepidoptera",
    "family": "Nymphalidae",
    "genus": "Vanessa",
    "species": "Vanessa atalanta",
}


def put(path: Path, content: bytes = b"picture") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def read(spec: str | Path, *, name: str | None = None) -> list[Record]:
    source: Source = open_source(spec, name=name)
    records = list(source.records())
    check(source, records)
    return records


def check(source: Source, records: list[Record]) -> None:
    """What holds for every source."""
    assert records == list(source.records())
    n_empty = left_out_of(source).get("rows without any value", 0)
    assert source.count() in (None, len(records) + n_empty)
    schema = pa.schema(source.extra_fields)
    assert not RESERVED_COLUMNS & set(schema.names)
    for stored in source.extra_fields:
        assert len(pa.array([record.extra[stored.name] for record in records], stored.type)) == len(records)
    assert all(set(record.extra) == set(schema.names) for record in records)


def names(records: list[Record]) -> list[str]:
    return [record.uri.rpartition("/")[2] for record in records]


@pytest.fixture
def remote() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]
