"""Parts of a curation as tasks of a Ray cluster, of which a node is killed while they run; `.ci/ray` runs this."""

import threading
import time

import pytest

import cladescope
from cladescope.app.verbs.ray_pieces import spread_on_ray
from cladescope.errors import CladescopeError, InputError
from cladescope.simulation import SimulationConfig, simulate
from tests.app.verbs.clusters import nodes

pytest.importorskip("ray", reason="Ray is not installed: .ci/ray runs this")


@pytest.fixture
def cluster(monkeypatch):
    with nodes(2, monkeypatch) as made:
        yield made


def write_slowly(folder, piece):
    """A piece that takes a second, notes that it was begun, and leaves its file."""
    with (folder / f"begun-{piece}").open("a") as file:
        file.write(".")
    time.sleep(1)
    (folder / str(piece)).write_text("done")


def refuse(piece):
    raise InputError(f"piece {piece} cannot be done") if piece == 2 else ValueError(piece)


class Slowly:
    """`write_slowly` into a folder, as something that goes to another process."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, piece):
        write_slowly(self.folder, piece)


def test_pieces_of_a_node_that_is_lost_are_begun_anew(cluster, tmp_path):
    def kill():
        while len(list(tmp_path.glob("begun-*"))) < 2:
            time.sleep(0.02)
        cluster.remove_node(max(cluster.worker_nodes, key=id), allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    spread_on_ray(Slowly(tmp_path), list(range(6)), "working", on_gpu=False)
    killer.join(60)
    assert sorted(path.name for path in tmp_path.glob("[0-9]")) == [str(piece) for piece in range(6)]
    begun = [len(path.read_text()) for path in tmp_path.glob("begun-*")]
    assert sum(begun) > 6


def test_what_a_piece_raises_is_raised_here(cluster):
    with pytest.raises(InputError, match="piece 2 cannot be done"):
        spread_on_ray(refuse, [2], "working", on_gpu=False)
    with pytest.raises(CladescopeError, match="a piece of work failed: 3"):
        spread_on_ray(refuse, [3], "working", on_gpu=True)


def test_a_cluster_writes_the_bytes_of_one_process(cluster, tmp_path):
    simulate(tmp_path / "photos", SimulationConfig(species=7, images=6, seed=5))
    (tmp_path / "curate.toml").write_text(
        '[[sources]]\nname = "photos"\npath = "photos"\n[duplicates]\nnear = "copies"\n[kinds]\nencoder = "pixels"\n[out]\nsamples_per_shard = 10\n'
    )
    many = cladescope.curate(tmp_path / "curate.toml", out=tmp_path / "many", executor="ray")
    one = cladescope.curate(tmp_path / "curate.toml", out=tmp_path / "one")
    assert (many.n_pictures, many.summary) == (42, one.summary)
    assert (tmp_path / "many/curate.json").read_bytes() == (tmp_path / "one/curate.json").read_bytes()
