"""The page over photographs of organisms, with the encoder `tiny`, from a folder to the first useful answers."""

import shutil

import pytest

from tests.app.server.browser.conftest import on_the_map
from tests.app.server.browser.test_explore import COUNT, number
from tests.app.server.conftest import until
from tests.conftest import SHARED_DATA

IMAGES = SHARED_DATA / "organisms" / "images"
pytestmark = pytest.mark.skipif(not IMAGES.is_dir(), reason="../shared/data/organisms is absent")


def names_of_first(page, n):
    """The names under the first cards of the grid."""
    return page.locator("[role=gridcell] .name").all_inner_texts()[:n]


def test_a_folder_of_photographs_is_searched_by_words_and_by_a_picture(opened, tmp_path):
    kinds = [one.name for one in sorted(IMAGES.iterdir()) if sum(1 for _ in one.glob("*.jpg")) > 11][:80:20]
    queries = {}
    for kind in kinds:
        pictures = sorted((IMAGES / kind).glob("*.jpg"))[:11]
        queries[kind] = pictures[0]
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for picture in pictures[1:]:
            shutil.copy(picture, tmp_path / "photos" / kind)
    page, _ = opened(tmp_path / "photos", verb="explore", arguments=("--no-browser",), ready=False)
    n = sum(1 for _ in (tmp_path / "photos").rglob("*.jpg"))
    until(lambda: page.locator(COUNT).count() == 1 and number(page) == n, 60)
    on_the_map(page)
    kind, query = next(iter(queries.items()))
    page.set_input_files("input[type=file]", query)
    page.wait_for_selector("[role=gridcell] .score")
    until(lambda: names_of_first(page, 3).count(kind.replace("_", " ")) >= 2, 10)
    page.get_by_role("button", name="Clear all").click()
    page.wait_for_selector("[role=gridcell] .score", state="detached")
    page.get_by_label("Search by words").fill(kind.replace("_", " "))
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_selector("[role=gridcell] .score")
    until(lambda: names_of_first(page, 3).count(kind.replace("_", " ")) >= 2, 10)
