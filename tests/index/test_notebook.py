"""What a notebook shows of stores, answers, names, maps, reports and audits: pictures within, names as data, nothing dropped unsaid."""

import base64
import re
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pyarrow.compute as pc
import pytest
from PIL import Image

import cladescope
from cladescope.index.notebook import MOST, OF_STORE, SIDE, Shown, page_cell, pictures
from cladescope.index.store import Store


class Page(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(self.words)


def decoded(attributes):
    head, _, data = attributes["src"].partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(BytesIO(base64.b64decode(data)))


def test_a_store_shows_its_ranks_and_its_first_pictures(store):
    page = Page(store._repr_html_())
    assert repr(store) in page.text
    shown = [decoded(one) for one in page.of("img")]
    assert [max(one.size) for one in shown] == [SIDE] * OF_STORE
    table = store.table(["order"])
    taxa = pc.count_distinct(table["order"]).as_py()
    assert re.search(rf"order\s+{taxa}\s+{len(store)}", page.text)
    first = store.table(["uri"])["uri"].to_pylist()[:OF_STORE]
    assert [one["alt"] for one in page.of("img")] == [uri.rpartition("/")[2] for uri in first]


def test_a_store_of_nothing_is_shown_too(store, tmp_path):
    empty = Store.create(tmp_path / "empty.store", store.card)
    page = Page(empty._repr_html_())
    assert "0 pictures" in page.text
    assert not page.of("img")
    assert not page.of("table")


def test_an_answer_shows_its_hits_in_their_order_what_they_agree_on_and_how_many_are_left(store):
    some = store.table(["image_id"])["image_id"][0].as_py()
    found = store.search(image_id=some, k=MOST - 4)
    page = Page(found._repr_html_())
    assert [one["alt"] for one in page.of("img")] == [hit.uri.rpartition("/")[2] for hit in found.hits]
    assert [float(text.split()[1]) for text in page.words if re.match(r"\d+\. ", text)] == [
        pytest.approx(hit.score, abs=6e-4) for hit in found.hits
    ]
    assert str(found.consensus.taxon) in page.text
    more = store.search(image_id=some, k=MOST + 3)
    assert len(Page(more._repr_html_()).of("img")) == MOST
    assert "3 more hits are in .hits" in Page(more._repr_html_()).text


def test_names_are_data_whatever_they_hold(tmp_path):
    bad = tmp_path / "'><img src=x onerror=alert(1)>.png"
    Image.fromarray(np.full((9, 12, 3), 90, np.uint8)).save(bad)
    html = pictures([Shown(str(bad), ('"><script>alert(2)</script>', "\u202eevil"))])
    page = Page(html)
    assert [tag for tag, _ in page.tags] == ["div", "figure", "img", "figcaption", "br"]
    assert set(page.of("img")[0]) == {"src", "alt"}
    assert "\u202e" not in html, "letters that turn the reading round are written out"


def test_a_picture_that_is_gone_remote_or_no_picture_is_a_tile_that_says_why(tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    remote = "https://example.invalid/far.jpg"
    page = Page(pictures([Shown(str(tmp_path / "gone.jpg"), ()), Shown(remote, ()), Shown(str(broken), ())]))
    assert not page.of("img")
    assert "gone.jpg is not there" in page.text
    assert "far.jpg is on no disk of this machine" in page.text
    assert "broken.jpg cannot be shown" in page.text


def test_predictions_show_the_first_pictures_with_their_names_and_leave_the_count_of_failures_alone(store, tmp_path):
    fitted = cladescope.fit(store, rank="order")
    said = cladescope.predict(store, classifier=fitted.classifier)
    rows = list(said)
    verdicts = dict(said.verdicts)
    page = Page(said._repr_html_())
    assert len(page.of("img")) == min(MOST, len(rows))
    assert dict(said.verdicts) == verdicts, "showing is no iteration of the user's"
    named = [answers[0] for _, answers in rows[:MOST] if answers[0]["verdict"] == "named"]
    assert named
    assert all(str(one["order"]) in page.text for one in named)


def test_a_map_a_report_and_an_audit_are_their_own_pages_in_a_frame(store):
    drawn = cladescope.map(store, method="tsne", neighbours=5)
    for shown, word in (
        (drawn, "picture"),
        (cladescope.report(store, permutations=5, map_sample=0), "probe"),
        (cladescope.audit(store, only=["outliers"]), "picture"),
    ):
        (frame,) = Page(shown._repr_html_()).of("iframe")
        assert frame["sandbox"] == "allow-scripts", "it reaches nothing of the notebook"
        assert word in frame["srcdoc"]
        assert frame["srcdoc"].lstrip().lower().startswith("<!doctype html>")


def test_a_frame_keeps_a_page_as_it_is():
    page = "<p title=\"a\" id='b'>&amp; <script>1 < 2</script></p>"
    assert Page(page_cell(page)).of("iframe")[0]["srcdoc"] == page


def test_predictions_say_which_places_are_not_there_and_that_there_is_more(store, tmp_path):
    fitted = cladescope.fit(store, rank="order")
    uri = store.table(["uri"])["uri"][0].as_py()
    said = cladescope.predict([uri, str(tmp_path / "gone.jpg")], classifier=fitted.classifier)
    page = Page(said._repr_html_())
    assert "gone.jpg" in page.text
    assert len(page.of("img")) == 1
    every = cladescope.predict(store, classifier=fitted.classifier)
    assert ("to_table() has the answers of all pictures" in Page(every._repr_html_()).text) == (len(store) > MOST)
    assert len(store) > MOST
