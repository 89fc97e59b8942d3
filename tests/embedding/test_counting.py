import threading

import numpy as np
from PIL import Image

from cladescope.embedding.counting import Counting
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.pipeline import EmbedConfig, embed
from cladescope.embedding.retried import RetriedSource
from cladescope.embedding.sources import open_source
from cladescope.embedding.wrapped import WrappedSource
from cladescope.index.store import Store


def photos(folder):
    folder.mkdir()
    for number in range(6):
        Image.fromarray(np.full((9, 9, 3), 20 * number, np.uint8)).save(folder / f"{number}.png")
    return open_source(folder)


def test_a_folder_is_counted_while_its_first_pictures_are_embedded(tmp_path, monkeypatch):
    source, encoder = photos(tmp_path / "photos"), Encoder.load("pixels")
    store = Store.create(tmp_path / "s", encoder.card)
    counted, may_count, count = threading.Event(), threading.Event(), source.count

    def slowly():
        assert may_count.wait(60)
        try:
            return count()
        finally:
            counted.set()

    def after_each(state):
        seen.append(state.total)
        may_count.set()
        assert counted.wait(60)

    seen = []
    monkeypatch.setattr(source, "count", slowly)
    embed(source, encoder, store, EmbedConfig(batch_size=2, workers=1), progress=after_each)
    assert seen[0] is None
    assert seen[-1] == 6


def test_a_source_around_a_folder_is_counted_as_the_folder_and_others_at_once(tmp_path):
    source = photos(tmp_path / "photos")
    assert WrappedSource(source).counts_beside
    assert Counting(RetriedSource(source, []))() is None
    (tmp_path / "t.csv").write_text("file\nphotos/0.png\nphotos/1.png\n")
    assert Counting(open_source(tmp_path / "t.csv"))() == 2
