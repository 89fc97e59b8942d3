"""Probes of the tree of life, against scikit-learn, SciPy and simulated clades whose tree is known."""

import json
from dataclasses import replace

import dendropy
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dendropy.calculate import treecompare
from scipy.stats import skew, spearmanr

from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes import centroids, distance_correlation, geometry, neighbours, trees
from cladescope.analysis.probes.result import ProbeReport
from cladescope.analysis.probes.run import probe
from cladescope.analysis.probes.training_curve import draw_training_curve
from cladescope.arrays import normalise
from cladescope.errors import InputError
from cladescope.index.neighbour_graph import nearest_others
from cladescope.phylogeny.newick import parse_newick
from cladescope.simulation.evolution import SimulationConfig, evolve
from cladescope.taxonomy.rank_table import rank_codes, rank_table, taxon_codes
from cladescope.taxonomy.taxon import Taxon
from tests.app.cli.command_line import fails, misused, run  # noqa: F401
from tests.conftest import SHARED_DATA

RNG = np.random.default_rng(0)


def unit(n, d=8):
    found = RNG.normal(size=(n, d)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_rank_correlation_of_matrices_is_spearmans():
    a, b = (np.abs(m + m.T) for m in RNG.normal(size=(2, 12, 12)))
    np.fill_diagonal(a, 0)
    np.fill_diagonal(b, 0)
    upper = np.triu_indices(12, 1)
    found = distance_correlation.matrix_correlation(distance_correlation.ranked(a), distance_correlation.ranked(b))
    assert found == pytest.approx(spearmanr(a[upper], b[upper]).statistic)


def test_hubness_is_scipys_skewness():
    counts = RNG.integers(0, 9, 50)
    assert neighbours.skewness(counts) == pytest.approx(skew(counts))


def test_neighbours_leave_the_query_out_even_among_copies():
    x = np.repeat(unit(2), 10, axis=0)
    _, rows = nearest_others(x, np.arange(20), 3)
    assert rows.shape == (20, 3)
    assert not (rows == np.arange(20)[:, None]).any()
    assert (rows // 10 == np.arange(20)[:, None] // 10).all()


@pytest.mark.parametrize("seed", range(5))
def test_hierarchical_precision_is_that_of_the_best_order_with_names_left_out(seed):
    rng = np.random.default_rng(seed)
    names = np.unique(rng.integers(0, 3, size=(12, 4)), axis=0)  # 0 for no name
    names = names[names[:, -1] > 0]
    codes = taxon_codes(names)
    lineage = rng.integers(len(codes), size=30)
    queries, rows = np.arange(10), np.stack([rng.permutation(np.delete(np.arange(30), q))[:6] for q in range(10)])

    def alike(a, b):
        met = [depth for depth in range(4) if a[depth] == b[depth] >= 0]
        return (met[-1] + 1) / 4 if met else 0.0

    pairs = np.array([[alike(codes[one], codes[other]) for other in lineage] for one in lineage])
    best = [np.sort(np.delete(pairs[q], q))[::-1][:6].sum() for q in queries]
    expected = [pairs[q, row].sum() / most for q, row, most in zip(queries, rows, best, strict=True)]
    np.testing.assert_allclose(neighbours.hierarchical_precision(codes, lineage, queries, rows), expected)


def test_what_is_not_known_is_not_the_same_as_what_is_not_known():
    named = [
        Taxon(("Animalia", "Chordata", "Aves", "Apodiformes", "Apodidae", f"Apus{n // 3}", f"apus{n}"))
        for n in range(5)
    ]
    kingdoms = [Taxon(("Animalia",))] * 4
    table = rank_table([*named, *named, *kingdoms])
    # Pictures labelled to the kingdom only are each other's nearest.
    vectors = np.concatenate([np.eye(9)[:5], np.eye(9)[:5] + 0.01, np.eye(9)[[5] * 4] + 0.01 * np.eye(9)[:4]])
    report = probe(Pictures.of_table(vectors, table), n_permutations=5).report
    found = {(one.probe, one.rank): one for one in report.results}
    for name in ("LCA height", "hierarchical precision@9", "distance correlation"):
        assert found[name, None].n_left_out == 4, name
    assert (found["LCA height", None].value, found["LCA height", None].n_images) == (0.0, 10)
    few = Pictures.of_table(vectors[8:], table.slice(8))  # two species, four kingdoms
    report = probe(few, n_permutations=5).report
    height = next(one for one in report.results if one.probe == "LCA height")
    assert "the same kingdom, 1 not even" in height.meaning


def test_of_three_pictures_no_number_is_given_twice():
    report = probe(Pictures.of_table(np.eye(3), rank_table([Taxon(("A", "B", "C", "D", "E", "F", f"f{n}")) for n in (0, 0, 1)])), n_permutations=2).report  # fmt: skip
    names = [(one.probe, one.rank) for one in report.results]
    assert len(names) == len(set(names))


def test_the_chance_of_retrieval_is_that_of_random_orders():
    rng = np.random.default_rng(0)
    taxa = [Taxon(("A", "B", "C", "D", "E", "F", f"f{n // 2}")) for n in range(40)]
    pictures = Pictures.of_table(rng.normal(size=(40, 16)), rank_table(taxa))
    found = next(one for one in probe(pictures, n_permutations=40).report.results if one.probe == "retrieval mAP")
    # One relevant picture at a random place among 39 others.
    expected = np.mean(1 / np.arange(1, 40))
    assert found.null[0] == pytest.approx(expected, rel=0.1)
    assert found.null[0] > expected * 40 / 41 - 0.01


def test_knowing_species_and_nothing_else_is_not_knowing_families():
    rng = np.random.default_rng(1)
    families = np.repeat(np.arange(5), 6)
    taxa = [Taxon(("A", "B", "C", "D", f"E{family}", f"F{n}", f"f{n}")) for n, family in enumerate(families)]
    species = np.repeat(np.arange(30), 6)
    table = rank_table([taxa[one] for one in species])
    small, checked = 0, 0
    for _ in range(10):
        vectors = 3 * rng.normal(size=(30, 12))[species] + rng.normal(size=(180, 12))
        report = probe(Pictures.of_table(vectors, table), n_permutations=40).report
        tested = {one.probe: one for one in report.results if one.rank == "family"}
        assert tested["1-NN purity"].value > 0.8
        assert {
            "1-NN purity",
            "retrieval mAP",
            "silhouette",
            "nearest-centroid accuracy",
            "linear-probe accuracy",
        } <= set(tested)
        small += sum(one.p_value <= 0.05 for one in tested.values())
        checked += len(tested)
        at_species = next(one for one in report.results if (one.probe, one.rank) == ("1-NN purity", "species"))
        assert at_species.p_value == 1 / 41
    assert small <= 0.15 * checked


def test_intrinsic_dimension_of_a_plane_is_two():
    x = RNG.random((2000, 2))
    d = np.sort(np.linalg.norm(x[:, None] - x[None], axis=2), axis=1)[:, 1:11]
    assert geometry.two_nn(d) == pytest.approx(2, abs=0.2)
    assert geometry.levina_bickel(d) == pytest.approx(2, abs=0.2)


def test_species_are_never_cut_between_training_and_test():
    groups = RNG.integers(0, 20, 200)
    train = centroids.group_split(groups // 5, groups, seed=0)
    assert not set(groups[train]) & set(groups[~train])


def test_robinson_foulds_is_zero_for_a_tree_and_itself_and_one_for_no_shared_clade():
    tree, other = parse_newick("((a,b),(c,d));"), parse_newick("((a,c),(b,d));")
    first = trees.meeting_distances(tree, tree.tips.tolist())
    rows = [int(other.tips[other.tip_labels.index(name)]) for name in tree.tip_labels]
    own, theirs = trees.clades(first), trees.clades(trees.meeting_distances(other, rows))
    assert trees.robinson_foulds(own, own) == 0
    assert trees.robinson_foulds(own, theirs) == 1


@pytest.mark.parametrize("seed", range(4))
def test_clades_that_only_one_tree_has_are_those_of_dendropy(seed):
    names = [f"t{number}" for number in range(9)]
    texts = [random_newick(names, np.random.default_rng([seed, side])) for side in (0, 1)]
    found = []
    for text in texts:
        tree = parse_newick(text)
        rows = [int(tree.tips[tree.tip_labels.index(name)]) for name in names]
        found.append(trees.clades(trees.meeting_distances(tree, rows)))
    taxa = dendropy.TaxonNamespace()
    first, second = (dendropy.Tree.get(data=f"[&R] {text}", schema="newick", taxon_namespace=taxa) for text in texts)
    wanted = treecompare.symmetric_difference(first, second)
    assert trees.robinson_foulds(*found) == pytest.approx(wanted / sum(map(len, found)))
    assert wanted > 0


def random_newick(names, rng):
    """A rooted tree of some tips, with a polytomy here and there."""
    parts = list(names)
    while len(parts) > 1:
        chosen = rng.choice(len(parts), min(len(parts), int(rng.integers(2, 4))), replace=False)
        inner = f"({','.join(parts[place] for place in chosen)})"
        parts = [part for place, part in enumerate(parts) if place not in chosen] + [inner]
    return f"{parts[0]};"


def test_names_match_blind_to_case_underscores_and_authors():
    tree = parse_newick("(Parus_major,corvus_corax,Apus_apus);")
    places, rows = trees.match_tips(["Corvus corax Linnaeus 1758", "Pica pica", "parus major"], tree)
    assert [(place, (tree.label[row] or "").replace(" ", "_")) for place, row in zip(places, rows, strict=True)] == [
        (0, "corvus_corax"),
        (2, "Parus_major"),
    ]


@pytest.fixture(scope="module")
def simulated():
    clades = evolve(SimulationConfig(species=40))
    species = np.repeat(np.arange(40), 6)
    rng = np.random.default_rng(1)
    traits = (clades.traits - clades.traits.mean(axis=0)) / clades.traits.std(axis=0)
    table = rank_table([Taxon(tuple(clades.taxa[row])) for row in species])

    def made(vectors):
        pictures = Pictures.of_table(vectors.astype(np.float32), table)
        return probe(pictures, tree=clades.tree, n_permutations=40).report

    noise = rng.normal(size=(240, traits.shape[1]))
    return {
        "true": made(traits[species] + 0.01 * noise),
        "noisy": made(traits[species] + 1.5 * noise),
        "random": made(rng.normal(size=noise.shape)),
    }


def value(report, name, rank=None):
    return next(result.value for result in report.results if (result.probe, result.rank) == (name, rank))


@pytest.mark.parametrize(
    "name, rank",
    [("1-NN purity", "species"), ("retrieval mAP", "family"), ("eta squared", "order"), ("distance correlation", None)],
)
def test_true_traits_stand_above_noisy_ones_and_those_above_random(simulated, name, rank):
    true, noisy, random = (value(simulated[key], name, rank) for key in ("true", "noisy", "random"))
    assert true > noisy > random


def test_a_random_encoder_sits_at_the_null(simulated):
    tested = [result for result in simulated["random"].results if result.null is not None]
    outside = [
        (result.probe, result.rank)
        for result in tested
        # Many probes are looked at: the null's interval is widened by half of its width on both sides.
        if abs(result.value - result.null[0]) > 1.0 * (result.null[2] - result.null[1]) + 1e-9
    ]
    assert len(tested) > 20
    assert not outside


def test_the_tree_of_true_traits_is_nearer_to_the_true_tree_than_chance(simulated):
    results = {result.probe: result for result in simulated["true"].results}
    found = results["triplet distance to phylogeny"]
    assert found.value < found.null[1]


def test_a_report_comes_back_from_json(simulated, tmp_path):
    simulated["true"].write(tmp_path / "probes.json")
    assert ProbeReport.read(tmp_path / "probes.json").to_dict() == simulated["true"].to_dict()


def test_too_few_pictures_are_refused():
    with pytest.raises(InputError, match="expected at least 3"):
        probe(Pictures.of_table(np.full((4, 3), np.nan, np.float32), rank_table([Taxon(("Animalia",))] * 4)))


def test_one_species_of_copies_leaves_out_what_cannot_be_measured():
    table = rank_table([Taxon(("Animalia", "Chordata"))] * 5)
    report = probe(Pictures.of_table(np.ones((5, 4), np.float32), table), n_permutations=2).report
    assert any("rank kingdom has one value only" in reason for reason in report.skipped)
    assert any("expected at least 4" in reason for reason in report.skipped)
    json.dumps(report.to_dict(), allow_nan=False)


def test_the_verb_writes_and_compares(run, store, tmp_path):  # noqa: F811
    ended = run(
        "probe", store.path, "--compare", store.path, "--permutations", 5, "--out", tmp_path / "probes", "--json"
    )
    assert ended.status == 0, ended.err
    assert all(difference["difference"] == 0 for difference in ended.json["differences"])
    assert ProbeReport.read(tmp_path / "probes" / "probes.json").results


def test_the_curve_runs_along_the_stores(run, misused, store, tmp_path):  # noqa: F811
    out = tmp_path / "probes"
    ended = run("probe", store.path, "--compare", store.path, "--curve", "--permutations", 2, "--out", out)
    assert ended.status == 0, ended.err
    assert "</svg>" in (out / "curve.svg").read_text()
    assert "--curve is of several stores" in misused("probe", store.path, "--curve", "--out", out)
    first = ProbeReport.read(out / "probes.json")
    better = replace(first, results=tuple(replace(one, value=one.value + 0.1) for one in first.results))
    figure = draw_training_curve([first, better], ["step $1", "2"])
    panel = next(axes for axes in figure.axes if axes.get_title(loc="left") == "1-NN purity")
    assert all(np.diff(line.get_ydata()) == pytest.approx([0.1]) for line in panel.lines)
    with pytest.raises(InputError, match="compare at least two stores"):
        draw_training_curve([first], ["1"])
    with pytest.raises(InputError, match="share no probe"):
        draw_training_curve([first, replace(first, results=())], ["1", "2"])


@pytest.mark.parametrize("verb", ["probe", "report"])
def test_a_variant_of_other_than_two_values_is_refused_before_anything_is_measured(fails, store, tmp_path, verb):  # noqa: F811
    said = fails(verb, store.path, "--variant", "genus", "--out", tmp_path / "out")
    assert "the variant 'genus' has 9 values among these pictures, expected two" in said
    assert not (tmp_path / "out").exists()


def test_a_rank_may_be_the_variant(run, store, tmp_path):  # noqa: F811
    two = " OR ".join(f"genus = '{taxon.name}'" for taxon in store.taxonomy.taxa("genus")[:2])
    few = ("--variant", "genus", "--where", two, "--permutations", 2, "--out", tmp_path / "probes")
    ended = run("probe", store.path, *few)
    assert ended.status == 0, ended.err
    assert "no species has two pictures of both variants" in ended.err


@pytest.mark.parametrize("verb", ["probe", "report"])
def test_a_tree_of_none_of_the_species_is_refused_before_anything_is_measured(fails, store, tmp_path, verb):  # noqa: F811
    (tmp_path / "tree.nwk").write_text("(A_a,(B_b,C_c));")
    said = fails(verb, store.path, "--tree", tmp_path / "tree.nwk", "--out", tmp_path / "out")
    assert "the tree has none of the 12 species" in said
    assert not (tmp_path / "out").exists()


def test_a_tree_of_few_of_the_names_is_said_and_the_rest_is_measured(run, store, tmp_path):  # noqa: F811
    name = store.taxonomy.taxa("species")[0].name.replace(" ", "_")
    (tmp_path / "tree.nwk").write_text(f"({name},(B_b,C_c));")
    asked = ("probe", store.path, "--tree", tmp_path / "tree.nwk", "--permutations", 2, "--out", tmp_path / "probes")
    ended = run(*asked)
    assert ended.status == 0, ended.err
    assert "shares 1 names" in ended.err
    assert 2 <= len(ended.out.splitlines()) <= 4, "a verdict and sentences, no rows"
    assert " tells these 12 species apart " in ended.out
    every = run(*asked, "--all", "--overwrite").out.splitlines()
    assert every[0].split() == [
        "probe",
        "rank",
        "value",
        "95",
        "%",
        "interval",
        "by",
        "chance",
        "p",
        "p,",
        "adjusted",
        "balanced",
        "by",
        "species",
        "n",
    ]
    assert any(line.startswith("1-NN purity") for line in every)


def test_a_column_that_is_not_there_is_named(fails, store, tmp_path):  # noqa: F811
    assert "no column 'sex'" in fails("probe", store.path, "--variant", "sex", "--out", tmp_path)


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="needs the shared data")
def test_nearest_agreement_of_bioclip_2_is_as_published():
    # Counted as there: all 1,030 pictures are in the gallery, and a neighbour without the rank does not agree.
    table = pq.read_table(SHARED_DATA / "vectors" / "bioclip2_tol200m_1030.parquet")
    vectors = normalise(np.array(table["emb"].to_pylist(), np.float32))
    _, rows = nearest_others(vectors, np.arange(len(vectors)), 1)
    _, codes = rank_codes(table)

    def agreement(rank):
        known = np.flatnonzero(codes[:, rank] > 0)
        return (codes[rows[known, 0], rank] == codes[known, rank]).mean()

    assert agreement(0) == pytest.approx(0.80, abs=0.03)
    assert agreement(5) == pytest.approx(0.15, abs=0.03)


def test_what_is_left_out_is_said_by_what_it_lacks():
    labels = [None, None, *["a", "b"] * 5]
    pictures = Pictures.of_table(np.random.default_rng(0).normal(size=(12, 4)), pa.table({"label": labels}))
    assert (
        probe(pictures, n_permutations=0).report.skipped[0]
        == "2 pictures have no usable vector or no label and are left out"
    )


def test_of_more_copies_than_neighbours_each_has_others_for_neighbours():
    vectors = np.repeat(normalise(RNG.normal(size=(1, 4))), 9, axis=0).astype(np.float32)
    scores, rows = nearest_others(vectors, np.arange(9), 2)
    assert (rows != np.arange(9)[:, None]).all()
    assert (rows[:, 0] != rows[:, 1]).all()
    np.testing.assert_allclose(scores, 1.0, atol=1e-6)
