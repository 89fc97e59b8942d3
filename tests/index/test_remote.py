"""Stores and sources on object storage, against moto's server on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter

import pytest
from PIL import Image

import cladescope
from cladescope import object_storage
from cladescope.errors import InUseError, StoreError
from cladescope.index import lease
from cladescope.index.store import Store
from tests.conftest import REPOSITORY

pytest.importorskip("obstore", reason="obstore is not installed: pip install 'cladescope[cloud]'")
MOTO = os.environ.get("CLADESCOPE_MOTO_PYTHON", sys.executable)
"""The Python that has moto; another one where it is kept apart."""


@pytest.fixture(scope="module", params=[0, 6], ids=["", "one request in six refused"])
def server(request):
    """The address of a server, which answers 503 SlowDown now and then."""
    if subprocess.run([MOTO, "-c", "import moto.server"], capture_output=True).returncode:
        pytest.skip("no moto: .ci/object_storage runs this")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = REPOSITORY / "tests/object_server.py"
    with subprocess.Popen([MOTO, script, str(port), str(request.param)], stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                urllib.request.urlopen(urllib.request.Request(f"{url}/bucket", method="PUT"), timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
        process.kill()


@pytest.fixture
def bucket(server, tmp_path, monkeypatch, request):
    """A place of its own in the bucket, and the environment that leads there."""
    settings = {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server, "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return f"s3://bucket/{tmp_path.name}"


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures and one file that is none."""
    for place in range(12):
        path = tmp_path / "photos" / ("Parus", "Aglais")[place % 2] / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), (20 * place, 255 - 20 * place, 7)).save(path)
    (tmp_path / "photos/Parus/broken.png").write_bytes(b"no picture")
    return tmp_path / "photos"


def put(url, folder):
    for path in folder.rglob("*"):
        if path.is_file():
            object_storage.write(url, path.relative_to(folder).as_posix(), path.read_bytes())


def labelled(store):
    return Counter((row["label"], row["content_hash"]) for row in store.table().to_pylist())


def test_a_store_on_object_storage_is_filled_searched_shown_and_verified(bucket, folder, tmp_path):
    url = f"{bucket}/a.store"
    assert cladescope.embed(folder, url, encoder="pixels").embedded == 12
    assert cladescope.embed(folder, url).already_stored == 12
    cladescope.embed(folder, tmp_path / "local.store", encoder="pixels")
    there, here = Store.open(url), Store.open(tmp_path / "local.store")
    assert labelled(there) == labelled(here)
    assert there.failures.to_pylist() == here.failures.to_pylist()
    query = folder / "Parus/2.png"
    scores = [
        [round(hit.score, 4) for hit in cladescope.search(store, images=query, k=3).hits] for store in (url, here)
    ]
    assert scores[0] == scores[1]
    told = cladescope.info(url)
    assert (told["store"], told["images"]) == (url, 12)
    assert cladescope.verify(url).is_sound
    cladescope.build_index(url, kind="flat")
    assert cladescope.info(url)["index"]["kind"] == "flat"
    assert cladescope.compact(url).storage["images"].rows == 12
    assert cladescope.delete(url, where="label = 'Parus'") == 6
    assert Store.open(url).count() == 6


def test_a_folder_and_a_table_on_object_storage_are_sources(bucket, folder, tmp_path):
    put(f"{bucket}/photos", folder)
    summary = cladescope.embed(f"{bucket}/photos", tmp_path / "local.store", encoder="pixels")
    assert (summary.embedded, summary.failed) == (12, 1)
    lines = [f"{bucket}/photos/Parus/{place}.png,Parus" for place in (0, 2, 4)] + [f"{bucket}/photos/none.png,Pica"]
    (tmp_path / "table.csv").write_text("\n".join(["uri,genus", *lines]))
    summary = cladescope.embed(tmp_path / "table.csv", tmp_path / "table.store", encoder="pixels")
    assert (summary.embedded, dict(summary.failures_by_reason)) == (3, {"read: no such file": 1})


def test_shards_are_put_together_on_object_storage(bucket, folder):
    url = f"{bucket}/many.store"
    for shard in ("1/2", "2/2"):
        with pytest.raises(StoreError):
            cladescope.commit(url)
        cladescope.embed(folder, url, encoder="pixels", shard=shard)
    (done,) = cladescope.commit(url, remove_parts=True).sources.values()
    assert (done.added, done.failures) == (12, 1)
    assert not object_storage.names(url, "parts")
    assert Store.open(url).count() == 12


def test_what_is_not_there_is_said_in_one_line(bucket, tmp_path):
    with pytest.raises(StoreError, match=r"none.store does not exist: embed pictures into it first"):
        Store.open(f"{bucket}/none.store")
    with pytest.raises(StoreError, match=r"s3://nobucket/a.store cannot be reached or used: NoSuchBucket"):
        cladescope.embed([Image.new("RGB", (9, 9))], "s3://nobucket/a.store", encoder="pixels")


def test_one_job_writes_at_a_time_and_one_whose_process_is_gone_is_passed(bucket, folder, tmp_path, monkeypatch):
    url = f"{bucket}/a.store"
    cladescope.embed(folder, url, encoder="pixels", limit=2)
    holder = {"owner": "x", "machine": "another", "host": "node7", "process": 7, "until": time.time() + 60}
    newest = lease._newest(url)
    object_storage.write(url, f"lock/{newest + 1:012d}", json.dumps(holder).encode())
    with pytest.raises(InUseError, match=r"another job is writing to s3://.*a.store \(process 7 on node7\)"):
        cladescope.embed(folder, url)
    object_storage.write(url, f"lock/{newest + 1:012d}", json.dumps(holder | {"until": time.time() - 1}).encode())
    assert cladescope.embed(folder, url).embedded == 10
    assert len(object_storage.names(url, "lock")) == 1


def test_a_killed_job_is_resumed_and_two_at_once_lose_nothing(bucket, folder, tmp_path):
    for place in range(40):
        Image.new("RGB", (400, 400), (place, 5 * place, 99)).save(folder / f"more{place}.png")
    url = f"{bucket}/killed.store"
    command = [
        sys.executable,
        "-m",
        "cladescope.app.cli",
        "embed",
        folder,
        "--store",
        url,
        "--encoder",
        "pixels",
        "--batch-size",
        "1",
    ]
    for seconds in (1.2, 1.7, 2.2):
        job = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        job.send_signal(signal.SIGKILL)
        job.wait()
    jobs = [
        subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for said in [job.communicate()[1] for job in jobs]:
        assert "Traceback" not in said
    cladescope.embed(folder, url)
    rows = Store.open(url).table(["image_id", "uri"]).to_pylist()
    assert len(rows) == len({row["image_id"] for row in rows}) == 52
    assert Store.open(url).failures.num_rows == 1
