"""Every picture is read once; what is kept of it is compared with what others compute; a source that disappears stops the job."""

import hashlib
import shutil

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageFilter
from scipy.signal import convolve2d

from cladescope.errors import InputError
from cladescope.training.curation import look as looking
from cladescope.training.curation import pdq
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.job import Job
from cladescope.training.curation.look import look
from cladescope.training.curation.sections import DuplicatesConfig, ExcludeConfig, PicturesConfig, SourceConfig
from tests.training.curation.tables import put_stage

needs_pdq = pytest.mark.skipif(
    not pdq.is_installed(), reason="the package pdqhash is not installed: it is compiled on Linux, by a C++ compiler"
)


def noise(size=(80, 120), seed=0):
    squares = np.random.default_rng(seed).integers(0, 256, (size[0] // 8, size[1] // 8, 3))
    return Image.fromarray(np.kron(squares, np.ones((8, 8, 1))).astype(np.uint8))


def job_of(folder, uris, *, part_rows=3, workers=2, out="out", **pictures):
    config = CurateConfig(
        sources=(SourceConfig(name="a", path=str(folder)),), workers=workers, pictures=PicturesConfig(**pictures),
        duplicates=DuplicatesConfig(near="copies"),
    )  # fmt: skip
    job = Job(config, folder / out, part_rows=part_rows)
    rows = [
        {"id": f"id-{number}", "source": "a", "record": number, "image_id": str(number), "uri": str(uri), "raw": "{}"}
        for number, uri in enumerate(uris)
    ]
    for stage in ("gather", "names", "screen"):
        put_stage(job, stage, rows)
    return job


def looked(job):
    return pa.concat_tables([table.unify_dictionaries() for table in job.scan("look")]).to_pylist()


def test_what_is_kept_of_a_picture_is_what_others_compute(tmp_path):
    noise().save(tmp_path / "a.png")
    noise(seed=1).save(tmp_path / "b.jpg", quality=90)
    job = job_of(tmp_path, [tmp_path / "a.png", f"{tmp_path}/a.png#box=10,20,60,40", tmp_path / "b.jpg"])
    look(job)
    whole, region, other = looked(job)
    data = (tmp_path / "a.png").read_bytes()
    assert whole["md5"] == hashlib.md5(data).hexdigest()
    assert whole["content_hash"] == hashlib.blake2b(data, digest_size=16).hexdigest()
    assert (whole["n_bytes"], whole["width"], whole["height"]) == (len(data), 120, 80)
    grey = noise().convert("L")
    assert whole["spread"] == pytest.approx(np.asarray(grey, float).std(), rel=1e-5)
    small = np.asarray(grey.resize((224, 224), Image.Resampling.BOX), float)
    kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    edges = convolve2d(np.pad(small, 1, mode="symmetric"), kernel, mode="valid")
    assert whole["sharpness"] == pytest.approx(edges.var(), rel=1e-4)
    assert (region["width"], region["height"]) == (72, 48), "a tenth of margin on each side, as where it is embedded"
    assert region["picture_at"].endswith("#box=10,20,60,40")
    assert region["content_hash"] != whole["content_hash"]
    assert other["dropped"] is None


@needs_pdq
def test_hashes_are_those_of_the_package_and_follow_the_mirror(tmp_path):
    import pdqhash

    noise().save(tmp_path / "a.png")
    noise().transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "b.png")
    job = job_of(tmp_path, [tmp_path / "a.png", tmp_path / "b.png"])
    look(job)
    one, other = looked(job)
    bits, quality = pdqhash.compute(np.asarray(noise()))
    assert one["pdq"] == np.packbits(bits.astype(np.uint8)).tobytes()
    assert one["pdq_quality"] == quality
    for a, b in ((one["pdq_mirrored"], other["pdq"]), (one["pdq"], other["pdq_mirrored"])):
        assert (int.from_bytes(a) ^ int.from_bytes(b)).bit_count() < 10
    assert (int.from_bytes(one["pdq"]) ^ int.from_bytes(other["pdq"])).bit_count() > 60


def test_what_cannot_be_used_is_dropped_in_few_words(tmp_path, caplog):
    noise().save(tmp_path / "good.png")
    noise((16, 16)).save(tmp_path / "small.png")
    Image.new("RGB", (90, 90), (40, 40, 40)).save(tmp_path / "blank.png")
    noise().filter(ImageFilter.GaussianBlur(12)).save(tmp_path / "blurred.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:300])
    names = ["good.png", "small.png", "blank.png", "blurred.png", "cut.png", "gone.png"]
    job = job_of(
        tmp_path, [*(tmp_path / name for name in names), "https://example.org/a.jpg"], blurred_below=20.0, fetch="never"
    )
    look(job)
    assert [row["dropped"] for row in looked(job)] == [
        None,
        "look: shorter side below 64 pixels",
        "look: blank",
        "look: blurred",
        "look: could not be decoded",
        "look: could not be read",
        "look: on the web, not fetched",
    ]
    assert f"could not be read ({tmp_path}/gone.png): no such file" in caplog.text
    assert sum(n for *_, n in job.manifest("look")["counts"]["dropped"]) == 6


def test_bytes_depend_on_no_number_of_threads(tmp_path):
    for number in range(9):
        noise(seed=number).save(tmp_path / f"{number}.png")
    uris = [tmp_path / f"{number}.png" for number in range(9)]
    jobs = [job_of(tmp_path, uris, workers=workers, out=f"out{workers}") for workers in (1, 5)]
    for job in jobs:
        look(job)
    assert [path.read_bytes() for path in sorted(jobs[0].work.glob("look/part-*"))] == [
        path.read_bytes() for path in sorted(jobs[1].work.glob("look/part-*"))
    ]


def test_a_source_whose_disk_is_taken_off_stops_the_job_and_goes_on_later(tmp_path, monkeypatch):
    photos = tmp_path / "photos" / "one"
    photos.mkdir(parents=True)
    for number in range(6):
        noise(seed=number).save(photos / f"{number}.png")
    job = job_of(tmp_path, [photos / f"{number}.png" for number in range(6)], workers=1)
    read = looking.read_bytes

    def taken_off(uri):
        if uri.endswith("4.png") and photos.exists():
            shutil.move(tmp_path / "photos", tmp_path / "elsewhere")
        return read(uri)

    monkeypatch.setattr(looking, "read_bytes", taken_off)
    with pytest.raises(
        InputError, match="the pictures of source a are gone .* bring them back and run the same command again"
    ):
        look(job)
    monkeypatch.setattr(looking, "read_bytes", read)
    assert [path.name for path in sorted(job.work.glob("look/part-*"))] == ["part-000000.parquet"]
    shutil.move(tmp_path / "elsewhere", tmp_path / "photos")
    look(job)
    assert [row["dropped"] for row in looked(job)] == [None] * 6


def test_without_the_package_what_needs_it_is_refused_at_once(monkeypatch):
    monkeypatch.setattr(pdq, "is_installed", lambda: False)
    sources = (SourceConfig(name="a", path="p"),)
    with pytest.raises(InputError, match="the package pdqhash is not installed: pip install 'cladescope.curate.'"):
        pdq.check_installed(CurateConfig(sources=sources))
    copies = DuplicatesConfig(near="copies")
    pdq.check_installed(CurateConfig(sources=sources, duplicates=copies))
    with pytest.raises(InputError, match="pdqhash"):
        pdq.check_installed(CurateConfig(sources=sources, duplicates=copies, exclude=(ExcludeConfig(pictures="test"),)))
