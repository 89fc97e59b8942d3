"""The card, the figures and the description of a data set: complete, escaped, without a request, and the same every time."""

import hashlib
import json
import re
import tarfile
from collections import Counter
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from itertools import combinations

import pyarrow.parquet as pq
import pytest

from cladescope.errors import InputError
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.flow import Flow
from cladescope.training.curation.out.card import Facts, _limits, card_of
from cladescope.training.curation.out.card_parts import Section, Table, as_html, as_markdown
from cladescope.training.curation.out.figures import long_tail, phyla, sankey, squarified
from cladescope.training.curation.out.flow_table import Flows
from cladescope.training.curation.out.write import write
from cladescope.training.curation.sections import (
    DuplicatesConfig,
    ExcludeConfig,
    KindsConfig,
    NamesConfig,
    PeopleConfig,
    SourceConfig,
    SplitsConfig,
)
from tests.index.test_croissant import REQUIRED, TYPES
from tests.training.curation.out.made import job_of, rows_of
from tests.training.curation.tables import put_stages

ABOUT = {
    "url": "https://a.org/birds",
    "datePublished": date(2026, 11, 27),
    "creator": [{"@type": "Person", "name": "Jane"}],
}
EVIL = "<script>alert(1)</script>![x](http://evil.org/x.png)|`"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("card")
    job = job_of(folder / "in", folder / "out", about=ABOUT)
    rows = [
        {
            **row,
            "phylum": EVIL if row["row"] % 3 == 0 else row["phylum"],
            "kind": EVIL,
            "dropped": row["dropped"] and f"screen: {EVIL}",
        }
        for row in rows_of(folder / "in")
    ]
    write(put_stages(job.config, folder / "evil", rows))
    write(job)
    return folder


class Page(HTMLParser):
    """Tags of a page, and what they ask for."""

    def __init__(self):
        super().__init__()
        self.tags, self.asks, self.text = Counter(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.asks += [
            value
            for name, value in attrs
            if name in ("src", "href", "xlink:href", "srcset", "action") and not value.startswith("#")
        ]

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_asks_for_nothing_and_shows_what_the_data_say_as_text(made):
    for folder in ("out", "evil"):
        page = Page()
        page.feed((made / folder / "card.html").read_text())
        assert page.asks == []
        assert page.tags["script"] == page.tags["img"] == page.tags["iframe"] == page.tags["b"] == 0
        assert page.tags["svg"] == 3
        assert "http" not in " ".join(re.findall(r"url\([^)]*\)", (made / folder / "card.html").read_text()))
    assert EVIL in "".join(page.text)


def test_markdown_shows_what_the_data_say_as_text(made):
    text = (made / "evil/card.md").read_text()
    assert "<script" not in text
    assert r"!\[x](http://evil.org/x.png)\|\`" in text
    assert text.count("![") == 3
    for name in re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text):
        if not name.startswith("http"):
            assert (made / "evil" / name).is_file()


def test_the_card_tells_counts_reasons_licences_splits_limits_and_configuration(made):
    page = Page()
    page.feed((made / "out/card.html").read_text())
    said = " ".join("".join(page.text).split())
    for words in (
        "20 pictures of 3 taxa from 2 sources", "licence forbids (by-nd)", "CC BY 4.0", "test_species", "On one side stay pictures of one observation",
        "pictures no licence is said: ask before you pass them on", "Nothing was held out by a list", "out.samples_per_shard", "https://a.org/birds",
    ):  # fmt: skip
        assert words in said
        if words != "test_species":
            assert words in (made / "out/card.md").read_text()
    assert str(made) not in (made / "out/card.html").read_text()
    assert "workers" not in said


@pytest.mark.parametrize(
    ("sought", "encoder", "ways"),
    [
        (True, "", None),
        (True, "tiny", None),
        (False, "", "by bytes and perceptual hash:"),
        (False, "tiny", "by bytes, perceptual hash and nearest vectors:"),
    ],
)
def test_the_card_says_where_parts_of_excluded_pictures_were_not_looked_for(made, sought, encoder, ways):
    statistics = json.loads((made / "out/statistics.json").read_text())
    config = CurateConfig(
        sources=(SourceConfig(name="a", path="a"),),
        exclude=(ExcludeConfig(pictures="held-out"),),
        kinds=KindsConfig(encoder=encoder),
    )
    facts = Facts(
        config=config, flows=Flows({}), statistics=statistics, figures={}, versions={},
        more={"leaks": {"crops_sought": sought}}, not_said=(),
    )  # fmt: skip
    said = [one for one in _limits(facts) if "parts of them, and copies with a frame, can be in train" in one]
    assert len(said) == (ways is not None)
    assert all(ways in one for one in said)


def test_a_section_of_each_kind_is_written_twice():
    sections = [Section("A & B", ["one", ["x", "y"], Table(("n", "of"), [("a|b", 1234)], numbers_from=1, title="All")])]
    assert (
        as_markdown("T", sections)
        == "# T\n\n## A &amp; B\n\none\n\n* x\n* y\n\nAll:\n\n| n | of |\n| --- | --- |\n| a\\|b | 1,234 |\n"
    )
    page = as_html("T", sections)
    assert "<h2>A &amp; B</h2><p>one</p><ul><li>x</li><li>y</li></ul><details><summary>All</summary>" in page
    assert ">1,234</td>" in page


def test_rectangles_fill_the_area_without_overlap_and_have_the_shares_of_the_sizes():
    sizes = [500.0, 300.0, 120.0, 50.0, 20.0, 5.0, 4.0, 1.0]
    found = squarified(sizes, (0.0, 0.0, 1.6, 1.0))
    assert [width * height for _, _, width, height in found] == pytest.approx([one / 1000 * 1.6 for one in sizes])
    for place, (left, bottom, width, height) in enumerate(found):
        assert -1e-9 <= left <= left + width <= 1.6 + 1e-9
        assert -1e-9 <= bottom <= bottom + height <= 1 + 1e-9
        for other, under, across, up in found[:place]:
            assert (
                min(left + width, other + across) - max(left, other) < 1e-9
                or min(bottom + height, under + up) - max(bottom, under) < 1e-9
            )
    assert max(max(width / height, height / width) for _, _, width, height in found[:4]) < 3
    # The example of Bruls and others: 6, 6, 4, 3, 2, 2, 1 in a rectangle of 6 by 4.
    example = squarified([6.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0], (0.0, 0.0, 6.0, 4.0))
    assert example[0] == pytest.approx((0, 0, 3, 2))
    assert example[1] == pytest.approx((0, 2, 3, 2))
    assert example[2][2:] == pytest.approx((12 / 7, 7 / 3))


def test_figures_are_the_same_every_time_name_what_they_show_and_take_any_name():
    flow = Flow(Counter({"birds": 90, "鳥": 10}), Counter(), Counter({("birds", "blank"): 30}))
    flows = Flows({"gather": flow}, Counter({("birds", "train"): 60, ("鳥", "val"): 10}))
    for draw in (
        lambda: sankey(flows), lambda: phyla([("Chordata", 50), (None, 3), *((f"P{n}", 1) for n in range(60))]), lambda: long_tail([(1, 5), (1000, 1)]),
    ):  # fmt: skip
        first = draw()
        assert first == draw()
        assert not re.search(r"20\d\d-\d\d-\d\d", first)
    drawn = sankey(flows)
    for words in ("birds  90", "鳥  10", "gather", "30 dropped", "train  60", "val  10"):
        assert words in drawn
    treemap = phyla([("Chordata $x$", 50), (None, 30), *((f"P{n}", 1) for n in range(60))])
    assert "Chordata $x$" in treemap
    assert "no phylum known" in treemap
    assert "21 others" in treemap


def of_files(source):
    """The files, or the set of records, that a source or reference names."""
    (kind,) = {"fileObject", "fileSet", "field"} & source.keys()
    return source[kind]["@id"].split("/")[0]


def test_the_description_has_all_that_croissant_requires_and_fits_the_files(made):
    out = made / "out"
    document = json.loads((out / "croissant.json").read_text())
    assert document.keys() >= REQUIRED
    assert (document["@type"], document["conformsTo"]) == ("sc:Dataset", "http://mlcommons.org/croissant/1.1")
    assert (document["url"], document["datePublished"], document["creator"]) == (
        ABOUT["url"],
        "2026-11-27",
        ABOUT["creator"],
    )
    assert json.loads((out / "curate.json").read_text())["croissant_lacks"] == []
    assert document["name"] == "Birds & <b>oaks</b>"
    assert document["license"] == [
        "https://creativecommons.org/licenses/by/4.0/",
        "https://creativecommons.org/publicdomain/zero/1.0/",
    ]
    files = {one["@id"]: one for one in document["distribution"]}
    assert len(files) == len(document["distribution"])
    for one in files.values():
        if one["@type"] == "cr:FileObject":
            content = (out / one["contentUrl"]).read_bytes()
            assert (one["sha256"], one["contentSize"]) == (hashlib.sha256(content).hexdigest(), f"{len(content)} B")
        elif "containedIn" not in one:
            shards = list(out.glob(one["includes"]))
            assert {path.parent.name for path in shards} == {one["@id"].removeprefix("shards-")}
        else:
            (shard, *_) = out.glob(files[one["containedIn"]["@id"]]["includes"])
            with tarfile.open(shard) as archive:
                names = archive.getnames()
            assert [name for name in names if name.endswith(one["includes"].removeprefix("*"))]
    sets = {one["@id"]: one for one in document["recordSet"]}
    fields = {field["@id"]: field for one in sets.values() for field in one["field"]}
    assert len(fields) == sum(len(one["field"]) for one in sets.values())
    for name, one in sets.items():
        assert one["key"]["@id"] in fields
        assert all(field["@id"].startswith(f"{name}/") for field in one["field"])
    for field in fields.values():
        assert field["dataType"] in {*TYPES, "sc:ImageObject", "sc:URL"}
        source = field.get("source", {})
        if source:
            assert {**source.get("fileObject", {}), **source.get("fileSet", {})}["@id"] in files
        assert field.get("references", {}).get("field", {"@id": "splits/name"})["@id"] in fields
        if "transform" in source:
            assert re.match(source["transform"]["regex"], "8a-7.sci_com.txt")[1] == "8a-7"
    for one in sets.values():
        # As the reference program, mlcroissant, asks for it.
        used = {of_files(field["source"]) for field in one["field"] if "source" in field}
        joined = {
            frozenset([of_files(field["source"]), of_files(field["references"])])
            for field in one["field"]
            if "references" in field
        }
        assert all(frozenset(pair) in joined for pair in combinations(used, 2))
    for name, file in (("catalogue", "catalog.parquet"), ("provenance", "provenance.parquet")):
        assert [field["source"]["extract"]["column"] for field in sets[name]["field"]] == pq.read_schema(
            out / file
        ).names
    assert {one["splits/name"] for one in sets["splits"]["data"]} == {
        *pq.read_table(out / "catalog.parquet")["split"].to_pylist()
    }


def test_what_nobody_said_is_left_out_and_named_and_files_are_described_here_alone(tmp_path):
    found = write(job_of(tmp_path / "in", tmp_path / "out", n=3))
    document = json.loads((tmp_path / "out/croissant.json").read_text())
    assert found["croissant_lacks"] == ["url", "datePublished"]
    assert not document.keys() & {"url", "datePublished", "citeAs"}
    assert "Croissant asks for, and nobody said: url, datePublished." in (tmp_path / "out/card.md").read_text()
    with pytest.raises(
        InputError, match="about gives 'distribution', which describes the files themselves: leave it out"
    ):
        write(job_of(tmp_path / "in", tmp_path / "other", n=3, about={"distribution": []}))


def test_held_out_lists_are_named_by_their_files_with_their_hits(tmp_path):
    job = job_of(tmp_path / "in", tmp_path / "out", n=5)
    lists = (ExcludeConfig(taxa="/home/jane/rare.csv"), ExcludeConfig(pictures="/home/jane/test.store", must_hit=False))
    rows = [
        {**row, "dropped": "leaks: shows what is excluded (test.store)" if row["row"] == 2 else None}
        for row in rows_of(tmp_path / "in", 5)
    ]
    write(put_stages(replace(job.config, exclude=lists), tmp_path / "held", rows))
    text = (tmp_path / "held/card.md").read_text()
    assert "| rare.csv |  |  | yes |" in text
    assert "|  | test.store |  | no |" in text
    assert "| leaks | shows what is excluded (test.store) | 1 |" in text
    assert (
        "/home/jane"
        not in text + (tmp_path / "held/card.html").read_text() + (tmp_path / "held/curate.json").read_text()
    )


def facts_of(made, config, more, **changed):
    found = {**json.loads((made / "out" / "statistics.json").read_text()), **changed}
    return Facts(
        config=config, flows=Flows({"gather": Flow()}), statistics=found,
        figures=dict.fromkeys(("flow", "phyla", "long_tail"), "<svg/>"), versions={}, more=more, not_said=(),
    )  # fmt: skip


def test_the_card_says_what_it_could_not_know(made):
    config = CurateConfig(
        sources=(SourceConfig(name="a", path="a"),), names=NamesConfig(backbone="gbif"),
        people=PeopleConfig(detections=("found.csv",)), exclude=(ExcludeConfig(pictures="x", must_hit=False),),
        splits=SplitsConfig(held_out_sources=("a",)), duplicates=DuplicatesConfig(near="copies"),
    )  # fmt: skip
    more = {
        "flag": {"people": {"pictures not looked at": 3, "pictures with people": 2}},
        "leaks": {"hits": {"x": {"pictures": 7, "unreadable": 0, "hit": 0, "dropped": 0}}},
        "screen": {"exclusions": {"rare.csv": {"entries": 4, "met": 2, "pictures": 9}}},
        "split": {"shares": {"val": {"asked": 0.5, "got": 0.1}}},
    }
    licences = [{"licence": text, "pictures": n, "taxa": 1} for text, n in ((None, 2), ("Ask Ann", 5), ("CC0", 1))]
    matches = [
        {"taxon_match": text, "pictures": n, "taxa": 1} for text, n in (("accepted", 9), ("unknown", 4), (None, 1))
    ]
    text = as_markdown(*card_of(facts_of(made, config, more, licences=licences, matches=matches)))
    for said in (
        "Of 2 pictures no licence is said", "Of 5 pictures the licence is a text that is no known licence", "No detector looked at 3 pictures",
        "were detected in 2 pictures", "x met nothing", "| rare.csv | 4 | 2 |", "Of 4 pictures the backbone was not sure of the name",
        "All pictures of a are in test.", "val holds 10.0% of the pictures", "pictures with the same bytes, boxes of one picture",
    ):  # fmt: skip
        assert said in text
    assert "rare.csv met nothing" not in text
    known = replace(config, people=PeopleConfig())
    sure = as_markdown(*card_of(facts_of(made, known, {"leaks": {}}, licences=licences[2:], matches=matches[:1])))
    for word in ("licence is", "met nothing", "not sure", "holds", "detector"):
        assert word not in sure.partition("Known limits")[2].partition("How it was made")[0]


@pytest.mark.parametrize(
    "near, crops_sought, said",
    [
        ("copies", False, "by their bytes alone"),
        ("same", True, "by bytes, perceptual hash and parts"),
        ("same", False, "by bytes and perceptual hash, not by an encoder: crops"),
    ],
)
def test_the_limits_say_what_duplicates_were_looked_for_by(made, near, crops_sought, said):
    found = json.loads((made / "out" / "statistics.json").read_text())
    found["long_tail"][0]["species"] = 1
    found["ranks"]["species"]["pictures"] = found["pictures"] - 1
    facts = Facts(
        config=CurateConfig(sources=(SourceConfig(name="a", path="a"),), duplicates=DuplicatesConfig(near=near)), flows=Flows({"gather": Flow()}), statistics=found,
        figures=dict.fromkeys(("flow", "phyla", "long_tail"), "<svg/>"), versions={},
        more={"single": {"duplicates": {"crops_sought": crops_sought}}}, not_said=(),
    )  # fmt: skip
    text = as_markdown(*card_of(facts))
    assert f"Duplicates were looked for {said}" in text
    assert "1 species has one picture only" in text
    assert "1 picture is not named to the species" in text


def test_a_licence_that_is_written_in_two_ways_is_one_of_the_description(made, tmp_path):
    rows = [{**row, "licence": ("CC BY 4.0", "cc-by-4.0", "Ask me")[row["row"] % 3]} for row in rows_of(made / "in")]
    write(put_stages(job_of(made / "in", tmp_path / "out", about=ABOUT).config, tmp_path / "again", rows))
    document = json.loads((tmp_path / "again" / "croissant.json").read_text())
    assert document["license"] == [
        "https://creativecommons.org/licenses/by/4.0/",
        {"@type": "CreativeWork", "name": "Ask me"},
    ]
