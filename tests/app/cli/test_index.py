"""`cladescope index`: limits, refreshing and wrong values."""

import re

import pytest

from cladescope.index.store import Store


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["--kind", "IVF16,PQ7"], "or a FAISS factory string for 960 numbers"),
        (["--kind", "IVF1024,Flat"], "cannot be trained over .* vectors"),
        (["--max-memory", "1KB"], "no kind of index is within the limits: flat takes .* KB, more than 1 KB"),
        (["--refresh", "--kind", "hnsw"], "refresh keeps the index as it was built"),
        (["--refresh"], "has no index to refresh: build one"),
    ],
)
def test_what_cannot_be_built_is_told_in_a_line(fails, store, arguments, reason):
    assert re.search(reason, fails("index", store.path, *arguments))
    assert Store.open(store.path).describe()["index"] is None


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["--kind", "magic"], "found kind 'magic', expected one of auto, compare, flat, hnsw"),
        (["--max-memory", "lots"], "found the size 'lots', expected a number of bytes such as 500MB or 2GB"),
        (["--max-minutes", "-1"], "max_minutes is -1.0: it must be above 0"),
        (["--max-minutes", "nan"], "max_minutes is nan"),
    ],
)
def test_what_no_store_would_take_is_wrong_usage(misused, store, arguments, reason):
    assert reason in misused("index", store.path, *arguments)


def test_a_factory_string_is_built_as_it_is_and_refreshed(run, store):
    built = run("index", store.path, "--kind", "IVF4,SQ8", "--max-memory", "1GB", "--max-minutes", 10, "--json").json
    assert (built["factory"], built["n_vectors"]) == ("IVF4,SQ8,Refine(SQfp16)", 48)
    assert built["candidates"] == []
    Store.open(store.path).delete(image_ids=[store.table(["image_id"]).column(0)[0].as_py()])
    refreshed = run("index", store.path, "--refresh", "--json").json
    assert (refreshed["n_vectors"], refreshed["n_gone"]) == (48, 1)
    assert "index IVF4,SQ8: 48 vectors" in run("info", store.path).out
