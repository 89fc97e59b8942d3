"""Clusters of Ray on this machine, for tests."""

from contextlib import contextmanager

from tests.conftest import REPOSITORY

MEMORY = 80_000_000
"""Bytes of a node's object store, as few as Ray takes: nothing but names and counts goes through it."""


@contextmanager
def nodes(n, monkeypatch):
    """So many nodes of one processor each, which find the code of this folder."""
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": MEMORY})
    for _ in range(n - 1):
        made.add_node(num_cpus=1, object_store_memory=MEMORY)
    monkeypatch.setenv("RAY_ADDRESS", made.address)
    yield made
    ray.shutdown()
    made.shutdown()
