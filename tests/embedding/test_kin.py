"""Rows that show one photograph or one individual are told, whatever links them."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.kin import kin_of, kin_of_few, vote_weights

ROWS = st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.none() | st.integers(0, 4)), min_size=1, max_size=20)


@given(ROWS)
def test_kin_are_the_connected_rows(rows):
    uris = [f"/{picture}.jpg" + (f"#box={n},0,9,9" if is_box else "") for n, (picture, is_box, _) in enumerate(rows)]
    kin = kin_of(pa.array(uris), pa.array([None if one is None else f"o{one}" for *_, one in rows], pa.string()))
    linked = np.array([[a[0] == b[0] or (a[2] == b[2] and a[2] is not None) for b in rows] for a in rows])
    reach = linked
    for _ in rows:
        reach = reach @ linked
    assert (reach == (kin[:, None] == kin)).all()
    assert list(dict.fromkeys(kin.tolist())) == list(range(len(set(kin.tolist())))), "numbered as they first come"


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-1, 1)), max_size=12))
def test_kin_have_the_vote_of_the_best_of_them_and_strangers_their_own(voters):
    kin, scores = [group for group, _ in voters], [score for _, score in voters]
    weights = vote_weights(kin, scores)
    for group in set(kin):
        own = [max(score, 0.0) for one, score in voters if one == group]
        total = sum(weight for one, weight in zip(kin, weights, strict=True) if one == group)
        np.testing.assert_allclose(total, max(own), atol=1e-12)
    assert vote_weights(range(len(scores)), scores) == [max(score, 0.0) for score in scores]


_NAMES = st.sampled_from(["/a.jpg", "/a.jpg#box=0,0,9,9", "/b.jpg#box=1,1,2,2", "/c.jpg", "/d#box=x#y"])


@given(st.lists(st.tuples(_NAMES, st.sampled_from([None, "o1", "o2", "o3"])), max_size=12))
def test_few_rows_have_the_kin_that_many_have(shown):
    columns = [pa.array([row[place] for row in shown], pa.string()) for place in range(2)]
    assert kin_of_few(shown) == (kin_of(*columns).tolist() if shown else [])
