"""Pictures for int8: of a folder or a store, of copies one, and what cannot be read is told."""

import shutil

import numpy as np
import pytest

from cladescope.app.verbs.pixels_of import pixels_of
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.prepare import made_of
from cladescope.errors import InputError


def test_a_folder_gives_each_picture_once_as_the_encoder_sees_it_and_tells_what_is_broken(clades, tmp_path):
    encoder = Encoder.load("pixels")
    photos = sorted(clades.glob("images/*/*.jpg"))[:5]
    for number, photo in enumerate([*photos, photos[0]]):
        shutil.copyfile(photo, tmp_path / f"{number}.jpg")
    (tmp_path / "bad.jpg").write_text("no picture")
    found, told = pixels_of(tmp_path, encoder, seed=0)
    expected = [made_of(photo.read_bytes(), encoder.transform, with_tags=False).pixels for photo in photos]
    assert {one.tobytes() for one in found} == {one.tobytes() for one in expected}
    assert len(found) == 5
    assert len(told) == 1
    assert told[0].startswith("1 picture could not be read, such as ")
    assert "bad.jpg" in told[0]


def test_a_store_gives_its_pictures_in_an_order_that_the_seed_draws(store):
    encoder = Encoder.load("pixels")
    one, told = pixels_of(store.path, encoder, seed=0)
    again, _ = pixels_of(store, encoder, seed=0)
    other, _ = pixels_of(store, encoder, seed=1)
    assert told == ()
    assert len(one) == 48
    np.testing.assert_array_equal(one, again)
    assert {picture.tobytes() for picture in one} == {picture.tobytes() for picture in other}
    assert not np.array_equal(one, other)


def test_a_place_without_a_picture_that_can_be_read_is_refused(tmp_path):
    (tmp_path / "bad.jpg").write_text("no picture")
    with pytest.raises(InputError, match="has no picture that can be read"):
        pixels_of(tmp_path, Encoder.load("pixels"), seed=0)
