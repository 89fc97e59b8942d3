import numpy as np
import pytest
from PIL import Image

from cladescope.analysis.audit import contact_sheet
from cladescope.analysis.audit.contact_sheet import LINE, QUERY, TILE, Tile, draw, draw_answer, save
from cladescope.analysis.likeness import Likeness
from cladescope.errors import InputError
from cladescope.index.hits import Hit, SearchResult
from cladescope.taxonomy import Taxon

FRAME = (0x0B, 0x6E, 0x99)

MISSING_RGB = (0xE4, 0xE7, 0xEB)


def test_a_query_stands_beside_its_hits_and_not_among_them(clades, store, tmp_path):
    picture = sorted(clades.glob("images/*/*.jpg"))[0]
    answer = store.search(images=[picture], k=8)
    assert answer.hits[0].uri == str(picture), "it is stored"
    path = draw_answer(answer, tmp_path / "new" / "hits.png", queries=[str(picture)])
    with Image.open(path) as sheet:
        assert sheet.width == 14 + QUERY + 3 * 14 + 4 * (TILE + 14), "a column for the query, four for the hits"
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
        top = next(y for y in range(sheet.height) if (pixels[y, 18 : 18 + QUERY] == FRAME).all()) + 4
        query = pixels[top : top + QUERY, 18 : 18 + QUERY]
        hits = [
            pixels[top + row * step : top + row * step + TILE, left : left + TILE]
            for step in [TILE + 6 + 3 * LINE + 14]
            for row in range(2)
            for left in range(14 + QUERY + 3 * 14, sheet.width - TILE, TILE + 14)
        ]
    small = np.asarray(Image.fromarray(query.astype(np.uint8)).resize((TILE, TILE))).astype(int)
    far = [abs(small - hit).mean() for hit in hits]
    assert sum(hit.std() > 1 for hit in hits) == 7, "all but the query itself"
    assert min(far) > 8, "none of them is the query"


def test_queries_of_a_sheet_stand_below_each_other_and_keep_their_names(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        contact_sheet,
        "draw",
        lambda heads, tiles, **words: drawn.append((heads, tiles, words)) or Image.new("RGB", (1, 1)),
    )
    hits = [Hit(place, 0.9, f"{place}", f"/a/{place}.jpg", None, None, {}) for place in range(3)]
    draw_answer(SearchResult(hits, "exact"), tmp_path / "s.png", queries=["/a/1.jpg", "/b/2.jpg"])
    [(heads, tiles, words)] = drawn
    assert [head.lines for head in heads] == [("your picture 1", "1.jpg"), ("your picture 2", "2.jpg")]
    assert [tile.uri for tile in tiles] == ["/a/0.jpg", "/a/2.jpg"]
    assert "left out" in words["subtitle"]
    sheet = draw([Tile("/nowhere/a.jpg", ("q",))] * 3, [], title="t")
    assert sheet.height > 3 * QUERY


def test_scores_have_words_where_the_store_says_what_is_usual(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        contact_sheet, "draw", lambda _, tiles, **words: drawn.append((tiles, words)) or Image.new("RGB", (1, 1))
    )
    scores = (0.9, 0.5, 0.1)
    hits = [Hit(place, score, "i", "/a.jpg", None, None, {}) for place, score in enumerate(scores, 1)]
    words = Likeness(like=0.4, very=0.8, n_pictures=99)
    draw_answer(SearchResult(hits, "exact"), tmp_path / "s.png", likeness=words)
    draw_answer(SearchResult(hits[2:], "exact"), tmp_path / "s.png", likeness=words)
    (tiles, _), (_, of_none) = drawn
    assert [(tile.lines[-1], tile.small) for tile in tiles] == [
        ("very like", "0.900"),
        ("like", "0.500"),
        ("hardly like", "0.100"),
    ]
    assert of_none["title"] == "Nothing here is much like it"


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
        ("1. Parus major", "Great Tit", "tit.jpg", "0.500"),
        ("2. tits", "", "tit.jpg", "0.500"),
        ("3. tit.jpg", "", "", "0.500"),
    ]


def test_what_belongs_together_stands_closer_than_what_does_not():
    tile = Tile("/nowhere/a.jpg", ("a",))
    row = np.asarray(draw([], [tile] * 4, title="t", n_columns=4, together=2))[60]
    starts = np.flatnonzero((row == MISSING_RGB).all(axis=1) & (np.roll(row, 1, axis=0) == 255).all(axis=1))
    first, second, third, fourth = starts.tolist()
    assert second - first == fourth - third < third - second


def test_a_picture_that_is_gone_leaves_a_field_and_not_an_error(tmp_path, caplog):
    sheet = draw([], [Tile("/nowhere/a.jpg", ("1. Parus major",))], title="consensus: none")
    assert sheet.getpixel((14 + 5, sheet.height - TILE)) == MISSING_RGB
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
