"""What a query is made of: several parts averaged, others subtracted, stored pictures and taxa."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.arrays import normalise
from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.pipeline import embed
from cladescope.embedding.records import Record
from cladescope.embedding.sources import open_source
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import InputError, PictureError, TaxonError
from cladescope.index.centroids import centroid
from cladescope.index.query import Parts, compose
from cladescope.index.store import Store

DIM = 8
CARD = EncoderCard(name="made-up", dim=DIM, weight_hash=None, transform=None, has_text=False)
SPECIES = ["Parus major"] * 9 + ["Parus ater"] * 2 + [None] * 3 + ["Corvus corax"] * 6
GENUS = ["Parus"] * 14 + ["Corvus"] * 6


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store of 20 vectors of known taxa, not to be changed, and its vectors as stored."""
    store = Store.create(tmp_path_factory.mktemp("query") / "s", CARD)
    vectors = normalise(np.random.default_rng(5).standard_normal((20, DIM))).astype(np.float16)
    records = [
        Record(image_id=f"i{n}", uri=f"/{n}", source="s", labels={"genus": genus, "species": species})
        for n, (genus, species) in enumerate(zip(GENUS, SPECIES, strict=True))
    ]
    store.write(images_table(records, vectors, (), {}), failures_table([]))
    return store, vectors.astype(np.float64)


def unit(vector):
    return vector / np.linalg.norm(vector)


def ids(result):
    return [hit.image_id for hit in result.hits]


@pytest.mark.parametrize("weight", [0.25, 0.5, 1.0, 3.0])
def test_what_is_not_wanted_is_subtracted_with_its_weight(made, weight):
    store, stored = made
    rows = normalise(stored)
    like, unlike = unit(rows[[0, 12]].mean(axis=0)), unit(rows[[3, 17]].mean(axis=0))
    query = compose(store, Parts(image_ids=["i0", "i12"]), Parts(image_ids=["i3", "i17"]), weight=weight)
    np.testing.assert_allclose(query.vector, unit(like - weight * unlike), atol=1e-6)
    found = store.search(image_id=["i0", "i12"], not_image_id=["i3", "i17"], not_weight=weight, k=20)
    scores = rows @ unit(like - weight * unlike)
    wanted = [f"i{n}" for n in np.argsort(-scores) if n not in (0, 3, 12, 17)]
    assert ids(found) == wanted, "what the query is made of is left out"
    assert [hit.score for hit in found.hits] == pytest.approx([scores[int(one[1:])] for one in wanted], abs=1e-3)


def test_the_weight_is_a_half_unless_it_is_given(made):
    store, _ = made
    like, unlike = Parts(image_ids=["i0"]), Parts(image_ids=["i9"])
    np.testing.assert_array_equal(compose(store, like, unlike).vector, compose(store, like, unlike, weight=0.5).vector)


@settings(max_examples=10)
@given(data=st.data())
def test_the_order_of_the_parts_makes_no_difference(made, data):
    store, stored = made
    like = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=5, unique=True))
    unlike = data.draw(st.lists(st.integers(10, 19), max_size=4, unique=True))
    vectors = [stored[n] for n in like]

    def query(like, unlike, vectors):
        sides = Parts(image_ids=[f"i{n}" for n in like], vectors=vectors), Parts(image_ids=[f"i{n}" for n in unlike])
        return compose(store, *sides)

    first = query(like, unlike, vectors)
    again = query(*(data.draw(st.permutations(part)) for part in (like, unlike)), vectors[::-1])
    np.testing.assert_allclose(first.vector, again.vector, atol=1e-5)
    assert first.leave_out == again.leave_out
    assert np.linalg.norm(first.vector) == pytest.approx(1, abs=1e-5)


def test_parts_that_cancel_out_are_refused_in_one_line(made):
    store, stored = made
    for call in (
        lambda: store.search(image_id="i4", not_image_id="i4", not_weight=1.0),
        lambda: store.search(vector=np.stack([stored[2], -stored[2]])),
        lambda: store.search(image_id="i4", vector=-stored[4]),
    ):
        with pytest.raises(InputError, match="cancel out and leave no direction") as error:
            call()
        assert "\n" not in str(error.value)
    assert store.search(image_id="i4", not_image_id="i4", not_weight=0.5).hits, "the direction of the picture itself"


def test_a_taxon_stands_for_the_middle_of_its_pictures_in_which_every_species_counts_alike(made):
    store, stored = made
    rows = normalise(stored)
    species = [rows[:9], rows[9:11], rows[11:14]]
    expected = unit(np.mean([unit(part.mean(axis=0)) for part in species], axis=0))
    np.testing.assert_allclose(centroid(store, "Parus"), expected, atol=1e-3)
    np.testing.assert_allclose(centroid(store, "Parus major"), unit(rows[:9].mean(axis=0)), atol=1e-3)
    found = store.search(taxon="Parus", k=20)
    assert ids(found) == [f"i{n}" for n in np.argsort(-(rows @ expected))], "its pictures are not left out"
    both = store.search(taxon=["Parus", "Corvus"], not_taxon="Parus ater", k=1)
    assert both.hits[0].taxon is not None
    with pytest.raises(TaxonError, match="unknown taxon 'Panus'"):
        store.search(taxon="Panus")


def test_several_vectors_are_one_query(made):
    store, stored = made
    middle = unit(normalise(stored[:3]).mean(axis=0))
    assert ids(store.search(vector=stored[:3], k=20)) == ids(store.search(vector=middle, k=20))


def test_a_picture_and_a_text_are_one_query(clades, checkpoint, tmp_path):
    encoder = Encoder.load(str(checkpoint))
    store = Store.create(tmp_path / "s", encoder.card)
    embed(open_source(clades / "metadata.csv"), encoder, store)
    picture = sorted(clades.glob("images/*/*.jpg"))[7]
    seen, said = encoder.encode_images([picture])[0], encoder.encode_texts(["a larva", "a flower"])
    found = store.search(images=[picture], text="a larva", not_text="a flower", k=48)
    middle = unit(seen + said[0])
    assert ids(found) == ids(store.search(vector=unit(middle - 0.5 * said[1]), k=48))
    other = sorted(clades.glob("images/*/*.jpg"))[20]
    away = encoder.encode_images([other])[0]
    found = store.search(images=[picture], not_images=[other], k=48)
    assert ids(found) == ids(store.search(vector=unit(seen - 0.5 * away), k=48))


@pytest.mark.parametrize(
    "query, reason",
    [
        ({}, "the query is empty: give a picture"),
        ({"not_image_id": "i1"}, "the query is empty: give a picture"),
        ({"image_id": ["i1", "nobody"]}, "no image_id 'nobody'"),
        ({"image_id": "i1", "not_image_id": "nobody"}, "no image_id 'nobody'"),
        ({"image_id": "i1", "not_image_id": "i2", "not_weight": 0.0}, "is 0.0: expected a number above 0"),
        ({"image_id": "i1", "not_image_id": "i2", "not_weight": float("nan")}, "is nan: expected a number above 0"),
        ({"image_id": "i1", "vector": np.ones(5)}, "the query has 5 numbers, the store's vectors 8"),
        ({"vector": np.ones((2, 2, 8))}, r"the query has the shape \(2, 2, 8\)"),
        ({"vector": np.array([np.ones(8), np.zeros(8)])}, "no direction"),
        ({"text": " "}, "the text of the query is empty"),
    ],
)
def test_a_query_that_is_none_is_refused_in_one_line(made, query, reason):
    with pytest.raises(InputError, match=reason) as error:
        made[0].search(**query)
    assert "\n" not in str(error.value)


def test_a_picture_that_is_not_wanted_is_named_where_it_cannot_be_read(made):
    with pytest.raises(PictureError, match="the query picture gone.jpg cannot be used"):
        made[0].search(image_id="i1", not_images=["gone.jpg"])
