"""Several clades are a union, in every verb that takes one."""

import typer

from cladescope.app.cli import app

COMMANDS = typer.main.get_group(app).commands


def test_every_verb_that_takes_a_clade_takes_several():
    taking = {
        verb: option
        for verb, command in COMMANDS.items()
        for option in command.params
        if "--within" in getattr(option, "opts", ())
    }
    assert {"search", "predict", "fit", "map", "probe", "audit", "report"} <= taking.keys()
    assert [verb for verb, option in taking.items() if not option.multiple] == []


def orders(store):
    """The orders of a store's pictures, each with their number."""
    counts = {}
    for row in store.lineages().to_pylist():
        counts[row["order"]] = counts.get(row["order"], 0) + row["n_images"]
    return counts


def test_search_audit_and_fit_take_the_union(run, store, query, tmp_path):
    counts = orders(store)
    one, two, *_ = counts
    both = ("--within", one, "--within", two)
    n = counts[one] + counts[two]
    found = run("search", store.path, "--image", query, *both, "-k", 100, "--json").json
    assert {hit["order"] for hit in found["hits"]} == {one, two}
    assert (len(found["hits"]), found["query"]["within"]) == (n, [one, two])
    assert run("audit", store.path, *both, "--out", tmp_path / "audit", "--json").json["pictures"] == n
    fitted = run("fit", store.path, "--rank", "order", *both, "--out", tmp_path / "c.safetensors", "--json").json
    assert fitted["classes"] == 2


def test_one_clade_is_told_as_one(run, store, query):
    one = next(iter(orders(store)))
    assert run("search", store.path, "--image", query, "--within", one, "--json").json["query"]["within"] == one
    assert run("search", store.path, "--image", query, "--json").json["query"]["within"] is None


def test_predict_chooses_from_the_union(run, clades, checkpoint, tmp_path):
    store = tmp_path / "clip.store"
    run("embed", clades / "metadata.csv", "--store", store, "--encoder", checkpoint)
    rows = run("predict", store, "--rank", "order", "-k", 20, "--limit", 1, "--csv", "--cache", tmp_path).rows
    one, two = (row["order"] for row in rows[:2])
    both = ("--within", one, "--within", two)
    named = run("predict", store, "--rank", "order", "-k", 20, "--limit", 1, "--csv", "--cache", tmp_path, *both).rows
    assert {row["order"] for row in named} == {one, two}


def test_an_unknown_clade_beside_a_known_one_is_refused(fails, store, query):
    one = next(iter(orders(store)))
    said = fails("search", store.path, "--image", query, "--within", one, "--within", "Nowherea")
    assert "Nowherea" in said
