from unittest import mock

import pyarrow as pa

from cladescope.embedding import listing, pipeline
from cladescope.embedding.pipeline import EmbedConfig, embed
from cladescope.embedding.records import Record
from tests.embedding.test_pipeline import Listed, new_store, write_pictures


def test_rows_with_long_texts_are_listed_and_committed_by_their_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "COMMIT_BYTES", 25_000)
    monkeypatch.setattr(listing, "CHUNK_BYTES", 20_000)
    folder = write_pictures(tmp_path / "pictures", 9)
    note = pa.field("note", pa.string())
    for n_letters, together in ((10, [9]), (9_000, [3, 3, 3])):
        records = [
            Record(image_id=f"r{n}", uri=str(folder / f"{n:03}.jpg"), source="s", extra={"note": "x" * n_letters})
            for n in range(9)
        ]
        assert [len(chunk) for chunk in listing.chunks(iter(records))] == together
        store, encoder = new_store(tmp_path / f"s{n_letters}")
        with mock.patch.object(store, "write", wraps=store.write) as write:
            embed(Listed(records, [note]), encoder, store, EmbedConfig(batch_size=1))
        assert [call.args[0].num_rows for call in write.call_args_list] == together
