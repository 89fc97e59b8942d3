"""Tables, shards, annotations, queries and sheets of the web: fetched by the same client as pictures, with the same care."""

import io
import json
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cladescope
from cladescope.embedding import web
from cladescope.embedding.locations import read_bytes
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError, PictureError
from cladescope.training.data.shard_index import index_shard, read_span
from tests.embedding.test_web import PICTURE, Answer, Server, server

__all__ = ["server"]
AGENT = "cladescope/0.1.0 (me@museum.org)"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_shared", {None: web.Web(pause=0.01)})


def _answer(status: int, body: bytes) -> Answer:
    return status, {}, body


def shard() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in (("a.png", PICTURE), ("a.json", b'{"genus": "Parus"}')):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"image": pa.array([PICTURE], pa.binary()), "genus": ["Parus"]}), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "name, content",
    [("m.csv", b"file,genus\na.png,Parus\n"), ("m.parquet", parquet()), ("s.tar", shard())],
)
def test_a_source_is_fetched_once_under_the_name_with_the_contact(
    server: Server, tmp_path: Path, name: str, content: bytes
) -> None:
    server.answers[f"/{name}"] = lambda: (200, {}, content)
    web.introduce("me@museum.org")
    records = list(open_source(f"{server.address}/{name}").records())
    assert [record.labels["genus"] for record in records] == ["Parus"]
    assert [command for command, _, _ in server.asked] == ["GET"]
    assert {agent for _, _, agent in server.asked} == {AGENT}


@pytest.mark.parametrize("name", ["m.csv", "m.parquet", "m.json", "s.tar"])
def test_a_source_that_cannot_be_had_is_one_line(server: Server, name: str) -> None:
    for status, body, reason in (
        (404, b"", "no such file"),
        (410, b"", "gone"),
        (200, b"<!doctype html>", "a web page"),
    ):
        server.answers[f"/{name}"] = partial(_answer, status, body)
        if name == "s.tar":
            (record,) = open_source(f"{server.address}/{name}").records()
            assert reason in (record.problem or "")
        else:
            with pytest.raises(InputError, match=reason):
                open_source(f"{server.address}/{name}")


def test_a_busy_server_of_tables_is_asked_again(server: Server) -> None:
    answers: Iterator[Answer] = iter([(503, {}, b""), (200, {}, b"file\na.png\n")])
    server.answers["/m.csv"] = lambda: next(answers)
    assert len(list(open_source(f"{server.address}/m.csv").records())) == 1


def test_annotations_from_elsewhere_lead_neither_into_this_network_nor_to_its_files(server: Server) -> None:
    images = [{"file": "http://10.0.0.1/a.png"}, {"file": "/etc/passwd"}, {"file": "ftp://a.org/b.png"}]
    detected = [{**image, "detections": [{"category": "1", "conf": 0.9, "bbox": [0, 0, 1, 1]}]} for image in images]
    coco = [{"id": number, "file_name": image["file"]} for number, image in enumerate(images)]
    for document in ({"images": detected, "detection_categories": {}}, {"images": coco, "annotations": []}):
        server.answers["/m.json"] = partial(_answer, 200, json.dumps(document).encode())
        records = list(open_source(f"{server.address}/m.json").records())
        assert records[0].public_only
        assert "may not name files of this machine" in (records[1].problem or "")
        assert "allow the scheme ftp" in (records[2].problem or "")
        allowed = list(open_source(f"{server.address}/m.json", allowed=["ftp"]).records())
        assert allowed[2].problem is None


def test_queries_and_sheets_go_through_the_same_client(server: Server, tmp_path: Path) -> None:
    url = f"{server.address}/a.png"
    cladescope.embed(url, tmp_path / "s.store", encoder="pixels", contact="me@museum.org")
    cladescope.search(tmp_path / "s.store", url)
    named = list(cladescope.predict(url, encoder="pixels", classifier=_fitted(tmp_path), rank="genus"))
    assert [name for name, _ in named] == [url]
    assert read_bytes(url) == PICTURE
    assert {agent for _, _, agent in server.asked} == {AGENT}
    assert {command for command, _, _ in server.asked} == {"GET"}


def _fitted(folder: Path) -> Path:
    table = cladescope.simulate(folder / "sim", species=4, images=4, size=32)
    cladescope.embed(table, folder / "sim.store", encoder="pixels")
    cladescope.fit(folder / "sim.store", rank="genus", out=folder / "c.safetensors")
    return folder / "c.safetensors"


def test_a_span_of_a_shard_is_asked_for_alone(server: Server) -> None:
    content = shard()
    server.answers["/s.tar"] = lambda: (200, {}, content)
    url = f"{server.address}/s.tar"
    index = index_shard(url)
    first = index.members[0]
    assert read_span(url, first.offset, first.size) == PICTURE
    with pytest.raises(PictureError, match="ends before"):
        read_span(url, len(content), 100)


def test_pictures_of_the_tables_own_server_are_had_and_of_no_other_inside(server: Server, tmp_path: Path) -> None:
    inside = server.address.replace("127.0.0.1", "localhost")
    table = f"file\na.png\n{server.address}/b.png\n{inside}/c.png\nhttp://x@{server.address[7:]}/d.png\n"
    server.answers["/m.csv"] = partial(_answer, 200, table.encode())
    records = list(open_source(f"{server.address}/m.csv").records())
    assert [record.public_only for record in records] == [False, False, True, False]
    summary = cladescope.embed(f"{server.address}/m.csv", tmp_path / "s.store", encoder="pixels")
    assert (summary.embedded, summary.failed) == (3, 1)
    assert "/c.png" not in {path for _, path, _ in server.asked}


def test_a_folder_of_the_web_is_listed_under_our_name(server: Server) -> None:
    page = b'<a href="a.png">a.png</a> <a href="b.txt">b.txt</a>'
    server.answers["/photos/"] = server.answers["/photos"] = lambda: (200, {"Content-Type": "text/html"}, page)
    web.introduce("me@museum.org")
    assert [record.uri for record in open_source(f"{server.address}/photos/").records()] == [
        f"{server.address}/photos/a.png"
    ]
    assert {agent for _, _, agent in server.asked} == {AGENT}
