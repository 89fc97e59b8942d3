"""The tokens are those of open_clip."""

import numpy as np
import open_clip
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.encoders.clip_tokens import ClipTokens
from cladescope.embedding.encoders.identity import PROBE_TEXT

THEIRS = open_clip.tokenizer.SimpleTokenizer(context_length=24)
OURS = ClipTokens(24)


@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_they_are_those_of_open_clip_for_any_text(texts):
    np.testing.assert_array_equal(OURS(texts), THEIRS(texts).numpy())


@pytest.mark.parametrize(
    "text",
    [
        PROBE_TEXT,
        "",
        "  a  photo\nof\tParus   major ",
        "aaaa aaaaa aaabaaab bananananas",
        "it's don't I'LL we've",
        "&amp;amp; &lt;b&gt; caf\u00c3\u00a9",
        "<start_of_text> x <END_OF_TEXT>",
        "日本語の鳥 😀 ﬁsh ½ 2²",
        "Phoenicopterus " * 40,
    ],
)
def test_they_are_those_of_open_clip(text):
    np.testing.assert_array_equal(OURS([text]), THEIRS([text]).numpy())
