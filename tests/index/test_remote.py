"""Stores and sources on object storage, against moto's server on loopback."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from itertools import count

import pytest
from PIL import Image

import cladescope
from benchmarks.killed import Jobs, killed_run, state, write_folder
from cladescope import object_storage
from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError, InUseError, StoreError
from cladescope.index import lease, old_versions
from cladescope.index.ledger import version_times
from cladescope.index.store import Store
from tests.conftest import REPOSITORY
from tests.index.toy import Toy

pytest.importorskip("obstore", reason="obstore is not installed: pip install 'cladescope[cloud]'")
MOTO = os.environ.get("CLADESCOPE_MOTO_PYTHON", sys.executable)
"""The Python that has moto; another one where it is kept apart."""


@pytest.fixture(
    scope="module",
    params=[("s3", "0"), ("s3", "6"), ("s3", "7", "late"), ("gs", "6")],
    ids=[
        "S3",
        "S3, one request in six refused",
        "S3, one answer in seven lost",
        "Google's, one request in six refused",
    ],
)
def server(request):
    """A scheme and the address of its server, which may answer 503 SlowDown now and then."""
    if subprocess.run([MOTO, "-c", "import moto.server"], capture_output=True).returncode:
        pytest.skip("no moto: .ci/object_storage runs this")
    scheme, *refusals = request.param
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = REPOSITORY / "tests/object_server.py"
    with subprocess.Popen([MOTO, script, str(port), *refusals], stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                urllib.request.urlopen(urllib.request.Request(f"{url}/bucket", method="PUT"), timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield scheme, url
        process.kill()


@pytest.fixture
def bucket(server, tmp_path, monkeypatch):
    """A place of its own in the bucket, and the environment that leads there."""
    scheme, url = server
    settings = {
        "s3": {
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": url,
        },
        "gs": {"GOOGLE_BEARER_TOKEN": "test", "GOOGLE_BASE_URL": url},
    }[scheme]  # fmt: skip
    for name, value in {**settings, "XDG_CACHE_HOME": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    return f"{scheme}://bucket/{tmp_path.name}"


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


def test_what_is_not_there_is_said_in_one_line(bucket):
    scheme = bucket.partition(":")[0]
    with pytest.raises(StoreError, match=r"none.store does not exist: embed pictures into it first"):
        Store.open(f"{bucket}/none.store")
    with pytest.raises(StoreError, match=rf"{scheme}://nobucket/a.store cannot be reached or used: NoSuchBucket"):
        cladescope.embed([Image.new("RGB", (9, 9))], f"{scheme}://nobucket/a.store", encoder="pixels")


@pytest.mark.parametrize("table", ["images", "failures", "runs", "origins"])
def test_a_table_whose_making_was_killed_is_made(bucket, folder, table):
    url = f"{bucket}/a.store"
    Store.create(url, Encoder.load("pixels").card)
    lance = f"lance/{table}.lance"
    object_storage.delete(url, [f"{lance}/{name}" for name in object_storage.names(f"{url}/{lance}")])
    object_storage.write(url, f"{lance}/_transactions/0-a.txn", b"begun")
    assert Store.open(url).count() == 0
    assert cladescope.embed(folder, url).embedded == 12
    assert cladescope.verify(url).problems == ()


def test_one_job_writes_at_a_time_and_one_whose_process_is_gone_is_passed(bucket, folder, tmp_path, monkeypatch):
    url = f"{bucket}/a.store"
    cladescope.embed(folder, url, encoder="pixels", limit=2)
    holder = {"owner": "x", "machine": "another", "host": "node7", "process": 7, "until": time.time() + 60}
    newest = lease._newest(url)
    object_storage.write(url, f"lock/{newest + 1:012d}", json.dumps(holder).encode())
    with pytest.raises(InUseError, match=r"another job is writing to .*://.*a.store \(process 7 on node7\)"):
        cladescope.embed(folder, url)
    object_storage.write(url, f"lock/{newest + 1:012d}", json.dumps(holder | {"until": time.time() - 1}).encode())
    assert cladescope.embed(folder, url).embedded == 10
    assert len(object_storage.names(url, "lock")) == 1


def test_a_clock_that_goes_backwards_loses_no_lease_and_lets_nobody_in(bucket, folder, monkeypatch):
    url, hours, now = f"{bucket}/a.store", count(1), time.time()
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.02)
    monkeypatch.setattr(time, "time", lambda: now - 3600 * next(hours))
    with lease.leased(url):
        held = json.loads(object_storage.read(url, f"lock/{1:012d}"))
        time.sleep(0.3)
        renewed = json.loads(object_storage.read(url, f"lock/{1:012d}"))
        assert renewed["until"] < held["until"]
        with pytest.raises(InUseError, match="another job is writing"), lease.leased(url):
            pass
        lease.check(url)
    assert cladescope.embed(folder, url, encoder="pixels").embedded == 12


def test_a_lease_that_was_taken_ends_the_job_before_it_writes_more(bucket, folder, monkeypatch):
    url = f"{bucket}/a.store"
    cladescope.embed(folder, url, encoder="pixels", limit=2)
    store = Store.open(url)
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.02)
    with store.writing():
        object_storage.write(url, f"lock/{lease._newest(url) + 1:012d}", b"{}")
        while not lease._held[url].is_lost:
            time.sleep(0.02)
        with pytest.raises(StoreError, match="another job took over"):
            store.update(store.table(["image_id", "label"]))


def test_old_versions_expire_by_the_clock_of_the_storage(bucket, folder, monkeypatch):
    url = f"{bucket}/a.store"
    for limit in (2, 5):
        cladescope.embed(folder, url, encoder="pixels", limit=limit, batch_size=1)
    store = Store.open(url)
    ends = store._ends()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: 4e9)
        with store.writing():
            pass
    assert len(version_times(store.path, "images")) == store.version, "the clock of this machine said 2096"
    # The storage tells whole seconds, and what is not older than the lease is not old.
    monkeypatch.setattr(old_versions, "STEP_DAYS", -1.0)
    with store.writing():
        pass
    assert sorted(version_times(store.path, "images")) == sorted(ends | {store.version})
    monkeypatch.setattr(old_versions, "END_DAYS", -1.0)
    before = labelled(Store.open(url))
    with store.writing():
        pass
    assert set(version_times(store.path, "images")) == {store.version}
    assert labelled(Store.open(url)) == before
    assert cladescope.verify(url).problems == ()


def test_vectors_of_several_encoders_are_made_filled_searched_and_expanded(bucket, folder, tmp_path):
    encoders = [Encoder.load("pixels"), Toy()]
    places = [(f"{bucket}/one.store", f"{bucket}/two.store"), (tmp_path / "one", tmp_path / "two")]
    found = []
    for at_once, later in places:
        assert cladescope.embed(folder, at_once, encoder=encoders).embedded == 12
        assert cladescope.embed(folder, later, encoder=encoders[0]).embedded == 12
        summary = cladescope.embed(folder, later, encoder=encoders)
        assert (summary.already_stored, summary.filled) == (12, 12)
        for path in (at_once, later):
            named = Store.open(path, vectors="toy")
            uris = named.table(["uri"])["uri"].to_pylist()
            found.append(dict(zip(uris, named.matrix().tolist(), strict=True)))
            assert len(uris) == 12
            assert cladescope.info(path)["vectors"]["toy"]["images"] == 12
            assert cladescope.verify(path).problems == ()
    assert found == found[:1] * 4
    url = places[0][0]
    one = Store.open(url).table(["image_id"])["image_id"][0].as_py()
    answers = [
        [(hit.uri, round(hit.score, 4)) for hit in cladescope.search(path, image_id=one, k=3, vectors="toy").hits]
        for path, _ in places
    ]
    assert answers[0] == answers[1]
    cladescope.build_index(url, kind="flat", vectors="toy")
    assert cladescope.verify(url).problems == ()
    with pytest.raises(InputError, match="no vectors 'none'"):
        Store.open(url, vectors="none")


def test_killed_jobs_run_again_leave_the_store_of_an_uninterrupted_one(bucket, tmp_path):
    kinds = write_folder(tmp_path / "photos", 40, seed=0)
    jobs, rng = Jobs(tmp_path / "photos", "pixels"), random.Random(1)
    jobs.run(f"{bucket}/whole", whole=True)
    wanted = state(f"{bucket}/whole")
    assert (len(wanted["rows"]), len(wanted["failures"])) == (40 - kinds["bad"], kinds["bad"])
    n_killed, _, told = killed_run(jobs, f"{bucket}/killed", wanted, rng)
    assert told == []
    assert n_killed > 0


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
