"""Published text vectors: read entry by entry and piece by piece, the same as at once."""

import json

import numpy as np
import pytest

from cladescope import json_list
from cladescope.analysis.classify import precomputed
from cladescope.analysis.classify.precomputed import is_precomputed, read_precomputed
from cladescope.analysis.classify.taxon_lists import within
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.text_scale import stored_text_scale
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS


@pytest.fixture
def written(tmp_path):
    """A list of 40 taxa in no order and its matrix; a name is not ASCII, an entry has no ranks, two have no vector."""
    rng = np.random.default_rng(0)
    names = [[["Animalia", "Chordata", "", f"O{n % 3}", f"F{n % 9}", f"Géns{n % 11}", f"s{n}"], ""] for n in range(40)]
    names[5] = [[""] * 7, "nothing"]
    names[6] = [["Animalia", "Chordata", "Aves", "", "", "", ""], "birds"]
    rng.shuffle(names)
    vectors = rng.normal(size=(6, 40)).astype(np.float32)
    vectors[:, 3], vectors[2, 30] = 0, np.nan
    (tmp_path / "txt.json").write_text(json.dumps(names, ensure_ascii=False))
    np.save(tmp_path / "txt.npy", vectors)
    return tmp_path / "txt.json", names, vectors


def test_small_pieces_give_the_taxa_of_the_whole_file_by_path(written, monkeypatch):
    path, names, vectors = written
    monkeypatch.setattr(json_list, "_TEXT_PIECE", 7)
    for name, size in (("_NAMES", 3), ("_MATRIX_ROWS", 4), ("_CLASSES", 5)):
        monkeypatch.setattr(precomputed, name, size)
    found = read_precomputed(path, dim=6)
    good = [row for row, (ranks, _) in enumerate(names) if any(ranks) and row not in (3, 30)]
    good.sort(key=lambda row: (*names[row][0][:6], " ".join(names[row][0][5:]).strip()))
    assert found.n_empty == 40 - len(good)
    for row, taxon in zip(good, found.table.to_pylist(), strict=True):
        ranks, common = names[row]
        species = f"{ranks[5]} {ranks[6]}" if ranks[6] else ""
        assert [taxon[rank] or "" for rank in RANKS] == [*ranks[:6], species]
        assert taxon["common_name"] == (common or None)
    np.testing.assert_array_equal(found.vectors, vectors.T[good].astype(np.float16))
    kept = within(found.table, "F2")
    assert kept.sum() > 1
    expected = found.vectors[kept]
    part = found.only(kept)
    np.testing.assert_array_equal(part.vectors, expected)
    assert set(part.table["family"].to_pylist()) == {"F2"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[[["a","b","c","d","e","f","g"],""], [["a"],""]]', "entry 2: expected"),
        ('[[["a","b","c","d","e","f","g"],""], ', "cut off"),
        ('[[["a","b","c","d","e","f","g"],""] []]', "no JSON list"),
    ],
)
def test_damaged_lists_are_refused(tmp_path, text, reason):
    path = tmp_path / "txt.json"
    path.write_text(text)
    assert is_precomputed(path)
    with pytest.raises(InputError, match=reason):
        read_precomputed(path, dim=6)


@pytest.mark.parametrize("text", ["[]", '[{"class": "Aves"}]', '{"class": "Aves"}', "nonsense", ""])
def test_other_files_are_no_such_list(tmp_path, text):
    (tmp_path / "other.json").write_text(text)
    assert not is_precomputed(tmp_path / "other.json")


def test_a_matrix_that_does_not_fit_is_refused(written):
    path, _, vectors = written
    np.save(path.with_suffix(".npy"), np.zeros_like(vectors))
    with pytest.raises(InputError, match="zeros only"):
        read_precomputed(path, dim=6)
    path.with_suffix(".npy").write_bytes(b"no array")
    with pytest.raises(InputError, match="cannot be read"):
        read_precomputed(path, dim=6)
    path.with_suffix(".npy").unlink()
    with pytest.raises(InputError, match="is not there"):
        read_precomputed(path, dim=6)


def test_the_scale_of_an_encoder_is_read_without_it_where_its_weights_are_the_same(checkpoint):
    from dataclasses import replace

    encoder = Encoder.load(str(checkpoint), device="cpu")
    assert stored_text_scale(encoder.card) == pytest.approx(encoder.text_scale)
    assert stored_text_scale(replace(encoder.card, weight_hash="0" * 64)) is None
    assert stored_text_scale(replace(encoder.card, name="pixels")) is None
