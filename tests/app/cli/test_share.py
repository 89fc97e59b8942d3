"""A store shared as a folder: what is written, what is not told, and the page below any path of a web server."""

import csv
import functools
import gzip
import http.server
import json
import threading
from pathlib import Path

import pytest

import cladescope
from cladescope.errors import CladescopeError
from cladescope.index.store import Store
from tests.alone import chromium, opened  # noqa: F401 - fixtures
from tests.app.cli.command_line import fails, misused, photos, query, run  # noqa: F401 - fixtures

N = 48


@pytest.fixture
def served(tmp_path):
    """Serve a folder of files and give its address."""
    handler = functools.partial(Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_):
        pass


def texts(folder):
    """Every file of a folder as a text, unpacked."""
    for path in folder.rglob("*"):
        if path.suffix == ".bin":
            yield gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
        elif path.is_file() and path.suffix != ".jpg":
            yield path.read_text(encoding="utf-8")


def test_a_folder_has_all_pictures_and_no_folder_of_this_machine(run, store, tmp_path):  # noqa: F811
    out = tmp_path / "site"
    ended = run("share", store.path, "--out", out, "--side", 128, "--json")
    assert ended.status == 0, ended.err
    told = ended.json
    assert (told["pictures"], told["thumbnails"], told["missing"]) == (N, N, {})
    files = [path for path in out.rglob("*") if path.is_file()]
    assert told["files"] == len(files)
    assert told["n_bytes"] == sum(path.stat().st_size for path in files)
    assert told["thumbnail_bytes"] == sum(path.stat().st_size for path in out.glob("pictures/*/*/*.jpg"))
    assert {path.name for path in out.iterdir()} == {"index.html", "page.js", "page.css", "pictures.csv", "data", "pictures"}  # fmt: skip
    uris = store.table(["uri"])["uri"].to_pylist()
    folders = {str(Path(uri).parent) for uri in uris} | {str(tmp_path)}
    for text in texts(out):
        assert not any(folder in text for folder in folders)
    assert told["without_licence"] == store.table(["licence"])["licence"].null_count


def test_each_picture_has_its_line_with_its_licence(run, store, tmp_path):  # noqa: F811
    run("share", store.path, "--out", tmp_path / "site")
    with (tmp_path / "site" / "pictures.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    columns = ["image_id", "uri", "licence", "rights_holder", "species"]
    rows = {row["image_id"]: row for row in store.table(columns).to_pylist()}
    assert {line["image_id"] for line in lines} == set(rows)
    for line in lines:
        row = rows[line["image_id"]]
        assert (tmp_path / "site" / line["picture"]).is_file()
        assert line["name"].endswith(row["species"])
        assert line["uri"] == Path(row["uri"]).name
        assert line["licence"] == (row["licence"] or "")


def test_a_part_of_a_store_stands_where_the_whole_map_has_it(store, tmp_path):
    clade = store.table(["class"])["class"][0].as_py()
    n = store.count(within=clade)
    assert 0 < n < N
    made = cladescope.share(store.path, tmp_path / "some", within=clade, side=128)
    assert made.pictures == n
    index = json.loads((tmp_path / "some" / "data" / "index.json").read_text())
    (details,) = [one["details"] for one in index["maps"]]
    assert details["ranks"]["class"]["taxa"] == 1
    whole = cladescope.share(store.path, tmp_path / "whole", side=128)
    points = [
        gzip.decompress((tmp_path / name / "data" / "0" / "points.bin").read_bytes()) for name in ("some", "whole")
    ]
    pairs = [{data[at : at + 8] for at in range(0, len(data), 8)} for data in points]
    assert pairs[0] < pairs[1]
    assert whole.pictures == N


def test_a_second_call_makes_nothing_again_and_replaces_what_it_wrote_alone(run, fails, store, tmp_path, monkeypatch):  # noqa: F811
    out = tmp_path / "site"
    first = run("share", store.path, "--out", out, "--json").json
    assert "overwrite" in fails("share", store.path, "--out", out)

    def never(*_, **__):
        raise AssertionError("it is kept with the store")

    monkeypatch.setattr("cladescope.app.service.map_kept.laid_out", never)
    monkeypatch.setattr("cladescope.app.service.thumbnails.thumbnail", never)
    again = run("share", store.path, "--out", out, "--overwrite", "--json").json
    assert again == first
    (out / "pictures" / "0" / "mine.txt").write_text("mine")
    assert "holds pictures" in fails("share", store.path, "--out", out, "--overwrite")
    assert (out / "pictures" / "0" / "mine.txt").read_text() == "mine"


def test_a_map_is_made_anew_for_a_store_that_has_changed(store, tmp_path):
    cladescope.share(store.path, tmp_path / "before", side=128)
    gone = store.table(["image_id"])["image_id"].to_pylist()[:8]
    cladescope.delete(store.path, image_ids=gone)
    made = cladescope.share(store.path, tmp_path / "after", side=128)
    assert made.pictures == N - 8
    assert not any(image_id in text for text in texts(tmp_path / "after") for image_id in gone)


def test_what_is_missing_is_counted(run, photos, tmp_path):  # noqa: F811
    store = tmp_path / "photos.store"
    assert run("embed", photos, "--store", store, "--encoder", "pixels").status == 0
    (photos / "good0.jpg").unlink()
    ended = run("share", store, "--out", tmp_path / "site")
    assert "1 picture without a thumbnail: file has gone" in ended.err
    assert "no licence is known" in ended.err
    assert "6 pictures in" in ended.out


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--side", 200], "side is 200"), (["--within", "Nothingidae"], "Nothingidae")]
)
def test_what_cannot_be_shared_is_refused(run, store, tmp_path, arguments, said):  # noqa: F811
    ended = run("share", store.path, "--out", tmp_path / "site", *arguments)
    assert ended.status != 0
    assert said in ended.err
    assert not (tmp_path / "site").exists()


def test_an_empty_store_is_no_page(store, tmp_path):
    empty = Store.create(tmp_path / "empty.store", store.card)
    with pytest.raises(CladescopeError, match="no picture"):
        cladescope.share(empty, tmp_path / "site")


def test_the_page_runs_below_any_path_of_a_web_server(served, opened, store, tmp_path):  # noqa: F811
    cladescope.share(store.path, tmp_path / "a" / "b", side=128)
    under = f"{served}/a/b/"
    page = opened(under, under=under)
    page.wait_for_selector(".dots")
    page.locator("[role=gridcell] img").nth(3).wait_for()
    page.get_by_text(f"{N} pictures").first.wait_for()
    page.locator("[role=gridcell] .open").first.click()
    page.wait_for_selector("dialog img")
    assert page.url.startswith(f"{under}?open=")
    page.reload()
    page.wait_for_selector("dialog dl")
    page.keyboard.press("Escape")
    page.get_by_role("treeitem").nth(1).click()
    page.get_by_text(f"of {N} pictures").first.wait_for()
    assert page.url.startswith(f"{under}?within=")


def test_from_a_disk_the_page_says_how_to_serve_it(chromium, store, tmp_path):  # noqa: F811
    cladescope.share(store.path, tmp_path / "site", side=128)
    page = chromium.new_page()
    page.goto((tmp_path / "site" / "index.html").as_uri())
    page.get_by_text("python -m http.server").wait_for()
    page.close()
