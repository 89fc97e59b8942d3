"""Shards in TreeOfLife's layout: what is written, that it reads back, and that nothing is half written."""

import io
import json
import subprocess
import tarfile
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cladescope.embedding.decode import decode
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError, StoreError
from cladescope.taxonomy import RANKS, Taxon
from cladescope.training.data.examples import Examples, load_examples
from cladescope.training.data.shard_sample import member_header
from cladescope.training.data.shard_writer import index_shard, texts_of, write_shards
from tests.embedding.encoding import encode, patches
from tests.embedding.reading import LINEAGE, put

VANESSA = Taxon(tuple(LINEAGE[rank] for rank in RANKS))


def pictured(folder: Path, taxa: list[Taxon], common_names: list[str | None] | None = None) -> Examples:
    """Examples of these taxa, each with a picture of its own colour."""
    ids = [f"id{row}" for row in range(len(taxa))]
    uris = []
    for row, image_id in enumerate(ids):
        colour = tuple(np.random.default_rng(row).integers(0, 256, 3).tolist())
        uris.append(str(put(folder / f"{image_id}.jpg", encode(Image.new("RGB", (40, 24), colour), "JPEG"))))
    n = len(taxa)
    names = common_names or [None] * n
    return Examples(ids, uris, tuple(taxa), names, [None] * n, ["s"] * n, [None] * n, [None] * n)


def members(shard: Path) -> dict[str, bytes]:
    content = {}
    with tarfile.open(shard) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            assert stream is not None
            content[member.name] = stream.read()
    return content


def by_id(examples: Examples, *columns: str) -> dict[str, tuple[object, ...]]:
    return {
        image_id: tuple(getattr(examples, column)[row] for column in columns)
        for row, image_id in enumerate(examples.image_ids)
    }


def test_a_sample_is_a_picture_and_the_ten_texts_of_treeoflife(tmp_path: Path) -> None:
    examples = pictured(tmp_path / "in", [VANESSA], ["Red Admiral"])
    (shard,) = write_shards(examples, tmp_path / "out").paths
    full = "Animalia Arthropoda Insecta Lepidoptera Nymphalidae Vanessa atalanta"
    tagged = (
        "kingdom Animalia phylum Arthropoda class Insecta order Lepidoptera family Nymphalidae "
        "genus Vanessa species atalanta"
    )
    content = members(shard)
    assert content.pop("id0.jpg") == Path(examples.uris[0]).read_bytes()
    assert json.loads(content.pop("id0.json")) == {"source": "s", "common_name": "Red Admiral"}
    assert {name: text.decode() for name, text in content.items()} == {
        "id0.scientific_name.txt": "Vanessa atalanta",
        "id0.taxonomic_name.txt": full,
        "id0.common_name.txt": "Red Admiral",
        "id0.sci.txt": "a photo of Vanessa atalanta.",
        "id0.com.txt": "a photo of Red Admiral.",
        "id0.taxon.txt": f"a photo of {full}.",
        "id0.taxonTag.txt": f"a photo of {tagged}.",
        "id0.sci_com.txt": "a photo of Vanessa atalanta with common name Red Admiral.",
        "id0.taxon_com.txt": f"a photo of {full} with common name Red Admiral.",
        "id0.taxonTag_com.txt": f"a photo of {tagged} with common name Red Admiral.",
    }


def test_without_a_common_name_the_scientific_one_stands_in() -> None:
    texts = texts_of(VANESSA, None)
    assert texts["com.txt"] == texts["sci.txt"]
    assert texts["taxonTag_com.txt"].endswith("species atalanta with common name Vanessa atalanta.")


def test_names_are_spelt_as_bioclip_spells_them() -> None:
    # BioCLIP's `naming.py`: the first six ranks are capitalised, the epithet is small.
    path = ("animalia", "Deinococcus-Thermus", None, "LEPIDOPTERA", None, "vanessa", "vanessa Atalanta")
    texts = texts_of(Taxon(path), "Red Admiral")
    tagged = "kingdom Animalia phylum Deinococcus-thermus order Lepidoptera genus Vanessa species atalanta"
    assert texts["taxonTag.txt"] == f"a photo of {tagged}."
    assert texts["taxonTag_com.txt"] == f"a photo of {tagged} with common name Red Admiral."
    assert texts["taxon.txt"] == "a photo of Animalia Deinococcus-thermus Lepidoptera Vanessa atalanta."


def test_simulated_clades_read_back_with_their_taxa_names_and_bytes(clades: Path, tmp_path: Path) -> None:
    examples = load_examples(clades / "metadata.csv")
    seen = []
    written = write_shards(examples, tmp_path / "out", max_count=20, progress=lambda done, n: seen.append((done, n)))
    assert [path.name for path in written.paths] == [f"shard-{i:06d}.tar" for i in range(3)]
    assert (written.n_written, written.skipped, seen[-1]) == (48, Counter(), (48, 48))
    again = load_examples(f"{tmp_path}/out/*.tar")
    columns = ("taxa", "common_names", "groups", "sources", "licences")
    assert by_id(again, *columns) == by_id(examples, *columns)
    assert None in examples.common_names
    content = {image_id: examples.read(row) for row, image_id in enumerate(examples.image_ids)}
    assert {image_id: again.read(row) for row, image_id in enumerate(again.image_ids)} == content
    assert again.skipped == Counter()
    records = list(open_source(f"{tmp_path}/out/*.tar").records())
    assert {record.image_id: record.data for record in records} == content
    about = json.loads((tmp_path / "out/shards.json").read_text())
    assert (about["n_samples"], about["n_shards"], about["size"], about["n_skipped"]) == (48, 3, None, 0)


def test_observation_licence_and_a_common_name_that_is_the_scientific_one_read_back(tmp_path: Path) -> None:
    examples = replace(
        pictured(tmp_path / "in", [VANESSA] * 2, ["Vanessa atalanta", None]),
        groups=["o1", None],
        licences=[None, "CC-BY"],
        sources=["inat", "eol"],
    )
    write_shards(examples, tmp_path / "out")
    again = load_examples(f"{tmp_path}/out/*.tar")
    columns = ("common_names", "groups", "sources", "licences")
    assert by_id(again, *columns) == by_id(examples, *columns)


names = st.from_regex(r"[A-Z][a-z]{2,6}", fullmatch=True).filter(lambda name: name not in ("Nan", "None", "Null"))
epithets = st.sampled_from(["atalanta", "c-album", "x hispanica", "alba"])


@st.composite
def taxa(draw: st.DrawFn) -> Taxon:
    above = draw(st.lists(st.none() | names, min_size=6, max_size=6))
    genus = above[5] or draw(names)
    species = draw(st.none() | epithets.map(lambda epithet: f"{genus} {epithet}") | st.just("Otheria alba"))
    above[5] = above[5] or (species and species.split(" ")[0])  # a species gives its genus
    taxon = Taxon.from_ranks([*above, species])
    return taxon or Taxon(("Animalia",))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(taxa(), st.none() | st.sampled_from(["tit", "Café au lait", "Vanessa"])), min_size=1, max_size=8)
)
def test_taxa_with_any_ranks_missing_read_back(drawn: list[tuple[Taxon, str | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        examples = pictured(Path(folder) / "in", *(list(column) for column in zip(*drawn, strict=True)))
        write_shards(examples, Path(folder) / "out", max_count=3)
        again = load_examples(f"{folder}/out/*.tar")
        assert by_id(again, "taxa", "common_names") == by_id(examples, "taxa", "common_names")


def test_resized_pictures_are_squashed_by_bicubic_into_jpeg(tmp_path: Path) -> None:
    picture = patches(90, 60)
    examples = pictured(tmp_path / "in", [VANESSA])
    Path(examples.uris[0]).write_bytes(encode(picture, "PNG"))
    (shard,) = write_shards(examples, tmp_path / "out", size=32).paths
    content = members(shard)["id0.jpg"]
    expected = io.BytesIO()
    picture.resize((32, 32), Image.Resampling.BICUBIC).save(expected, "JPEG", quality=100)
    assert decode(content).image.tobytes() == Image.open(expected).tobytes()
    assert Image.open(io.BytesIO(content)).format == "JPEG"
    assert load_examples(shard).read(0) == content


def test_a_picture_keeps_its_ending(tmp_path: Path) -> None:
    examples = pictured(tmp_path / "in", [VANESSA])
    examples = replace(examples, uris=[str(put(tmp_path / "in/a.PNG", encode(patches(), "PNG")))])
    (shard,) = write_shards(examples, tmp_path / "out").paths
    assert "id0.png" in members(shard)


def test_shards_hold_at_most_so_many_samples_and_bytes(tmp_path: Path) -> None:
    examples = pictured(tmp_path / "in", [VANESSA] * 9)
    whole = write_shards(examples, tmp_path / "whole")
    one = (whole.paths[0].stat().st_size - 1024) // 9
    sizes = [path.stat().st_size for path in write_shards(examples, tmp_path / "bytes", max_bytes=4 * one).paths]
    assert len(sizes) == 3
    assert max(sizes) <= 4 * one
    counts = [
        len(index_shard(path).members) // 12 for path in write_shards(examples, tmp_path / "n", max_count=4).paths
    ]
    assert counts == [4, 4, 1]
    assert len(write_shards(examples, tmp_path / "tiny", max_bytes=1).paths) == 9


def test_the_bytes_depend_on_the_examples_alone(tmp_path: Path) -> None:
    examples = pictured(tmp_path / "in", [VANESSA, Taxon(("Plantae",))] * 10)
    first = write_shards(examples, tmp_path / "a", max_count=7, size=16)
    second = write_shards(examples.take(range(19, -1, -1)), tmp_path / "b", max_count=7, size=16, workers=3)
    assert [path.read_bytes() for path in first.paths] == [path.read_bytes() for path in second.paths]


def test_samples_do_not_come_class_by_class(tmp_path: Path) -> None:
    examples = pictured(tmp_path / "in", [VANESSA] * 12 + [Taxon(("Plantae",))] * 12)
    write_shards(examples, tmp_path / "out", max_count=12)
    first = load_examples(tmp_path / "out/shard-000000.tar")
    assert len(first.class_taxa) == 2


def test_a_shard_is_a_tar_for_everybody(tmp_path: Path) -> None:
    (shard,) = write_shards(pictured(tmp_path / "in", [VANESSA] * 2), tmp_path / "out").paths
    index = index_shard(shard)
    assert index.problem is None
    listed = subprocess.run(["tar", "-tf", shard], capture_output=True, text=True, check=True)
    assert listed.stderr == ""
    assert listed.stdout.split() == [member.name for member in index.members]


def by_tarfile(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.PAX_FORMAT)


@given(st.text(min_size=1, max_size=120).filter(lambda name: not set(name) & {"\0", "/"}), st.integers(0, 2**40))
def test_a_header_is_that_of_tarfile(name: str, size: int) -> None:
    assert member_header(name, size) == by_tarfile(name, size)


@pytest.mark.parametrize("n", [1, 99, 100, 101, 200])
@pytest.mark.parametrize("size", [0, 1, 8**11 - 1, 8**11])
def test_a_header_of_a_long_name_or_a_large_file_is_that_of_tarfile(n: int, size: int) -> None:
    assert member_header("a" * n, size) == by_tarfile("a" * n, size)


def test_pictures_that_cannot_be_read_or_decoded_are_counted_and_left_out(tmp_path: Path) -> None:
    examples = pictured(tmp_path / "in", [VANESSA] * 4)
    Path(examples.uris[0]).unlink()
    Path(examples.uris[2]).write_bytes(b"no picture")
    written = write_shards(examples, tmp_path / "out", max_count=1)
    assert (written.n_written, len(written.paths)) == (2, 2)
    assert written.skipped == {"could not be read": 1, "could not be decoded": 1}
    assert set(load_examples(f"{tmp_path}/out/*.tar").image_ids) == {"id1", "id3"}


def test_if_no_picture_can_be_read_there_are_no_shards(tmp_path: Path) -> None:
    examples = pictured(tmp_path / "in", [VANESSA])
    Path(examples.uris[0]).unlink()
    with pytest.raises(InputError, match="not one of 1 pictures could be written: 1 could not be read"):
        write_shards(examples, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_holds_anything_is_refused_and_left_alone(tmp_path: Path) -> None:
    examples = pictured(tmp_path / "in", [VANESSA])
    write_shards(examples, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(InputError, match="out holds a finished set of shards: give a new"):
        write_shards(examples, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    put(tmp_path / "other/notes.txt")
    with pytest.raises(InputError, match=r"other is not empty \(it holds notes\.txt\): give a new"):
        write_shards(examples, tmp_path / "other")
    with pytest.raises(InputError, match="is a file"):
        write_shards(examples, tmp_path / "other/notes.txt")


def test_a_job_that_is_cut_short_leaves_no_shard_that_looks_whole(tmp_path: Path) -> None:
    examples = pictured(tmp_path / "in", [VANESSA] * 300)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shards(examples, tmp_path / "out", progress=stop)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".part-shard-000000.tar"]
    written = write_shards(examples, tmp_path / "out")
    assert written.n_written == 300
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "shard-000000.tar",
        "shard-000000.tar.arrow",
        "shards.json",
    ]


@pytest.mark.parametrize("image_id", ["a.b", "a/b", "", "tit.jpg"])
def test_an_id_that_cannot_be_a_key_is_refused_before_anything_is_written(tmp_path: Path, image_id: str) -> None:
    examples = pictured(tmp_path / "in", [VANESSA])
    examples = replace(examples, image_ids=[image_id])
    with pytest.raises(InputError, match="1 image ids, .* are empty or hold a dot or a slash"):
        write_shards(examples, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [{"max_count": 0}, {"max_bytes": 0}, {"size": 0}, {"workers": 0}])
def test_limits_below_one_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="give 1 or more"):
        write_shards(pictured(tmp_path / "in", [VANESSA]), tmp_path / "out", **options)


def test_a_disk_that_cannot_be_written_is_a_store_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="cannot write shards into .*out: No space left on device"):
        write_shards(pictured(tmp_path / "in", [VANESSA]), tmp_path / "out")
