"""The shards of a curation: what is in them, who reads them, and that a job goes on where it was cut short."""

import gc
import io
import json
import resource
import shutil
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
import webdataset as wds
from PIL import Image

from cladescope.embedding.sources import open_source
from cladescope.errors import InputError, StoreError
from cladescope.taxonomy import RANKS
from cladescope.training.curation.out.write import write
from cladescope.training.data.examples import load_examples
from tests.conftest import REPOSITORY
from tests.training.curation.out.made import job_of, rows_of, with_out
from tests.training.curation.tables import put_stages
from tests.training.data.test_shards import members


def bytes_of(out: Path) -> dict[str, bytes]:
    """Every file of a data set, by its place."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.relative_to(out).parts[0] != "work"
    }


def kept(folder: Path, split: str | None = None) -> dict[str, dict[str, Any]]:
    rows = rows_of(folder / "expected")
    return {row["id"]: row for row in rows if not row["dropped"] and split in (None, row["split"])}


def samples(path: Path) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {}
    for name, content in members(path).items():
        key, _, ending = name.partition(".")
        found.setdefault(key, {})[ending] = content
    return found


def test_a_sample_has_the_ten_texts_of_treeoflife_one_for_open_clip_and_what_they_do_not_tell(tmp_path):
    write(job_of(tmp_path / "in", tmp_path / "out"))
    (row,) = [one for one in kept(tmp_path).values() if one["row"] == 15]
    (path,) = {
        *pq.read_table(tmp_path / "out/catalog.parquet", filters=[("uuid", "=", row["id"])])[
            "shard_file_path"
        ].to_pylist()
    }
    sample = samples(tmp_path / "out" / path)[row["id"]]
    picture, beside = Image.open(io.BytesIO(sample.pop("jpg"))), json.loads(sample.pop("json"))
    assert (picture.size, picture.format) == ((32, 32), "JPEG")
    full, tag = (
        "Animalia Chordata Aves Passeriformes Paridae Parus major",
        "kingdom Animalia phylum Chordata class Aves order Passeriformes family Paridae genus Parus species major",
    )
    assert {name: text.decode() for name, text in sample.items()} == {
        "scientific_name.txt": "Parus major", "taxonomic_name.txt": full, "common_name.txt": "great tit", "sci.txt": "a photo of Parus major.",
        "com.txt": "a photo of great tit.", "taxon.txt": f"a photo of {full}.", "taxonTag.txt": f"a photo of {tag}.",
        "sci_com.txt": "a photo of Parus major with common name great tit.", "taxon_com.txt": f"a photo of {full} with common name great tit.",
        "taxonTag_com.txt": f"a photo of {tag} with common name great tit.", "txt": "a photo of Parus major with common name great tit.",
    }  # fmt: skip
    assert beside == {
        "source": "museum", "source_id": "sub/p15", "observation_id": "o5", "title": "picture | 15", "publisher": "Museum", "common_name": "great tit",
        "source_url": "https://b.org/15",
    }  # fmt: skip


def test_every_picture_that_is_in_is_in_one_shard_of_its_split_in_an_order_drawn_from_ids(tmp_path):
    found = write(job_of(tmp_path / "in", tmp_path / "out"))
    for split in ("train", "val", "test", "test_species"):
        ids = [key for path in sorted((tmp_path / f"out/shards/{split}").glob("*.tar")) for key in samples(path)]
        drawn = sorted(kept(tmp_path, split), key=lambda one: blake2b(one.encode(), digest_size=16).digest())
        assert ids == drawn
        assert found["splits"][split] == len(drawn) > 0
        sizes = json.loads((tmp_path / f"out/shards/{split}/sizes.json").read_text())
        assert list(sizes.values()) == [min(4, len(drawn) - start) for start in range(0, len(drawn), 4)]


def test_pictures_keep_their_own_bytes_at_size_0(tmp_path):
    write(job_of(tmp_path / "in", tmp_path / "out", size=0))
    found = {
        key: sample["jpg"] for path in (tmp_path / "out/shards").rglob("*.tar") for key, sample in samples(path).items()
    }
    assert found == {key: Path(row["picture_at"]).read_bytes() for key, row in kept(tmp_path).items()}


def test_pictures_inside_a_tar_file_and_regions_are_read(tmp_path):
    job = job_of(tmp_path / "in", tmp_path / "out", size=0)
    write(job)
    (shard, *_) = sorted((tmp_path / "out/shards/train").glob("*.tar"))
    key, sample = next(iter(samples(shard).items()))
    from tests.training.curation.tables import put_stages

    row = {**kept(tmp_path)[key], "row": 0, "picture_at": f"{shard}#{key}.jpg", "uri": f"{shard}#{key}.jpg"}
    region = {**row, "row": 1, "id": "region", "picture_at": f"{row['picture_at']}#box=0,0,20,20"}
    again = put_stages(job.config, tmp_path / "again", [{**row, "dropped": None}, region])
    write(again)
    found = samples(tmp_path / "again/shards" / row["split"] / "shard-000000.tar")
    assert found[key]["jpg"] == sample["jpg"]
    assert Image.open(io.BytesIO(found["region"]["jpg"])).size == (
        22,
        22,
    )  # the box and its margin, as `regions.cropped` has it


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_training_embedding_and_plain_webdataset_read_the_shards(tmp_path):
    write(job_of(tmp_path / "in", tmp_path / "out"))
    expected = kept(tmp_path, "train")
    spec = f"{tmp_path}/out/shards/train/*.tar"
    examples = load_examples(spec)
    read = dict(
        zip(
            examples.image_ids,
            zip(examples.taxa, examples.groups, examples.sources, examples.licences, strict=True),
            strict=True,
        )
    )
    assert read.keys() == expected.keys()
    for key, (taxon, group, source, licence) in read.items():
        row = expected[key]
        assert taxon.key == tuple("" if row[rank] is None else row[rank].lower() for rank in RANKS)[: len(taxon.path)]
        assert (group, source, licence) == (row["observation_id"], row["source"], row["licence"])
    records = {record.image_id: record for record in open_source(spec).records()}
    assert records.keys() == expected.keys()
    assert not any(record.problem for record in records.values())
    assert {key: record.labels.get("rights_holder") for key, record in records.items()} == {
        key: row["rights_holder"] for key, row in expected.items()
    }
    shards = sorted(map(str, (tmp_path / "out/shards/train").glob("*.tar")))
    plain = {sample["__key__"]: sample for sample in wds.WebDataset(shards, shardshuffle=False).decode("pil")}
    assert plain.keys() == expected.keys()
    assert all(
        sample["jpg"].size == (32, 32) and sample["json"]["source"] == expected[key]["source"]
        for key, sample in plain.items()
    )
    gc.collect()  # webdataset leaves files to be closed so
    tits = [sample["sci_com.txt"] for key, sample in plain.items() if expected[key]["genus"] == "Parus"]
    assert set(tits) == {"a photo of Parus major with common name great tit."}


@pytest.mark.filterwarnings("ignore")
def test_stock_open_clip_reads_the_shards(tmp_path):
    data = pytest.importorskip("open_clip_train.data", reason="open_clip_train comes with open_clip_torch")
    write(job_of(tmp_path / "in", tmp_path / "out"))
    expected = kept(tmp_path, "train")
    (n_shards,) = {len(list((tmp_path / "out/shards/train").glob("*.tar")))}
    spec = f"{tmp_path}/out/shards/train/shard-{{000000..{n_shards - 1:06d}}}.tar"
    args = SimpleNamespace(
        train_data=spec, val_data=spec, train_num_samples=None, val_num_samples=None, dataset_resampled=False,
        train_data_upsampling_factors=None, seed=0, batch_size=2, workers=0, world_size=1,
    )  # fmt: skip
    assert data.get_dataset_size(spec)[0] == len(expected)
    seen: list[str] = []

    def tokenizer(text):
        seen.append(text)
        return [len(seen)]

    found = data.get_wds_dataset(args, lambda image: image.size[0], is_train=False, tokenizer=tokenizer)
    pictures = [size for batch, _ in found.dataloader for size in batch]
    gc.collect()
    assert pictures == [32] * len(expected)
    assert sum("with common name great tit" in text for text in seen) == sum(
        row["genus"] == "Parus" for row in expected.values()
    )


def test_the_bytes_are_the_same_with_other_workers_in_another_process_and_elsewhere(tmp_path):
    write(job_of(tmp_path / "in", tmp_path / "a", workers=1))
    code = (
        "import sys; from pathlib import Path; from cladescope.training.curation.out.write import write; "
        "from tests.training.curation.out.made import job_of; write(job_of(Path(sys.argv[1]), Path(sys.argv[2]), workers=3))"
    )
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "in", tmp_path / "b"],
        check=True,
        cwd=REPOSITORY,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(REPOSITORY)},
    )
    first, second = bytes_of(tmp_path / "a"), bytes_of(tmp_path / "b")
    assert first == second
    write(job_of(tmp_path / "elsewhere/in", tmp_path / "c"))
    assert bytes_of(tmp_path / "c") == first
    assert not any(
        str(tmp_path).encode() in content for name, content in first.items() if not name.endswith(".parquet")
    )


def test_a_job_that_is_cut_short_goes_on_without_writing_a_shard_twice_and_gives_the_same_bytes(tmp_path, monkeypatch):
    from cladescope.training.curation.out import shards

    write(job_of(tmp_path / "in", tmp_path / "whole"))
    job = job_of(tmp_path / "in", tmp_path / "cut")
    original, n_written = shards._write, []

    def killed(path, *rest):
        if len(n_written) == 3:
            raise KeyboardInterrupt
        n_written.append(path)
        return original(path, *rest)

    monkeypatch.setattr(shards, "_write", killed)
    (tmp_path / "cut/curate.json").write_text("{}")  # of an earlier data set
    with pytest.raises(KeyboardInterrupt):
        write(job)
    assert not (tmp_path / "cut/curate.json").exists()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cut/shards").rglob("*.tar")}
    assert len(before) == 3
    monkeypatch.setattr(shards, "_write", original)
    write(job)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert bytes_of(tmp_path / "cut") == bytes_of(tmp_path / "whole")


def test_a_finished_folder_is_left_as_it_is_and_other_settings_are_refused(tmp_path):
    job = job_of(tmp_path / "in", tmp_path / "out")
    found = write(job)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert write(job) == found
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before
    with pytest.raises(InputError, match="begun with other settings of the stage write: out.size"):
        write(with_out(job, size=16))
    for path in sorted((tmp_path / "out/work/write").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert write(with_out(job, samples_per_shard=100))["splits"] == found["splits"]
    assert [path.name for path in sorted((tmp_path / "out/shards/train").glob("shard*"))] == ["shard-000000.tar"]


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_a_picture_that_is_gone_or_changed_stops_the_job_and_what_is_written_stays(tmp_path, harm):
    job = job_of(tmp_path / "in", tmp_path / "out", workers=1)
    last = max(
        (row for row in kept(tmp_path, "val").values()),
        key=lambda row: blake2b(row["id"].encode(), digest_size=16).digest(),
    )
    path = tmp_path / "in" / last["source"] / f"{last['image_id']}.jpg"
    content = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes((tmp_path / "in/birds/sub/p0.jpg").read_bytes())
    with pytest.raises(InputError, match=f"picture {last['id']} of {last['source']} can no longer be read") as raised:
        write(job)
    assert "\n" not in str(raised.value)
    written = list((tmp_path / "out/shards/train").glob("*.tar"))
    assert written
    assert not (tmp_path / "out/curate.json").exists()
    path.write_bytes(content)
    assert write(job)["splits"]["val"] == len(kept(tmp_path, "val"))


def test_a_full_disk_while_a_shard_is_written_is_one_line_and_running_it_again_finishes(tmp_path):
    job = job_of(tmp_path / "in", tmp_path / "out", samples_per_shard=100)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(path.stat().st_size for path in (tmp_path / "out").rglob("*.parquet"))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * largest + 30_000, before[1]))
        with pytest.raises(
            StoreError, match=r"cannot write shards into .*shards \(File too large\): make room and run it again"
        ) as raised:
            write(job)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(raised.value)
    assert [path for path in (tmp_path / "out/shards").rglob("*") if path.is_file()] == []
    assert write(job)["pictures"] == len(kept(tmp_path))


def test_a_picture_without_any_name_is_refused(tmp_path):
    from tests.training.curation.tables import put_stages

    job = job_of(tmp_path / "in", tmp_path / "out")
    rows = [{**row, "dropped": None, **dict.fromkeys(RANKS)} for row in rows_of(tmp_path / "in", 1)]
    with pytest.raises(InputError, match="has no name at any rank: drop such pictures by names.least_rank"):
        write(put_stages(job.config, tmp_path / "nameless", rows))


def test_what_is_written_anew_keeps_nothing_of_the_data_set_as_it_was(tmp_path):
    pytest.importorskip("lance")
    write(job_of(tmp_path / "in", tmp_path / "out", lance=True))
    assert (tmp_path / "out/catalog.lance").is_dir()
    shutil.rmtree(tmp_path / "out/work")
    rows = [{**row, "split": "train" if row["split"] == "test" else row["split"]} for row in rows_of(tmp_path / "in")]
    config = job_of(tmp_path / "in", tmp_path / "other").config
    for name in ("out", "fresh"):
        write(put_stages(config, tmp_path / name, rows, part_rows=7))
    assert not (tmp_path / "fresh/shards/test").exists()
    assert not (tmp_path / "out/shards/test").exists()
    assert not (tmp_path / "out/catalog.lance").exists()
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "fresh")


@pytest.mark.parametrize(
    "place, harm", [("shards", "gone"), ("shard", "short"), ("catalog.parquet", "short"), ("card.md", "gone")]
)
def test_what_a_finished_data_set_lacks_is_said_and_written_anew(tmp_path, caplog, place, harm):
    job = job_of(tmp_path / "in", tmp_path / "out")
    first = write(job)
    before = {path: path.read_bytes() for path in job.out.rglob("*") if path.is_file() and "work" not in path.parts}
    path = next((job.out / "shards").rglob("*.tar")) if place == "shard" else job.out / place
    if harm == "short":
        path.write_bytes(path.read_bytes()[:100])
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    caplog.clear()
    assert write(job) == first
    assert "of the finished data set is not as it was written" in caplog.text
    assert {path: path.read_bytes() for path in before} == before
    caplog.clear()
    assert write(job) == first
    assert caplog.text == ""
