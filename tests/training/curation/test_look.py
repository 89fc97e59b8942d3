"""A look at each picture: what is measured, by independent means, and what is dropped."""

import hashlib
import io
import logging
import shutil

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from cladescope.embedding.decode import decode
from cladescope.embedding.prepare import region_hash
from cladescope.embedding.regions import Box
from cladescope.errors import InputError
from cladescope.training.curation import look as looking
from cladescope.training.curation import pdq
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.job import Job
from cladescope.training.curation.look import look
from cladescope.training.curation.sections import DuplicatesConfig, ExcludeConfig, PicturesConfig, SourceConfig
from tests.training.curation.tables import put_stage


def photograph(seed, size=(160, 120)):
    """Made-up blobs, which have a PDQ hash of their own."""
    values = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(values).resize(size, Image.Resampling.BICUBIC)


def saved(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return str(path)


def a_job(folder, uris, *, dropped=(), part_rows=4, workers=2, out="out", sources=None, **pictures):
    config = CurateConfig(
        sources=sources or (SourceConfig(name="birds", path=str(folder / "birds")),),
        workers=workers,
        pictures=PicturesConfig(**pictures),
    )
    job = Job(config, folder / out, part_rows=part_rows)
    rows = [
        {"id": f"id{n}", "source": "birds", "record": n, "image_id": f"i{n}", "uri": uri, "raw": "{}"}
        for n, uri in enumerate(uris)
    ]
    for stage in ("gather", "names", "screen"):
        put_stage(
            job,
            stage,
            [
                {**row, "dropped": "screen: no" if n in dropped and stage == "screen" else None}
                for n, row in enumerate(rows)
            ],
        )
    return job


def rows_of(job):
    return pa.concat_tables([table.unify_dictionaries() for table in job.scan("look")]).to_pylist()


def bits(data):
    return np.unpackbits(np.frombuffer(data, np.uint8))


def test_what_is_measured_is_what_numpy_and_hashlib_find(tmp_path):
    uris = [saved(tmp_path / "birds" / f"{n}.png", photograph(n)) for n in range(3)]
    job = a_job(tmp_path, [*uris, f"{uris[0]}#box=10,10,100,100"], dropped=[1])
    look(job)
    rows = rows_of(job)
    assert [row["dropped"] for row in rows] == [None, "screen: no", None, None]
    assert {value for name, value in rows[1].items() if name not in ("row", "dropped")} == {None}
    for number in (0, 2):
        data = (tmp_path / "birds" / f"{number}.png").read_bytes()
        grey = np.asarray(Image.open(io.BytesIO(data)).convert("L"), float)
        row = rows[number]
        assert row["content_hash"] == hashlib.blake2b(data, digest_size=16).hexdigest()
        assert row["md5"] == hashlib.md5(data).hexdigest()
        assert (row["n_bytes"], row["width"], row["height"]) == (len(data), 160, 120)
        assert row["spread"] == pytest.approx(np.sqrt(((grey - grey.mean()) ** 2).mean()), rel=1e-5)
        small = np.asarray(decode(data).image.convert("L").resize((224, 224), Image.Resampling.BILINEAR), float)
        padded = np.pad(small, 1, mode="symmetric")
        laplacian = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * small
        assert row["sharpness"] == pytest.approx(laplacian.var(), rel=1e-5)
        assert row["picture_at"] == uris[number]
    assert rows[3]["content_hash"] == region_hash(rows[0]["content_hash"], Box(10, 10, 100, 100))
    assert rows[3]["md5"] == rows[0]["md5"]
    assert rows[3]["width"] < 160
    assert rows[3]["picture_at"].endswith("0.png#box=10,10,100,100")


def test_the_mirrored_hash_is_that_of_left_and_right_exchanged():
    package = pytest.importorskip("pdqhash")
    for seed in range(8):
        image = photograph(seed, (400, 300))
        found = pdq.pdq_of(image)
        plain, quality = package.compute(np.asarray(image))
        assert found.hash == np.packbits(plain.astype(np.uint8)).tobytes()
        assert found.quality == quality
        distances = {
            turn: int((bits(found.mirrored) != package.compute(np.asarray(image.transpose(turn)))[0]).sum())
            for turn in Image.Transpose
        }
        assert min(distances, key=distances.__getitem__) == Image.Transpose.FLIP_LEFT_RIGHT
        assert distances[Image.Transpose.FLIP_LEFT_RIGHT] <= 31
        large = pdq.pdq_of(image.resize((1600, 1200), Image.Resampling.BICUBIC))
        assert (bits(large.hash) != bits(found.hash)).sum() <= 31


def test_what_is_wrong_with_a_picture_is_counted_in_few_words(tmp_path, caplog):
    birds = tmp_path / "birds"
    uris = [saved(birds / "good.png", photograph(1))]
    uris.append(saved(birds / "small.png", photograph(2, (63, 200))))
    uris.append(saved(birds / "blank.png", Image.new("RGB", (100, 100), "teal")))
    uris.append(saved(birds / "blurred.png", Image.linear_gradient("L")))
    (birds / "broken.png").write_bytes((birds / "good.png").read_bytes()[:900])
    uris += [str(birds / "broken.png"), str(birds / "missing.png"), "https://nowhere.invalid/a.jpg"]
    uris += [f"{birds / 'broken.png'}#box=0,0,{n},20" for n in (20, 30)]
    job = a_job(tmp_path, uris, blurred_below=2.0, fetch="never")
    with caplog.at_level(logging.WARNING):
        look(job)
    assert [row["dropped"] for row in rows_of(job)] == [
        None,
        "look: shorter side below 64 pixels",
        "look: blank",
        "look: blurred",
        "look: could not be decoded",
        "look: could not be read",
        "look: on the web, not fetched",
        *["look: could not be decoded"] * 2,
    ]
    assert job.manifest("look")["counts"]["in"] == {"birds": 9}
    assert len(job.manifest("look")["counts"]["dropped"]) == 6
    assert f"no such file: {birds / 'missing.png'}" in caplog.text
    assert rows_of(job)[4]["md5"] == hashlib.md5((birds / "broken.png").read_bytes()).hexdigest()


def test_how_many_look_at_the_same_time_changes_no_byte(tmp_path):
    uris = [saved(tmp_path / "birds" / f"{n}.png", photograph(n)) for n in range(6)]
    uris += [f"{uris[0]}#box=0,0,{n},90" for n in (80, 90, 100)] + [str(tmp_path / "birds" / "no.png")]
    one, many = (a_job(tmp_path, uris, workers=n, out=f"out{n}") for n in (1, 5))
    for job in (one, many):
        look(job)
    for part in range(3):
        assert one.path("look", part).read_bytes() == many.path("look", part).read_bytes()


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("is_table", [False, True])
def test_a_source_that_disappears_half_way_stops_the_job_and_drops_nothing(tmp_path, monkeypatch, is_table, again):
    birds = tmp_path / "birds"
    uris = [saved(birds / f"{n}.png", photograph(n)) for n in range(8)]
    path = birds
    if is_table:  # the source stays, and the folder that it tells of goes
        path = tmp_path / "birds.csv"
        path.write_text("file\n")
    sources = (SourceConfig(name="birds", path=str(path)),)
    job, whole = (a_job(tmp_path, uris, sources=sources, out=out, workers=1) for out in ("out", "whole"))
    look(whole)
    monkeypatch.setattr(looking, "_AHEAD", 1)
    read = looking.read_bytes

    def vanishing(uri):
        if uri == uris[5]:
            shutil.move(birds, tmp_path / "away")
        return read(uri)

    monkeypatch.setattr(looking, "read_bytes", vanishing)
    for _ in range(1 + again):
        with pytest.raises(
            InputError, match="source birds disappears: .*birds is gone; bring it back and run the same"
        ):
            look(Job(job.config, job.out, part_rows=4))
        monkeypatch.setattr(looking, "read_bytes", read)
    assert job.path("look", 0).exists()
    assert not job.path("look", 1).exists()
    shutil.move(tmp_path / "away", birds)
    look(job)
    assert [row["dropped"] for row in rows_of(job)] == [None] * 8
    for part in range(2):
        assert job.path("look", part).read_bytes() == whole.path("look", part).read_bytes()


def test_earlier_parts_are_looked_through_once_however_many_folders_are_missing(tmp_path, monkeypatch):
    there = [saved(tmp_path / "birds" / f"{n}.png", photograph(n)) for n in range(4)]
    missing = [str(tmp_path / "birds" / f"gone-{n}" / "a.png") for n in range(8)]
    job = a_job(tmp_path, [*there, *missing])
    read, parts = Job.read, []

    def counted(self, stage, part, columns=None):
        if columns == ["picture_at"]:
            parts.append(part)
        return read(self, stage, part, columns)

    monkeypatch.setattr(Job, "read", counted)
    look(job)
    assert [row["dropped"] for row in rows_of(job)] == [None] * 4 + ["look: could not be read"] * 8
    assert parts == [0]


def test_without_the_package_hashes_are_null_or_the_job_does_not_begin(tmp_path, monkeypatch):
    for module in (pdq, looking):
        monkeypatch.setattr(module, "is_installed", lambda: False)
    sources = (SourceConfig(name="birds", path="birds"),)
    for config in (
        CurateConfig(sources=sources),
        CurateConfig(
            sources=sources, duplicates=DuplicatesConfig(near="no"), exclude=(ExcludeConfig(pictures="tasks"),)
        ),
    ):
        with pytest.raises(InputError, match="pip install 'cladescope.curate.'; or set duplicates.near to copies"):
            pdq.check_installed(config)
    job = a_job(tmp_path, [saved(tmp_path / "birds" / "0.png", photograph(0))])
    with pytest.raises(InputError, match="pdqhash is not installed"):
        look(job)
    assert not (job.work / "look").exists()
    job.config = CurateConfig(sources=job.config.sources, duplicates=DuplicatesConfig(near="copies"))
    look(job)
    assert rows_of(job)[0]["pdq"] is None
    assert rows_of(job)[0]["width"] == 160
