"""Kinds of index: names, factory strings, sizes."""

import faiss
import numpy as np
import pytest

from cladescope.errors import InputError
from cladescope.index.ann.engine import Engine
from cladescope.index.ann.kinds import NAMES, of
from tests.index.ann.stores import DIM, clustered

N = 3000
VECTORS, _ = clustered(N)


@pytest.mark.parametrize("name", [*NAMES, "IVF16,PQ8x4", "PCA8,IVF16,Flat", "HNSW8,Flat", "IVF16_HNSW8,SQ8"])
def test_every_kind_keeps_the_vectors_and_finds_them_after_it_was_written(name, tmp_path):
    engine = Engine.built(of(name, N, DIM), VECTORS, seed=0)
    faiss.write_index(engine.index, str(tmp_path / "index"))
    mapped = Engine(faiss.read_index(str(tmp_path / "index"), faiss.IO_FLAG_MMAP_IFC))
    np.testing.assert_array_equal(mapped.flat.vectors, VECTORS)
    queries = VECTORS[::50].astype(np.float32)
    scores, found = mapped.search(queries, 5, mapped.ladder(5)[-1])
    exact_scores, exact = mapped.flat.search(queries, 5)
    assert (found == exact).mean() > 0.95
    np.testing.assert_allclose(scores[found == exact], exact_scores[found == exact], atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_formula_of_the_size_holds(name, tmp_path):
    kind = of(name, N, DIM)
    faiss.write_index(Engine.built(kind, VECTORS, seed=0).index, str(tmp_path / "index"))
    cells = 4 * DIM * (int(kind.factory.split(",")[0][3:]) if "IVF" in kind.factory else 0)
    size = (tmp_path / "index").stat().st_size - cells
    # Lists of cells are padded to 32 vectors in kinds that scan them in registers.
    assert size / N == pytest.approx(kind.bytes_per_vector(DIM), rel=0.25 if "fs" in kind.factory else 0.02)


@pytest.mark.parametrize("factory", ["magic", "", "IVF16,PQ7", "LSH", "NSG32,Flat", "IDMap,Flat", "IVF16"])
def test_a_kind_that_faiss_cannot_make_is_refused_in_one_line(factory):
    with pytest.raises(
        InputError, match="expected one of auto, compare, flat, hnsw.*or a FAISS factory string"
    ) as error:
        of(factory, N, DIM)
    assert "\n" not in str(error.value)
    assert "/project/" not in str(error.value)


@pytest.mark.parametrize(
    "factory", ["HNSW0", "HNSW1,SQfp16", "HNSW99999999", "IVF0,Flat", "IVF0_HNSW8,PQ8x4fs", "IVF4_HNSW1,Flat"]
)
def test_numbers_at_which_faiss_would_end_the_process_are_refused(factory):
    with pytest.raises(
        InputError, match=r"expected .* or a FAISS factory string with (HNSW2 to HNSW1024|IVF1 to IVF\d+)$"
    ):
        of(factory, N, DIM)


def test_a_re_ranker_of_another_kind_gives_way_to_the_stores_vectors_and_is_named():
    kind = of("IVF16,PQ8,RFlat", N, DIM)
    assert (kind.factory, len(kind.notes)) == ("IVF16,PQ8,Refine(SQfp16)", 1)
    assert "RFlat" in kind.notes[0]
    assert of("HNSW16, SQfp16", N, DIM).factory == "HNSW16,SQfp16"


def test_a_store_of_few_rows_has_few_cells():
    assert of("ivf-flat", 100, DIM).factory.startswith("IVF2,")
    with pytest.raises(InputError, match="cannot be trained over 10 vectors .*: choose flat or hnsw"):
        Engine.built(of("ivf-pq", 10, DIM), VECTORS[:10], seed=0)
