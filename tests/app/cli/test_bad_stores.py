"""Stores that are not there, or only in part, and columns that are misspelt: one line that says what to do."""


def test_what_failed_is_not_looked_for_in_a_store_that_is_not_there(fails, photos, tmp_path):
    said = fails("embed", photos, "--store", tmp_path / "s", "--retry-failed", "all")
    assert "does not exist" in said
    assert not (tmp_path / "s").exists()


def test_a_misspelt_column_is_told_the_nearest(fails, store, query, tmp_path):
    out = ("--out", tmp_path / "out")
    assert fails("audit", store.path, "--split", "speces", *out).endswith("(did you mean species?)")
    assert fails("probe", store.path, "--variant", "gneus", *out).endswith("(did you mean genus?)")
    one = store.search(images=[query], k=1).hits[0].image_id
    assert fails("search", store.path, "--id", one, "--same", "familly").endswith("(did you mean family?)")


def test_a_store_of_which_there_are_parts_only_is_told_to_be_committed(run, fails, photos, tmp_path):
    store = tmp_path / "s"
    assert run("embed", photos, "--store", store, "--encoder", "pixels", "--shard", "1/1").status == 0
    for command in (("info",), ("verify",), ("search", "--id", "x"), ("map", "--out", tmp_path / "m")):
        assert "has no store yet, only 1 parts of shards: commit it" in fails(command[0], store, *command[1:])
    assert run("commit", store).status == 0
    assert run("info", store, "--json").json["images"] == 6
