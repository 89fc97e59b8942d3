"""The picture of the house, drawn from its imports."""

import pytest

from tests.conftest import REPOSITORY
from tests.house import load_house

HOUSE = load_house()
PAGES = HOUSE.pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_pages_are_fresh(path):
    assert path.read_text() == PAGES[path], "run `make docs`"


def test_every_module_stands_on_the_page():
    page = (REPOSITORY / "docs" / "house.md").read_text()
    for module, path in HOUSE.modules().items():
        assert f"- `{module.rpartition('.')[2]}`: " in page or path.name == "__init__.py"


def test_an_arrow_that_follows_from_others_is_left_out():
    arrows = {"roof": {"wall", "ground"}, "wall": {"ground"}, "ground": set()}
    assert HOUSE.drawn_arrows(arrows) == [("roof", "wall"), ("wall", "ground")]
    assert HOUSE.circles(arrows) == []
    assert HOUSE.circles(arrows | {"ground": {"wall"}}) == [["ground", "wall"]]


def test_files_that_stand_above_and_below_the_rooms_of_their_folder_are_rooms_themselves():
    found = HOUSE.modules()
    room = HOUSE.rooms(found, HOUSE.imports(found))
    assert (room["errors"], room["schema"], room["taxonomy.taxon"]) == ("errors", "schema", "taxonomy")
    assert room["embedding.pipeline"] == "embedding"
