"""Which pictures of each class are drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.analysis.classify.draws import draw_share, draw_shots
from cladescope.errors import InputError


def test_calibration_holds_out_a_share_and_leaves_each_class_a_picture():
    classes = np.array([0] * 10 + [1] * 2 + [2])
    held = draw_share(classes, 0.5)
    assert np.bincount(classes[held], minlength=3).tolist() == [5, 1, 0]
    assert not draw_share(classes, 0.0).any()
    assert np.bincount(classes[draw_shots(classes, 2)]).tolist() == [2, 2, 1]
    with pytest.raises(InputError, match="share held out is 1"):
        draw_share(classes, 1.0)


def test_of_many_classes_of_two_pictures_a_fifth_is_drawn_too():
    classes = np.repeat(np.arange(500), 2)
    assert 160 < draw_share(classes, 0.2).sum() < 240


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 6), st.floats(0, 0.99), st.integers(0, 9))
def test_shots_are_as_many_as_there_are_and_a_share_never_takes_all(classes, shots, share, seed):
    classes = np.array(classes)
    size = np.bincount(classes)
    taken = np.bincount(classes[draw_shots(classes, shots, seed=seed)], minlength=len(size))
    assert (taken == np.minimum(size, shots)).all()
    held = np.bincount(classes[draw_share(classes, share, seed=seed)], minlength=len(size))
    assert (held[size > 0] < size[size > 0]).all()
    assert (np.abs(held - share * size)[size > 1] <= 1).all()
