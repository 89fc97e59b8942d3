"""Which hits are shown: so many of a taxon, above a score, around a place; and what is counted beside them."""

from math import nextafter

import numpy as np
import pyarrow as pa
import pytest

from cladescope.arrays import normalise
from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.records import Record
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import InputError, TaxonError
from cladescope.index.ann.build import build
from cladescope.index.places import EARTH_KM, Place, is_near
from cladescope.index.store import Store
from cladescope.taxonomy import RANKS

DIM, N = 8, 240
CARD = EncoderCard(name="made-up", dim=DIM, weight_hash=None, transform=None, has_text=False)
PLACES = [pa.field("decimalLatitude", pa.float64()), pa.field("decimalLongitude", pa.float64())]
TEXTS = [pa.field("lat", pa.string()), pa.field("lon", pa.string()), pa.field("locality", pa.string())]


def labels_of(n):
    """Forty species of eight genera of two families; every tenth picture is known to its genus only, every 37th not at all."""
    if n % 37 == 36:
        return {}
    genus, family = f"Genus{n % 8}", f"Family{n % 2}"
    return {"family": family, "genus": genus, "species": None if n % 10 == 9 else f"{genus} s{n % 5}"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store of 240 vectors with taxa and places, not to be changed; its vectors, and latitudes and longitudes (NaN: none)."""
    store = Store.create(tmp_path_factory.mktemp("picking") / "s", CARD)
    rng = np.random.default_rng(11)
    vectors = normalise(rng.standard_normal((N, DIM)) + 0.8).astype(np.float16)
    degrees = np.stack([rng.uniform(-89, 89, N), rng.uniform(-180, 180, N)], axis=1)
    degrees[::6] = np.nan
    store.add_fields([*PLACES, *TEXTS])
    records = []
    for n, (latitude, longitude) in enumerate(degrees):
        placed = (
            {} if np.isnan(latitude) else {"decimalLatitude": float(latitude), "decimalLongitude": float(longitude)}
        )
        if n % 5 == 0 and placed:  # a fifth has them as text, in columns of another name
            placed = {"lat": repr(float(latitude)), "lon": repr(float(longitude))}
        extra = {**placed, "locality": f"site {n % 3}" if n % 4 else None}
        records.append(Record(image_id=f"i{n}", uri=f"/{n}", source="s", labels=labels_of(n), extra=extra))
    store.write(images_table(records, vectors, [*PLACES, *TEXTS], {}), failures_table([]))
    return store, vectors.astype(np.float32), degrees


def ids(result):
    return [hit.image_id for hit in result.hits]


def ranked(store, vectors, query):
    """Every hit, best first, by one exact search for all."""
    return store.search(vector=vectors[query], k=N, exact=True).hits


def group(hit, rank):
    depth = RANKS.index(rank) + 1
    path = () if hit.taxon is None else hit.taxon.path[:depth]
    return (*path, *[None] * (depth - len(path)))


@pytest.mark.parametrize("rank", ["species", "genus", "family"])
@pytest.mark.parametrize("at_most", [1, 3])
@pytest.mark.parametrize("k", [5, 60])
def test_at_most_so_many_hits_of_a_taxon_are_the_first_ones_of_each(made, rank, at_most, k):
    store, vectors, _ = made
    expected, taken = [], {}
    for hit in ranked(store, vectors, 7):
        taken[group(hit, rank)] = taken.get(group(hit, rank), 0) + 1
        if taken[group(hit, rank)] <= at_most:
            expected.append(hit.image_id)
    found = store.search(vector=vectors[7], k=k, at_most=at_most, per=rank)
    assert ids(found) == expected[:k]
    assert [hit.position for hit in found.hits] == list(range(1, len(found.hits) + 1))
    short = f"{len(expected)} of {k} hits: all {N} pictures were looked at, and at most {at_most} of each {rank} shown"
    assert found.notes == (() if len(expected) >= k else (short,))


def test_the_index_is_asked_for_more_until_there_are_enough(made, tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    vectors = made[1]
    records = [
        Record(
            image_id=f"i{n}", uri=f"/{n}", source="s", labels={"species": "Parus major" if n < 200 else f"Parus s{n}"}
        )
        for n in range(N)
    ]
    store.write(images_table(records, vectors.astype(np.float16), (), {}), failures_table([]))
    with store.writing():
        build(store)
    found = store.search(vector=vectors[:200].mean(axis=0), k=30, at_most=1)
    assert len({str(hit.taxon) for hit in found.hits}) == len(found.hits) == 30


def test_hits_below_the_score_are_not_shown(made):
    store, vectors, _ = made
    hits = ranked(store, vectors, 3)
    above = [hit.image_id for hit in hits if hit.score >= hits[40].score]
    found = store.search(vector=vectors[3], min_score=hits[40].score, k=N)
    assert (ids(found), found.notes) == (above, ())
    assert len(store.search(vector=vectors[3], min_score=nextafter(hits[40].score, 2), k=N).hits) < len(above)
    cut = store.search(vector=vectors[3], min_score=hits[40].score, k=4)
    assert ids(cut) == above[:4]
    assert "4 hits reach the score" in cut.notes[0]
    assert store.search(vector=-vectors[3], min_score=0.99).hits == ()
    both = store.search(vector=vectors[3], min_score=hits[40].score, at_most=1, per="family", k=N)
    assert len(both.hits) == len({group(hit, "family") for hit in hits if hit.score >= hits[40].score})


def distances(degrees, latitude, longitude):
    """Kilometres on the sphere, by the angle between directions in space."""

    def direction(lat, lon):
        lat, lon = np.radians(lat), np.radians(lon)
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)

    here, there = direction(np.float64(latitude), np.float64(longitude)), direction(*degrees.T)
    return EARTH_KM * 2 * np.arcsin(np.minimum(np.linalg.norm(there - here, axis=-1) / 2, 1))


@pytest.mark.parametrize(
    "place",
    [(50.9, 11.6, 3000.0), (-70.0, 179.5, 4000.0), (89.0, 0.0, 2500.0), (0.0, -179.9, 6000.0), (5.0, 5.0, 25000.0)],
)
def test_only_what_was_taken_around_a_place_comes(made, place):
    store, vectors, degrees = made
    far = distances(degrees, *place[:2])
    expected = {f"i{n}" for n in np.flatnonzero(far <= place[2])}
    found = store.search(vector=vectors[0], near=place, k=N)
    assert set(ids(found)) == expected
    assert len(expected) > 2
    assert found.notes == (f"{N // 6} of {N} pictures have no coordinates: they are left out",)
    assert found.method == "exact"
    narrowed = store.search(vector=vectors[0], near=place, within="Family1", k=N)
    assert set(ids(narrowed)) == {f"i{n}" for n in np.flatnonzero(far <= place[2]) if n % 2 and n % 37 != 36}
    assert narrowed.notes == (), "of that family all have coordinates"


def test_more_from_the_same_place_by_kilometres_and_by_a_column(made):
    store, _, degrees = made
    found = store.search(image_id=["i1", "i5"], same_place=2000.0, k=N)  # i5 has its place as text
    near = (distances(degrees, *degrees[1]) <= 2000) | (distances(degrees, *degrees[5]) <= 2000)
    assert set(ids(found)) == {f"i{n}" for n in np.flatnonzero(near)} - {"i1", "i5"}
    same = store.search(image_id=["i1"], same="locality", k=N)
    assert set(ids(same)) == {f"i{n}" for n in range(N) if n % 3 == 1 and n % 4} - {"i1"}
    both = store.search(image_id="i1", same=["locality", "genus"], k=N)
    assert {hit.taxon.path[5] for hit in both.hits} == {"Genus1"}
    assert set(ids(both)) < set(ids(same))


@pytest.mark.parametrize(
    "query, reason",
    [
        ({"near": (91.0, 0.0, 5.0)}, "expected a latitude"),
        ({"near": (50.0, 11.0, 0.0)}, "kilometres above 0"),
        ({"near": (float("nan"), 11.0, 5.0)}, "expected a latitude"),
        ({"near": (50.0, 11.0)}, r"near is \(50.0, 11.0\): expected latitude, longitude and kilometres"),
        ({"same_place": 5.0}, "same_place means the place of a picture of the query"),
        ({"same": "locality"}, "same means what a column holds of a stored picture"),
        ({"image_id": "i0", "same_place": 5.0}, "the picture i0 has no coordinates: name a place"),
        ({"image_id": "i4", "same": "locality"}, "the picture i4 has no locality: name another picture"),
        ({"image_id": "i4", "same": "site"}, "no column 'site' in .*: the store has image_id"),
        ({"image_id": "i4", "same": "vector"}, "expected a column of texts or numbers"),
        ({"at_most": 0}, "at_most is 0"),
        ({"min_score": 1.5}, "min_score is 1.5: expected a cosine"),
        ({"min_score": float("nan")}, "min_score is nan"),
        ({"k": 0}, "k is 0"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(made, query, reason):
    store, vectors, _ = made
    with pytest.raises(InputError, match=reason) as error:
        store.search(**({"vector": vectors[0]} | query))
    assert "\n" not in str(error.value)


def test_what_is_no_rank_is_refused(made):
    for query in ({"at_most": 1, "per": "tribe"}, {"facets": "tribe"}):
        with pytest.raises(TaxonError, match="unknown rank 'tribe': expected one of kingdom"):
            made[0].search(vector=made[1][0], **query)


def test_a_store_without_coordinates_says_so(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    with pytest.raises(InputError, match="no columns of coordinates: expected decimalLatitude"):
        store.search(vector=np.ones(DIM), near=(50.0, 11.0, 5.0))
    with pytest.raises(InputError, match="51 places, 50 at most"):
        is_near(store.schema, [Place(1.0, 1.0, 1.0)] * 51)


def test_facets_count_the_taxa_of_the_hits_and_of_what_was_searched(made):
    store, vectors, _ = made
    found = store.search(vector=vectors[0], k=25, where="locality = 'site 1'", facets="genus")
    gallery = [labels_of(n).get("genus") for n in range(N) if n % 3 == 1 and n % 4]
    for facet in found.facets:
        name = None if facet.taxon is None else facet.taxon.name
        hits = [hit for hit in found.hits if (None if hit.taxon is None else hit.taxon.path[5]) == name]
        assert (facet.hits, facet.images) == (len(hits), gallery.count(name))
        assert facet.best_score == (hits[0].score if hits else None)
    assert sum(facet.hits for facet in found.facets) == 25
    assert sum(facet.images for facet in found.facets) == len(gallery)
    assert [facet.hits for facet in found.facets] == sorted((facet.hits for facet in found.facets), reverse=True)
    assert found.to_dict()["facets"][0]["hits"] == found.facets[0].hits
    assert "facets" not in store.search(vector=vectors[0]).to_dict()
