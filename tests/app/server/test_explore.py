"""`cladescope explore` as a process: a folder is embedded while its page is served, and Ctrl-C loses nothing."""

import json
import os
import shutil
import signal
import time
import urllib.request
from pathlib import Path

import pytest

import cladescope
from cladescope.errors import InputError
from cladescope.index.store import Store


@pytest.fixture
def start(start):
    """Start `explore` without a browser."""
    return lambda *arguments: start(*arguments, "--no-browser", verb="explore")


@pytest.fixture
def photos(tmp_path, store):
    """A folder of a dozen pictures, and a file that is none."""
    folder = tmp_path / "my photos"
    folder.mkdir()
    for place, uri in enumerate(store.table(["uri"]).column(0).to_pylist()[:12]):
        shutil.copy(uri, folder / f"{place}.jpg")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def fetched(told, path):
    with urllib.request.urlopen(f"{told['address']}{path}", timeout=30) as answer:
        return answer.read()


def asked(told, path):
    return json.loads(fetched(told, f"/api/v1{path}"))


def ended_job(told):
    deadline = time.monotonic() + 120
    while (job := asked(told, "/work")["jobs"][-1])["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return job


def test_a_folder_is_embedded_while_its_page_is_there(start, photos):
    process, told = start("my photos")
    path = photos.with_name("my photos.store")
    assert (told["store"], told["source"], told["read_only"], told["notes"]) == ("my-photos", "my photos", False, [])
    assert Path(told["path"]) == path
    assert b"<html" in fetched(told, "/")
    assert asked(told, "/stores")["stores"][0]["name"] == "my-photos"
    job = ended_job(told)
    assert (job["kind"], job["store"], job["state"], job["problem"]) == ("embed", "my-photos", "done", None)
    assert (job["done"], job["total"], job["told"]) == (13, 13, "12 embedded, 0 already stored, 1 failed")
    time.sleep(1.5)  # what is written is seen within a second
    assert asked(told, "/stores/my-photos")["images"] == 12
    assert asked(told, "/health")["read_only"] is False
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert Store.open(path).count() == 12


def test_again_only_what_is_new_is_embedded(start, photos, query):
    cladescope.embed(photos, photos.with_name("my photos.store"))
    before = Store.open(photos.with_name("my photos.store")).version
    shutil.copy(query, photos / "new.jpg")
    _, told = start(photos, "--read-only")
    assert ended_job(told)["state"] == "done"
    store = Store.open(photos.with_name("my photos.store"))
    assert store.count() == 13
    assert store.version > before
    assert asked(told, "/health")["read_only"] is True


def test_a_store_is_served_as_it_is(start, store):
    _, told = start(store.path)
    assert told["source"] is None
    assert asked(told, "/work") == {"jobs": []}
    assert asked(told, "/stores/clades")["images"] == 48


def test_a_folder_without_pictures_says_so_in_its_job(start, tmp_path):
    (tmp_path / "empty").mkdir()
    _, told = start("empty")
    job = ended_job(told)
    assert job["state"] == "failed"
    assert "empty" in job["problem"]
    assert asked(told, "/stores/empty")["images"] == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_where_nothing_can_be_written_beside_the_folder_the_store_is_in_the_cache(start, photos, tmp_path):
    photos.parent.chmod(0o555)
    try:
        _, told = start(photos)
        assert Path(told["path"]).is_relative_to(tmp_path / "cache")
    finally:
        photos.parent.chmod(0o755)
    assert "nothing can be written beside" in told["notes"][0]


def test_where_making_the_folder_fails_the_store_is_in_the_cache_and_it_is_said(photos, tmp_path, monkeypatch):
    from cladescope.app.verbs import explore as verb

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    make = Path.mkdir

    def refuse(path, *arguments, **named):
        if path.name == "my photos.store" and path.parent == photos.parent:
            raise PermissionError(13, "Permission denied")
        make(path, *arguments, **named)

    monkeypatch.setattr(Path, "mkdir", refuse)
    store, (note,) = verb._store_of(photos)
    assert store.path.is_relative_to(tmp_path / "cache" / "cladescope" / "stores")
    assert note.startswith("nothing can be written beside ")


def test_what_is_neither_store_nor_folder_is_refused(tmp_path, query):
    with pytest.raises(InputError, match="neither a store nor a folder"):
        cladescope.explore(tmp_path / "nowhere")
    with pytest.raises(InputError, match="neither a store nor a folder"):
        cladescope.explore(query)


def test_a_port_that_is_taken_is_left_to_its_owner():
    import socket

    from cladescope.app.server.running import port_like

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert port_like("127.0.0.1", port) == 0
    assert port_like("127.0.0.1", port) == port
