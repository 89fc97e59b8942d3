"""The index beside a shard: used where it is of the shard as it is, made anew where it is not, and said either way."""

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from cladescope.embedding.sources import webdataset
from cladescope.training.data import shard_records
from cladescope.training.data.examples import Examples, load_examples
from cladescope.training.data.shard_index import index_shard
from cladescope.training.data.shard_records import ENDING, index_of, records_of
from cladescope.training.data.shard_writer import write_shards
from tests.embedding.reading import put
from tests.embedding.sources.test_webdataset import treeoflife, write_shard


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A shard of three pictures with its index."""
    made = write_shard(tmp_path / "s.tar", treeoflife("a", "b", "c"))
    assert index_of(str(made))[1] == "made, was missing"
    return made


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a shard is read through."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the shard is read through")

    monkeypatch.setattr(webdataset, "_samples", refuse)
    monkeypatch.setattr(shard_records, "index_shard", refuse)


def everything(examples: Examples) -> list[tuple[object, ...]]:
    columns = ("image_ids", "uris", "taxa", "common_names", "groups", "sources", "licences", "spans")
    return list(zip(*(getattr(examples, name) for name in columns), strict=True))


def test_the_writers_index_is_what_the_shard_itself_says(clades: Path, tmp_path: Path) -> None:
    written = write_shards(load_examples(clades / "metadata.csv"), tmp_path / "out", max_count=20)
    for path in written.paths:
        table, word = index_of(str(path))
        assert word == "read"
        assert table.equals(records_of(str(path)))
        places = {member.name: (member.offset, member.size) for member in index_shard(path).members}
        assert table.num_rows == len(places) // 12
        for row in table.to_pylist():
            assert places[row["member"]] == (row["offset"], row["size"])


def test_examples_are_the_same_with_and_without_indexes(clades: Path, tmp_path: Path) -> None:
    write_shards(load_examples(clades / "metadata.csv"), tmp_path / "out", max_count=20)
    with_indexes = load_examples(f"{tmp_path}/out/*.tar")
    for path in (tmp_path / "out").glob(f"*{ENDING}"):
        path.unlink()
    without = load_examples(f"{tmp_path}/out/*.tar")
    assert everything(with_indexes) == everything(without)
    assert len(list((tmp_path / "out").glob(f"*{ENDING}"))) == 3


def test_a_fresh_index_is_read_and_the_shard_is_not(shard: Path, closed: None) -> None:
    examples = load_examples(shard)
    assert list(examples.image_ids) == ["a", "b", "c"]
    assert examples.read(1) == b"picture b"


def changed(shard: Path) -> None:
    write_shard(shard, treeoflife("d", "e", "f"))  # of the same size


def longer(shard: Path) -> None:
    write_shard(shard, treeoflife("a", "b", "c", "d"))
    os.utime(shard, ns=(0, 5))


def of_another(shard: Path) -> None:
    """The index of a shard of the same size and time of change whose pictures lie elsewhere."""
    members = treeoflife("a", "b", "c")
    other = write_shard(shard.parent / "other" / "s.tar", dict(reversed(members.items())))
    os.utime(other, ns=(0, 7))
    os.utime(shard, ns=(0, 7))
    index_of(str(other))
    shutil.copy(f"{other}{ENDING}", f"{shard}{ENDING}")


def of_another_version(shard: Path) -> None:
    rewritten(shard, {"format": 0})


def cut(shard: Path) -> None:
    index = Path(f"{shard}{ENDING}")
    index.write_bytes(index.read_bytes()[:700])


def no_arrow(shard: Path) -> None:
    Path(f"{shard}{ENDING}").write_text("an index")


def nothing_said(shard: Path) -> None:
    with pa.memory_map(f"{shard}{ENDING}") as source:
        table = pa.ipc.open_file(source).read_all()
    with pa.OSFile(f"{shard}{ENDING}", "wb") as sink, pa.ipc.new_file(sink, table.schema.remove_metadata()) as writer:
        writer.write_table(table.replace_schema_metadata(None))


def other_columns(shard: Path) -> None:
    with pa.memory_map(f"{shard}{ENDING}") as source:
        table = pa.ipc.open_file(source).read_all()
    table = table.drop_columns("member")
    with pa.OSFile(f"{shard}{ENDING}", "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def rewritten(shard: Path, changes: dict[str, int]) -> None:
    with pa.memory_map(f"{shard}{ENDING}") as source:
        table = pa.ipc.open_file(source).read_all()
    stated = {**json.loads(table.schema.metadata[b"cladescope"]), **changes}
    table = table.replace_schema_metadata({b"cladescope": json.dumps(stated).encode()})
    with pa.OSFile(f"{shard}{ENDING}", "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


OTHER = "made, was of another shard or of this one before it changed"


@pytest.mark.parametrize(
    "spoil, word",
    [
        (changed, OTHER),
        (longer, OTHER),
        (of_another, OTHER),
        (of_another_version, "made, was of another version"),
        (cut, "made, could not be read"),
        (no_arrow, "made, could not be read"),
        (nothing_said, "made, could not be read"),
        (other_columns, "made, could not be read"),
    ],
)
def test_an_index_that_does_not_fit_its_shard_is_made_anew(
    shard: Path, spoil: Callable[[Path], None], word: str
) -> None:
    spoil(shard)
    table, found = index_of(str(shard))
    assert found == word
    assert table.equals(records_of(str(shard)))
    again, found = index_of(str(shard))
    assert found == "read"
    assert again.equals(table)


def test_how_indexes_were_had_is_said_in_counts(shard: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_shard(tmp_path / "t.tar", treeoflife("x"))
    with caplog.at_level(logging.INFO):
        load_examples(f"{tmp_path}/*.tar")
    assert "indexes of 2 shards: 1 read; 1 made, was missing" in caplog.text


def test_an_index_that_cannot_be_kept_is_used_all_the_same_and_said(
    shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(f"{shard}{ENDING}").unlink()

    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(shard_records, "_write", read_only)
    table, word = index_of(str(shard))
    assert word == "not kept: Read-only file system"
    assert table["image_id"].to_pylist() == ["a", "b", "c"]


def test_shards_of_one_name_in_two_folders_are_two_shards(tmp_path: Path) -> None:
    write_shard(tmp_path / "one/s.tar", treeoflife("a", "b"))
    write_shard(tmp_path / "two/s.tar", treeoflife("b", "c"))
    for _ in range(2):  # without indexes, and with
        examples = load_examples(f"{tmp_path}/*/s.tar")
        assert list(examples.image_ids) == ["a", "b", "c"]
        assert [examples.read(row) for row in range(3)] == [b"picture a", b"picture b", b"picture c"]
        assert examples.skipped == {"image_id came before": 1}


@pytest.mark.parametrize("content", [b"", bytes(1024), b"no tar at all" * 100])
def test_an_empty_shard_or_one_that_is_none_leaves_the_others(tmp_path: Path, content: bytes) -> None:
    put(tmp_path / "a.tar", content)
    write_shard(tmp_path / "b.tar", treeoflife("x"))
    for _ in range(2):
        examples = load_examples(f"{tmp_path}/*.tar")
        assert list(examples.image_ids) == ["x"]
        assert examples.skipped.total() == (content != bytes(1024))


def test_members_without_a_picture_and_broken_texts_are_counted_from_an_index_too(tmp_path: Path) -> None:
    members = {**treeoflife("a"), "b.taxonTag.txt": b"a photo of kingdom Animalia.", **treeoflife("c"), "c.json": b"{"}
    members |= {"d.jpg": b"without a taxon"}
    shard = write_shard(tmp_path / "s.tar", members)
    first, again = load_examples(shard), load_examples(shard)
    assert first.skipped == again.skipped
    assert first.skipped.total() == 3
    assert first.skipped["no taxon"] == 1
    assert first.skipped["no picture: no picture among the files of b"] == 1
    assert everything(first) == everything(again)
