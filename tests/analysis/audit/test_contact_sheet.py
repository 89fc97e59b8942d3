import numpy as np
import pytest
from PIL import Image

from cladescope.analysis.audit import contact_sheet
from cladescope.analysis.audit.contact_sheet import TILE, Tile, draw, draw_answer, save
from cladescope.errors import InputError
from cladescope.index.hits import Hit, SearchResult
from cladescope.taxonomy import Taxon


def test_a_sheet_shows_query_and_hits(clades, store, tmp_path):
    picture = sorted(clades.glob("images/*/*.jpg"))[0]
    answer = store.search(images=[picture], k=7)
    path = draw_answer(answer, tmp_path / "new" / "hits.png", queries=[str(picture)])
    with Image.open(path) as sheet:
        assert sheet.width > 5 * TILE
        assert sheet.height > 3 * TILE, "a row for the query and two for seven hits"
        pixels = np.asarray(sheet.convert("RGB"))
    query, first = (pixels[top : top + TILE].astype(int) for top in _tops(pixels))
    assert abs(query[:, 14 : 14 + TILE] - first[:, 14 : 14 + TILE]).mean() < 8, "the first hit is the query itself"


def _tops(pixels):
    """Rows in which the first two pictures of the left column begin."""
    drawn = (pixels[:, 14 + TILE // 4 : 14 + 3 * TILE // 4] < 250).any(axis=2).mean(axis=1) > 0.9
    starts = np.flatnonzero(drawn[1:] & ~drawn[:-1]) + 1
    tall = [start for start in starts if drawn[start : start + TILE - 10].all()]
    return tall[:2]


def test_a_hit_is_called_by_its_taxon_else_its_label_else_its_file(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(contact_sheet, "draw", lambda _, tiles, **__: drawn.extend(tiles) or Image.new("RGB", (1, 1)))
    titmouse = Taxon(("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus major"))
    hits = [
        Hit(position, 0.5, f"{position}c0ffee", "/photos/tits/tit.jpg", taxon, common_name, extra)
        for position, (taxon, common_name, extra) in enumerate(
            [
                (titmouse, "Great Tit", {"label": "tits"}),
                (None, None, {"label": "tits"}),
                (None, None, {"label": None}),
            ],
            1,
        )
    ]
    answer = SearchResult(hits, "exact")
    draw_answer(answer, tmp_path / "hits.png")
    assert [tile.lines for tile in drawn] == [
        ("1. Parus major", "Great Tit", "0.500  Paridae"),
        ("2. tits", "", "0.500"),
        ("3. tit.jpg", "", "0.500"),
    ]


def test_a_picture_that_is_gone_leaves_a_field_and_not_an_error(tmp_path, caplog):
    sheet = draw([], [Tile("/nowhere/a.jpg", ("1. Parus major",))], title="consensus: none")
    assert sheet.getpixel((14 + 5, sheet.height - TILE)) == (0xE4, 0xE7, 0xEB)
    assert "/nowhere/a.jpg" in caplog.text


def test_long_names_and_titles_stay_on_the_sheet():
    name = "1. Strigiphilus garylarsoni subspecies with a very long description indeed"
    sheet = draw([], [Tile("/nowhere/a.jpg", (name,))] * 2, title="consensus: " + "Animalia > " * 40)
    margin = np.asarray(sheet)[:, -8:]
    assert (margin == 255).all()


def test_a_file_that_cannot_be_written_is_an_error_of_one_line(tmp_path):
    with pytest.raises(InputError, match="suffix names no picture format"):
        save(Image.new("RGB", (4, 4)), tmp_path / "sheet.doc")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        save(Image.new("RGB", (4, 4)), tmp_path / "file" / "sheet.png")
