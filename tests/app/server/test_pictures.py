"""Thumbnails and files of pictures: made once, kept, and a plain tile where there is nothing to show."""

import hashlib
import os
import tarfile
from io import BytesIO

import pytest
from PIL import Image

import cladescope
from cladescope.app.service.thumbnails import TILE, folder_for, thumbnail_of, tile
from cladescope.embedding.thumbnail import thumbnail
from cladescope.index.store import Store

STATE = "X-Cladescope-Picture"


@pytest.fixture
def served(serving, photos, tmp_path):
    """A client of a store of the folder `photos`, and the ids of its pictures by their names."""
    cladescope.embed(photos, tmp_path / "own.store", encoder="pixels")
    store = Store.open(tmp_path / "own.store")
    rows = store.table(["uri", "image_id"]).to_pylist()
    return serving(store), {row["uri"].rpartition("/")[2]: row["image_id"] for row in rows}


def shown(answer, state="shown"):
    """A thumbnail as pixels."""
    assert answer.status_code == 200, answer.text
    assert (answer.headers["content-type"], answer.headers[STATE]) == ("image/jpeg", state)
    return Image.open(BytesIO(answer.content))


@pytest.mark.parametrize("side", [None, 128, 512])
def test_a_thumbnail_is_the_picture_in_small(served, photos, side):
    client, ids = served
    answer = client.get(f"/stores/own/thumbnails/{ids['good0.jpg']}", params=None if side is None else {"side": side})
    picture = shown(answer)
    file = BytesIO()
    thumbnail(str(photos / "good0.jpg"), side or 256).save(file, "JPEG", quality=82)
    assert answer.content == file.getvalue()
    assert max(picture.size) == (side or 256)
    assert answer.headers["cache-control"] == "private, max-age=3600"


def test_a_thumbnail_is_made_once_and_outlives_its_picture(served, photos, tmp_path):
    client, ids = served
    path = f"/stores/own/thumbnails/{ids['good1.jpg']}"
    before = client.get(path).content
    (kept,) = (tmp_path / "own.store" / "thumbnails").rglob("*.jpg")
    assert kept.read_bytes() == before
    (photos / "good1.jpg").unlink()
    assert client.get(path).content == before
    kept.write_bytes(b"another")
    assert client.get(path).content == b"another"


def test_what_is_asked_of_a_store_that_is_being_deleted_does_not_bring_its_folder_back(served, store, tmp_path):
    row = store.table(["uri", "content_hash"]).to_pylist()[0]
    folder = folder_for(store.path)
    store.path.rename(tmp_path / "deleted")
    assert thumbnail_of(row, 128, folder=folder).state == "shown"
    assert not store.path.exists()


def test_a_store_with_thumbnails_is_sound_and_takes_more_pictures(served, photos, tmp_path, query):
    client, ids = served
    shown(client.get(f"/stores/own/thumbnails/{ids['good1.jpg']}"))
    (photos / "new.jpg").write_bytes(query.read_bytes() + b" ")
    assert cladescope.embed(photos, tmp_path / "own.store", encoder="pixels").embedded == 1
    cladescope.compact(tmp_path / "own.store")
    assert cladescope.verify(tmp_path / "own.store").problems == ()
    assert len(list((tmp_path / "own.store" / "thumbnails").rglob("*.jpg"))) == 1


def test_a_folder_that_may_not_be_written_has_its_thumbnails_in_the_cache(served, tmp_path, monkeypatch):
    client, ids = served
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr("cladescope.app.service.thumbnails.user_cache_path", lambda name: tmp_path / "cache" / name)
    answer = client.get(f"/stores/own/thumbnails/{ids['good2.jpg']}")
    (kept,) = (tmp_path / "cache" / "cladescope" / "thumbnails").rglob("*.jpg")
    assert kept.read_bytes() == answer.content
    assert not (tmp_path / "own.store" / "thumbnails").exists()


def test_where_nothing_can_be_kept_a_thumbnail_is_made_each_time(served, tmp_path):
    client, ids = served
    (tmp_path / "own.store" / "thumbnails").write_text("no folder")
    for _ in range(2):
        shown(client.get(f"/stores/own/thumbnails/{ids['good2.jpg']}"))


def test_a_picture_that_is_gone_or_broken_is_a_plain_tile(served, photos, tmp_path):
    client, ids = served
    (photos / "good3.jpg").unlink()
    (photos / "good4.jpg").write_bytes(b"\xff\xd8\xff broken")
    for name, state in (("good3.jpg", "gone"), ("good4.jpg", "unreadable")):
        answer = client.get(f"/stores/own/thumbnails/{ids[name]}", params={"side": 128})
        picture = shown(answer, state)
        assert (picture.size, picture.getpixel((64, 64))) == ((128, 128), TILE)
        assert answer.headers["cache-control"] == "no-store", "it may come back"
    assert not (tmp_path / "own.store" / "thumbnails").exists()
    assert client.refused(f"/stores/own/images/{ids['good3.jpg']}", 404).endswith("has gone from the disk")
    (photos / "good4.jpg").write_text("words")
    assert client.refused(f"/stores/own/images/{ids['good4.jpg']}", 404).endswith("is no picture any more")


def test_an_image_is_the_file_itself(served, photos):
    client, ids = served
    Image.open(photos / "good0.jpg").save(photos / "good5.jpg", "PNG")
    for name, kind in (("good0.jpg", "image/jpeg"), ("good5.jpg", "image/png")):
        answer = client.get(f"/stores/own/images/{ids[name]}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert answer.content == (photos / name).read_bytes()


def test_a_file_that_is_no_regular_one_is_not_opened(served, photos):
    client, ids = served
    (photos / "good0.jpg").unlink()
    os.mkfifo(photos / "good0.jpg")
    client.refused(f"/stores/own/images/{ids['good0.jpg']}", 404)
    shown(client.get(f"/stores/own/thumbnails/{ids['good0.jpg']}"), "gone")


def test_a_picture_in_an_archive_has_a_thumbnail_and_no_file(serving, photos, tmp_path):
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(photos / "good0.jpg", "good0.jpg")
    cladescope.embed(tmp_path / "photos.tar", tmp_path / "z.store", encoder="pixels")
    store = Store.open(tmp_path / "z.store")
    (image_id,) = store.table(["image_id"]).column(0).to_pylist()
    client = serving(store)
    shown(client.get(f"/stores/z/thumbnails/{image_id}"))
    assert "inside an archive or table" in client.refused(f"/stores/z/images/{image_id}", 404)


def test_nothing_is_fetched_for_a_picture_that_lies_elsewhere(serving, store, remote, query, monkeypatch):
    picture = query.read_bytes()
    monkeypatch.setattr(
        "cladescope.app.service.thumbnails.thumbnail", lambda *_: pytest.fail("a picture elsewhere was asked for")
    )
    client = serving(store)
    served_store = client.service.stores["clades"]
    for uri in ("https://example.org/a.jpg", "s3://photos/a.jpg", "memory:" + hashlib.md5(picture).hexdigest()):
        monkeypatch.setattr(served_store, "row", lambda *_, uri=uri: {"image_id": "a", "uri": uri, "content_hash": "b"})
        assert client.get("/stores/clades/thumbnails/a").content == tile(256)
        assert client.get("/stores/clades/thumbnails/a").headers[STATE] == "remote"
        assert "on no disk of this machine" in client.refused("/stores/clades/images/a", 404)
