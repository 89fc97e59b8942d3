"""Trees of mean vectors against others: quartets, neighbour joining and lengths, against counts by hand and clades whose tree is known."""

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import squareform

from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes import quartets as q
from cladescope.analysis.probes import trees
from cladescope.analysis.probes.phylogeny_tips import MatchedTips, paths
from cladescope.analysis.probes.run import probe
from cladescope.analysis.probes.tree_probes import TreeProbes
from cladescope.phylogeny.neighbour_joining import neighbour_joining
from cladescope.phylogeny.newick import parse_newick
from tests.analysis.probes.test_probes import random_newick
from tests.app.cli.command_line import run  # noqa: F401
from tests.cladescope.phylogeny.test_neighbour_joining import binary_tree


def meeting(text, names):
    tree = parse_newick(text)
    return trees.meeting_distances(tree, [int(tree.tips[tree.tip_labels.index(name)]) for name in names])


def side_by_clades(groups, four):
    """Which of the last three stands with the first: the pair that some branch parts from the other two."""
    for place in range(3):
        pair = {four[0], four[place + 1]}
        if any({tip for tip in four if group[tip]} in (pair, set(four) - pair) for group in groups):
            return place
    return -1


@settings(max_examples=25, deadline=None)
@given(s=st.integers(4, 9), seed=st.integers(0, 10**6))
def test_quartets_are_resolved_as_some_branch_parts_them(s, seed):
    names = [f"t{number}" for number in range(s)]
    found = meeting(random_newick(names, np.random.default_rng(seed)), names)
    groups = trees.members(trees.clades(found), s) if trees.clades(found) else []
    four = q.quartets(s, 10, seed=0)
    assert four.T.tolist() == [list(each) for each in combinations(range(s), 4)]
    wanted = [side_by_clades(groups, each) for each in combinations(range(s), 4)]
    assert q.sides(found, four, tolerance=1e-9).tolist() == wanted


def test_quartets_of_many_tips_are_drawn_each_as_likely_as_another(monkeypatch):
    monkeypatch.setattr(q, "MOST_EXACT", 0)
    four = q.quartets(6, 30_000, seed=3)
    sets, counts = np.unique(np.sort(four, axis=0), axis=1, return_counts=True)
    assert sets.shape == (4, 15)
    assert (np.diff(sets, axis=0) > 0).all()
    assert counts.min() > 0.9 * 2000
    assert counts.max() < 1.1 * 2000


def test_a_quartet_that_a_tree_leaves_open_is_one_that_it_has_not():
    names = list("abcde")
    true, own = meeting("(((a,b),c),(d,e));", names), meeting("((a,b),c,d,e);", names)
    four = q.quartets(5, 0, seed=0)
    found = [q.sides(each, four, tolerance=1e-9) for each in (own, true)]
    # ab|cd, ab|ce, ab|de are there; ac|de and bc|de are not.
    assert q.quartet_distance(*found) == pytest.approx(2 / 5)
    assert q.quartet_distance(found[1], found[0]) == 0, "what the reference leaves open is not asked"
    assert q.quartet_distance(*found, np.array([1.0, 1.0, 1.0, 0.0, 0.0])) == 0
    assert np.isnan(q.quartet_distance(found[0], np.full(5, -1)))


def test_of_three_tips_the_one_apart_is_told_and_none_where_all_meet_at_once():
    found = meeting("(((a:1,b:1):1,c:2):1,(d:2,e:2,f:2):1);", list("abcdef"))
    assert trees.odd_one_out(found, np.array([[0, 2, 1, 3], [1, 0, 2, 4], [2, 1, 0, 5]])).tolist() == [2, 0, 1, -1]


def test_a_species_is_the_mean_direction_of_its_pictures_however_far_these_are_apart():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(10, 8))
    vectors = np.stack([first, 0.3 * rng.normal(size=(10, 8)) - first], axis=1)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    sums = vectors.sum(axis=1)
    assert (np.linalg.norm(sums, axis=1) < 1.0).all()
    species = [f"A s{number}" for number in range(10)]
    table = pa.table({"species": np.repeat(species, 2), "kingdom": ["A"] * 10 + ["B"] * 10})
    probes = TreeProbes(Pictures.of_table(vectors.reshape(20, 8), table), n_permutations=0, seed=0)
    np.testing.assert_allclose(probes.vectors, sums / np.linalg.norm(sums, axis=1, keepdims=True), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(s=st.integers(5, 14), seed=st.integers(0, 10**6))
def test_groups_of_a_tree_without_some_tips_are_those_of_the_smaller_tree(s, seed):
    names, rng = [f"t{number}" for number in range(s)], np.random.default_rng(seed)
    found = meeting(random_newick(names, rng), names)
    groups = trees.members(trees.clades(found), s)
    assert trees.packed(groups) == trees.clades(found)
    some = rng.permutation(s)[: max(4, s // 2)]
    small = found[np.ix_(some, some)]
    assert trees.pruned(groups, some, rooted=True) == trees.clades(small)
    unrooted = trees.pruned(groups, some, rooted=False)
    assert unrooted == trees.packed(trees.without_root(trees.members(trees.clades(small), len(some))))


def made(tree, n_each=2, dim=4000, noise=0.05, seed=0):
    """Pictures of the tips of a tree: of vectors that walk at random along its branches, so that squared distances are its lengths."""
    rng = np.random.default_rng(seed)
    vectors = np.zeros((tree.n_nodes, dim))
    for row in range(1, tree.n_nodes):
        vectors[row] = vectors[tree.parent[row]] + np.sqrt(tree.length[row]) * rng.normal(size=dim)
    # A walk that all pictures share has them all about equally long.
    species = np.repeat(np.arange(tree.n_tips), n_each)
    tips = vectors[tree.tips] - vectors[tree.tips].mean(axis=0)
    tips = np.concatenate([tips, np.sqrt(np.maximum(0, 80 * dim - (tips**2).sum(axis=1)))[:, None]], axis=1)
    values = tips[species] + noise * rng.normal(size=(len(species), dim + 1))
    table = pa.table({"genus": [f"G{n % 3}" for n in species], "species": [f"G{n % 3} s{n}" for n in species]})
    return Pictures.of_table(values, table)


def named(tree):
    label = list(tree.label)
    for number, row in enumerate(tree.tips.tolist()):
        label[row] = f"G{number % 3} s{number}"
    return type(tree)(parent=tree.parent, length=tree.length, label=tuple(label))


def results_of(found):
    return {one.probe: one for one in (*found.correlations(), *found.tree_distances())}


def test_neighbour_joining_finds_a_tree_of_uneven_pace_where_average_linkage_does_not():
    tree = named(binary_tree(16, np.random.default_rng(11)))
    found = results_of(TreeProbes(made(tree), n_permutations=99, seed=0, tree=tree))
    quartet, joined = found["quartet distance to phylogeny"], found["neighbour-joining Robinson-Foulds to phylogeny"]
    assert quartet.value == 0
    assert joined.value == 0
    assert found["Robinson-Foulds to phylogeny"].value > 0.3
    assert found["distance correlation to phylogeny"].value > 0.95
    for one in (
        quartet,
        joined,
        found["distance correlation to phylogeny"],
        found["cophenetic correlation to phylogeny"],
    ):
        assert one.p_value == 0.01
    assert quartet.null[0] == pytest.approx(2 / 3, abs=0.03)
    assert (quartet.sampled, quartet.n_taxa) == (None, 16)
    assert (quartet.low, quartet.high) == (0, 0)


def test_intervals_are_of_the_trees_of_halves_of_the_species():
    """Were the tree of all species kept, the interval would not know that other species give another tree."""
    rng = np.random.default_rng(5)
    tree = named(binary_tree(14, rng))
    species = np.repeat(np.arange(14), 2)
    table = pa.table({"species": [f"G{n % 3} s{n}" for n in species]})
    probes = TreeProbes(Pictures.of_table(rng.normal(size=(28, 8)), table), n_permutations=0, seed=3, tree=tree)
    found = results_of(probes)
    draws = np.random.default_rng([3, 5])
    quartet, triplet, cophenetic = [], [], []
    for _ in range(100):
        some = draws.permutation(14)[:7]
        ours, theirs = probes.distances[np.ix_(some, some)], probes.other[np.ix_(some, some)]
        heights = np.zeros((7, 7))
        heights[np.triu_indices(7, 1)] = cophenet(linkage(squareform(ours, checks=False), "average"))
        heights += heights.T
        cophenetic.append(
            np.corrcoef(squareform(heights, checks=False), squareform(probes.paths[np.ix_(some, some)], checks=False))[
                0, 1
            ]
        )
        steps = neighbour_joining(ours).with_unit_lengths().cophenetic()
        four, three = np.array([*combinations(range(7), 4)]).T, np.array([*combinations(range(7), 3)]).T
        quartet.append((q.sides(steps, four, tolerance=0.5) != q.sides(theirs, four, tolerance=1e-9)).mean())
        triplet.append((trees.odd_one_out(heights, three) != trees.odd_one_out(theirs, three)).mean())
    for name, drawn, near in (
        ("quartet distance", quartet, 1e-9),
        ("cophenetic correlation", cophenetic, 1e-9),
        ("triplet distance", triplet, 0.06),  # triples are drawn, and some more often than others
    ):
        one = found[f"{name} to phylogeny"]
        ends = np.quantile(drawn, [0.025, 0.975]) + one.value - np.mean(drawn)
        assert (one.low, one.high) == pytest.approx(np.clip(ends, -1 if "corr" in name else 0, 1).tolist(), abs=near)


def test_pictures_that_say_nothing_of_the_tree_are_at_chance():
    rng = np.random.default_rng(4)
    tree = named(binary_tree(60, rng))
    species = np.repeat(np.arange(60), 2)
    table = pa.table({"species": [f"G{n % 3} s{n}" for n in species]})
    found = results_of(
        TreeProbes(Pictures.of_table(rng.normal(size=(120, 8)), table), n_permutations=99, seed=0, tree=tree)
    )
    for name in ("quartet distance", "neighbour-joining Robinson-Foulds", "Robinson-Foulds", "distance correlation"):
        one = found[f"{name} to phylogeny"]
        assert one.null[1] - 0.02 <= one.value <= one.null[2] + 0.02
        assert one.p_value > 0.02
        assert 0 <= max(0.0, one.low) <= one.high <= 1
    quartet = found["quartet distance to phylogeny"]
    assert quartet.sampled == 50_000
    assert quartet.low <= quartet.value <= quartet.high
    assert quartet.high - quartet.low < 0.1


@pytest.mark.filterwarnings("error")
def test_species_of_one_vector_leave_all_open_and_are_measured():
    tree = parse_newick("(((A_a,A_b),(A_c,A_d)),A_e);")
    table = pa.table({"genus": ["A"] * 10, "species": [f"A {letter}" for letter in "abcde" * 2]})
    found = results_of(TreeProbes(Pictures.of_table(np.ones((10, 3)), table), n_permutations=9, seed=0, tree=tree))
    assert found["quartet distance to phylogeny"].value == 1
    assert "100% of the others" in found["quartet distance to phylogeny"].meaning
    assert found["neighbour-joining Robinson-Foulds to phylogeny"].value == 1
    assert np.isnan(found["distance correlation to phylogeny"].value)


def test_names_are_counted_that_one_side_lacks_or_has_twice():
    tree = parse_newick("(('Parus_major':1,parus_MAJOR:1):1,'Pica pica':2,\"Apus\":1,(Sylvia_atricapilla:1,X_y:1):1);")
    found = MatchedTips.of(["Parus major", "Pica pica Linnaeus", "Pica pica melanotos", "Cyanistes caeruleus"], tree)
    assert found.places == [0, 1]
    assert found.about == {
        "matched": 2, "unmatched": ["Cyanistes caeruleus"], "tips": 6, "tips_without_pictures": 3, "repeated_tips": 1, "repeated_names": 1,
    }  # fmt: skip
    assert found.note == (
        "2 of 4 species are tips of the phylogeny; 3 of its 6 tips have no pictures; 1 tip repeats the name of another and is left out; "
        "1 species repeats the name of another and is left out"
    )


def test_branches_without_length_are_counted_and_negative_ones_are_nothing():
    rows = [2, 3, 4]
    far, note = paths(parse_newick("((a:1,b):2,c:3);"), rows)
    assert far.tolist() == [[0, 2, 3], [2, 0, 3], [3, 3, 0]]
    assert note == "branches are counted, for 1 of 4 have no length"
    far, note = paths(parse_newick("((a:1,b:-1):0,c:3);"), rows)
    assert far.tolist() == [[0, 1, 4], [1, 0, 3], [4, 3, 0]]
    assert note == "1 branch of negative length count as 0"
    assert paths(parse_newick("((a:1,b:1):0,c:3):-5;"), rows)[1] == ""


@pytest.mark.parametrize("species", [1, 2, 3])
def test_too_few_species_are_said_and_the_rest_is_measured(species):
    rng = np.random.default_rng(0)
    table = pa.table({"genus": ["A"] * 12, "species": [f"A s{number % species}" for number in range(12)]})
    tree = parse_newick("(A_s0:1,(A_s1:1,A_s2:1):1);")
    report = probe(Pictures.of_table(rng.normal(size=(12, 4)), table), tree=tree, n_permutations=3).report
    said = [reason for reason in report.skipped if reason.startswith("phylogeny:")]
    assert said == [
        f"phylogeny: the tree shares {species} names with the {species} species, expected at least 4: tips are to be called Genus_species"
    ]
    assert any(one.probe == "hubness" for one in report.results)
