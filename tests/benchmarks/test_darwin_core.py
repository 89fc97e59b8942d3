"""The archive that the benchmark makes up: it has the shape that is claimed, and every picture of it is read."""

from pathlib import Path

import pytest

from benchmarks.darwin_core import FILLED, MEDIA, N_COLUMNS, column_names, make, media
from cladescope.embedding.records import left_out_of
from cladescope.embedding.sources import open_source


@pytest.mark.parametrize("name", ["archive", "archive.zip"])
def test_all_pictures_of_the_made_up_archive_are_read(name: str, tmp_path: Path) -> None:
    assert len(set(column_names())) == N_COLUMNS == 223
    place, n_bytes = make(tmp_path / name, 300)
    assert 1000 < n_bytes / 300 < 1800
    lines = b"".join(media(300)).decode().splitlines()[1:]
    assert all(line.count("\t") == len(MEDIA) - 1 for line in lines)
    pictures = {line for line in lines if "StillImage" in line}
    source = open_source(place)
    assert source.count() == len(list(source.records())) == len(pictures)
    left_out = left_out_of(source)
    assert left_out["media listed again in their occurrence"] + len(pictures) == sum(
        "StillImage" in line for line in lines
    )
    assert left_out["occurrences without pictures"] >= 30
    assert len(source.extra_fields) > len(FILLED) // 2
