"""Pictures of the web are fetched once, kept with their hashes, and asked for again by nobody who has them."""

import hashlib
import io
import json
import tarfile

import pytest

from cladescope.embedding import web
from cladescope.embedding.web import Web
from cladescope.errors import StoreError
from cladescope.training.curation import fetching
from cladescope.training.curation.look import look
from tests.embedding.test_web import PICTURE, server
from tests.training.curation.test_look import job_of, looked

__all__ = ["server"]

SMALL = {"min_side": 1, "blank_below": 0.0}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Requests of this process wait a hundredth of a second after a busy answer."""
    monkeypatch.setattr(web, "_shared", {None: Web(pause=0.01)})


def urls(server, n):
    return [f"{server.address}/{number}.png" for number in range(n)]


def test_pictures_are_fetched_into_a_tar_with_their_hashes(tmp_path, server):
    server.answers["/1.png"] = lambda: (404, {}, b"")
    server.answers["/2.png"] = lambda: (403, {}, b"")
    job = job_of(tmp_path, urls(server, 4), part_rows=10, **SMALL)
    look(job)
    rows = looked(job)
    assert [row["dropped"] for row in rows] == [
        None,
        "look: the server has it no more",
        "look: the server did not give it",
        None,
    ]
    assert rows[0]["md5"] == hashlib.md5(PICTURE).hexdigest()
    shard, member = rows[0]["picture_at"].split("#")
    with tarfile.open(shard) as archive:
        assert archive.getnames() == ["id-0.png", "id-0.json", "id-3.png", "id-3.json"]
        assert archive.extractfile(member).read() == PICTURE
        told = json.load(io.BytesIO(archive.extractfile("id-0.json").read()))
    assert told["sha256"] == hashlib.sha256(PICTURE).hexdigest()
    assert told["url"] == f"{server.address}/0.png"
    assert server.most_at_once <= web.REQUESTS_A_HOST
    assert {agent for *_, agent in server.asked} == {web.user_agent(None)}


def test_a_killed_job_asks_for_no_picture_that_it_has(tmp_path, server, monkeypatch):
    job = job_of(tmp_path, urls(server, 12), part_rows=20, **SMALL)
    add = fetching._Kept.add
    n = []

    def killed(self, *given):
        n.append(given)
        if len(n) == 8:
            # Half of the eighth picture is on the disk when the process ends.
            self._stream.write(b"half a member" * 100)
            self._stream.flush()
            raise KeyboardInterrupt
        add(self, *given)

    monkeypatch.setattr(fetching._Kept, "add", killed)
    with pytest.raises(KeyboardInterrupt):
        look(job)
    monkeypatch.setattr(fetching._Kept, "add", add)
    server.asked.clear()
    look(job)
    asked = {path for _, path, _ in server.asked}
    assert asked == {f"/{number}.png" for number in range(7, 12)}
    assert [row["dropped"] for row in looked(job)] == [None] * 12
    with tarfile.open(job.work / "fetched" / "part-000000.tar") as archive:
        assert len(archive.getnames()) == 24


def test_a_full_disk_loses_nothing_that_was_fetched(tmp_path, server, monkeypatch):
    job = job_of(tmp_path, urls(server, 3), part_rows=20, **SMALL)
    member = fetching._Kept._member
    n = []

    def full(self, *given):
        n.append(given)
        if len(n) > 3:
            raise OSError(28, "No space left on device")
        return member(self, *given)

    monkeypatch.setattr(fetching._Kept, "_member", full)
    with pytest.raises(StoreError, match="No space left on device.: make room and run it again"):
        look(job)
    monkeypatch.setattr(fetching._Kept, "_member", member)
    server.asked.clear()
    look(job)
    assert {path for _, path, _ in server.asked} == {"/1.png", "/2.png"}
