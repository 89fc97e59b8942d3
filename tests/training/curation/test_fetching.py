"""Pictures of the web: fetched once, kept in shards as they come, and gone on with where that was cut short."""

import errno
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import time
from contextlib import contextmanager

import pytest

import cladescope
from cladescope.embedding.locations import read_bytes
from cladescope.embedding.web import Web
from cladescope.errors import InputError, StoreError
from cladescope.training.curation import fetching
from cladescope.training.curation.look import look
from cladescope.training.curation.sections import SourceConfig
from tests.embedding.encoding import encode
from tests.embedding.test_web import server
from tests.training.curation.test_look import a_job, photograph, rows_of

__all__ = ["server"]
PICTURES = [encode(photograph(n), "PNG") for n in range(12)]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A client that does not wait long, and is of this test alone."""
    web = Web(pause=0.01)
    monkeypatch.setattr(fetching, "introduce", lambda contact: web)


@pytest.fixture
def pictures(server):
    """Addresses of pictures that come back in another order than they are asked for."""

    def answer(number):
        def slow():
            time.sleep(0.02 * (number % 3 == 0))
            return 200, {}, PICTURES[number]

        return slow

    for number in range(len(PICTURES)):
        server.answers[f"/{number}.png"] = answer(number)
    return [f"{server.address}/{number}.png" for number in range(len(PICTURES))]


def members(tar):
    with tarfile.open(tar) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive}


def asked(server):
    return sorted(path for _, path, _ in server.asked)


def test_pictures_are_fetched_once_and_kept(tmp_path, server, pictures, monkeypatch):
    monkeypatch.setattr(fetching, "SHARD_PICTURES", 5)
    uris = [*pictures, f"{pictures[0]}#box=0,0,90,90"]
    job, other = (a_job(tmp_path, uris, part_rows=20, out=out, dropped=[7]) for out in ("out", "other"))
    look(job)
    assert asked(server) == sorted(f"/{n}.png" for n in range(12) if n != 7)
    rows = rows_of(job)
    assert {row["dropped"] for row in rows} == {None, "screen: no"}
    for number, row in enumerate(rows[:12]):
        if number != 7:
            assert read_bytes(row["picture_at"]) == PICTURES[number]
            assert row["md5"] == hashlib.md5(PICTURES[number]).hexdigest()
    assert rows[12]["picture_at"] == f"{rows[0]['picture_at']}#box=0,0,90,90"
    shards = sorted((job.work / "fetched").iterdir())
    assert [shard.name for shard in shards] == [f"part-000000-{n:04d}.tar" for n in range(3)]
    told = members(shards[0])
    names = [name.partition(".")[0] for name in told]
    assert names[::2] == names[1::2], "each picture is followed by what is said of it"
    assert sorted(told) == sorted(f"id{n}.{ending}" for n in range(5) for ending in ("png", "json"))
    assert json.loads(told["id3.json"]) == {
        "url": pictures[3],
        "n_bytes": len(PICTURES[3]),
        "md5": hashlib.md5(PICTURES[3]).hexdigest(),
        "sha256": hashlib.sha256(PICTURES[3]).hexdigest(),
    }
    look(other)
    for shard in shards:
        assert members(shard) == members(other.work / "fetched" / shard.name)
    assert {row["md5"] for row in rows_of(other)} == {row["md5"] for row in rows}


@pytest.mark.parametrize("cut", [1, 512, 700, 2000, 0.5, 0.9, 0.9999, "garbled"])
def test_a_shard_that_was_cut_short_anywhere_goes_on_after_what_is_whole(tmp_path, server, pictures, cut):
    server.answers["/2.png"] = lambda: (404, {}, b"")
    job = a_job(tmp_path, pictures, part_rows=20)
    look(job)
    (shard,) = (job.work / "fetched").iterdir()
    told, whole, part = members(shard), shard.read_bytes(), job.path("look", 0).read_bytes()
    with tarfile.open(shard) as archive:
        ends = {one.name: one.offset_data + -(-one.size // 512) * 512 for one in archive}
    for file in (job.path("look", 0), job.work / "look" / "manifest.json"):
        file.unlink()
    length = cut if isinstance(cut, int) else ends["id9.png"] if cut == "garbled" else int(len(whole) * cut)
    rest = b"" if cut != "garbled" else bytes(4096)  # as a file system may leave a file after a loss of power
    shard.write_bytes(whole[:length] + rest)
    server.asked.clear()
    look(job)
    lost = [n for n in range(12) if ends[f"id{n}.json"] > length]
    assert asked(server) == sorted(f"/{n}.png" for n in lost)
    assert members(shard) == told
    assert job.path("look", 0).read_bytes() == part
    assert rows_of(job)[2]["dropped"] == "look: server has it no more (404)"


@pytest.mark.parametrize("slow", [0, 5, 11])
def test_a_job_that_is_killed_asks_for_no_whole_picture_again(tmp_path, server, pictures, slow):
    """None of those that came waits for one that does not."""
    release = []

    def late():
        while not release:
            time.sleep(0.01)
        return 200, {}, PICTURES[slow]

    server.answers[f"/{slow}.png"] = late
    job = a_job(tmp_path, pictures, part_rows=20)
    code = (
        "import sys; from pathlib import Path\n"
        "from cladescope.training.curation.job import Job\n"
        "from cladescope.training.curation.look import look\n"
        "from cladescope.training.curation.config import CurateConfig\n"
        "from cladescope.training.curation.sections import SourceConfig\n"
        "out = Path(sys.argv[1])\n"
        "look(Job(CurateConfig(sources=(SourceConfig(name='birds', path=str(out.parent / 'birds')),)), out, part_rows=20))"
    )
    shard = job.work / "fetched" / "part-000000-0000.tar"
    with subprocess.Popen([sys.executable, "-c", code, str(job.out)]) as process:
        deadline = time.monotonic() + 60
        while not (shard.exists() and shard.read_bytes().count(b".json\0") == 11) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    release.append(True)
    assert not job.path("look", 0).exists()
    look(job)
    assert asked(server) == sorted([*(f"/{n}.png" for n in range(12)), f"/{slow}.png"])
    assert [row["md5"] for row in rows_of(job)] == [hashlib.md5(one).hexdigest() for one in PICTURES]


def test_what_the_web_does_not_give_is_dropped_in_few_words(tmp_path, server, pictures):
    for number, status in enumerate((404, 410, 403, 401, 418, 503)):
        server.answers[f"/{number}.png"] = lambda status=status: (status, {}, b"")
    server.answers["/6.png"] = lambda: (200, {}, b"<html>log in</html>")
    server.answers["/7.png"] = lambda: (200, {}, b"no picture at all")
    job = a_job(tmp_path, [*pictures[:9], "http://127.0.0.1:9/a.jpg"], part_rows=20)
    look(job)
    assert [row["dropped"] for row in rows_of(job)] == [
        "look: server has it no more (404)",
        "look: server has it no more (410)",
        "look: server refused",
        "look: server refused",
        "look: server did not give it",
        "look: server did not give it",
        "look: server did not give it",
        "look: could not be decoded",
        None,
        "look: server could not be reached",
    ]


def test_what_was_not_given_is_asked_for_again_where_pictures_are_looked_at_anew(tmp_path, server, pictures):
    given = dict(server.answers)
    for number in (0, 4, 5, 11):
        server.answers[f"/{number}.png"] = lambda: (503, {}, b"")
    config = tmp_path / "tree.toml"
    rows = "".join(f"{url},Parus major,{number}\n" for number, url in enumerate(pictures))
    (tmp_path / "a.csv").write_text(f"file,species,image_id\n{rows}")
    config.write_text(
        '[[sources]]\nname = "a"\npath = "a.csv"\n[duplicates]\nnear = "copies"\n[pictures]\nmin_side = 8\n[splits]\nval = 0\n'
    )
    first = cladescope.curate(config, out=tmp_path / "out")
    assert first.n_pictures == 8
    server.answers.update({**given, "/11.png": server.answers["/11.png"]})
    server.asked.clear()
    assert cladescope.curate(config, out=tmp_path / "out").n_pictures == 8
    assert server.asked == []
    again = cladescope.curate(config, out=tmp_path / "out", redo="look")
    assert again.n_pictures == 11
    assert {*asked(server)} == {"/0.png", "/4.png", "/5.png", "/11.png"}
    server.answers["/11.png"] = given["/11.png"]
    server.asked.clear()
    whole = cladescope.curate(config, out=tmp_path / "out", redo="look")
    assert (whole.n_pictures, asked(server)) == (12, ["/11.png"])
    fresh = cladescope.curate(config, out=tmp_path / "fresh")
    assert fresh.summary == whole.summary


def test_a_disk_that_fills_up_while_failures_are_taken_out_leaves_the_shard_as_it_was(
    tmp_path, server, pictures, monkeypatch
):
    server.answers["/3.png"] = lambda: (404, {}, b"")
    look(a_job(tmp_path, pictures, part_rows=20))
    (shard,) = (tmp_path / "out/work/fetched").glob("*.tar")
    before = shard.read_bytes()

    @contextmanager
    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield

    with monkeypatch.context() as patch:
        patch.setattr(fetching, "replacing", full)
        with pytest.raises(StoreError, match="No space left on device.: make room and run"):
            fetching.forget_failed(shard.parent)
    assert shard.read_bytes() == before
    fetching.forget_failed(shard.parent)
    pngs = {name for name in members(shard) if name.endswith(".png")}
    assert pngs == {f"id{n}.png" for n in range(12) if n != 3}
    assert "id3.json" not in members(shard)


def test_a_disk_that_fills_up_stops_the_job_and_loses_nothing(tmp_path, server, pictures, monkeypatch):
    job = a_job(tmp_path, pictures, part_rows=20)
    add = fetching._add

    def full(archive, member, data):
        if member == "id7.png":
            archive.fileobj.write(data[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        add(archive, member, data)

    monkeypatch.setattr(fetching, "_add", full)
    with pytest.raises(StoreError, match="part-000000-0000.tar .No space left on device.: make room and run"):
        look(job)
    assert not job.path("look", 0).exists()
    monkeypatch.setattr(fetching, "_add", add)
    (shard,) = (job.work / "fetched").iterdir()
    kept = shard.read_bytes()
    lost = [n for n in range(12) if f"id{n}.json".encode() not in kept]
    assert 7 in lost
    server.asked.clear()
    look(job)
    assert asked(server) == sorted(f"/{n}.png" for n in lost)
    assert {row["dropped"] for row in rows_of(job)} == {None}


def test_a_shard_of_other_pictures_is_not_taken_for_these(tmp_path, server, pictures):
    job = a_job(tmp_path, pictures, part_rows=20)
    list(fetching.fetch(job, 0, [fetching.Wanted("other", pictures[0], public_only=False)]))
    with pytest.raises(InputError, match="has other pictures than the sources: delete"):
        look(job)


def test_several_servers_are_asked_at_the_same_time_and_each_a_few_times(tmp_path, server, pictures):
    for number in range(12):
        server.answers[f"/{number}.png"] = lambda number=number: (time.sleep(0.1), (200, {}, PICTURES[number]))[1]
    other = [address.replace("127.0.0.1", "localhost") for address in pictures]
    job = a_job(tmp_path, [*pictures, *other], part_rows=40)
    look(job)
    assert 4 < server.most_at_once <= 8, "four of each name that it has"
    assert {row["dropped"] for row in rows_of(job)} == {None}


def test_a_table_of_the_web_may_not_lead_into_this_network(tmp_path, server, pictures):
    """As for `embed`: only the table's own server is asked, wherever that is."""
    port = int(server.address.rpartition(":")[2])
    for name, place, n in (
        ("own", f"{server.address}/table.csv", 2),
        ("other", f"http://127.0.0.1:{port + 1}/table.csv", 0),
    ):
        sources = (SourceConfig(name="birds", path=place),)
        job = a_job(tmp_path, pictures[:2], out=name, sources=sources, min_side=1)
        look(job)
        assert [row["dropped"] is None for row in rows_of(job)] == [n == 2] * 2
        assert len(asked(server)) == 2
