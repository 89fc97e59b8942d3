"""Rows that are boxes of pictures."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cladescope.analysis.audit.contact_sheet import Tile, draw
from cladescope.embedding import prepare as prepare_module
from cladescope.embedding.decode import Picture, decode
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.pipeline import EmbedSummary, embed
from cladescope.embedding.regions import CORNER_NAMES, Box, box_columns, cropped, read_box, region_address, split_region
from cladescope.embedding.sources import open_source
from cladescope.errors import PictureError
from cladescope.index.store import Store
from tests.embedding.encoding import patches

SIDES = st.floats(0, 1e5).map(lambda value: float(f"{value:.10g}"))


@given(
    st.builds(Box, SIDES, SIDES, SIDES, SIDES), st.sampled_from(["/a b/tit.jpg", "https://a.org/x?b=1", "/s.tar#a.jpg"])
)
def test_an_address_says_its_picture_and_its_box(box: Box, parent: str) -> None:
    assert split_region(region_address(parent, box)) == (parent, box)
    assert split_region(parent) == (parent, None)


@pytest.mark.parametrize("text", ["1 2 30 40", "1,2,30,40", "[1, 2, 30, 40]", " (1; 2; 30; 40) ", "1.0, 2.0,3e1,40"])
def test_a_box_is_read_however_it_is_written(text: str) -> None:
    assert read_box({"bbox": text}, ["bbox"]) == Box(1, 2, 30, 40)
    values = dict(zip(("x", "y", "w", "h"), ("1", 2, 30.0, "40"), strict=True))
    assert read_box(values, box_columns(list(values))) == Box(1, 2, 30, 40)
    assert read_box({"bbox": [1, 2, 30, 40]}, ["bbox"]) == Box(1, 2, 30, 40)


@pytest.mark.parametrize("text", ["1 2 3", "a b c d", "1 2 0 4", "1 2 -3 4", "nan 0 1 1", "1 2 3 4 5", "inf 1 2 3"])
def test_what_is_no_box_is_refused(text: str) -> None:
    with pytest.raises(PictureError, match=r"^its box"):
        read_box({"bbox": text}, ["bbox"])


@pytest.mark.parametrize("names", CORNER_NAMES)
def test_a_box_may_be_given_by_two_corners(names: tuple[str, ...]) -> None:
    values = dict(zip(map(str.upper, names), ("1", "2", "31", "42"), strict=True))
    assert read_box(values, box_columns(list(values))) == Box(1, 2, 30, 40)
    with pytest.raises(PictureError, match="no area"):
        read_box(dict(zip(values, ("31", "2", "1", "42"), strict=True)), list(values))


def test_columns_that_are_no_boxes_stay_what_they_are() -> None:
    assert box_columns(["x", "y", "species"]) == box_columns([]) == ()
    assert box_columns(["bboxX", "bboxY", "bboxWidth", "bboxHeight"]) == ("bboxX", "bboxY", "bboxWidth", "bboxHeight")


def test_pixels_and_shares_mean_the_same_box_and_none_lies_outside() -> None:
    whole = Picture(patches(200, 100), 200, 100)
    by_pixels, by_shares = cropped(whole, Box(100, 0, 100, 50)), cropped(whole, Box(0.5, 0, 0.5, 0.5))
    assert (np.asarray(by_pixels.picture.image) == np.asarray(by_shares.picture.image)).all()
    assert by_pixels.picture.image.size == (110, 55)
    assert not by_pixels.is_cut
    for box in (Box(151, 0, 100, 50), Box(-11, 0, 20, 20), Box(0.8, 0.6, 0.5, 0.2), Box(-50, -50, 20, 20)):
        with pytest.raises(PictureError, match="lies outside the picture of 200 x 100 pixels"):
            cropped(whole, box)
    with pytest.raises(PictureError, match="too small"):
        cropped(whole, Box(0, 0, 5, 50))


def test_a_box_over_the_edge_is_cut_there_if_at_least_half_of_it_is_inside() -> None:
    whole = Picture(patches(200, 100), 200, 100)
    over = cropped(whole, Box(-10, 0, 40, 50))
    assert over.is_cut
    assert over.picture.image.size == (33, 55)  # 30 x 50 are inside, with a tenth more to the right and below
    assert not cropped(whole, Box(160.5, 0, 40, 50)).is_cut  # rounding of half a pixel


def embedded(table: Path, store: Path) -> EmbedSummary:
    encoder = Encoder.load("pixels")
    return embed(open_source(table), encoder, Store.open_or_create(store, encoder.card))


def test_several_boxes_of_a_picture_are_several_rows_and_it_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches(200, 100).save(tmp_path / "a.png")
    table = tmp_path / "m.csv"
    rows = ["a.png,Parus major,0 0 90 40", "a.png,Parus ater,110 0 80 40", "a.png,,", "a.png,Parus ater,500 0 9 9"]
    table.write_text("\n".join(["file,species,bbox", *rows, "a.png,Parus ater,what", ""]))
    decoded = []

    def counted(data, **given):
        decoded.append(given)
        return decode(data, **given)

    monkeypatch.setattr(prepare_module, "decode", counted)
    summary = embedded(table, tmp_path / "s")
    assert (summary.embedded, summary.failed) == (3, 2)
    assert len(decoded) == 2  # once for the boxes, once for the whole picture
    store = Store.open(tmp_path / "s")
    found = {
        row["uri"].rpartition("/")[2]: row
        for batch in store.scan(["uri", "species", "width", "vector"])
        for row in batch.to_pylist()
    }
    assert {uri: row["species"] for uri, row in found.items()} == {
        "a.png#box=0,0,90,40": "Parus major",
        "a.png#box=110,0,80,40": "Parus ater",
        "a.png": None,
    }
    first, second = (found[f"a.png#box={box}"]["vector"] for box in ("0,0,90,40", "110,0,80,40"))
    assert first != second
    assert sorted(row["reason"] for row in store.failures.to_pylist())[0].startswith("its box 500,0,9,9 lies outside")
    again = embedded(table, tmp_path / "s")
    assert (again.embedded, again.already_stored) == (0, 3)


def test_a_sheet_shows_the_box_and_not_the_whole_picture(tmp_path: Path) -> None:
    patches(200, 100).save(tmp_path / "a.png")
    sheet = draw([], [Tile(f"{tmp_path}/a.png#box=0,0,80,40", ("red",))], title="t")
    colours = {colour for n, colour in sheet.getcolors(1 << 20) or [] if n > 2000}
    assert (220, 20, 20) in colours
    assert not {(20, 200, 20), (30, 30, 210), (230, 230, 30)} & colours


def test_a_table_written_on_windows_finds_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "Site1/Cam2").mkdir(parents=True)
    Image.new("RGB", (40, 30)).save(tmp_path / "Site1/Cam2/a.png")
    (tmp_path / "m.csv").write_text("file\nSite1\\Cam2\\a.png\n")
    (record,) = open_source(tmp_path / "m.csv").records()
    assert record.uri == f"{tmp_path}/Site1/Cam2/a.png"
