"""`cladescope publish`: what it prints, and what it says of arguments that cannot be used."""

import sys

import pytest

from cladescope.index.publishing import target


def test_it_counts_what_it_did_and_says_it_as_a_table_or_as_json(run, store, tmp_path):
    arguments = ("publish", store.path, "--to", "qdrant", "--url", tmp_path / "q")
    planned = run(*arguments, "--dry-run")
    assert (planned.status, "would show 48 rows of version" in planned.out) == (0, True)
    assert not run(*arguments, "--json").json["unchanged"]
    shown = run(*arguments)
    assert [line.split() for line in shown.out.splitlines()[:5]] == [
        ["points"], ["added", "0"], ["updated", "0"], ["unchanged", "48"], ["deleted", "0"],
    ]  # fmt: skip
    assert "collection 'clades' of Qdrant at" in shown.out
    store.delete(where="genus IS NOT NULL AND image_id < '8'")
    made = run(*arguments, "--json").json
    assert made["deleted"] + made["unchanged"] == 48
    assert made["deleted"] > 0
    assert run(*arguments, "--json", "--compare-all").json["compared"] == made["rows"]


def test_a_part_of_the_store_goes_to_a_collection_of_its_own(run, fails, store, tmp_path):
    order = store.table(["order"])["order"][0].as_py()
    arguments = ("publish", store.path, "--to", "qdrant", "--url", tmp_path / "q", "--within", order)
    made = run(*arguments, "--collection", "part", "--batch-size", 5, "--json").json
    assert made["added"] == store.count(within=order)
    assert "--overwrite" in fails(*arguments[:-2], "--collection", "part")


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (("--api-key-env", "NO_SUCH_KEY"), "the environment variable 'NO_SUCH_KEY' is not set"),
        (("--url", "https://me:secret@far"), "the address holds a name or a key"),
        (("--collection", "a/b"), "found collection 'a/b', expected letters, digits and _"),
        (("--url", "http://localhost:9"), "does not answer"),
        (("--url", "file:///tmp/q"), "expected a local path"),
    ],
)
def test_what_cannot_be_used_is_one_line(fails, store, monkeypatch, arguments, reason):
    monkeypatch.setattr(target, "WAITS", ())
    said = fails("publish", store.path, "--to", "qdrant", *arguments)
    assert reason in said
    assert "secret" not in said


@pytest.mark.parametrize(("database", "client"), [("qdrant", "qdrant_client"), ("milvus", "pymilvus")])
def test_a_client_that_is_not_installed_is_named_with_what_installs_it(fails, store, monkeypatch, database, client):
    monkeypatch.delitem(sys.modules, f"cladescope.index.publishing.{database}", raising=False)
    monkeypatch.setitem(sys.modules, client, None)
    said = fails("publish", store.path, "--to", database)
    assert (
        f"{database} cannot be reached: the package {client} is not installed: pip install 'cladescope[{database}]'"
        in said
    )


def test_the_key_is_taken_from_the_environment_and_shown_nowhere(run, store, monkeypatch):
    monkeypatch.setattr(target, "WAITS", ())
    monkeypatch.setenv("QDRANT_KEY", "s3cret")
    ended = run("publish", store.path, "--to", "qdrant", "--url", "http://localhost:9", "--api-key-env", "QDRANT_KEY")
    assert ended.status == 1
    assert "s3cret" not in ended.out + ended.err


def test_a_store_whose_name_is_none_of_a_collection_asks_for_one(fails, store, tmp_path):
    store.path.rename(tmp_path / "my birds")
    said = fails("publish", tmp_path / "my birds", "--to", "qdrant", "--url", tmp_path / "q")
    assert "the store's name 'my birds'" in said
