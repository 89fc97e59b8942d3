"""A store that is larger than memory answers as one that is not."""

import numpy as np
import pytest

from cladescope.arrays import normalise
from cladescope.index import streamed
from cladescope.index.searcher import Searcher
from cladescope.index.store import Store
from cladescope.index.streamed import StreamedGallery
from tests.index.test_live_gallery import CARD, DIM, added


@pytest.mark.parametrize(
    "narrowed", [{}, {"within": "Paridae"}, {"where": "uri < '/2'"}, {"within": "Corvidae", "where": "uri < '/2'"}]
)
def test_answers_from_the_disk_are_those_from_memory(tmp_path, monkeypatch, narrowed):
    store = Store.create(tmp_path / "s", CARD)
    added(store, 0, 60)
    queries = normalise(np.random.default_rng(1).standard_normal((3, DIM)).astype(np.float32))
    ordinary = Searcher(store)
    wanted = [ordinary.search(vector=query, k=25, **narrowed).hits for query in queries]
    monkeypatch.setattr(streamed, "free_bytes", lambda: 1)
    searcher = Searcher(store)
    for query, hits in zip(queries, wanted, strict=True):
        found = searcher.search(vector=query, k=25, **narrowed)
        assert [hit.image_id for hit in found.hits] == [hit.image_id for hit in hits]
        assert [hit.taxon for hit in found.hits] == [hit.taxon for hit in hits]
        assert "reads it from the disk" in found.notes[0]
    batch = searcher.search_batch(queries, k=25, **narrowed).to_arrow()
    assert batch.column("image_id").to_pylist() == [hit.image_id for hits in wanted for hit in hits]
    found = StreamedGallery(store).search(queries, 70)
    assert found.scores.shape == found.positions.shape == (3, 70), "places without a row are filled"
    added(store, 100, 1, seed=8)
    assert len(searcher.search(vector=queries[0], k=100).hits) == 61


def test_free_memory_is_known():
    assert 10**7 < streamed.free_bytes() < 10**14
