"""Batches in parts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.encoders import open_clip_model
from cladescope.embedding.encoders.parts import in_parts


@given(st.integers(0, 20), st.integers(1, 9))
def test_the_rows_are_those_of_the_whole_and_no_part_is_larger(n, size):
    batch = np.arange(n, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    sizes = []

    def compute(part):
        sizes.append(len(part))
        return part.reshape(len(part), 3).astype(np.float32)

    np.testing.assert_array_equal(in_parts(compute, batch, size), batch.reshape(n, 3))
    assert max(sizes) <= size
    assert sum(sizes) == n


def test_torch_on_a_cpu_computes_in_parts_with_memory_that_is_kept(checkpoint, monkeypatch):
    calls = []
    monkeypatch.setattr(open_clip_model, "keep_memory", lambda: calls.append("kept"))
    encoder = open_clip_model.load(str(checkpoint), device="cpu", precision="fp32")
    assert calls == ["kept"]
    pictures = np.random.default_rng(0).integers(0, 255, (19, 32, 32, 3), np.uint8)
    whole = encoder._encode(pictures)
    made = encoder._model.encode_image
    sizes = []
    monkeypatch.setattr(encoder._model, "encode_image", lambda batch: sizes.append(len(batch)) or made(batch))
    np.testing.assert_allclose(encoder.encode_pixels(pictures), whole, atol=1e-6)
    assert sizes == [8, 8, 3]
