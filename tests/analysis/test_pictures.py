"""The one reader of labelled vectors: taxa by full path, columns as numbers and texts, what is left out counted."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.analysis.pictures import NO_DIRECTION, NO_TAXON, Pictures
from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.records import Record
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import InputError, TaxonError
from cladescope.index.store import Store
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.rank_table import path_codes, rank_codes, taxon_codes

NAMES = st.sampled_from(["", None, "A", "B", "Ä"])
LINEAGES = st.lists(st.tuples(*[NAMES] * len(RANKS)), min_size=1, max_size=30)


def table_of(lineages, **columns):
    by_rank = dict(zip(RANKS, zip(*lineages, strict=True), strict=True))
    return pa.table({**{rank: pa.array(names, pa.string()) for rank, names in by_rank.items()}, **columns})


def plain(lineage, rank):
    """A taxon as a tuple, as one would write it down."""
    return None if not lineage[rank] else tuple(name or None for name in lineage[: rank + 1])


@given(LINEAGES)
def test_equal_labels_are_equal_paths_and_numbers_follow_the_sorted_paths(lineages):
    pictures = Pictures(np.ones((len(lineages), 2), np.float32), table_of(lineages))
    for place, rank in enumerate(RANKS):
        paths = [plain(lineage, place) for lineage in lineages]
        ordered = sorted({path for path in paths if path}, key=lambda path: tuple(name or "" for name in path))
        assert [taxon.path for taxon in pictures.taxa(rank)] == ordered
        assert pictures.labels(rank).tolist() == [-1 if path is None else ordered.index(path) for path in paths]
        assert pictures.lineages(rank) == [path and tuple(name or "" for name in path) for path in paths]
    whole = [tuple(name or "" for name in lineage) for lineage in lineages]
    assert pictures.lineage.tolist() == [sorted(set(whole)).index(lineage) for lineage in whole]
    assert (pictures.lineage_codes[pictures.lineage] == pictures.codes).all()
    assert pictures.paths().to_pylist() == [" > ".join(filter(None, lineage)) for lineage in lineages]


@given(LINEAGES)
def test_across_gaps_a_taxon_is_its_kingdom_and_its_name(lineages):
    codes = taxon_codes(rank_codes(table_of(lineages))[1], across_gaps=True)
    for place in range(len(RANKS)):
        keys = [(lineage[0] or "", lineage[place]) if lineage[place] else None for lineage in lineages]
        ordered = sorted({key for key in keys if key})
        assert codes[:, place].tolist() == [-1 if key is None else ordered.index(key) for key in keys]


@given(LINEAGES, st.randoms())
def test_codes_do_not_depend_on_the_order_of_the_rows(lineages, random):
    order = list(range(len(lineages)))
    random.shuffle(order)
    names = rank_codes(table_of(lineages))[1]
    np.testing.assert_array_equal(path_codes(names)[order], path_codes(names[order]))
    pictures = Pictures(np.ones((len(lineages), 2), np.float32), table_of(lineages))
    np.testing.assert_array_equal(pictures.take(np.array(order)).codes, pictures.codes[order])


@pytest.fixture
def uneven(tmp_path):
    """A store of ten pictures: one without direction, one without ranks, and a column `part`."""
    vectors = np.random.default_rng(0).standard_normal((10, 4)).astype(np.float16)
    vectors[3] = 0
    records = [
        Record(
            image_id=f"i{row}",
            uri=f"/{row}",
            source="s",
            labels={} if row == 5 else {"kingdom": "Animalia", "family": f"F{row % 3}"},
            extra={"part": "test" if row % 2 else "train"},
        )
        for row in range(10)
    ]
    card = EncoderCard(name="made-up", dim=4, weight_hash=None, transform=None, has_text=False)
    store = Store.create(tmp_path / "s.store", card)
    fields = (pa.field("part", pa.string()),)
    store.add_fields(fields)
    store.write(images_table(records, vectors, fields, {}), failures_table([]))
    return store


def ids(pictures):
    return pictures.table["image_id"].to_pylist()


def test_a_store_is_read_in_its_order_and_what_is_left_out_is_counted(uneven):
    pictures = Pictures.of_store(uneven, columns=("image_id", "part"))
    assert ids(pictures) == [f"i{row}" for row in range(10) if row != 3]
    assert pictures.table.column_names == [*RANKS, "image_id", "part"]
    np.testing.assert_allclose(np.linalg.norm(pictures.vectors, axis=1), 1, atol=1e-6)
    assert (pictures.vectors.dtype, pictures.left_out) == (np.float32, {NO_DIRECTION: 1})
    labelled = pictures.with_taxa()
    assert (len(labelled), labelled.left_out) == (8, {NO_DIRECTION: 1, NO_TAXON: 1})
    assert labelled.with_taxa() is labelled


def test_vectors_as_stored_are_those_of_the_store(uneven):
    stored = np.concatenate([vectors for _, vectors in uneven.vectors()])
    found = Pictures.of_store(uneven, as_stored=True).vectors
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, np.delete(stored, 3, axis=0))


def test_conditions_and_a_limit_choose_and_vectors_stay_beside_their_rows(uneven):
    everything = Pictures.of_store(uneven)
    of_id = dict(zip(ids(everything), everything.vectors.tolist(), strict=True))
    for pictures in (
        Pictures.of_store(uneven, within="F1"),
        Pictures.of_store(uneven, where="part = 'test'", columns=("image_id", "part")),
        Pictures.of_store(uneven, limit=6, seed=2),
        everything.sample(4, seed=1),
    ):
        assert 0 < len(pictures) < len(everything)
        assert [of_id[id_] for id_ in ids(pictures)] == pictures.vectors.tolist()
    assert set(Pictures.of_store(uneven, where="part = 'test'", columns=("part",)).table["part"].to_pylist()) == {
        "test"
    }
    assert len(Pictures.of_store(uneven, where="part = 'other'")) == 0


def test_several_clades_are_a_union(uneven):
    one, two = (ids(Pictures.of_store(uneven, within=name)) for name in ("F1", "F2"))
    both = ids(Pictures.of_store(uneven, within=["F1", "F2"]))
    assert sorted(both) == sorted([*one, *two])
    assert 0 < len(one) < len(both) < 8


def test_a_limit_draws_by_its_seed(uneven):
    drawn = [ids(Pictures.of_store(uneven, limit=4, seed=seed)) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_texts_and_numbers_of_any_column():
    table = pa.table({"sex": ["f", "", None, "m", "f"], "year": [1, 2, None, 2, 1], "boxes": [[1]] * 5})
    pictures = Pictures(np.ones((5, 2), np.float32), table)
    assert pictures.texts("sex").to_pylist() == ["f", None, None, "m", "f"]
    assert pictures.numbered("sex").tolist() == [0, -1, -1, 1, 0]
    assert pictures.numbered("year").tolist() == [0, 1, -1, 1, 0]
    assert pictures.numbered("nowhere").tolist() == [-1] * 5
    with pytest.raises(InputError, match="'boxes' holds list"):
        pictures.texts("boxes")


def test_wrong_input_is_named(uneven):
    with pytest.raises(InputError, match=r"no column 'sex' in .*s.store: its columns are image_id, uri"):
        Pictures.of_store(uneven, columns=("sex",))
    with pytest.raises(InputError, match="found 2 vectors and 1 rows"):
        Pictures(np.eye(2), pa.table({"genus": ["Parus"]}))
    with pytest.raises(TaxonError, match="'tribe', expected a rank"):
        Pictures.of_store(uneven).labels("tribe")
