"""map.html as people open it, from a disk: with ranks, with labels alone, with no name at all, and with hostile names."""

from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from cladescope.analysis.maps.page import map_page
from cladescope.analysis.maps.page_data import PageMap
from cladescope.analysis.maps.small_pictures import SIDE, small_pictures
from cladescope.analysis.pictures import Pictures
from cladescope.index.notebook import page_cell
from tests.alone import chromium, opened  # noqa: F401 - fixtures

N = 40


@pytest.fixture
def look(opened, tmp_path):  # noqa: F811
    """Write the page of some columns, and open it from the disk."""
    for number in range(5):
        Image.new("RGB", (60, 40), (40 * number, 90, 60)).save(tmp_path / f"{number}.jpg")

    def call(columns, *, width=1280, dark=False, query="", n=N):
        points = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
        uris = [str(tmp_path / f"{number}.jpg") for number in range(n)]
        table = pa.table({"image_id": [f"id/{number}" for number in range(n)], "uri": uris, **columns})
        one = PageMap(name="garden", points=points, pictures=Pictures(np.empty((n, 0), np.float32), table), small=small_pictures(uris))  # fmt: skip
        path = tmp_path / "map.html"
        path.write_text(map_page([one], title="garden"), encoding="utf-8")
        page = opened(path.as_uri() + query, under=path.as_uri(), width=width, dark=dark)
        page.wait_for_selector(".dots")
        return page

    return call


RANKS = {
    "kingdom": ["Animalia"] * N,
    "class": ["Aves"] * 24 + ["Insecta"] * 16,
    "species": ["Parus major"] * 24 + ["Vanessa atalanta"] * 16,
    "common_name": ["great tit"] * 24 + ["red admiral"] * 16,
    "licence": ["CC BY"] * 30 + [None] * 10,
}


def legend(page):
    return [one.strip() for one in page.locator("section ul button .name").all_inner_texts()]


def told(page, text):
    page.get_by_text(text, exact=False).first.wait_for()


def test_ranks_give_tree_colours_and_pictures_and_the_address_carries_what_is_kept(look):
    page = look(RANKS)
    page.get_by_role("treeitem", name="Aves").wait_for()
    assert legend(page)[:2] == ["Parus major", "great tit"]
    told(page, f"{N} pictures")
    page.get_by_role("treeitem", name="Insecta").click()
    told(page, f"16 of {N} pictures")
    assert parse_qs(urlsplit(page.url).query)["within"] == ["Animalia > Insecta"]
    page.reload()
    told(page, f"16 of {N} pictures")
    page.get_by_role("combobox", name="Find a name").fill("great")
    page.get_by_role("option", name="Parus major").click()
    told(page, f"24 of {N} pictures")


def test_small_pictures_are_inside_and_those_without_are_tiles_with_their_names(look):
    page = look(RANKS)
    page.locator('[data-at="39"], [data-at="5"]').first.wait_for()
    page.locator("[role=gridcell] img").nth(4).wait_for()
    widths = page.eval_on_selector_all("[role=gridcell] img", "all => all.map(one => one.naturalWidth)")
    assert widths == [SIDE] * 5
    assert page.locator("[role=gridcell] .tile").first.inner_text() == "Parus major"
    page.get_by_role("button", name="About this map").click()
    told(page, "5 of 40 pictures have a thumbnail (file has gone: 35)")
    told(page, "of 10 pictures no licence is known")


def test_a_picture_in_full_has_its_licence_and_no_folder_of_the_machine(look, tmp_path):
    page = look(RANKS, query="?open=id/3")
    page.wait_for_selector("dialog dl")
    shown = page.inner_text("dialog")
    assert "CC BY" in shown
    assert "3.jpg" in shown
    assert str(tmp_path) not in page.content()
    assert page.get_by_role("button", name="Similar pictures").count() == 0
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")


def test_labels_colour_a_map_without_ranks_and_keep_pictures(look):
    page = look({"label": ["meadow"] * 25 + ["wood"] * 14 + [None]})
    assert page.inner_text("#tree-title") == "Labels"
    page.locator("section ul button", has_text="wood").first.click()
    told(page, f"14 of {N} pictures")
    assert "no value (1)" in page.inner_text("section[aria-label='Map of the pictures']")


def test_another_column_colours_a_map_without_ranks_and_labels(look):
    page = look({"site": ["north", "south"] * (N // 2)})
    page.locator("section ul button", has_text="south").first.wait_for()
    assert page.locator("select").nth(1).input_value() == "site"


def test_a_map_without_any_name_has_one_colour_and_no_legend(look):
    page = look({})
    told(page, "no tree")
    page.locator("[role=gridcell]").first.wait_for()
    assert page.locator("section[aria-label='Map of the pictures'] ul").count() == 0
    assert "one colour" in page.locator("select option:checked").all_inner_texts()


@pytest.mark.parametrize("n", [0, 1])
def test_no_picture_and_one_are_a_page_all_the_same(look, n):
    page = look({"label": ["a"] * n}, n=n)
    told(page, f"{n} picture")


def test_hostile_names_are_texts(look):
    evil = "</script><script>alert(1)</script>"
    image = "<img src=x onerror=alert(2)>"
    page = look({"genus": [evil] * 20 + [image] * 20, "label": [evil] * N, "licence": [image] * N, "<b>": [evil] * N})
    page.get_by_role("treeitem", name="alert(1)").click()
    told(page, f"20 of {N} pictures")
    page.get_by_role("gridcell").first.get_by_role("button").first.click()
    page.wait_for_selector("dialog dl")
    assert image in page.inner_text("dialog")
    assert evil in page.inner_text("dialog")
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize("dark", [False, True])
def test_a_telephone_shows_one_part_at_a_time_without_sideways_scroll(look, dark):
    page = look(RANKS, width=390, dark=dark)
    page.get_by_role("button", name="Pictures", exact=True).click()
    page.locator("[role=gridcell]").first.wait_for()
    page.get_by_role("button", name="Tree", exact=True).click()
    page.get_by_role("treeitem", name="Aves").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_lasso_counts_the_tree_anew_and_the_table_can_be_saved(look):
    page = look(RANKS)
    page.get_by_role("treeitem", name="Aves").wait_for()
    box = page.locator("[role=application]").bounding_box()
    page.get_by_role("button", name="Lasso").click()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    for x, y in ((0.55, 0.02), (0.55, 0.98), (0.02, 0.98), (0.02, 0.02)):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
    page.mouse.up()
    told(page, "Counts are of the pictures inside the lasso.")
    kept = int(page.inner_text("#grid-title").split()[0])
    assert 0 < kept < N
    page.wait_for_selector("[role=treeitem]")
    page.get_by_role("treeitem", name=f"kingdom Animalia, {kept}").wait_for()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save table").click()
    assert len(saved.value.path().read_text(encoding="utf-8-sig").splitlines()) == kept + 1


def test_a_page_within_another_that_may_remember_nothing_works_as_well(opened, look, tmp_path):  # noqa: F811
    look(RANKS)
    frame = tmp_path / "notebook.html"
    frame.write_text(page_cell((tmp_path / "map.html").read_text(encoding="utf-8")), encoding="utf-8")
    inside = opened(frame.as_uri(), under=frame.as_uri()).frame_locator("iframe")
    inside.get_by_role("treeitem", name="Insecta").click()
    inside.get_by_text(f"16 of {N} pictures").wait_for()
    assert inside.locator("#grid-title").inner_text() == f"16 of {N} pictures"
