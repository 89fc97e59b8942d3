"""Pictures that are there twice: planted copies are found and told, good pictures stay."""

import hashlib
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from cladescope.errors import InputError
from cladescope.taxonomy import RANKS
from cladescope.training.curation import same_photograph
from cladescope.training.curation import single as stage_module
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.job import Job
from cladescope.training.curation.pdq import pdq_of
from cladescope.training.curation.sections import DuplicatesConfig, KindsConfig, SourceConfig
from cladescope.training.curation.single import OTHER_NAME, SAME_BYTES, SAME_PHOTOGRAPH, single
from tests.analysis.duplicates.made import photograph
from tests.training.curation.tables import put_stage

pytest.importorskip(
    "pdqhash", reason="perceptual hashes need the package pdqhash (it is compiled on Linux: a C++ compiler)"
)

TIT = ("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus major")
OAK = ("Plantae", "Tracheophyta", "Magnoliopsida", "Fagales", "Fagaceae", "Quercus", "Quercus robur")


def row_of(path, taxon=TIT, **more):
    """What the stages before say of a picture."""
    picture = Image.open(path).convert("RGB")
    data = path.read_bytes()
    own, mirrored, quality = pdq_of(picture)
    return {
        "id": path.stem, "source": "s", "record": 0, "image_id": path.stem, "uri": str(path), "raw": "{}",
        **dict(zip(RANKS, taxon, strict=False)),
        "picture_at": str(path), "content_hash": hashlib.blake2b(data, digest_size=16).hexdigest(), "md5": "",
        "n_bytes": len(data), "width": picture.width, "height": picture.height,
        "pdq": own, "pdq_mirrored": mirrored, "pdq_quality": quality, **more,
    }  # fmt: skip


def saved(picture, path, quality=88):
    picture.save(path, quality=quality)
    return path


def job_of(tmp_path, rows, part_rows=5, before="flag", **duplicates):
    config = CurateConfig(sources=(SourceConfig(name="s", path="s"),), duplicates=DuplicatesConfig(**duplicates))
    job = Job(config, tmp_path / "out", part_rows=part_rows)
    for stage in job.stages[: job.stages.index(before) + 1]:
        put_stage(job, stage, [{"dropped": None, **row} for row in rows])
    return job


def result(job):
    return [row for table in job.scan("single") for row in table.to_pylist()]


CHANGES = {
    "resized": lambda p: p.resize((150, 112), Image.Resampling.BICUBIC),
    "mirrored": ImageOps.mirror,
    "cropped": lambda p: p.crop((20, 15, 212, 159)),
    "recoloured": lambda p: ImageOps.grayscale(p).convert("RGB"),
    "saved anew": lambda p: p,
}


@pytest.fixture
def planted(tmp_path):
    """Eight photographs and a changed copy of the first five."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    whole = [saved(photograph(seed), folder / f"{seed}.jpg", 92) for seed in range(8)]
    copies = [
        saved(change(photograph(seed)), folder / f"copy-{seed}.jpg", 40 if name == "saved anew" else 88)
        for seed, (name, change) in enumerate(CHANGES.items())
    ]
    return [*map(row_of, whole), *map(row_of, copies)]


def test_changed_copies_are_dropped_and_no_other_picture(tmp_path, planted):
    job = job_of(tmp_path, planted)
    single(job)
    found = result(job)
    assert [row["dropped"] for row in found[:8]] == [None] * 8
    assert [row["dropped"] for row in found[8:]] == [f"single: {SAME_PHOTOGRAPH}"] * 5
    assert [row["duplicate_of"] for row in found[8:]] == [0, 1, 2, 3, 4]
    assert [row["cluster"] for row in found] == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4]
    assert [row["how"] for row in found[8:]] == ["smaller", "mirrored", "a part of it", "saved anew", "saved anew"]
    assert all(row["likeness"] >= 0.8 for row in found[8:])
    counts = job.manifest("single")
    assert counts["counts"]["dropped"] == [["s", SAME_PHOTOGRAPH, 5]]
    assert counts["more"]["duplicates"]["groups"] == 5


def test_what_the_pixels_do_not_show_is_not_found(tmp_path, planted, monkeypatch):
    """The figure turns bad where candidates are missing: nothing else leads to the copies."""
    monkeypatch.setattr(stage_module, "PARTS_UP_TO", 0)
    blind = [{**row, "pdq": None, "pdq_mirrored": None, "pdq_quality": None} for row in planted]
    job = job_of(tmp_path, blind)
    single(job)
    assert all(row["dropped"] is None for row in result(job))
    assert job.manifest("single")["more"]["duplicates"]["without_hash"] == 13


def test_hashes_alone_lead_to_all_but_crops(tmp_path, planted, monkeypatch):
    monkeypatch.setattr(stage_module, "PARTS_UP_TO", 0)
    job = job_of(tmp_path, planted)
    single(job)
    dropped = {row["row"] for row in result(job) if row["dropped"]}
    assert dropped >= {8, 9, 11, 12}
    assert dropped <= {8, 9, 10, 11, 12}


def test_same_bytes_are_found_and_the_best_is_kept(tmp_path, planted):
    genus = {**planted[5], "species": None}
    gone = {**planted[6], "dropped": "screen: licence forbids (by-nd)"}
    job = job_of(tmp_path, [genus, planted[5], planted[6], gone, planted[5]], near="copies")
    single(job)
    found = result(job)
    assert [row["dropped"] for row in found] == [
        f"single: {SAME_BYTES}", None, None, "screen: licence forbids (by-nd)", f"single: {SAME_BYTES}",
    ]  # fmt: skip
    assert [row["duplicate_of"] for row in found] == [1, None, None, None, 1]
    assert [row["cluster"] for row in found] == [0, 0, 2, None, 0]
    assert found[0]["how"] == "same file"
    assert found[0]["likeness"] == 1


@pytest.mark.parametrize(("act", "kept"), [("drop", []), ("keep", [0])])
def test_one_photograph_under_two_names(tmp_path, planted, act, kept):
    other = {**planted[8], **dict(zip(RANKS, OAK, strict=True))}
    job = job_of(tmp_path, [planted[0], other], contradiction=act)
    single(job)
    found = result(job)
    assert [row["row"] for row in found if row["dropped"] is None] == kept
    assert found[1]["dropped"] == f"single: {OTHER_NAME}"
    assert found[1]["duplicate_of"] == (0 if kept else None)
    assert [row["cluster"] for row in found] == [0, 0]


def test_nothing_is_sought_where_that_is_said(tmp_path, planted):
    job = job_of(tmp_path, [planted[0], planted[0], planted[8]], near="no")
    single(job)
    assert [(row["cluster"], row["dropped"]) for row in result(job)] == [(0, None), (1, None), (2, None)]


def test_a_second_run_gives_the_same_bytes(tmp_path, planted):
    for name in ("one", "two"):
        single(job_of(tmp_path / name, planted))
    files = [
        {path.name: path.read_bytes() for path in sorted((tmp_path / name / "out/work/single").iterdir())}
        for name in ("one", "two")
    ]
    assert files[0] == files[1]
    assert len(files[0]) > 4


def test_each_dropped_one_was_compared_with_its_keeper():
    found = stage_module._stars(4, np.array([[1, 0], [1, 2], [2, 3]]))
    assert found.keeper.tolist() == [0, 0, 2, 2]
    assert found.pair.tolist() == [-1, 0, -1, 2]


def test_of_three_under_two_names_none_is_left_where_they_are_dropped(tmp_path, planted):
    genus = {**planted[8], "species": None}
    oak = {**planted[0], **dict(zip(RANKS, OAK, strict=True))}
    job = job_of(tmp_path, [planted[0], genus, oak, planted[1]])
    single(job)
    found = result(job)
    assert [row["dropped"] for row in found] == [f"single: {OTHER_NAME}"] * 3 + [None]
    assert [row["duplicate_of"] for row in found] == [None] * 4
    assert [row["cluster"] for row in found] == [0, 0, 0, 3]


def test_frames_of_a_camera_trap_stay_unless_they_are_the_same_bytes(tmp_path, planted):
    trap = {"kind": "camera trap"}
    beast = {**planted[8], **dict(zip(RANKS, OAK, strict=True))}
    rows = [
        {**planted[0], **trap}, {**beast, **trap}, {**planted[0], **trap}, {**planted[1], **trap}, {**planted[9], **trap, "source": "t"},
        {**planted[2], **trap}, {**planted[10], "kind": "live"},
    ]  # fmt: skip
    job = job_of(tmp_path, rows)
    single(job)
    found = result(job)
    assert [row["dropped"] for row in found] == [
        None, None, f"single: {SAME_BYTES}", None, f"single: {SAME_PHOTOGRAPH}", None, f"single: {SAME_PHOTOGRAPH}",
    ]  # fmt: skip
    assert [row["cluster"] for row in found] == [0, 0, 0, 3, 3, 5, 5]
    assert job.manifest("single")["more"]["duplicates"]["frames_of_camera_traps"] == 1


def test_near_vectors_lead_to_crops_too(tmp_path, planted, monkeypatch):
    monkeypatch.setattr(stage_module, "PARTS_UP_TO", 0)
    blind = [{**row, "pdq": None, "pdq_mirrored": None, "pdq_quality": None} for row in planted]
    job = job_of(tmp_path, blind, before="look")
    job.config = replace(job.config, kinds=KindsConfig(encoder="made-up"))
    vectors = np.random.default_rng(0).standard_normal((13, 32))
    vectors[8:] = vectors[:5] + 0.1 * vectors[8:]
    with job.stage("encode", {}) as stage:
        for part in range(job.n_parts):
            some = slice(part * job.part_rows, (part + 1) * job.part_rows)
            unit = (vectors[some] / np.linalg.norm(vectors[some], axis=1, keepdims=True)).astype(np.float16)
            looked = job.read("look", part, ["row", "dropped"])
            column = pa.FixedSizeListArray.from_arrays(pa.array(unit.ravel()), 32)
            stage.write(part, pa.table({"row": looked["row"], "vector": column, "dropped": looked["dropped"]}))
    for stage in ("leaks", "flag"):
        put_stage(job, stage, blind)
    single(job)
    assert [row["row"] for row in result(job) if row["dropped"]] == [8, 9, 10, 11, 12]


def test_a_killed_job_goes_on_without_a_second_look(tmp_path, planted, monkeypatch):
    job = job_of(tmp_path, planted)
    single(job)
    folder = job.work / "single"
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "manifest.json").unlink()
    (folder / "part-000001.parquet").unlink()
    monkeypatch.setattr(same_photograph, "_compared", lambda *_: pytest.fail("compared again"))
    single(job)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


@pytest.mark.parametrize("parts_up_to, gone", [(0, "0"), (100, "0"), (100, "7")])
def test_a_picture_that_went_away_is_told(tmp_path, planted, monkeypatch, parts_up_to, gone):
    """Also one that nothing but its parts is compared of."""
    monkeypatch.setattr(stage_module, "PARTS_UP_TO", parts_up_to)
    job = job_of(tmp_path, planted)
    (tmp_path / "pictures" / f"{gone}.jpg").unlink()
    with pytest.raises(InputError, match=rf"{gone}\.jpg cannot be read any more"):
        single(job)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] != pair[1]), max_size=20))
def test_stars_hold_what_they_promise(pairs):
    found = stage_module._stars(10, np.array(pairs, np.int64).reshape(-1, 2))
    linked = {frozenset(pair) for pair in pairs}
    for node, kept in enumerate(found.keeper.tolist()):
        assert found.keeper[kept] == kept
        assert kept == node or (frozenset((node, kept)) in linked and kept < node)
    kept = np.flatnonzero(found.keeper == np.arange(10))
    assert not any(
        frozenset((one, other)) in linked for one in kept.tolist() for other in kept.tolist() if one != other
    )
