"""No name is mathematics, markup or the end of a page to a figure, a sheet or a table."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest

from cladescope.analysis.audit.contact_sheet import Tile, draw
from cladescope.analysis.benchmark.page import _table
from cladescope.analysis.classify.confidence_figures import draw_reliability
from cladescope.analysis.figure_files import save_figure
from cladescope.analysis.maps.drill_down import Panel, draw_drill_down
from cladescope.analysis.maps.figure import draw_map
from cladescope.analysis.maps.page import map_page
from cladescope.analysis.maps.page_data import PageMap
from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes.result import ProbeReport, ProbeResult
from cladescope.analysis.probes.training_curve import draw_training_curve
from tests.alone import index_of, part_of

NAMES = [
    "$\\frac{$",
    "$x$ and $y$",
    "a\x1b[2Jb",
    "c\x9bd",
    "two\nlines",
    "</script>",
    "<b>&amp;",
    "_hidden",
    "{0}",
    "a|b",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_map_and_its_panels_show_any_name(name, tmp_path):
    points = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    lineages = [("Animalia", name)] * 10 + [("Animalia", "Parus")] * 10
    figure = draw_map(points, lineages, rank="genus", title=name)
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(shown) == 2, "a name that begins with _ is not left out"
    for path in save_figure(figure, tmp_path, "map"):
        if path.suffix == ".svg":
            ElementTree.parse(path)
    panel = Panel(name, "genus", np.arange(20), 20, points)
    draw_drill_down([panel], {"genus": lineages}, title=name).savefig(tmp_path / "drill.svg")
    ElementTree.parse(tmp_path / "drill.svg")


@pytest.mark.parametrize("name", NAMES)
def test_curves_and_reliability_show_any_name(name, tmp_path):
    report = ProbeReport(store=name, encoder={}, results=(ProbeResult(probe="1-NN purity", rank="order", value=0.5),))
    draw_training_curve([report, report], [name, "b"]).savefig(tmp_path / "curve.svg")
    draw_reliability({"order": (np.full(9, 0.8), np.ones(9, bool))}, title=name).savefig(tmp_path / "r.svg")
    for path in tmp_path.glob("*.svg"):
        ElementTree.parse(path)


@pytest.mark.parametrize("name", NAMES)
def test_no_name_ends_the_data_of_a_page(name):
    columns = {word: [name] for word in ("image_id", "uri", "genus", "label", "licence", name)}
    pictures = Pictures(np.empty((1, 0), np.float32), pa.table(columns))
    one = PageMap(name=name, points=np.zeros((1, 2), np.float32), pictures=pictures, notes=(name,), encoder=name)
    page = map_page([one], title=name)
    assert page.count("<script") == page.count("</script>") == len(re.findall(r'<script type="[a-z/]+" id="', page)) + 1
    assert "<b>&amp;" not in page
    index = index_of(page)["maps"][0]
    assert (index["name"], index["map"]["notes"], index["map"]["encoder"]) == (name, [name], name)
    assert json.loads(part_of(page, "rows/0"))["label"] == [name]
    assert json.loads(part_of(page, "lineages"))["genus"] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_contact_sheet_keeps_a_name_on_its_line(name):
    tile = Tile("nowhere.jpg", (name, name))
    assert draw([], [tile], title=name).size == draw([], [Tile("nowhere.jpg", ("a", "b"))], title="a").size


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_cell_of_a_markdown_table(name):
    head, _, row = _table([name, "n"], [[name, "1"]]).splitlines()
    for line in (head, row):
        assert len(re.findall(r"(?<!\\)\|", line)) == 3
        assert "<" not in line
