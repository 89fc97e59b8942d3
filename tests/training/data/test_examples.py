"""Labelled pictures as columns in memory, from every kind of source."""

import csv
import io
import tarfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.embedding.locations import read_bytes
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError, PictureError
from cladescope.taxonomy import RANKS, Taxon
from cladescope.training.data.examples import MAX_REASONS, Examples, check_several_classes, load_examples
from cladescope.training.data.shard_index import index_shard, read_span
from tests.embedding.reading import INAT, LINEAGE, put, remote
from tests.embedding.sources.test_webdataset import TAG, treeoflife, write_shard

__all__ = ["remote"]

VANESSA = Taxon(tuple(LINEAGE[rank] for rank in RANKS))


def listed(taxa: list[Taxon], *, groups: list[str | None] | None = None, ids: list[str] | None = None) -> Examples:
    """Examples of these taxa whose pictures are nowhere."""
    n = len(taxa)
    ids = ids or [f"i{row:03}" for row in range(n)]
    uris = [f"/nowhere/{image_id}.jpg" for image_id in ids]
    return Examples(ids, uris, tuple(taxa), [None] * n, groups or [None] * n, ["s"] * n, [None] * n, [None] * n)


def manifest(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_simulated_manifest_gives_its_taxa_common_names_and_pictures(clades: Path) -> None:
    examples = load_examples(clades / "metadata.csv")
    with (clades / "metadata.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert len(examples) == len(rows) == 48
    assert [taxon.path for taxon in examples.taxa] == [tuple(row[rank] for rank in RANKS) for row in rows]
    assert examples.common_names == [row["common_name"] or None for row in rows]
    assert [examples.read(row) for row in range(48)] == [(clades / row["file"]).read_bytes() for row in rows]
    assert examples.spans == [None] * 48
    assert examples.skipped == Counter()


def test_observation_licence_and_source_come_along(tmp_path: Path) -> None:
    put(tmp_path / "a.jpg")
    row = {"file": "a.jpg", "genus": "Parus", "observation_id": "o1", "license": "CC0", "source": "inat", "id": "x"}
    examples = load_examples(manifest(tmp_path / "m.csv", [row]))
    assert (examples.image_ids, examples.groups, examples.licences, examples.sources) == (
        ["x"],
        ["o1"],
        ["CC0"],
        ["inat"],
    )


def test_records_without_taxon_or_picture_and_repeated_ids_are_counted(tmp_path: Path) -> None:
    rows = [
        {"file": "a.jpg", "id": "a", "genus": "Parus"},
        {"file": "b.jpg", "id": "a", "genus": "Vanessa"},
        {"file": "c.jpg", "id": "c", "genus": "unknown"},
        {"file": "", "id": "d", "genus": "Parus"},
    ]
    examples = load_examples(manifest(tmp_path / "m.csv", rows))
    assert (examples.image_ids, examples.uris) == (["a"], [f"{tmp_path}/a.jpg"])
    assert examples.skipped == {"image_id came before": 1, "no taxon": 1, "no picture: nothing in column 'file'": 1}


def test_the_number_of_reasons_is_bounded(tmp_path: Path) -> None:
    n = MAX_REASONS + 5
    members = {f"k{i}.taxonTag.txt": TAG for i in range(n)} | {"z.jpg": b"z", "z.taxonTag.txt": TAG}
    skipped = load_examples(write_shard(tmp_path / "s.tar", members)).skipped
    assert skipped.total() == n
    assert len(skipped) == MAX_REASONS + 1
    assert skipped["no picture, for other reasons"] == 5


def test_a_source_without_a_labelled_picture_is_refused_with_the_reasons(tmp_path: Path) -> None:
    put(tmp_path / "photos/a.jpg")
    with pytest.raises(InputError, match=r"no labelled picture in .*photos \(left out: 1 no taxon\)"):
        load_examples(tmp_path / "photos")


def test_a_folder_of_inaturalist_gives_taxa(tmp_path: Path) -> None:
    put(tmp_path / INAT / "a.jpg", b"butterfly")
    examples = load_examples(tmp_path)
    assert examples.taxa == (VANESSA,)
    assert examples.read(0) == b"butterfly"


def test_a_store_gives_the_examples_of_the_source_that_filled_it(clades: Path, store) -> None:
    stored, listed_ = load_examples(store.path), load_examples(clades / "metadata.csv")
    assert dict(zip(stored.image_ids, stored.taxa, strict=True)) == dict(
        zip(listed_.image_ids, listed_.taxa, strict=True)
    )
    assert dict(zip(stored.uris, stored.common_names, strict=True)) == dict(
        zip(listed_.uris, listed_.common_names, strict=True)
    )
    assert stored.read(5) == Path(stored.uris[5]).read_bytes()


def test_members_of_shards_are_read_by_seeking_and_keep_nothing_in_memory(tmp_path: Path) -> None:
    for name in ("s-0", "s-1"):
        write_shard(tmp_path / f"{name}.tar", treeoflife(*(f"{name}-{i}" for i in range(5))))
    examples = load_examples(f"{tmp_path}/*.tar")
    records = list(open_source(f"{tmp_path}/*.tar").records())
    assert len(examples) == len(records) == 10
    for row in (7, 0, 9, 3):
        span = examples.spans[row]
        assert span is not None
        assert examples.read(row) == read_span(*span) == records[row].data == read_bytes(examples.uris[row])
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(examples.read, range(10))) == [record.data for record in records]


def test_remote_shards_are_read_by_seeking(tmp_path: Path, remote: fsspec.AbstractFileSystem) -> None:
    remote.pipe("/tol/s.tar", write_shard(tmp_path / "s.tar", treeoflife("a", "b")).read_bytes())
    examples = load_examples("memory://tol/*.tar")
    assert None not in examples.spans
    assert [examples.read(row) for row in (1, 0)] == [b"picture b", b"picture a"]


def test_pictures_in_a_parquet_table_are_read_again_from_it(tmp_path: Path) -> None:
    table = pa.table({"image": [b"one", b"two", b"three"], "genus": ["Parus", "", "Vanessa"]})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=2)
    examples = load_examples(tmp_path / "t.parquet")
    assert [examples.read(row) for row in (1, 0)] == [b"three", b"one"]


def test_a_damaged_shard_gives_what_lies_before_the_damage(tmp_path: Path) -> None:
    whole = write_shard(tmp_path / "whole.tar", treeoflife("a", "b", "c"))
    cut = index_shard(whole).members[8].offset  # the second member of c
    shard = put(tmp_path / "cut.tar", whole.read_bytes()[:cut])
    examples = load_examples(shard)
    assert examples.image_ids == ["a", "b"]
    assert [examples.read(row) for row in range(2)] == [b"picture a", b"picture b"]
    assert "nothing readable after" in next(iter(examples.skipped))


def test_a_shard_that_shrank_after_indexing_is_a_picture_error(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "s.tar", treeoflife("a"))
    examples = load_examples(shard)
    shard.write_bytes(shard.read_bytes()[:512])
    with pytest.raises(PictureError, match=r"s\.tar ends before byte"):
        examples.read(0)
    shard.unlink()
    with pytest.raises(PictureError, match="no such file"):
        examples.read(0)


def test_taking_rows_takes_every_column(clades: Path) -> None:
    examples = load_examples(clades / "metadata.csv")
    taken = examples.take(np.array([40, 3, 3]))
    assert len(taken) == 3
    assert taken.image_ids == [examples.image_ids[row] for row in (40, 3, 3)]
    assert taken.taxa == tuple(examples.taxa[row] for row in (40, 3, 3))
    assert taken.read(0) == examples.read(40)
    assert set(taken.classes().tolist()) == {0, 1}


names = st.sampled_from(["A", "B", "C"])
paths = st.lists(st.none() | names, max_size=len(RANKS) - 1).flatmap(
    lambda above: names.map(lambda name: (*above, name))
)


@settings(max_examples=60, deadline=None)
@given(st.lists(paths.map(Taxon), min_size=1, max_size=15))
def test_classes_and_codes_number_full_paths_in_sorted_order(taxa: list[Taxon]) -> None:
    examples = listed(taxa)
    assert examples.class_taxa == tuple(sorted(set(taxa)))
    assert [examples.class_taxa[code] for code in examples.classes()] == taxa
    codes = examples.codes()
    for rank in range(len(RANKS)):
        prefixes = [
            Taxon(taxon.path[: rank + 1]) if len(taxon.path) > rank and taxon.path[rank] is not None else None
            for taxon in taxa
        ]
        order = sorted({prefix for prefix in prefixes if prefix is not None})
        assert codes[:, rank].tolist() == [-1 if prefix is None else order.index(prefix) for prefix in prefixes]


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(InputError, match="all 2 pictures are of one taxon, Animalia"):
        check_several_classes(listed([Taxon(("Animalia",))] * 2))
    check_several_classes(listed([Taxon(("Animalia",)), Taxon(("Plantae",))]))


def test_the_index_of_a_shard_says_where_every_member_lies(tmp_path: Path) -> None:
    members = {"a.jpg": b"one", "é" * 120 + ".jpg": b"two", "dir/c.png": b"", "d.jpg": bytes(range(256)) * 9}
    shard = write_shard(tmp_path / "s.tar", members)
    index = index_shard(shard)
    assert index.problem is None
    content = shard.read_bytes()
    assert {member.name: content[member.offset : member.offset + member.size] for member in index.members} == members


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100])
def test_the_index_of_what_is_no_tar_is_empty_and_says_so(tmp_path: Path, content: bytes) -> None:
    index = index_shard(put(tmp_path / "bad.tar", content))
    assert index.members == ()
    assert (index.problem or "").startswith("cannot read")


def test_every_cut_of_a_shard_is_noticed_and_whole_members_before_it_are_indexed(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "s.tar", treeoflife("a", "b"))
    content, whole = shard.read_bytes(), index_shard(shard).members
    end = whole[-1].offset + 512
    for cut in range(1, end, 100):
        index = index_shard(put(tmp_path / "cut.tar", content[:cut]))
        assert index.problem is not None, cut
        assert index.members == tuple(member for member in whole if member.offset + member.size <= cut)


def test_a_damaged_header_ends_the_index(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "s.tar", treeoflife("a", "b"))
    whole = index_shard(shard).members
    at = whole[4].offset - 512
    content = shard.read_bytes()
    index = index_shard(put(tmp_path / "bad.tar", content[:at] + b"\x01" * 512 + content[at + 512 :]))
    assert index.members == whole[:4]
    assert "cut off or damaged" in (index.problem or "")


def test_links_and_folders_are_not_members(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        for name, kind in (("d", tarfile.DIRTYPE), ("l.jpg", tarfile.SYMTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "a.jpg"
            archive.addfile(entry)
        entry = tarfile.TarInfo("a.jpg")
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"a"))
    assert [member.name for member in index_shard(tmp_path / "s.tar").members] == ["a.jpg"]
