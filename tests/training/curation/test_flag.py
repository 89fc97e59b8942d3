"""Kinds by the source or guessed with a confidence that holds, and people: nothing is guessed where vectors say nothing."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.encode import encode, schema_of
from cladescope.training.curation.flag import flag
from cladescope.training.curation.flow import carried
from cladescope.training.curation.job import Job
from cladescope.training.curation.sections import KindsConfig, PeopleConfig, SourceConfig, SplitsConfig
from cladescope.training.curation.split import split
from tests.training.curation.tables import put_stage

CENTRES = {"live": (4.0, 0, 0, 0), "specimen": (0, 4.0, 0, 0), "drawing": (0, 0, 4.0, 0)}


def drawn(rng, kinds, *, apart=1.0):
    """Vectors of pictures of these kinds; nothing that tells them where they are not apart."""
    return np.array([np.array(CENTRES[kind]) * apart + rng.normal(size=4) for kind in kinds], np.float32)


def flagged(folder, rows, vectors=None, *, part_rows=70, people=None, load=None, **kinds):
    """Rows after the stage as dictionaries, and the job."""
    config = CurateConfig(
        sources=(SourceConfig(name="a", path="a"),),
        kinds=KindsConfig(encoder="pixels" if vectors is not None else "", **kinds),
        people=people or PeopleConfig(),
    )
    job = Job(config, folder, part_rows=part_rows, load_encoder=load)
    told = [
        {"source": "a", "id": f"{n:04}", "image_id": str(n), "uri": f"/{n}.jpg", **row} for n, row in enumerate(rows)
    ]
    for stage in ("gather", "names", "screen", "look"):
        put_stage(job, stage, told)
    if vectors is not None:
        with job.stage("encode", {}) as stage:
            for part, start in enumerate(range(0, len(rows), part_rows)):
                some = vectors[start : start + part_rows].astype(np.float16)
                before = job.read("look", part, ["row", "dropped"])
                column = pa.FixedSizeListArray.from_arrays(pa.array(some.ravel()), vectors.shape[1])
                made = [before["row"], column, carried("encode", before["dropped"], [None] * len(some))]
                stage.write(part, pa.Table.from_arrays(made, schema=schema_of(vectors.shape[1])))
    put_stage(job, "leaks", told)
    flag(job)
    return [row for table in job.scan("flag") for row in table.to_pylist()], job


def test_without_an_encoder_kinds_are_those_of_the_sources(tmp_path):
    rows = [{"kind": "live"}, {"kind": None}, {"kind": "drawing", "dropped": "screen: x"}, {"kind": "fossil"}]
    found, job = flagged(tmp_path / "out", rows)
    assert [row["kind"] for row in found] == ["live", None, None, "fossil"]
    assert {row["kind_confidence"] for row in found} == {None}
    assert job.manifest("flag")["counts"]["changed"] == [["a", "kind not known", 1]]
    assert "no encoder" in job.manifest("flag")["more"]["kinds"]["why none is guessed"]


def test_kinds_are_guessed_where_that_is_sure_and_those_that_are_not_kept_are_dropped(tmp_path):
    rng = np.random.default_rng(5)
    true = rng.choice(sorted(CENTRES), 600)
    rows = [{"kind": str(kind) if n < 400 else None, "content_hash": f"h{n}"} for n, kind in enumerate(true)]
    found, job = flagged(tmp_path / "out", rows, drawn(rng, true, apart=2), keep=("live", "specimen"))
    guessed = [(row, kind) for row, kind in zip(found[400:], true[400:], strict=True) if row["kind"]]
    assert len(guessed) > 150
    assert sum(row["kind"] == kind for row, kind in guessed) / len(guessed) >= 0.9
    assert min(row["kind_confidence"] for row, _ in guessed) >= 0.9
    assert {row["kind_confidence"] for row in found[:400]} == {None}
    for row, _ in guessed:
        assert row["dropped"] == ("flag: shows a drawing (guessed)" if row["kind"] == "drawing" else None)
    assert all(row["dropped"] is None for row in found[400:] if row["kind"] is None)
    counts = job.manifest("flag")["counts"]
    said = Counter(row["kind"] for row in found[400:])
    assert counts["dropped"] == [["a", "shows a drawing (guessed)", said["drawing"]]]
    assert counts["changed"] == [
        ["a", "kind guessed: live", said["live"]],
        ["a", "kind guessed: specimen", said["specimen"]],
        *([["a", "kind not known", said[None]]] if said[None] else []),
    ]


def test_the_same_input_gives_the_same_bytes(tmp_path):
    manifests = []
    for name in "ab":
        rng = np.random.default_rng(6)
        true = rng.choice(sorted(CENTRES), 300)
        rows = [{"kind": str(kind) if n % 3 else None} for n, kind in enumerate(true)]
        manifests.append(flagged(tmp_path / name, rows, drawn(rng, true))[1].manifest("flag"))
    assert manifests[0] == manifests[1]


def test_pictures_of_one_observation_count_as_one(tmp_path):
    rng = np.random.default_rng(1)
    true = ["live", "specimen"] * 100
    for name, observations in (("many", 100), ("few", 10)):
        rows = [{"kind": kind, "observation_id": f"{kind} {n % observations}"} for n, kind in enumerate(true)]
        _, job = flagged(tmp_path / name, [*rows, {"kind": None}], drawn(rng, [*true, "live"], apart=2))
        assert (job.manifest("flag")["more"]["kinds"]["guesses"] == {}) == (name == "few")


def test_kinds_are_learnt_from_examples_of_a_list(tmp_path):
    rng = np.random.default_rng(2)
    pictures = []
    for n in range(80):
        level = 40 if n % 2 else 200
        path = tmp_path / f"{n}.png"
        Image.fromarray(rng.integers(level - 20, level + 20, (40, 40, 3)).astype(np.uint8)).save(path)
        pictures.append(path)
    lines = [f"{path.name},{'drawing' if n % 2 else 'live'}" for n, path in enumerate(pictures[:70])]
    (tmp_path / "kinds.csv").write_text("\n".join(["file,kind", *lines]))
    vectors = Encoder.load("pixels").encode_images(pictures[70:])
    found, job = flagged(tmp_path / "out", [{}] * 10, vectors, support=str(tmp_path / "kinds.csv"), load=Encoder.load)
    assert [row["kind"] for row in found] == ["live", "drawing"] * 5
    assert job.manifest("flag")["more"]["kinds"]["examples"] == {"read": 70, "not readable": 0}
    (tmp_path / "kinds.csv").write_text("file,kind\n0.png,statue")
    with pytest.raises(InputError, match="says the kind 'statue' in record 0: expected a column kind"):
        flagged(tmp_path / "bad", [{}] * 10, vectors, support=str(tmp_path / "kinds.csv"), load=Encoder.load)


@pytest.mark.parametrize("act", ["flag", "drop"])
def test_people_are_flagged_or_dropped(tmp_path, act):
    (tmp_path / "found.csv").write_text("image_id,kind,score\n0,person,0.9\n0,face,0.7\n1,animal,0.8\n0,hand,0.1\n")
    rows = [{"kind": "live"}] * 3 + [{"kind": "live", "dropped": "screen: x"}]
    found, job = flagged(
        tmp_path / "out", rows, people=PeopleConfig(detections=(str(tmp_path / "found.csv"),), act=act)
    )
    assert [row["people"] for row in found] == [["face", "person"], [], None, None]
    assert [row["people_score"] for row in found] == [pytest.approx(0.9), None, None, None]
    manifest = job.manifest("flag")
    counts, told = manifest["counts"], manifest["more"]["people"]
    if act == "drop":
        assert counts["dropped"] == [["a", "shows people (detected: face, person)", 1]]
        assert counts["changed"] == []
    else:
        assert counts["dropped"] == []
        assert counts["changed"] == [["a", "flagged: face, person", 1]]
    assert told["pictures with people"] == 1
    assert told["pictures not looked at"] == 1
    assert told["met"] == 2


def test_what_is_flagged_is_encoded_before_and_split_after(tmp_path):
    rng = np.random.default_rng(4)
    rows = []
    for n in range(90):
        path = tmp_path / f"{n}.png"
        level = 40 if n % 2 else 200
        Image.fromarray(rng.integers(level - 20, level + 20, (40, 40, 3)).astype(np.uint8)).save(path)
        kind = None if n >= 80 else "drawing" if n % 2 else "live"
        rows.append({"source": "a", "id": f"{n:02}", "kingdom": "Animalia", "kind": kind, "picture_at": str(path)})
    rows[3]["dropped"] = "look: blank"
    (tmp_path / "85.png").unlink()
    config = CurateConfig(
        sources=(SourceConfig(name="a", path=str(tmp_path)),),
        kinds=KindsConfig(encoder="pixels", keep=("live",)),
        splits=SplitsConfig(val=0.25),
    )
    job = Job(config, tmp_path / "out", part_rows=40, load_encoder=Encoder.load)

    def put_as_before(stage):
        before = [one for table in job.scan(job.before(stage), ["dropped"]) for one in table["dropped"].to_pylist()]
        put_stage(job, stage, [{**row, "dropped": why} for row, why in zip(rows, before, strict=True)])

    for stage in job.stages[:4]:
        put_stage(job, stage, [{**row, "dropped": row.get("dropped") if stage == "look" else None} for row in rows])
    for stage in job.stages[4:]:
        {"encode": encode, "flag": flag, "split": split}.get(stage, lambda job, stage=stage: put_as_before(stage))(job)
    found = [row for table in job.scan("split") for row in table.to_pylist()]
    assert found[3]["dropped"] == "look: blank"
    assert found[85]["dropped"] == "encode: could not be read again"
    assert {found[n]["dropped"] for n in (81, 83, 87, 89)} == {"flag: shows a drawing (guessed)"}
    assert Counter(row["split"] for row in found) == {None: 6, "val": 21, "train": 63}
    for before, after in zip(job.stages, job.stages[1:], strict=False):
        told = [job.manifest(stage)["counts"] for stage in (before, after)]
        passed = told[0]["in"]["a"] - sum(n for *_, n in told[0]["dropped"])
        assert told[1]["in"]["a"] == passed
