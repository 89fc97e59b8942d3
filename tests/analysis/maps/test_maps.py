import json

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file
from sklearn.manifold import trustworthiness as reference

from cladescope.analysis.maps.colours import taxon_colours
from cladescope.analysis.maps.drill_down import draw_drill_down, drill_down
from cladescope.analysis.maps.files import write_map
from cladescope.analysis.maps.layout import Map, fit_map
from cladescope.analysis.maps.quality import continuity, trustworthiness
from cladescope.analysis.maps.run import COLUMNS, DrawnMap
from cladescope.analysis.pictures import Pictures
from cladescope.errors import InputError
from cladescope.files import PART
from cladescope.index import neighbour_graph
from cladescope.taxonomy import RANKS
from tests.app.cli.command_line import fails, misused, run  # noqa: F401 - fixtures


def clusters(each=20, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((4, 16)) * 3
    return np.repeat(centres, each, axis=0) + rng.standard_normal((4 * each, 16))


def test_trustworthiness_and_continuity_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    vectors, points = rng.standard_normal((60, 8)), rng.standard_normal((60, 2))
    assert trustworthiness(vectors, points, k=5) == (pytest.approx(reference(vectors, points, n_neighbors=5)), 0.0)
    assert continuity(vectors, points, k=5)[0] == pytest.approx(reference(points, vectors, n_neighbors=5))


def test_a_sample_of_points_is_within_its_error_of_all():
    rng = np.random.default_rng(1)
    vectors, points = rng.standard_normal((400, 8)), rng.standard_normal((400, 2))
    value, error = trustworthiness(vectors, points, k=5, sample=100)
    assert 0 < error < 0.05
    assert abs(value - reference(vectors, points, n_neighbors=5)) < 4 * error


@pytest.mark.parametrize("method", ["umap", "tsne"])
def test_the_same_seed_gives_the_same_map_and_clusters_stay_together(method):
    vectors = clusters()
    first, second = (fit_map(vectors, method=method, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.points, second.points)
    assert trustworthiness(first.vectors, first.points, k=10)[0] > 0.85


def test_known_vectors_are_placed_in_their_own_cluster_after_a_round_trip(tmp_path):
    fitted = fit_map(clusters())
    fitted.save(tmp_path / "map.safetensors")
    placed = Map.load(tmp_path / "map.safetensors").place(clusters()[:1])
    nearest = np.square(fitted.points - placed).sum(axis=1).argmin()
    assert nearest < 20


def test_repeated_vectors_and_fewer_points_than_neighbours_still_make_a_map():
    assert np.isfinite(fit_map(np.ones((8, 16))).points).all()


def test_vectors_that_make_no_map_are_refused():
    with pytest.raises(InputError, match="1 pictures make no map"):
        fit_map(np.ones((1, 4)))
    with pytest.raises(InputError, match="1 of 5 vectors"):
        fit_map(np.vstack([np.ones((4, 4)), np.full((1, 4), np.nan)]))


def test_colours_of_different_taxa_differ():
    colours = taxon_colours({("A", str(i)): i + 1 for i in range(12)})
    assert len(set(colours.values())) == 12


def test_a_drill_down_goes_into_the_largest_taxon_of_each_rank():
    vectors = clusters(each=30)
    of = np.repeat(np.arange(4), 30)
    taxa = {
        "kingdom": [("Animalia",)] * 120,  # one value: passed over
        "phylum": [("Animalia", "Chordata" if place < 3 else "Mollusca") for place in of],
        "class": [("Animalia", "Chordata", "Aves" if place < 2 else "Mammalia") if place < 3 else None for place in of],
        "order": [("Animalia", "Chordata", "Aves", f"order{place}") if place < 2 else None for place in of],
    }
    panels = drill_down(vectors, taxa, most=50, seed=1)
    told = [(panel.within, panel.rank, len(panel.rows), panel.n_pictures) for panel in panels]
    assert told == [("Animalia", "phylum", 50, 120), ("Chordata", "class", 50, 90), ("Aves", "order", 50, 60)]
    assert all(of[panel.rows].max() < limit for panel, limit in zip(panels, (4, 3, 2), strict=True))
    assert [panel.points.shape for panel in panels] == [(50, 2)] * 3
    figure = draw_drill_down(panels, taxa, title="A $ title")
    assert figure.axes[1].get_title(loc="left") == "b  Chordata by class (50 of 90)"
    assert {text.get_text() for text in figure.axes[2].get_legend().get_texts()} <= {
        f"order{n} ({k})" for n in range(2) for k in range(51)
    }
    with pytest.raises(InputError, match="no rank has two taxa"):
        drill_down(vectors, {"kingdom": taxa["kingdom"]})


def test_the_verb_writes_everything_and_refuses_what_it_cannot_use(run, fails, misused, clades, tmp_path):  # noqa: F811
    run("embed", clades / "metadata.csv", "--store", tmp_path / "s", "--encoder", "pixels")
    out = tmp_path / "map"
    killed = tmp_path / f"{PART}999999999-map"
    killed.mkdir()
    (killed / "map.png").write_bytes(b"half")
    ended = run("map", tmp_path / "s", "--out", out, "--place", tmp_path / "s", "--drill-down", "--json")
    assert ended.status == 0, ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map", "s"], "what a killed job left is gone"
    assert {
        "coordinates.parquet",
        "placed.parquet",
        "map.png",
        "map.svg",
        "map.pdf",
        "map.html",
        "map.safetensors",
        "drill-down.svg",
    } <= {path.name for path in out.iterdir()}
    assert ended.json == json.loads((out / "map.json").read_text())
    assert pq.read_table(out / "coordinates.parquet").num_rows == ended.json["pictures"]
    later = tmp_path / "later"
    assert run("map", tmp_path / "s", "--onto", out, "--out", later).status == 0
    again, placed = (pq.read_table(folder / "placed.parquet") for folder in (later, out))
    assert again.drop_columns(["x", "y"]).equals(placed.drop_columns(["x", "y"]))
    for axis in "xy":  # a saved map has its vectors in half precision
        np.testing.assert_allclose(again[axis].to_numpy(), placed[axis].to_numpy(), atol=0.05)
    assert "holds no map" in fails("map", tmp_path / "s", "--onto", tmp_path, "--out", tmp_path / "b")
    assert "not empty" in (said := fails("map", tmp_path / "s", "--out", out))
    assert said.endswith("(--overwrite)")
    onto = ("map", tmp_path / "s", "--onto", out, "--out", later)
    assert fails(*onto).endswith("(--overwrite)")
    assert run(*onto, "--overwrite").status == 0
    assert "'tribe' is not one of" in misused("map", tmp_path / "s", "--out", tmp_path / "b", "--color", "tribe")
    said = fails("map", tmp_path / "s", "--out", tmp_path / "b", "--neighbours", "5000")
    assert "5000 neighbours of " in said
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("points", [np.ones((11, 2)), np.ones(12), np.full((12, 2), np.nan)])
def test_a_saved_map_whose_points_are_none_of_its_vectors_is_refused(tmp_path, points):
    parts = {"vectors": clusters(each=3).astype(np.float16), "points": points.astype(np.float32)}
    save_file(parts, tmp_path / "map.safetensors", metadata={"method": "umap", "neighbours": "5"})
    with pytest.raises(ValueError, match="12 vectors and points of shape"):
        Map.load(tmp_path / "map.safetensors")


def test_a_map_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    columns = {name: [f"{name}{row}" for row in range(12)] for name in (*COLUMNS, *RANKS)}
    pictures = Pictures.of_table(clusters(each=3), pa.table(columns))
    fitted = Map(pictures.vectors, pictures.vectors[:, :2], "umap", 5, {})
    drawn = DrawnMap(
        pictures=pictures, fitted=fitted, rank="class", neighbours=5, trustworthiness=(1.0, 0.0), continuity=(1.0, 0.0)
    )

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cladescope.analysis.maps.files.map_page", full)
    with pytest.raises(InputError, match="cannot write .*No space left"):
        write_map(drawn, tmp_path / "map")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_a_large_graph_has_nearly_all_of_the_exact_one_and_true_distances(threads, monkeypatch):
    rng = np.random.default_rng(0)
    middles = rng.standard_normal((40, 128))
    vectors = middles[rng.integers(40, size=4000)] + rng.standard_normal((4000, 128))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    exact, _ = neighbour_graph.nearest(vectors, vectors, 16)
    monkeypatch.setattr(neighbour_graph, "EXACT_UP_TO", 1000)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        rows, distances = neighbour_graph.nearest(vectors, vectors, 16)
    finally:
        faiss.omp_set_num_threads(before)
    kept = np.mean([len(set(a) & set(b)) / 16 for a, b in zip(rows.tolist(), exact.tolist(), strict=True)])
    assert kept > 0.95
    np.testing.assert_allclose(distances, np.linalg.norm(vectors[:, None] - vectors[rows], axis=2), atol=1e-3)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert (rows[:, 0] == np.arange(4000)).mean() > 0.99


# Machado, Oliveira & Fernandes 2009, https://doi.org/10.1109/TVCG.2009.113, table 1, severity 1, on linear RGB.
COLOUR_BLIND = {
    "protanopia": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "deuteranopia": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "tritanopia": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
    "none": np.eye(3),
}


def oklab(linear):
    """Ottosson 2020: equal distances look about equally large; 0.02 is just noticed."""
    long = np.array([[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]])
    lab = np.array([[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]])
    return np.cbrt(linear.clip(0, 1) @ long.T) @ lab.T


@pytest.mark.parametrize("kind", COLOUR_BLIND)
@pytest.mark.parametrize("n", [2, 6, 12, 20])
def test_neighbours_in_the_tree_are_told_apart_by_the_colour_blind_too(n, kind):
    colours = taxon_colours({(f"kingdom{row // 4}", f"taxon{row:02}"): 10 for row in range(n)}).values()
    coded = np.array([[int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)] for colour in colours])
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    seen = oklab(linear @ np.array(COLOUR_BLIND[kind]).T)
    assert np.linalg.norm(np.diff(seen, axis=0), axis=1).min() > 0.1
    if n <= 6:
        assert min(np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]) > 0.05
    light = linear @ [0.2126, 0.7152, 0.0722]  # relative luminance, WCAG 2
    assert (1.05 / (light + 0.05)).min() > 2, "on white"
    assert ((light + 0.05) / (0.0086 + 0.05)).min() > 2, "on the dark page, #14171b"
