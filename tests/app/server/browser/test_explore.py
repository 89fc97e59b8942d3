"""The Explore view as people use it: search, clades, the map and its lasso, a picture in full, a table to take away, a link."""

import csv
import re
import shutil

import pytest

from tests.app.server.browser.conftest import asked, on_the_map, settled
from tests.app.server.conftest import until

COUNT = "#grid-title"


def number(page):
    """The number of pictures that stands above the grid; None while it is not known."""
    found = re.match(r"[\d,]+", page.inner_text(COUNT))
    return found and int(found[0].replace(",", ""))


def loaded(page):
    """Width of each of the first pictures of the grid, once they are there; 0 for a broken one."""
    found = []

    def are_there():
        found[:] = page.evaluate(
            "(() => { const some = [...document.querySelectorAll('[role=gridcell] img')].slice(0, 4);"
            " return some.length > 2 && some.every(one => one.complete) ? some.map(one => one.naturalWidth) : []; })()"
        )
        return found

    until(are_there)
    return found


def box_of_map(page):
    on_the_map(page)
    return page.locator("[role=application]").bounding_box()


def test_a_clade_of_the_tree_keeps_its_pictures_and_a_reload_shows_the_same(opened, store):
    page, _ = opened(store.path)
    assert number(page) == len(store)
    assert min(loaded(page)) > 0
    on_the_map(page)
    page.locator("[role=treeitem]").last.click()
    page.wait_for_url("**within=*")
    (clade,) = asked(page)["within"]
    n = store.count(within=clade)
    assert 0 < n < len(store)
    until(lambda: number(page) == n)
    chips = page.get_by_role("list", name="What is searched for and kept")
    assert f"only {clade.split(' > ')[-1]}" in chips.inner_text()
    page.reload()
    until(lambda: number(page) == n)
    root = store.table(["kingdom"])["kingdom"][0].as_py()
    page.goto(f"/?within={root}")
    settled(page)
    assert f"only {root}" in chips.inner_text()
    page.get_by_role("button", name="Clear all").click()
    until(lambda: number(page) == len(store))


def test_names_are_found_by_their_letters(opened, store):
    species = store.table(["species"])["species"][5].as_py()
    page, _ = opened(store.path)
    page.get_by_role("combobox", name="Find a name").fill(species[:4].lower())
    page.get_by_role("option", name=re.compile(species)).first.click()
    page.wait_for_url("**within=*")
    until(lambda: number(page) == store.count(within=species))


def test_a_picture_from_the_readers_disk_finds_itself_first(opened, store):
    some = store.table(["uri", "image_id"]).slice(7, 1).to_pylist()[0]
    page, _ = opened(store.path)
    page.set_input_files("input[type=file]", some["uri"])
    page.wait_for_selector("[role=gridcell] .score")
    expected = store.search(images=[some["uri"]], k=len(store)).hits
    assert page.inner_text("[role=gridcell] .score >> nth=0") == f"{expected[0].score:.2f}" == "1.00"
    assert number(page) == len(expected)
    page.locator("[role=gridcell] .open").first.click()
    page.wait_for_selector("dialog dl")
    assert asked(page)["open"] == [expected[0].image_id] == [some["image_id"]]
    assert str(some["uri"]) in page.inner_text("dialog")
    page.keyboard.press("ArrowRight")
    page.wait_for_url(f"**open={expected[1].image_id}*")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert "open" not in asked(page)


def test_more_and_less_like_this_is_a_search_that_a_link_carries(opened, store):
    page, _ = opened(store.path)
    on_the_map(page)
    page.locator("[data-at='3']").hover()
    page.locator("[data-at='3']").get_by_role("button", name="More like this").click()
    page.wait_for_selector("[role=gridcell] .score")
    (like,) = asked(page)["like"]
    expected = [hit.image_id for hit in store.search(image_id=like, k=len(store)).hits]
    assert number(page) == len(expected)
    page.locator("[data-at='9']").hover()
    page.locator("[data-at='9']").get_by_role("button", name="Not like this").click()
    page.wait_for_url("**unlike=*")
    (unlike,) = asked(page)["unlike"]
    assert unlike == expected[9]
    both = store.search(image_id=like, not_image_id=unlike, k=len(store)).hits
    until(lambda: page.inner_text("[role=gridcell] .score >> nth=0") == f"{both[0].score:.2f}")
    page.reload()
    page.wait_for_selector("[role=gridcell] .score")
    assert page.inner_text("[role=gridcell] .score >> nth=0") == f"{both[0].score:.2f}"
    page.go_back()
    until(lambda: "unlike" not in asked(page))


def counts_of_roots(page):
    """Pictures of the highest taxa, as the tree says."""
    roots = page.locator("[role=treeitem][aria-level='1']")
    labels = roots.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    return [int(label.rsplit(", ", 1)[1].replace(",", "")) for label in labels]


def test_the_lasso_chooses_pictures_of_the_map_for_the_grid_and_the_tree(opened, store):
    page, _ = opened(store.path)
    box = box_of_map(page)
    page.get_by_role("button", name="Lasso").click()
    x, y, wide, high = box["x"] + 4, box["y"] + 4, box["width"] / 2, box["height"] - 8
    page.mouse.move(x, y)
    page.mouse.down()
    for right, down in ((wide, 0), (wide, high), (0, high), (0, 0)):
        page.mouse.move(x + right, y + down, steps=4)
    page.mouse.up()
    until(lambda: number(page) < len(store))
    n = number(page)
    assert n > 0
    assert "Counts are of the pictures inside the lasso." in page.inner_text("body")
    until(lambda: sum(counts_of_roots(page)) == n)
    page.get_by_role("button", name="Release lasso").click()
    until(lambda: number(page) == len(store))


def test_the_map_is_recoloured_zoomed_and_linked(opened, store):
    page, _ = opened(store.path)
    box = box_of_map(page)
    page.get_by_role("combobox", name="Colour", exact=True).select_option("species")
    page.wait_for_url("**by=species*")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -300)
    until(lambda: "at" in asked(page))
    at = asked(page)["at"]
    page.reload()
    on_the_map(page)
    # The choices come with the columns of the store, so soon after the map.
    until(lambda: page.get_by_role("combobox", name="Colour", exact=True).input_value() == "species")
    until(lambda: asked(page).get("at") == at)
    page.get_by_role("button", name="Show the whole map").click()
    until(lambda: "at" not in asked(page))


def test_the_table_of_what_is_kept_is_taken_away_whole(opened, store, tmp_path):
    page, _ = opened(store.path)
    on_the_map(page)
    page.locator("[role=treeitem]").last.click()
    page.wait_for_url("**within=*")
    (clade,) = asked(page)["within"]
    n = store.count(within=clade)
    until(lambda: number(page) == n)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save table").click()
    download.value.save_as(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    expected = store.table(["image_id"], within=clade)["image_id"].to_pylist()
    assert sorted(row["image_id"] for row in rows) == sorted(expected)


def test_a_filter_keeps_the_rows_that_pass(opened, store):
    page, _ = opened(store.path)
    on_the_map(page)
    species = store.table(["species"])["species"][3].as_py()
    page.get_by_role("button", name="Filter").click()
    page.get_by_label("Keep pictures whose").select_option("species")
    page.get_by_label("value").fill(species)
    page.get_by_role("button", name="Add", exact=True).click()
    page.wait_for_url("**where=*")
    until(lambda: number(page) == store.count(within=species))


def test_a_folder_of_pictures_comes_to_a_map_and_answers_by_itself(opened, store, tmp_path):
    folder = tmp_path / "photos"
    for species, uri in zip(*store.table(["species", "uri"]).to_pydict().values(), strict=True):
        (folder / species).mkdir(parents=True, exist_ok=True)
        shutil.copy(uri, folder / species)
    page, _ = opened(folder, verb="explore", arguments=("--no-browser",), ready=False)
    until(lambda: page.locator(COUNT).count() == 1 and number(page) == len(store), 60)
    until(lambda: page.get_by_role("application", name=f"Map of {len(store)} pictures").count() == 1, 60)
    page.get_by_label("Search by words").fill("a bird")
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_selector("[role=gridcell] .score")


@pytest.mark.parametrize("n", [0, 1])
def test_a_store_of_no_picture_or_one_is_no_failure(opened, store, tmp_path, n):
    import cladescope

    small = tmp_path / "small.store"
    uris = store.table(["uri"])["uri"].to_pylist()
    cladescope.embed(uris[0], small, encoder="pixels")
    if n == 0:
        cladescope.delete(small, image_ids=store_ids(small))
    page, _ = opened(small, ready=False)
    page.wait_for_selector(COUNT)
    until(lambda: ("There is no picture" in page.inner_text("body")) if n == 0 else number(page) == 1)


def store_ids(path):
    from cladescope.index.store import Store

    return Store.open(path).table(["image_id"])["image_id"].to_pylist()
