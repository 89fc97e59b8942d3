"""WebDataset shards as sources."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.labels import clean_labels
from cladescope.embedding.locations import read_bytes
from cladescope.embedding.records import Record
from cladescope.embedding.sources import open_source
from cladescope.embedding.sources.webdataset import _described
from cladescope.errors import InputError
from tests.embedding.reading import LINEAGE, put, read

TAG = (
    b"a photo of kingdom Animalia phylum Arthropoda class Insecta order Lepidoptera family Nymphalidae "
    b"genus Vanessa species atalanta."
)


def _labels(texts: dict[str, bytes]) -> dict[str, str]:
    raw, source = _described(texts)
    assert source is None
    return clean_labels(raw)


def write_shard(path: Path, members: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def treeoflife(*keys: str) -> dict[str, bytes]:
    texts = {
        "taxonTag.txt": TAG,
        "common_name.txt": b"red admiral",
        "sci.txt": b"a photo of Vanessa atalanta.",
    }
    return {
        f"{key}.{ending}": content
        for key in keys
        for ending, content in {"jpg": f"picture {key}".encode(), **texts}.items()
    }


def test_a_treeoflife_shard_gives_ids_labels_and_pictures(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "tol/shard-000000.tar", treeoflife("a1", "b2"))
    first, second = read(shard)
    assert first == Record(
        image_id="a1",
        uri=f"{shard}#a1.jpg",
        source="shard-000000",
        labels={**LINEAGE, "common_name": "red admiral"},
        data=b"picture a1",
    )
    assert read_bytes(second.uri) == second.data == b"picture b2"


def test_shards_come_in_order_from_braces_and_patterns_local_and_remote(
    tmp_path: Path, remote: fsspec.AbstractFileSystem
) -> None:
    for i in (1, 0, 2):
        write_shard(tmp_path / f"tol/s-{i}.tar", treeoflife(f"k{i}"))
        remote.pipe(f"/tol/s-{i}.tar", (tmp_path / f"tol/s-{i}.tar").read_bytes())
    for folder in (f"{tmp_path}/tol", "memory://tol"):
        assert [record.image_id for record in read(f"{folder}/s-{{0..1}}.tar")] == ["k0", "k1"]
        records = read(f"{folder}/*.tar")
        assert [record.image_id for record in records] == ["k0", "k1", "k2"]
        assert {record.source for record in records} == {"tol"}
        assert read_bytes(records[2].uri) == b"picture k2"
    with pytest.raises(InputError, match="no shard matches"):
        open_source(f"{tmp_path}/none-*.tar")
    with pytest.raises(InputError, match=r"no such file: .*none-0\.tar"):
        open_source(f"{tmp_path}/none-{{0..3}}.tar")


def test_a_missing_later_shard_is_one_problem(tmp_path: Path) -> None:
    write_shard(tmp_path / "s-0.tar", treeoflife("a"))
    write_shard(tmp_path / "s-2.tar", treeoflife("b"))
    records = read(f"{tmp_path}/s-{{0..2}}.tar")
    assert [record.image_id for record in records if not record.problem] == ["a", "b"]
    assert f"no such file: {tmp_path}/s-1.tar" in (records[1].problem or "")


@pytest.mark.parametrize("kept", [0.95, 0.5])
def test_records_before_damage_are_kept_and_the_damage_is_one_problem(tmp_path: Path, kept: float) -> None:
    whole = write_shard(tmp_path / "whole.tar", treeoflife(*"abcdefgh"))
    good = [record for record in read(whole) if not record.problem]
    content = whole.read_bytes()
    cut = put(tmp_path / "cut.tar", content[: int(tarfile_end(whole) * kept)])
    *before, last = read(cut)
    assert 0 < len(before) < len(good)
    assert [record.data for record in before] == [record.data for record in good[: len(before)]]
    assert (last.uri, last.data) == (str(cut), None)
    assert last.problem is not None
    assert last.problem.startswith(f"nothing readable after {len(before)} samples: cannot read {cut}: ")


def tarfile_end(path: Path) -> int:
    with tarfile.open(path) as archive:
        archive.getmembers()
        return archive.offset


def test_a_cut_between_two_members_and_a_damaged_header_are_noticed(tmp_path: Path) -> None:
    whole = write_shard(tmp_path / "whole.tar", treeoflife("a", "b"))
    with tarfile.open(whole) as archive:
        place = archive.getmember("b.jpg").offset
    content = whole.read_bytes()
    for damaged in (content[:place], content[:place] + b"\x01" * 512 + content[place + 512 :]):
        *before, last = read(put(tmp_path / "damaged.tar", damaged))
        assert [record.problem for record in before] == []
        assert "the archive is cut off or damaged" in (last.problem or "")


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100])
def test_a_shard_that_is_no_tar_is_one_problem(tmp_path: Path, content: bytes) -> None:
    (record,) = read(put(tmp_path / "bad.tar", content))
    assert (record.problem or "").startswith("nothing readable after 0 samples: cannot read")


def test_a_sample_without_a_picture_is_a_problem(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "s.tar", {"a.taxonTag.txt": TAG, "b.png": b"b", "._b.png": b"x", "dir/c.webp": b"c"})
    first, second, third = read(shard)
    assert (first.image_id, first.problem) == ("a", "no picture among the files of a")
    assert first.labels == LINEAGE
    assert (second.data, second.labels) == (b"b", {})
    assert (third.image_id, third.uri) == ("dir/c", f"{shard}#dir/c.webp")


def test_texts_that_do_not_lie_beside_their_picture_are_told_and_how_to_pack(tmp_path: Path) -> None:
    names = ("a.jpg", "b.jpg", "a.json", "b.json")
    shard = write_shard(tmp_path / "s.tar", {name: b'{"species": "Parus major"}' for name in names})
    found = read(shard)
    assert [record.image_id for record in found] == ["a", "b", "a", "b"]
    assert [record.problem for record in found[:2]] == [None, None]
    assert found[2].problem == (
        "the files of a do not lie side by side in the shard: pack them in the order of their names"
    )
    write_shard(
        tmp_path / "t.tar", dict.fromkeys(("a.jpg", "a.json"), b"{}")
    )  # the same key in another shard is another
    assert [record.problem for record in read(tmp_path / "t.tar")] == [None]


def test_keys_hold_their_folder_and_fields_their_dots_as_in_webdataset(tmp_path: Path) -> None:
    tag, other = (f"a photo of genus {genus}.".encode() for genus in ("Vanessa", "Aglais"))
    members = {"v1.0/a.jpg": b"1", "./b/a.jpg": b"2", "c.taxonTag.txt": tag, "c.1.jpg": b"3", "c.2.jp2": b"4"}
    shard = write_shard(tmp_path / "s.tar", {**members, "c.2.taxonTag.txt": other, "d.jpg": b"5", "d.png": b"6"})
    records = read(shard)
    assert [record.image_id for record in records] == ["v1.0/a", "b/a", "c.1", "c.2", "d"]
    assert [record.data for record in records] == [b"1", b"2", b"3", b"4", b"5"]
    assert [record.labels.get("genus") for record in records] == [None, None, "Vanessa", "Aglais", None]
    assert [read_bytes(record.uri) for record in records] == [record.data for record in records]


def test_members_that_are_no_sound_files_are_problems_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cladescope.embedding.sources.webdataset.MAX_FILE_BYTES", 1000)
    deep = b"[" * 200_000
    members = {"a.jpg": b"x" * 1001, "b.jpg": b"b", "b.json": deep, "c.jpg": b"c", "c.json": b'{"genus": "\\ud800"}'}
    members |= {"d.jpg": b"d", "d.json": b" " * (2**20 + 1), "caf\udce9.jpg": b"e", "f.jpg": b"f"}
    shard = write_shard(tmp_path / "s.tar", members)
    with tarfile.open(shard, "a") as archive:
        link = tarfile.TarInfo("g.jpg")
        link.type, link.linkname = tarfile.LNKTYPE, "f.jpg"
        archive.addfile(link)
    problems = {record.image_id: record.problem for record in read(shard)}
    assert problems == {
        "a": "has 1001 bytes: a picture may have 536870912",
        "b": "unreadable text beside the picture: the .json sidecar is nested too deeply",
        "c": "unreadable text beside the picture: the .json sidecar holds half of a character",
        "d": "d.json has 1048577 bytes: expected at most 1048576 of a text",
        "caf\\xe9": None,
        "f": None,
        "g": "is a link in the archive, not a file: g.jpg",
    }


def test_lists_in_a_sidecar_are_several_names_and_what_is_nested_a_failure(tmp_path: Path) -> None:
    members = {
        "a.jpg": b"a",
        "a.json": b'{"species": ["Parus major", "Parus minor"], "common_name": ["Great Tit", "Kohlmeise"], "tags": {"x": 1}}',
        "b.jpg": b"b",
        "b.json": b'{"genus": {"name": "Parus"}}',
    }
    first, second = read(write_shard(tmp_path / "s.tar", members))
    assert first.labels == {
        "genus": "Parus",
        "qualifier": "Parus major; Parus minor",
        "verbatim_name": "Parus major; Parus minor",
        "common_name": "Great Tit; Kohlmeise",
    }
    assert second.problem is not None
    assert "has no name but 'genus' with parts of its own" in second.problem


def test_a_sidecar_gives_labels_under_any_spelling_and_its_source(tmp_path: Path) -> None:
    sidecar = {
        "kingdom": "Animalia",
        "cls": "Aves",
        "license": "CC0",
        "dataset": "gbif",
        "width": 224,
        "url": None,
    }
    shard = write_shard(
        tmp_path / "s.tar",
        {
            "a.jpg": b"a",
            "a.json": json.dumps(sidecar).encode(),
            "b.jpg": b"b",
            "b.json": b"{broken",
            "c.jpg": b"c",
            "c.json": b'{"class": "Aves", "cls": "Aves"}',
            "d.jpg": b"d",
            "d.json": b"[]",
            "e.jpg": b"e",
            "e.taxonTag.txt": b"caf\xe9",
        },
    )
    good, *bad = read(shard)
    assert (good.labels, good.source) == ({"kingdom": "Animalia", "class": "Aves", "licence": "CC0"}, "gbif")
    assert all((record.problem or "").startswith("unreadable text beside the picture") for record in bad)
    assert len(bad) == 4


@pytest.mark.parametrize(
    "texts, labels",
    [
        ({"taxontag.txt": b"a photo of class Aves genus Parus."}, {"class": "Aves", "genus": "Parus"}),
        (
            {"taxontag.txt": b"a photo of genus Quercus species x hispanica."},
            {"genus": "Quercus", "species": "Quercus × hispanica", "verbatim_name": "x hispanica"},
        ),
        ({"taxonomic_name.txt": b"Animalia Chordata Aves Passeriformes Paridae Parus"}, {}),
        (
            {"scientific_name.txt": b"Parus major", "common_name.txt": b"Parus major"},
            {"genus": "Parus", "species": "Parus major"},
        ),
        (
            {"taxontag.txt": b"a photo of genus Parus.", "json": b'{"order": "Wrong", "common": "tit"}'},
            {"genus": "Parus", "common_name": "tit"},
        ),
        ({"taxontag.txt": b"a photo of a bird."}, {}),
    ],
)
def test_the_texts_beside_a_picture_give_its_labels(texts: dict[str, bytes], labels: dict[str, str]) -> None:
    assert _labels(texts) == labels


def test_seven_words_of_a_taxonomic_name_are_the_seven_ranks() -> None:
    name = b"Animalia Arthropoda Insecta Lepidoptera Nymphalidae Vanessa atalanta"
    assert _labels({"taxonomic_name.txt": name}) == LINEAGE


RANK_NAMES = st.from_regex(r"[A-Z][a-z]{2,8}", fullmatch=True)
TAGGED_RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")


@given(st.dictionaries(st.sampled_from(TAGGED_RANKS), RANK_NAMES), st.sampled_from([None, "atalanta", "x alba"]))
def test_tagged_ranks_are_read_back_whichever_are_missing(ranks: dict[str, str], epithet: str | None) -> None:
    words = [f"{rank} {ranks[rank]}" for rank in TAGGED_RANKS if rank in ranks]
    words += [f"species {epithet}"] if epithet else []
    labels = _labels({"taxontag.txt": f"a photo of {' '.join(words)}.".encode()})
    expected = {rank: name for rank, name in ranks.items() if name not in ("Nan", "None", "Null", "Unknown")}
    assert {rank: name for rank, name in labels.items() if rank in TAGGED_RANKS} == expected
    if epithet and "genus" in expected:
        assert labels["species"] == f"{expected['genus']} {epithet.replace('x ', '× ')}"
