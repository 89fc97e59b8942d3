"""Keywords in sidecars of other programs: put in between, with every byte that was there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.analysis.classify.xmp_merging import LISTS, merged
from cladescope.embedding.xmp import read_xmp

WORDS = {
    "dc:subject": ["Parus major", "Aves"],
    "lr:hierarchicalSubject": ["Aves|Parus major"],
    "digiKam:TagsList": ["Aves/Parus major"],
}
DARKTABLE = """<?xml version="1.0" encoding="UTF-8"?>\r
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <!-- kept -->
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=''
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:darktable="http://darktable.sf.net/"
    darktable:history_end="3"   darktable:auto_presets_applied='1'>
   <dc:subject>
    <rdf:Seq>
     <rdf:li>garden &amp; wood</rdf:li>
     <rdf:li>Aves</rdf:li>
    </rdf:Seq>
   </dc:subject>
   <darktable:masks_history><rdf:Seq/></darktable:masks_history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
OTHER_PREFIX = """\ufeff<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<meta xmlns="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description r:about="uuid:1&amp;2"
 xmlns:k="http://purl.org/dc/elements/1.1/"><k:subject><r:Bag><r:li>\u00e9toile</r:li></r:Bag></k:subject></r:Description
 ><r:Description r:about="uuid:1&amp;2"/></r:RDF ></meta><?xpacket end="w"?>  """
NO_LISTS = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<rdf:Description rdf:about="" xmp:Rating="4"/></rdf:RDF>"""


def is_within(before: bytes, after: bytes) -> bool:
    """Whether every byte of the one stands in the other, in its order."""
    rest = iter(after)
    return all(byte in rest for byte in before)


@pytest.mark.parametrize("text", [DARKTABLE, OTHER_PREFIX, NO_LISTS])
def test_words_are_put_in_and_nothing_else_is_other(text):
    before = text.encode()
    after = merged(before, WORDS)
    assert is_within(before, after)
    then, now = read_xmp(before), read_xmp(after)
    for name, wanted in WORDS.items():
        had = then.pop(name, [])
        assert now.pop(name) == [*had, *(word for word in wanted if word not in had)]
    assert now == then
    assert merged(after, WORDS) == after


def test_a_list_gets_its_words_right_before_its_end():
    after = merged(DARKTABLE.encode(), {"dc:subject": ["owl"]}).decode()
    assert after == DARKTABLE.replace("\n    </rdf:Seq>", "\n    <rdf:li>owl</rdf:li></rdf:Seq>")


def test_a_new_list_stands_in_a_description_of_the_same_thing():
    after = merged(OTHER_PREFIX.encode(), {"digiKam:TagsList": ["a<b"]}).decode()
    assert after == OTHER_PREFIX.replace(
        "</r:RDF >",
        '<r:Description r:about="uuid:1&amp;2"><digiKam:TagsList xmlns:digiKam="http://www.digikam.org/ns/1.0/"><r:Seq><r:li>a&lt;b</r:li></r:Seq>'
        "</digiKam:TagsList></r:Description></r:RDF >",
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<theirs/>", "no RDF"),
        ("", "no XML"),
        (DARKTABLE.replace("</x:xmpmeta>", ""), "no XML"),
        (DARKTABLE.replace("UTF-8", "ISO-8859-1"), "not in UTF-8"),
        (DARKTABLE.replace("<x:xmpmeta", "<!DOCTYPE x><x:xmpmeta", 1), "document type"),
        (NO_LISTS.replace("</rdf:RDF>", '<rdf:Description rdf:about="other"/></rdf:RDF>'), "several things"),
        (NO_LISTS.replace('xmp:Rating="4"', 'dc:subject="a" xmlns:dc="http://purl.org/dc/elements/1.1/"'), "as an attribute"),
        (OTHER_PREFIX.replace("<r:Bag><r:li>\u00e9toile</r:li></r:Bag>", "<r:Bag/>"), "no closing tag of its own"),
        (OTHER_PREFIX.replace("<r:Bag><r:li>\u00e9toile</r:li></r:Bag>", "word"), "is no list"),
        ('<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>', "no closing tag of its own"),
    ],
)  # fmt: skip
def test_what_is_not_plain_enough_is_refused_with_the_reason(text, reason):
    with pytest.raises(ValueError, match=reason):
        merged(text.encode(), WORDS)


def test_another_encoding_and_a_property_that_stands_twice_are_refused():
    with pytest.raises(ValueError, match="XML|UTF-8"):
        merged(NO_LISTS.encode("utf-16"), WORDS)
    part = "<k:subject><r:Bag><r:li>a</r:li></r:Bag></k:subject>"
    with pytest.raises(ValueError, match="twice"):
        merged(OTHER_PREFIX.replace("<k:subject>", f"{part}<k:subject>").encode(), WORDS)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), max_size=4), st.sampled_from(sorted(LISTS)))
def test_any_words_can_be_put_in_and_are_read_back(words, name):
    before = OTHER_PREFIX.encode()
    try:
        after = merged(before, {name: words})
    except ValueError:  # a character that XML has not
        assert any(not one.isprintable() for word in words for one in word)
        return
    assert is_within(before, after)
    shown = [" ".join(word.split()) for word in words]
    assert set(filter(None, shown)) <= set(read_xmp(after).get(name, []))
