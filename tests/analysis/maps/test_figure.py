"""Geometry of a map's figure: what names may cover, what has a colour, and which rank gives it."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex, to_rgb

from cladescope.analysis.maps.colour_rank import colour_rank
from cladescope.analysis.maps.colours import GREY, SHOWN, colouring
from cladescope.analysis.maps.drill_down import draw_drill_down, drill_down
from cladescope.analysis.maps.figure import INK, draw_map
from cladescope.analysis.maps.label_places import label_places, leader
from cladescope.analysis.maps.named_clusters import large_clusters
from cladescope.analysis.pictures import Pictures


def gap_of(box, other):
    """How far two boxes (west, south, east, north) are apart along the axis on which they are farthest; below 0 they overlap."""
    return max(box[0] - other[2], other[0] - box[2], box[1] - other[3], other[1] - box[3])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 300),
    spread=st.floats(1, 400),
    radius=st.floats(0, 12),
    names=st.lists(st.tuples(st.floats(5, 200), st.floats(5, 40)), min_size=1, max_size=25),
)
def test_no_name_covers_a_point_or_another_name_or_leaves_the_canvas(seed, n, spread, radius, names):
    width, height = 400.0, 300.0
    rng = np.random.default_rng(seed)
    points = (rng.normal(scale=spread, size=(n, 2)) + np.array([200.0, 150.0])).clip(0, (width, height))
    own = [rng.choice(n, rng.integers(1, n + 1), replace=False) for _ in names]
    found = label_places(points, own, names, width=width, height=height, radius=radius)
    assert len(found) == len(names)
    boxes = [
        (x, y, x + long, y + high)
        for (x, y), (long, high) in ((at, size) for at, size in zip(found, names, strict=True) if at is not None)
    ]
    for place, box in enumerate(boxes):
        nearest = np.clip(points, box[:2], box[2:])
        assert np.hypot(*(points - nearest).T).min() >= radius
        assert all(gap_of(box, other) >= 0 for other in boxes[:place])
        assert min(box[:2]) >= 0
        assert box[2] <= width
        assert box[3] <= height


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), spread=st.floats(20, 120))
def test_no_line_to_a_name_leads_through_another_name(seed, spread):
    width, height, size = 400.0, 300.0, (90.0, 14.0)
    rng = np.random.default_rng(seed)
    points = (rng.normal(scale=spread, size=(200, 2)) + np.array([200.0, 150.0])).clip(0, (width, height))
    own = np.split(np.arange(200), 20)
    found = label_places(points, own, [size] * 20, width=width, height=height, radius=4.0, line_from=12.0)
    placed = {place: corner for place, corner in enumerate(found) if corner is not None}
    assert placed or spread > 60, "where points are many everywhere there may be room for none"
    for place, corner in placed.items():
        if (line := leader(points[own[place]], corner, size, least=12.0)) is None:
            continue
        assert np.hypot(*(line[1] - line[0])) <= 0.12 * width
        on_line = np.linspace(line[0], line[1], 400)
        for other in (box for one, box in placed.items() if one != place):
            assert not ((on_line > other) & (on_line < np.add(other, size))).all(axis=1).any()


def test_a_name_stands_by_its_own_points_and_falls_out_where_there_is_no_room():
    points = np.array([[100.0, 150.0], [300.0, 150.0]])
    one, two = label_places(
        points, [np.array([0]), np.array([1])], [(60.0, 12.0), (60.0, 12.0)], width=400.0, height=300.0, radius=4.0
    )
    assert abs(one[0] + 30 - 100) < 10
    assert abs(two[0] + 30 - 300) < 10
    assert 0 < one[1] - 150 < 20, "just above"
    assert label_places(points, [np.array([0])], [(500.0, 12.0)], width=400.0, height=300.0, radius=4.0) == [None]
    full = np.stack(np.meshgrid(np.arange(0, 400, 10.0), np.arange(0, 300, 10.0)), axis=-1).reshape(-1, 2)
    assert label_places(full, [np.arange(9)], [(60.0, 12.0)], width=400.0, height=300.0, radius=4.0) == [None]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 60), reach=st.floats(0.01, 3))
def test_clusters_of_a_taxon_share_no_point_and_the_largest_is_always_named(seed, n, reach):
    own = np.random.default_rng(seed).normal(size=(n, 2))
    found = large_clusters(own, reach=reach)
    rows = np.concatenate(found)
    assert 1 <= len(found) <= 3
    assert len(np.unique(rows)) == len(rows) <= n


def of_map(n_taxa, each=8, seed=0):
    rng = np.random.default_rng(seed)
    middles = rng.uniform(-10, 10, size=(n_taxa, 2))
    points = np.repeat(middles, each, axis=0) + rng.normal(scale=0.3, size=(n_taxa * each, 2))
    return points, [("Animalia", f"Taxon number {row // each}") for row in range(len(points))]


@pytest.mark.parametrize("n_taxa", [2, 12, 20])
def test_every_taxon_has_its_name_on_the_figure_and_no_name_covers_a_drawn_point(n_taxa):
    points, lineages = of_map(n_taxa)
    figure = draw_map(points, lineages, title="Taxa", rank="phylum")
    axes = figure.axes[0]
    figure.draw_without_rendering()
    assert {text.get_text() for text in axes.texts} == {f"Taxon number {one}" for one in range(n_taxa)}
    pixels = axes.transData.transform(points)
    boxes = [tuple(text.get_window_extent().extents) for text in axes.texts]
    for place, box in enumerate(boxes):
        inside = (pixels > box[:2]).all(axis=1) & (pixels < box[2:]).all(axis=1)
        assert not inside.any()
        assert all(gap_of(box, other) >= 0 for other in boxes[:place])
    assert not axes.axison, "no frame"


def test_a_taxon_of_two_clusters_is_named_at_both():
    points = np.repeat([[0.0, 0.0], [10.0, 10.0], [5.0, 0.0]], 6, axis=0) + np.random.default_rng(0).normal(
        scale=0.1, size=(18, 2)
    )
    lineages = [("Lepidoptera",)] * 12 + [("Anura",)] * 6
    figure = draw_map(points, lineages, title="Orders", rank="order")
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["Anura", "Lepidoptera", "Lepidoptera"]


@pytest.mark.parametrize("dark", [False, True])
def test_grey_is_for_pictures_without_a_value_alone_and_the_legend_says_so(dark):
    points, lineages = of_map(SHOWN + 5)
    lineages[:3] = [None] * 3
    figure = draw_map(points, lineages, title="T", rank="family", dark=dark)
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(said) == SHOWN + 2
    assert said[-2:] == ["5 more of family (37)", "grey: no family (3)"]
    drawn = [to_hex(one) for found in figure.axes[0].collections for one in found.get_facecolor()]
    assert drawn.count(GREY) == 1, "one scatter of three points"
    assert to_hex(figure.get_facecolor()) == INK[dark][0]
    assert len(set(colouring(lineages).colours.values())) >= SHOWN
    assert GREY not in colouring(lineages).colours.values()


def pictures(**columns):
    return Pictures(np.eye(len(next(iter(columns.values()))), 40), pa.table(columns))


def test_a_map_is_coloured_by_the_narrowest_rank_that_colours_can_tell_apart():
    thirty = [f"species {n}" for n in range(30)]
    genera = [f"Genus{n // 3}" for n in range(30)]
    kingdom = ["Animalia"] * 30
    assert colour_rank(pictures(kingdom=kingdom, genus=genera, species=thirty)) == "genus"
    assert colour_rank(pictures(kingdom=kingdom, genus=genera, label=thirty)) == "genus"
    assert colour_rank(pictures(label=genera)) == "label"
    assert colour_rank(pictures(species=genera, label=genera)) == "species"
    assert colour_rank(pictures(kingdom=kingdom, species=thirty)) == "species", "30 values rather than one"
    assert colour_rank(pictures(species=genera, label=[[1]] * 30)) == "species", "a column of lists is no label"
    mostly_without = [*genera[:9], *[None] * 21]
    assert colour_rank(pictures(kingdom=["A", "B"] * 15, genus=mostly_without)) == "kingdom"
    assert colour_rank(pictures(genus=mostly_without)) == "genus", "nothing else is there"


def test_a_drill_down_leaves_nothing_grey_and_has_equal_axes():
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.normal(size=(9, 16)), 6, axis=0) + 0.1 * rng.normal(size=(54, 16))
    taxa = {"class": [(f"class{row // 6}",) for row in range(54)]}
    figure = draw_drill_down(drill_down(vectors, taxa), taxa, title="T")
    assert "3 more of class (18)" in [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert figure.axes[0].get_aspect() == 1
    assert GREY not in {to_hex(one) for found in figure.axes[0].collections for one in found.get_facecolor()}


def luminance(colour):
    red, green, blue = (((one + 0.055) / 1.055) ** 2.4 if one > 0.04045 else one / 12.92 for one in to_rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(("dark", "least"), [(False, 2.0), (True, 3.0)])
def test_every_colour_stands_out_on_its_paper(dark, least):
    found = colouring([(f"Taxon {n:03}",) for n in range(180)], 180, dark=dark).colours.values()
    paper = luminance(INK[dark][0])
    for colour in found:
        darker, lighter = sorted((luminance(colour), paper))
        assert (lighter + 0.05) / (darker + 0.05) >= least
