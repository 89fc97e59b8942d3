"""The tree of classes against plain loops over paths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.errors import TaxonError
from cladescope.taxonomy.taxon import RANKS, Taxon

AVES = Taxon(("Animalia", "Chordata", "Aves"))
TIT = Taxon((*AVES.path, "Passeriformes", "Paridae", "Parus", "Parus major"))
OWN_FAMILY = Taxon((*AVES.path, None, "Paridae"))
OAK = Taxon(("Plantae", None, None, None, None, "Quercus"))

names = st.sampled_from([None, "A", "B", "C"])
taxa = st.lists(names, min_size=1, max_size=7).map(tuple).filter(lambda path: path[-1] is not None).map(Taxon)
classes = st.lists(taxa, min_size=1, max_size=30)


def mass(taxon, options, probabilities):
    return sum(p for option, p in zip(options, probabilities, strict=True) if taxon.contains(option))


@given(classes, st.integers(0, 1000))
def test_a_node_has_the_probability_of_its_clade(options, seed):
    tree = ClassTree.from_taxa(options)
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(len(options)), size=3).astype(np.float32)
    rolled = tree.roll_up(probabilities)
    assert {tree.taxon(node) for node in range(len(tree))} == {above for taxon in options for above in taxon.lineage}
    for node in range(len(tree)):
        expected = [mass(tree.taxon(node), options, row) for row in probabilities]
        np.testing.assert_allclose(rolled[:, node], expected, atol=1e-6)


@given(classes)
def test_nodes_know_their_place(options):
    tree = ClassTree.from_taxa(options)
    for node in range(len(tree)):
        taxon = tree.taxon(node)
        assert tree.node_of(taxon) == node
        assert RANKS[tree.rank[node]] == taxon.rank
        parent = tree.parent[node]
        assert (None if parent < 0 else tree.taxon(parent)) == taxon.parent
        assert node in tree.children(parent)
        line = {RANKS.index(above.rank): tree.node_of(above) for above in taxon.lineage}
        assert tree.lineage[node].tolist() == [line.get(rank, -1) for rank in range(7)]
    for row, taxon in enumerate(options):
        assert tree.class_taxon(row) == taxon
        assert tree.class_nodes[row].tolist() == tree.lineage[tree.node_of(taxon)].tolist()
    every = np.arange(len(tree))
    for node in every:
        found = tree.contains(np.full(len(tree), node), every)
        assert found.tolist() == [tree.taxon(node).contains(tree.taxon(other)) for other in every]


@given(classes, st.integers(0, 1000))
def test_the_way_down_takes_the_best_child_to_a_tip(options, seed):
    tree = ClassTree.from_taxa(options)
    scores = tree.roll_up(np.random.default_rng(seed).dirichlet(np.ones(len(options)), size=4))
    for row, path in zip(scores, tree.descend(scores), strict=True):
        here, met = -1, []
        while len(children := tree.children(here)):
            here = int(children[row[children].argmax()])
            met.append(here)
        assert path[path >= 0].tolist() == met
        assert all(tree.rank[node] == rank for rank, node in enumerate(path) if node >= 0)
        assert (np.diff(row[met]) <= 1e-9).all()


def test_a_class_without_a_rank_goes_on_below_it():
    tree = ClassTree.from_taxa([TIT, OWN_FAMILY, OAK])
    rolled = tree.roll_up(np.array([[0.5, 0.3, 0.2]]))
    found = {str(tree.taxon(node)): round(float(p), 6) for node, p in enumerate(rolled[0])}
    assert found["Animalia > Chordata > Aves"] == 0.8
    assert found["Animalia > Chordata > Aves > Paridae"] == 0.3
    assert found["Plantae > Quercus"] == 0.2
    assert tree.at("phylum").tolist() == [tree.node_of(Taxon(("Animalia", "Chordata")))]


def test_nothing_contains_no_node():
    tree = ClassTree.from_taxa([TIT, OAK])
    assert not tree.contains(np.array([-1, 0, -1]), np.array([0, -1, -1])).any()


def test_the_nearest_known_ancestor_of_a_stranger():
    tree = ClassTree.from_taxa([TIT])
    stranger = Taxon((*AVES.path, "Strigiformes"))
    assert tree.lowest_node_above(stranger) == tree.node_of(AVES)
    assert tree.lowest_node_above(OAK) is None


@pytest.mark.parametrize("columns, n", [([], 0), ([{"genus": "Parus"}, {"genus": None}], 1)])
def test_a_class_without_any_rank_is_refused(columns, n):
    import pyarrow as pa

    table = pa.Table.from_pylist(columns, schema=pa.schema([("genus", pa.string())]))
    with pytest.raises(TaxonError, match=f"{n} of {len(columns)} classes have no rank"):
        ClassTree.from_table(table)
