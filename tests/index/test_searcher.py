import numpy as np
import pytest
from PIL import Image

from cladescope.arrays import normalise
from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.pipeline import embed
from cladescope.embedding.records import Record
from cladescope.embedding.sources import open_source
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import InputError, PictureError, StoreError
from cladescope.index.ann.build import build
from cladescope.index.ann.engine import EF_LADDER
from cladescope.index.ann.files import AnnIndex, folder, remove
from cladescope.index.ann.page import page
from cladescope.index.searcher import Searcher
from cladescope.index.store import Store

DIM = 16
CARD = EncoderCard(name="made-up", dim=DIM, weight_hash=None, transform=None, has_text=False)


def add(store, n, *, first=0, seed=0):
    vectors = normalise(np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32)).astype(np.float16)
    records = [
        Record(image_id=f"i{first + i}", uri=f"/{first + i}", source="s", labels={"species": f"S {i % 50}"})
        for i in range(n)
    ]
    store.write(images_table(records, vectors, (), {}), failures_table([]))
    return vectors


@pytest.fixture
def vectors_store(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    vectors = add(store, 1500)
    return store, vectors


def ids(answer):
    return [hit.image_id for hit in answer.hits]


def test_a_stored_picture_finds_itself_first(clades, store):
    picture = sorted(clades.glob("images/*/*.jpg"))[5]
    answer = store.search(images=[picture], k=4)
    assert answer.hits[0].uri == str(picture)
    assert answer.hits[0].score > 0.999
    assert [hit.position for hit in answer.hits] == [1, 2, 3, 4]
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)


def test_a_picture_whose_file_is_stored_does_not_vote_for_itself_and_may_be_left_out(clades, store, tmp_path):
    picture = sorted(clades.glob("images/*/*.jpg"))[5]
    kept, without = (store.search(images=[picture], k=k, keep_query=keeps) for k, keeps in ((5, True), (4, False)))
    assert [hit.uri for hit in kept.hits[1:]] == [hit.uri for hit in without.hits]
    assert [hit.position for hit in without.hits] == [1, 2, 3, 4]
    assert (kept.kin_of_query, kept.own_left_out) == (1, 0)
    assert (without.kin_of_query, without.own_left_out) == (0, 1)
    assert kept.consensus == without.consensus
    (tmp_path / "link.jpg").symlink_to(picture)
    assert ids(store.search(images=[tmp_path / "link.jpg"], k=4, keep_query=False)) == ids(without)
    (tmp_path / "copy.jpg").write_bytes(picture.read_bytes())
    for other in (tmp_path / "copy.jpg", picture.read_bytes()):
        assert store.search(images=[other], k=5, keep_query=False).hits[0].uri == str(picture), "another file"


@pytest.mark.parametrize("options", [{}, {"at_most": 1}, {"min_score": 0.5}, {"within": "GENUS"}, {"k": 100}])
def test_what_is_left_out_is_the_only_difference(clades, store, options):
    pictures = sorted(clades.glob("images/*/*.jpg"))[5:7]
    genus = store.search(images=pictures[:1], k=1).hits[0].taxon.path[5]
    options = {"k": 6} | {name: genus if value == "GENUS" else value for name, value in options.items()}
    everything = store.search(images=pictures, k=1000).hits
    found = store.search(images=pictures, keep_query=False, **options)
    wanted = [hit for hit in everything if hit.uri not in map(str, pictures)]
    if "within" in options:
        wanted = [hit for hit in wanted if hit.taxon.path[5] == genus]
    if "at_most" in options:
        wanted = list({hit.taxon: hit for hit in reversed(wanted)}.values())
        wanted.sort(key=lambda hit: hit.position)
    wanted = [hit for hit in wanted if hit.score >= options.get("min_score", -1)]
    assert ids(found) == [hit.image_id for hit in wanted[: options["k"]]]


def test_a_file_that_is_stored_several_times_is_left_out_as_often(clades, tmp_path):
    pictures = sorted(clades.glob("images/*/*.jpg"))[:6]
    lines = [f"{picture},{number}" for number, picture in enumerate([*[pictures[0]] * 9, *pictures[1:]])]
    (tmp_path / "t.csv").write_text("\n".join(["file,image_id", *lines]))
    encoder = Encoder.load("pixels")
    store = Store.create(tmp_path / "s", encoder.card)
    embed(open_source(tmp_path / "t.csv"), encoder, store)
    assert store.count() == 14
    found = store.search(images=pictures[:1], k=3, keep_query=False)
    assert len(found.hits) == 3
    assert (found.own_left_out, found.hits[0].score < 0.999) == (9, True)


def test_a_picture_named_by_its_id_is_not_among_its_own_hits(store):
    first = store.search(vector=np.ones(960, np.float32), k=1).hits[0]
    answer = store.search(image_id=first.image_id, k=47)
    assert len(answer.hits) == 47
    assert first.image_id not in ids(answer)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_query_vector_is_searched_by_its_direction_or_refused_whatever_its_length(vectors_store, dtype):
    store, vectors = vectors_store
    for length in (6e-5, 1e-30, 1e30):
        with np.errstate(over="ignore", under="ignore"):
            query = (vectors[7].astype(np.float64) * length).astype(dtype)
        if np.isfinite(query).all() and query.any():
            assert ids(store.search(vector=query, k=1)) == ["i7"]
    for bad in (0.0, 1e-60, 1e60, np.nan, np.inf):
        with np.errstate(over="ignore", under="ignore"):
            query = np.full(DIM, bad).astype(dtype)
        with pytest.raises(InputError, match="no direction") as error:
            store.search(vector=query)
        assert "\n" not in str(error.value)


def test_within_a_clade_only_its_members_come(clades, store):
    picture = sorted(clades.glob("images/*/*.jpg"))[0]
    for taxon in store.taxonomy.taxa("family"):
        answer = store.search(images=[picture], k=100, within=str(taxon))
        assert len(answer.hits) == store.count(within=str(taxon)) > 0
        assert all(taxon.contains(hit.taxon) for hit in answer.hits)


def test_several_pictures_make_one_query_between_them(clades, store):
    pictures = sorted(clades.glob("images/*/*.jpg"))[:2]
    answer = store.search(images=pictures, k=48)
    vectors = store.encoder.encode_images(pictures)
    middle = normalise(vectors.mean(axis=0, keepdims=True))[0]
    expected = store.search(vector=middle, k=48)
    assert ids(answer) == ids(expected)


def test_a_text_finds_what_its_vector_finds(clades, checkpoint, tmp_path):
    encoder = Encoder.load(str(checkpoint))
    store = Store.create(tmp_path / "s", encoder.card)
    embed(open_source(clades / "metadata.csv"), encoder, store)
    answer = Store.open(tmp_path / "s").search(text="a photo of Parus major.", k=5)
    vector = encoder.encode_texts(["a photo of Parus major."])[0]
    assert ids(answer) == ids(store.search(vector=vector, k=5))


def test_the_index_finds_what_the_exact_search_finds(vectors_store):
    store, vectors = vectors_store
    with store.writing():
        card = build(store, kind="hnsw", target_recall=0.95)
    assert card.target_met
    found = []
    for query in vectors[::30].astype(np.float32):
        approximate, exact = store.search(vector=query), store.search(vector=query, exact=True)
        assert (approximate.method, exact.method) == ("hnsw", "exact")
        found.append(len(set(ids(approximate)) & set(ids(exact))) / 10)
    assert np.mean(found) >= 0.95


def test_the_card_measures_recall_as_a_plain_count_does(vectors_store):
    store, vectors = vectors_store
    with store.writing():
        card = build(store, kind="hnsw")
    assert card.n_vectors == 1500
    assert card.steps[0].near["efSearch"] in EF_LADDER
    assert 0.95 <= card.ann_recall["10"] <= 1
    assert "rare" not in card.queries, "every species here has 30 pictures"
    assert (folder(store.path) / "card.md").read_text() == page(card)


def test_rows_added_after_the_index_are_found_and_deleted_ones_are_not(vectors_store):
    store, vectors = vectors_store
    with store.writing():
        build(store, kind="hnsw")
    new = add(store, 40, first=5000, seed=9).astype(np.float32)
    assert ids(store.search(vector=new[7], k=1)) == ["i5007"]
    gone = ids(store.search(vector=vectors[3].astype(np.float32), k=30))
    store.delete(image_ids=gone[:25])
    answer = store.search(vector=vectors[3].astype(np.float32), k=10)
    assert answer.method in ("hnsw", "exact")
    assert len(answer.hits) == 10
    assert not set(ids(answer)) & set(gone[:25])
    assert ids(answer)[:5] == gone[25:]


def test_a_row_whose_picture_changed_is_known_by_its_new_vector_only(vectors_store):
    store, vectors = vectors_store
    with store.writing():
        build(store, kind="hnsw")
    store.delete(image_ids=["i3"])
    record = Record(image_id="i3", uri="/3", source="s")
    store.write(images_table([record], -vectors[3:4], (), {}), failures_table([]))
    assert ids(store.search(vector=-vectors[3].astype(np.float32), k=1)) == ["i3"]
    assert "i3" not in ids(store.search(vector=vectors[3].astype(np.float32), k=10))


def test_a_narrowed_gallery_is_searched_exactly(vectors_store):
    store, vectors = vectors_store
    with store.writing():
        build(store, kind="hnsw")
    answer = store.search(vector=vectors[0].astype(np.float32), where="species = 'S 3'")
    assert answer.method == "exact"
    assert {hit.taxon.name for hit in answer.hits} == {"S 3"}


def test_more_hits_than_rows_gives_all_rows(vectors_store):
    store, vectors = vectors_store
    with store.writing():
        build(store, kind="hnsw")
    store.delete(where="image_id != 'i1' AND image_id != 'i2'")
    assert set(ids(store.search(vector=vectors[1].astype(np.float32), k=10))) == {"i1", "i2"}


def test_rebuilding_replaces_the_index_and_its_card(vectors_store):
    store, vectors = vectors_store
    with store.writing():
        build(store, kind="hnsw")
    add(store, 10, first=9000, seed=4)
    with store.writing():
        assert build(store).n_vectors == 1510
    assert AnnIndex.find(store.path).card.n_vectors == 1510
    assert remove(store.path)
    assert AnnIndex.find(store.path) is None
    assert not remove(store.path)


@pytest.mark.parametrize("target", [0.0, 1.2, -1.0])
def test_a_target_that_is_no_share_is_refused(vectors_store, target):
    with pytest.raises(InputError, match="target recall"):
        build(vectors_store[0], target_recall=target)


def test_a_damaged_index_says_so_and_the_search_is_exact(vectors_store):
    store, vectors = vectors_store
    with store.writing():
        build(store, kind="hnsw")
    next(folder(store.path).glob("index*.faiss")).write_bytes(b"nonsense")
    with pytest.raises(StoreError, match="build the index again"):
        AnnIndex.find(store.path)
    answer = Store.open(store.path).search(vector=vectors[0].astype(np.float32))
    assert (answer.method, len(answer.hits)) == ("exact", 10)
    assert "is damaged" in answer.notes[0]
    assert "until then every search is exact" in answer.notes[0]


def test_a_store_too_small_for_an_index_says_so(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    with pytest.raises(InputError, match="at least 2"):
        build(store, kind="hnsw")
    add(store, 4)
    card = build(store, kind="hnsw")
    assert (card.ann_recall, card.target_k) == ({"1": 1.0}, 1), "nothing there has ten neighbours"
    assert "at k = 1 for every kind of query, was met" in page(card)


def test_a_searcher_answers_as_the_store_does(clades, store):
    pictures = sorted(clades.glob("images/*/*.jpg"))[:2]
    searcher = Searcher(store)
    assert searcher.search(images=pictures, k=7) == store.search(images=pictures, k=7)
    assert searcher.search(image_id=searcher.search(images=pictures, k=1).hits[0].image_id, k=3).method == "exact"


def test_several_clades_are_a_union(clades, store):
    picture = sorted(clades.glob("images/*/*.jpg"))[0]
    first, second = (str(taxon) for taxon in store.taxonomy.taxa("species")[:2])
    result = store.search(images=[picture], k=48, within=[first, second])
    assert {str(hit.taxon) for hit in result.hits} == {first, second}
    assert (
        len(result.hits)
        == store.count(within=[first, second])
        == store.count(within=first) + store.count(within=second)
    )
    assert store.count(within=[first, first]) == store.count(within=first)
    assert store.delete(within=[first, second]) == len(result.hits)
    with pytest.raises(InputError, match="within names no taxon"):
        store.search(images=[picture], within=[])


def test_a_query_picture_may_be_a_path_bytes_an_image_or_an_array(clades, store):
    path = sorted(clades.glob("images/*/*.jpg"))[3]
    image = Image.open(path)
    image.load()
    for query in (path, str(path), path.read_bytes(), image, np.asarray(image)):
        hit = store.search(images=[query], k=1).hits[0]
        assert (hit.uri, round(hit.score, 3)) == (str(path), 1.0)


def test_a_query_picture_that_cannot_be_used_is_named_as_it_was_given(store, tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    for query, words in [
        ("nowhere.jpg", "the query picture nowhere.jpg cannot be used: no such file"),
        (tmp_path / "text.jpg", f"the query picture {tmp_path / 'text.jpg'} cannot be used: "),
        (b"no picture", "the query picture cannot be used: "),
        (np.zeros((2, 2), np.float32), "the query picture cannot be used: array 1 is float32"),
    ]:
        with pytest.raises(PictureError, match=words):
            store.search(images=[query])
