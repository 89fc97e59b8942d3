"""Licences as sources write them: one short form each, and none for what names no licence, or several."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.licences import ELEMENTS, SHORT_FORMS, read_licence, short_form

WRITTEN = {
    "by": ["CC BY", "cc-by-3.0", "CC_BY_4_0", "http://creativecommons.org/licenses/by/4.0/legalcode", "CreativeCommons - Attribution"],
    "by-sa": ["Attribution-ShareAlike 4.0 International", "BY-SA 4.0", "CC BY-SA 3.0 or CC BY-SA 4.0", "Creative Commons BY-SA"],
    "by-nc": [
        *("http://creativecommons.org/licenses/by-nc/4.0/", "CC BY-NC 4.0", "CC_BY_NC_4_0", "cc-by-nc"),
        *("(c) Jane, some rights reserved (CC BY-NC)", "CC BY-NC 4.0 (https://creativecommons.org/licenses/by-nc/4.0/deed.en)"),
    ],
    "by-nc-sa": ["CreativeCommons \u2013 Attribution Non-Commercial Share-Alike", "CC-BY-NC-SA-3.0", "//creativecommons.org/licenses/by-nc-sa/3.0/us/"],
    "by-nd": ["CC BY-ND 2.0", "Creative Commons Attribution-NoDerivatives 4.0"],
    "by-nc-nd": ["CC BY-ND-NC 1.0", "by-nc-nd", "Attribution-NonCommercial-NoDerivs 3.0 Unported"],
    "cc0": [
        *("CC0", "CC0_1_0", "cc-zero", "No rights reserved", "http://creativecommons.org/publicdomain/zero/1.0/"),
        "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication",
    ],
    "public domain": ["public domain mark", "Public Domain", "pd", "https://creativecommons.org/publicdomain/mark/1.0/", "cc-publicdomain"],
    "all rights reserved": ["All rights reserved", "(c) Jane, all rights reserved", "© 2011 ALL RIGHTS  RESERVED"],
}  # fmt: skip
NONE = [
    *("", "  ", None, "ask me", "by Jane", "attribution: Jane Doe", "UNSPECIFIED", "UNSUPPORTED", "some rights reserved", "CC BYTE"),
    *("CC BY / CC BY-SA / CC0 / public domain per image", "CC BY 4.0; all rights reserved", "no known copyright restrictions"),
]  # fmt: skip
# What a text asks for beyond the words that name a licence: a shorter form would let in what it forbids.
STRICTER = {
    "Creative Commons Attribution, Noncommercial, No Derivatives 4.0": "by-nc-nd",
    "Creative Commons Attribution (NonCommercial, NoDerivs)": "by-nc-nd",
    "Creative Commons Attribution-NC-ND 4.0": "by-nc-nd",
    "Creative Commons Attribution Noncommercial, Share Alike": "by-nc-sa",
    "Creative Commons Attribution and NonCommercial": "by-nc",
    "Creative Commons BY-NonCommercial-ShareAlike": "by-nc-sa",
    "CC BY Non Commercial No Derivative Works": "by-nc-nd",
    "CC-BY, Non-commercial": "by-nc",
    "CC BY/NC/ND": "by-nc-nd",
    "CC BY+NC+ND": "by-nc-nd",
    "CC-BY-NC.ND": "by-nc-nd",
    "CC: BY-NC-SA": "by-nc-sa",
    "(CC) BY-NC-ND": "by-nc-nd",
    "Creative Commons (BY-NC)": "by-nc",
    "cc by-nc, no derivatives": "by-nc-nd",
    "Attribution, Non-Commercial": "by-nc",
    "Attribution-NC-ND": "by-nc-nd",
    "CC BY 4.0 NC": None,
    "CC BY 4.0-NC-ND": None,
    "CC BY, NC, ND": None,
    "CC BY or BY-NC": None,
    "CC BY-NC (by-nc-nd)": None,
    "CC BY 4.0 (non-commercial use only)": None,
    "Creative Commons Attribution 4.0 International Non-Commercial": None,
    "http://creativecommons.org/licenses/by/4.0/ No derivatives": None,
    "CC BY-NC 4.0, non-commercial use only": "by-nc",
    "not in the public domain": None,
    "Not CC BY": None,
}


@pytest.mark.parametrize("text, kind", STRICTER.items())
def test_nothing_that_a_text_asks_for_is_left_out_of_the_short_form(text, kind):
    assert short_form(text) == kind


@pytest.mark.parametrize("kind, text", [(kind, text) for kind, texts in WRITTEN.items() for text in texts])
def test_a_licence_has_one_short_form_however_it_is_written(kind, text):
    assert short_form(text) == short_form(text.upper()) == kind


def test_every_short_form_is_written_somewhere_and_is_its_own():
    assert set(WRITTEN) == set(SHORT_FORMS)
    assert [short_form(kind) for kind in SHORT_FORMS] == list(SHORT_FORMS)


@pytest.mark.parametrize("text", NONE)
def test_what_names_no_licence_or_several_has_no_short_form(text):
    assert read_licence(text) is None


@given(
    st.permutations(ELEMENTS), st.integers(0, 3), st.sampled_from([" ", "-", "_", ""]), st.sampled_from(["", " 3.0"])
)
def test_the_order_of_elements_and_what_is_between_them_make_no_difference(order, n, between, version):
    asked = set(order[:n])
    if asked >= {"nd", "sa"}:  # there is no such licence
        return
    expected = "-".join(["by", *(one for one in ("nc", "sa", "nd") if one in asked)])
    assert short_form(f"CC{between}BY{''.join(between + one for one in order[:n])}{version}") == expected


def test_an_address_is_given_where_it_is_certain():
    assert read_licence("CC BY-NC-ND 1.0").address == "https://creativecommons.org/licenses/by-nd-nc/1.0/"
    assert read_licence("cc-by-sa 4.0").address == "https://creativecommons.org/licenses/by-sa/4.0/"
    assert [read_licence(text).address for text in ("CC BY", "public domain", "all rights reserved")] == [None] * 3
