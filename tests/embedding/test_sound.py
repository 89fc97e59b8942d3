"""A bad record, and a source that breaks, never end a job; what was done is kept."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from cladescope.embedding.encoder import Encoder
from cladescope.embedding.pipeline import EmbedConfig, EmbedSummary, embed
from cladescope.embedding.records import Record, Source
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from cladescope.index.store import Store
from tests.embedding.encoding import encode, patches

PICTURE = encode(patches(), "PNG")


def record(number: int, **given: object) -> Record:
    values = {"image_id": f"i{number}", "uri": f"/i{number}.png", "source": "made", "data": PICTURE}
    return Record(**{**values, "extra": {"weight": 1.0}, **given})  # type: ignore[arg-type]


@dataclass
class Made:
    """A source of records at hand that may raise in the end."""

    made: list[Record]
    error: Exception | None = None
    name: str = "made"
    extra_fields: tuple[pa.Field, ...] = (pa.field("weight", pa.float64()),)

    def count(self) -> int | None:
        raise OSError("nobody knows")

    def records(self) -> Iterator[Record]:
        yield from self.made
        if self.error is not None:
            raise self.error


def embedded(source: Source, path: Path) -> tuple[EmbedSummary, dict[str, str]]:
    encoder = Encoder.load("pixels")
    store = Store.open_or_create(path, encoder.card)
    summary = embed(source, encoder, store, EmbedConfig(batch_size=8))
    return summary, {row["image_id"]: row["reason"] for row in store.failures.to_pylist()}


@pytest.mark.parametrize(
    "error, reason", [(ZeroDivisionError("oh"), "unexpected ZeroDivisionError: oh"), (InputError("no"), "no")]
)
def test_a_source_that_raises_keeps_what_came_before_and_goes_on_when_it_is_run_again(
    tmp_path: Path, error: Exception, reason: str
) -> None:
    made = [record(number) for number in range(20)]
    summary, failures = embedded(Made(made, error), tmp_path / "s")
    assert (summary.embedded, summary.failed) == (20, 1)
    assert list(failures.values()) == [f"nothing more could be had after 20 records: {reason}"]
    again, _ = embedded(Made([*made, record(20)]), tmp_path / "s")
    assert (again.already_stored, again.embedded) == (20, 1)


def test_a_record_that_no_table_can_hold_is_one_failure(tmp_path: Path) -> None:
    bad = [
        record(1, image_id="half\ud800"),
        record(2, labels={"genus": "Par\udc80us"}),
        record(3, extra={"weight": "heavy"}),
        record(4, extra={"weight": 10**400}),
        record(5, uri="/a\0b.png", data=None),
        record(6, problem="half \ud800"),
    ]
    summary, failures = embedded(Made([record(0), *bad, record(7)]), tmp_path / "s")
    assert (summary.embedded, summary.failed) == (2, 6)
    assert failures["half\\ud800"] == failures["i2"] == "a text of it is no Unicode: rename it or mend the table"
    assert failures["i3"].startswith("a value is not of its column's type: unexpected ")
    assert failures["i4"].startswith("a value is not of its column's type: unexpected ")
    assert failures["i5"] == "no such file: '/a\\x00b.png' holds a NUL, which no name may"
    assert failures["i6"] == "half \\ud800"


def test_what_a_client_or_decoder_raises_is_one_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise RecursionError("too\ndeep")

    monkeypatch.setattr("cladescope.embedding.prepare.read_bytes", refuse)
    summary, failures = embedded(Made([record(0), record(1, data=None)]), tmp_path / "s")
    assert (summary.embedded, failures) == (1, {"i1": "unexpected RecursionError: too deep"})
    monkeypatch.setattr("cladescope.embedding.prepare.decode", refuse)
    _, failures = embedded(Made([record(2)]), tmp_path / "s")
    assert failures["i2"] == "unexpected RecursionError: too deep"


def test_a_table_that_names_pipes_devices_and_huge_files_ends_and_keeps_the_rest(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    with (tmp_path / "big.jpg").open("wb") as stream:
        stream.truncate(30 * 10**9)
    names = ("a.png", "pipe.jpg", "/dev/zero", "big.jpg", "loop.jpg", ".", "x" * 5000)
    (tmp_path / "m.csv").write_text("file,image_id\n" + "".join(f"{name},{name[:8]}\n" for name in names))
    summary, failures = embedded(open_source(tmp_path / "m.csv"), tmp_path / "s")
    assert (summary.embedded, summary.failed) == (1, 6)
    assert "a pipe (FIFO), not a file" in failures["pipe.jpg"]
    assert "a device, not a file" in failures["/dev/zer"]
    assert failures["big.jpg"] == "has 30000000000 bytes: a picture may have 536870912"
    assert "is a folder" in failures["."]
