"""Shards as tasks of a Ray cluster, of which a node is killed while they run; `.ci/ray` runs this."""

import threading
import time

import pytest
from PIL import Image

import cladescope
from benchmarks.killed import state, write_folder
from cladescope.index.store import Store
from tests.app.verbs.clusters import nodes

pytest.importorskip("ray", reason="Ray is not installed: .ci/ray runs this")


@pytest.fixture
def cluster(monkeypatch):
    with nodes(3, monkeypatch) as made:
        yield made


def write_large(folder, n):
    """Pictures of four megapixels, which take their time to decode; the same but for colour, and for a number behind the end of each file."""
    for number in range(n):
        path = folder / f"large{number:03}.png"
        if number < 6:
            Image.new("RGB", (2400, 1800), (40 * number, 9, 250 - 40 * number)).save(path)
        else:
            path.write_bytes((folder / f"large{number % 6:03}.png").read_bytes() + str(number).encode())


def kill_a_node(cluster, parts, seen):
    """Kill a node while all three are in the midst of a shard; `seen` gets how many were under way."""
    while len(under_way := list(parts.glob("*/*/running/*.json"))) < 3:
        time.sleep(0.02)
    time.sleep(0.5)
    seen.append(len(under_way))
    cluster.remove_node(max(cluster.worker_nodes, key=id), allow_graceful=False)


def test_a_cluster_that_loses_a_node_in_the_middle_stores_what_one_job_does(cluster, tmp_path):
    photos, seen = tmp_path / "photos", []
    kinds = write_folder(photos, 60, seed=5)
    write_large(photos, 340)
    killer = threading.Thread(target=kill_a_node, args=(cluster, tmp_path / "many/parts", seen), daemon=True)
    killer.start()
    summary = cladescope.embed(photos, tmp_path / "many", encoder="pixels", executor="ray", shards=6, batch_size=4)
    killer.join(60)
    assert seen == [3]
    assert (summary.records, summary.failed) == (400, kinds["bad"])
    runs = [Store.open(part).runs.to_pylist() for part in (tmp_path / "many/parts").glob("*/*")]
    assert [[run["status"] for run in one if run["verb"] == "embed"].count("done") for one in runs] == [1] * 6
    assert sum(run["status"] == "killed" for one in runs for run in one) == 1
    cladescope.embed(photos, tmp_path / "one", encoder="pixels")
    many, one = state(tmp_path / "many"), state(tmp_path / "one")
    assert len(one["rows"]) == 400 - kinds["bad"]
    assert {name: many[name] for name in ("rows", "failures")} == {name: one[name] for name in ("rows", "failures")}
    assert cladescope.verify(tmp_path / "many").problems == ()
