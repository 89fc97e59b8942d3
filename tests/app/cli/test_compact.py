"""`cladescope compact`: what it says, and what it refuses."""

from cladescope.index.store import Store


def test_a_store_of_several_fragments_is_compacted_and_its_versions_are_removed(run, photos, tmp_path):
    store = tmp_path / "s"
    for number in ("2", "4", "6"):
        assert run("embed", photos, "--store", store, "--limit", number).status == 0
    rows = Store.open(store).table().to_pylist()
    planned = run("compact", store, "--dry-run", "--json").json
    assert planned["tables"]["images"] | {"n_bytes": 0} == {
        "fragments_before": 3, "fragments_after": 1, "slices": 1, "n_bytes": 0,
    }  # fmt: skip
    assert planned["storage"]["images"]["fragments"] == 3
    ended = run("compact", store)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines()[0].split() == [
        "table", "fragments", "now", "versions", "rows", "on", "disk", "earlier", "versions",
    ]  # fmt: skip
    assert ended.out.splitlines()[1].split()[:3] == ["images", "3", "1"]
    assert "earlier versions hold" in run("info", store).out
    assert (
        run("compact", store, "--prune-older-than", "1").out.splitlines()[-1]
        == "no version is that old: none was removed"
    )
    assert "versions removed" in run("compact", store, "--prune-older-than", "0").out
    assert "in 1 fragment, 1 version\n" in run("info", store).out
    assert Store.open(store).table().to_pylist() == rows
    assert run("verify", store).status == 0


def test_what_cannot_be_is_refused_in_a_line(fails, misused, run, photos, tmp_path):
    assert "does not exist" in fails("compact", tmp_path / "none")
    store = tmp_path / "s"
    assert run("embed", photos, "--store", store).status == 0
    assert "--prune-older-than: found '-1', expected a number from 0 on" in misused(
        "compact", store, "--prune-older-than", "-1"
    )
    assert "give one of --dry-run and" in misused("compact", store, "--dry-run", "--prune-older-than", "1")
