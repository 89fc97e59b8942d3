"""What is shown holds no instruction to a terminal, and what holds none is shown as it is."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.shown import formula_safe, json_safe, markdown, shown

ANY_TEXT = st.text(st.characters(exclude_categories=()) | st.sampled_from("\x1b\x9b\n\r\t\u202e\u2066\u2028\ud800[]$"))
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def instructs(text):
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in BIDI]


@given(ANY_TEXT)
def test_no_control_character_is_left_of_any_text(text):
    assert instructs(shown(text)) == []
    assert instructs(markdown(text)) == []
    shown(text).encode()


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs", "M"))))
def test_letters_signs_and_blanks_stay(text):
    assert shown(text) == text


@given(ANY_TEXT)
def test_what_was_shown_is_shown_again_alike(text):
    assert shown(shown(text)) == shown(text)


@given(st.dictionaries(ANY_TEXT, ANY_TEXT))
def test_json_means_the_same_and_holds_none_either(document):
    safe = json_safe(json.dumps(document, ensure_ascii=False))
    assert instructs(safe) == []
    assert json.loads(safe) == json.loads(json.dumps(document))


def test_the_ways_in_that_are_known():
    assert shown("a\x1b]0;title\x07b\x9b31m") == r"a\x1b]0;title\x07b\x9b31m"
    assert shown("photo\u202egpj.exe") == r"photo\u202egpj.exe"
    assert shown("two\nlines\r\ttab") == r"two\nlines\r\ttab"
    assert shown("half \udcff, tag \U000e0041") == r"half \udcff, tag \U000e0041"
    assert json_safe('"\U000e0041"') == r'"\udb40\udc41"'
    assert markdown("a|b<script>&amp;") == r"a\|b&lt;script>&amp;amp;"


@given(ANY_TEXT)
def test_safe_csv_holds_no_formula_and_changes_nothing_else(name):
    cell = formula_safe(name)
    if cell == name:
        bare = name.lstrip()
        assert not bare or bare[0] not in "=+-@" or float(name) is not None
        assert name[:1] not in ("\t", "\r", "\n")
    else:
        assert cell == f"'{name}"


@pytest.mark.parametrize("name", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "-", "--1"])
def test_what_begins_a_formula_is_quoted(name):
    assert formula_safe(name) == f"'{name}"


@pytest.mark.parametrize("cell", ["-70.25", "+1e-3", -1.5, None, "Parus major", "a=b", ""])
def test_numbers_and_names_are_not(cell):
    assert formula_safe(cell) == cell
