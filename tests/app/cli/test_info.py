"""`info` shows what there is, and says in a line what there is not."""

from PIL import Image


def test_ranks_that_no_picture_has_are_left_out_and_one_is_counted_as_one(run, photos, tmp_path):
    (photos / "good0.jpg").rename(tmp_path / "one.jpg")
    one, names = tmp_path / "one", tmp_path / "names"
    (names / "Xenus yonderus").mkdir(parents=True)
    one.mkdir()
    (tmp_path / "one.jpg").rename(one / "one.jpg")
    (one / "bad.jpg").write_text("no picture")
    Image.new("RGB", (32, 32), "red").save(names / "Xenus yonderus" / "a.png")
    run("embed", one, "--store", tmp_path / "s", "--encoder", "pixels")
    run(
        "embed",
        names,
        "--store",
        tmp_path / "named.store",
        "--encoder",
        "pixels",
        "--labels-from",
        r"(?P<species>[^/]+)/",
    )
    told = run("info", tmp_path / "s").out
    assert told.startswith("1 picture, 1 failure (--failures lists them), version ")
    assert "no picture has the name of a taxon: `cladescope predict STORE` proposes some\n" in told
    assert "kingdom" not in told
    assert "in 1 fragment, " in told
    named = run("info", tmp_path / "named.store").out
    assert "species     1         1" in named
    assert "kingdom" not in named
    assert "no picture has" not in named
    assert run("info", tmp_path / "s", "--json").json["ranks"]["species"] == {"taxa": 0, "images": 0}
