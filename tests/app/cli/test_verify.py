"""`cladescope verify`: a table for people, a document for programs, and a status that says whether the store is whole."""


def test_a_store_that_was_embedded_deleted_from_and_indexed_is_sound(run, photos, tmp_path):
    store = tmp_path / "s"
    assert run("embed", photos, "--store", store).status == 0
    assert run("index", store, "--kind", "hnsw").status == 0
    ended = run("verify", store)
    assert (ended.status, ended.err) == (0, "")
    assert [line.split()[0] for line in ended.out.splitlines()] == [
        "check", "files", "description", "runs", "vectors", "pictures", "index",
    ]  # fmt: skip
    assert all(line.endswith("sound") for line in ended.out.splitlines()[1:])
    document = run("verify", store, "--json").json
    assert document["is_sound"] is True
    assert document["checks"][2]["looked_at"] == "1 runs, 6 pictures"


def test_a_damaged_store_ends_with_status_1_and_a_line(run, photos, tmp_path):
    store = tmp_path / "s"
    assert run("embed", photos, "--store", store).status == 0
    (path,) = (store / "lance" / "images.lance" / "data").iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    for form in ((), ("--json",)):
        ended = run("verify", store, *form)
        assert ended.status == 1
        assert f"lance/images.lance/data/{path.name}: not as they were written" in ended.out
        assert ended.err.splitlines()[-1].startswith(f"error: {store} is damaged: ")


def test_what_is_no_store_is_refused_in_a_line(fails, tmp_path):
    assert "does not exist" in fails("verify", tmp_path / "none")
