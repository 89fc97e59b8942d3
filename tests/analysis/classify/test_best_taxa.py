"""The streamed search for the best taxa against all probabilities, rolled up along the tree and sorted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.analysis.classify import best_taxa as module
from cladescope.analysis.classify.answers import Answers
from cladescope.analysis.classify.best_taxa import best_taxa
from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.zero_shot import best
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS, Taxon

names = st.sampled_from([None, "A", "B", "C"])
taxa = st.lists(names, min_size=1, max_size=7).map(tuple).filter(lambda path: path[-1] is not None).map(Taxon)


def gallery(options, seed=0, dtype=np.float32, **parts):
    vectors = np.random.default_rng(seed).normal(size=(len(options), 8)).astype(dtype)
    tree = ClassTree.from_taxa(options)
    return ClassGallery(vectors, tuple(map(str, options)), parts.pop("scale", 3.0), tree=tree, **parts)


def pictures(n, seed=1):
    return np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float32)


def whole(classes, vectors, rank, k):
    """The same from all probabilities of every picture at once."""
    nodes = classes.tree.at(rank)
    at_rank = classes.tree.roll_up(classes.probabilities(vectors))[:, nodes]
    places = best(at_rank, k)
    return np.take_along_axis(at_rank, places, axis=1), nodes[places]


def many(c, seed=3):
    """Taxa of long-tailed clades, some without their last ranks, in no order."""
    rng = np.random.default_rng(seed)
    paths = [["K"] + [f"{rank}{rng.zipf(1.5) % 50}" for rank in "pcofgs"] for _ in range(c)]
    depths = rng.choice([7, 7, 7, 6, 5, 2], size=c)
    return [Taxon(tuple(path[:depth])) for path, depth in zip(paths, depths, strict=True)]


@given(st.lists(taxa, min_size=1, max_size=30), st.integers(0, 1000), st.integers(1, 4), st.integers(1, 6))
def test_small_tiles_give_what_the_whole_matrix_gives(options, seed, tile, k):
    classes = gallery(options, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_TILE_CLASSES", tile)
        for rank in RANKS:
            if not len(classes.tree.at(rank)):
                continue
            chances, nodes = best_taxa(classes, pictures(3, seed), rank, k)
            expected, order = whole(classes, pictures(3, seed), rank, k)
            np.testing.assert_allclose(chances, expected, rtol=1e-4)
            np.testing.assert_array_equal(nodes, order)


@pytest.mark.parametrize("rank", RANKS)
def test_many_classes_in_blocks_give_what_the_whole_matrix_gives(rank):
    options = many(5000)
    rng = np.random.default_rng(4)
    prior = np.log(rng.random(5000).astype(np.float32))
    prior[:1500] = prior[2000:2100] = -np.inf
    bias = rng.normal(size=5000).astype(np.float32)
    classes = gallery(options, dtype=np.float16, scale=20.0, bias=bias, log_prior=prior)
    chances, nodes = best_taxa(classes, pictures(33), rank, 5)
    expected, order = whole(classes, pictures(33), rank, 5)
    np.testing.assert_allclose(chances, expected, rtol=1e-3)
    np.testing.assert_array_equal(nodes, order)


def test_answers_do_not_depend_on_how_many_pictures_are_asked_together():
    answers = Answers(gallery(many(300)), rank="genus")
    together = list(answers.of(pictures(7)))
    for picture, found in zip(pictures(7), together, strict=True):
        (alone,) = answers.of(picture[None])
        assert [row["genus"] for row in alone] == [row["genus"] for row in found]
        assert [row["score"] for row in alone] == pytest.approx([row["score"] for row in found], rel=1e-4)
    assert list(answers.of(pictures(0))) == []


def test_a_taxon_that_two_classes_share_counts_once_and_equals_come_in_order():
    options = [Taxon(("Animalia", "B")), Taxon(("Animalia", "A")), Taxon(("Animalia", "B")), Taxon(("Animalia",))]
    classes = ClassGallery(np.ones((4, 8), np.float32), tuple("abcd"), 1.0, tree=ClassTree.from_taxa(options))
    chances, nodes = best_taxa(classes, pictures(1), "phylum", 9)
    assert [classes.tree.taxon(node).name for node in nodes[0]] == ["B", "A"]
    assert chances[0].tolist() == pytest.approx([0.5, 0.25])


def test_what_cannot_be_asked_is_refused():
    classes = gallery([Taxon(("Animalia",))])
    with pytest.raises(InputError, match="no class has a species"):
        best_taxa(classes, pictures(1), "species", 1)
    with pytest.raises(InputError, match="rules out every class"):
        best_taxa(gallery([Taxon(("A",))], log_prior=np.full(1, -np.inf, np.float32)), pictures(1), "kingdom", 1)
    with pytest.raises(InputError, match="9 numbers and the classes 8"):
        best_taxa(classes, np.ones((1, 9), np.float32), "kingdom", 1)
