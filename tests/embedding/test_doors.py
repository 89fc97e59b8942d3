"""The list of kinds of sources, and which one an unknown table is nearest to."""

from pathlib import Path

import pytest

from cladescope.embedding.doors import DOORS, Door, nearest_door
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from tests.embedding.reading import put


@pytest.mark.parametrize(
    "door", [door for door in DOORS if door.columns and not door.module], ids=lambda door: door.name
)
def test_every_table_of_the_list_is_nearest_to_itself_and_opens(door: Door, tmp_path: Path) -> None:
    assert nearest_door([name.upper() for name in door.columns]).columns[0] == door.columns[0]
    values = {"identifier": "https://a.org/1.jpg", "image_url": "https://a.org/1.jpg", "bbox": "0 0 10 10"}
    row = ",".join(values.get(name, "a.jpg").replace(",", " ") for name in door.columns)
    table = put(tmp_path / "t.csv", f"{','.join(door.columns)}\n{row}\n".encode())
    (record,) = open_source(table).records()
    assert record.problem is None


def test_an_unknown_table_says_its_columns_and_the_nearest_kind(tmp_path: Path) -> None:
    table = put(tmp_path / "t.csv", b"RelativePath,Species\na,b\n")
    with pytest.raises(
        InputError, match=r"'RelativePath', 'Species'.*nearest to Timelapse, which has File, RelativePath"
    ):
        open_source(table)
