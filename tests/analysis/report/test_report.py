"""The report: one page that opens offline, and the same numbers as JSON."""

import csv
import html
import json
import re
import shutil
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest

from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes.run import probe
from cladescope.analysis.report import figures
from cladescope.analysis.report.files import check_report_folder, write_report
from cladescope.analysis.report.methods import METHODS, OF_RANKS, OF_SHAPE, OF_TREES, OF_VARIANTS, method_name
from cladescope.analysis.report.page import report_page
from cladescope.analysis.report.result import RankCount, Report
from cladescope.analysis.report.run import ReportConfig, make_report
from cladescope.analysis.report.summary import summary
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.pipeline import embed
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from cladescope.files import PART
from cladescope.index.store import Store
from cladescope.phylogeny.newick import read_tree
from cladescope.simulation.evolution import SimulationConfig, evolve
from cladescope.taxonomy.rank_table import rank_table
from cladescope.taxonomy.taxon import RANKS, Taxon
from tests.alone import index_of
from tests.app.cli.command_line import fails, misused, photos, run  # noqa: F401

EMPTY = {"meta", "br", "img", "source", "link", "input", "hr"}


class Page(HTMLParser):
    """What a page holds: its tags opened and closed in turn, ids, references, and text by the tag it stands in."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.references, self.sources, self.texts = [], [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        self.references += [found[name] for name in ("href", "xlink:href") if name in found]
        self.sources += [found["src"]] if "src" in found else []
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data.strip())


@pytest.fixture(scope="module")
def _second_store(clades, checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp("second") / "second.store"
    encoder = Encoder.load(str(checkpoint), device="cpu")
    embed(open_source(clades / "metadata.csv"), encoder, Store.create(path, encoder.card))
    return path


@pytest.fixture(scope="module")
def written(_clade_store, _second_store, tmp_path_factory):
    """A report of two encoders, one of them with random weights."""
    folder = tmp_path_factory.mktemp("report") / "out"
    stores = [Store.open(_clade_store), Store.open(_second_store)]
    write_report(make_report(stores, ReportConfig(permutations=10)), folder)
    return folder


def made_of(found, taxa, *, n_permutations=3):
    pictures = Pictures.of_table(found.astype(np.float32), rank_table([Taxon(path) for path in taxa]))
    probed = probe(pictures, n_permutations=n_permutations).report
    ranks = tuple(RankCount(rank=rank, taxa=1, pictures=len(pictures), missing=0) for rank in RANKS)
    return Report(labels=("some",), totals=(len(pictures),), ranks=ranks, n_images=len(pictures), probes=(probed,))


def test_the_page_needs_no_other_file_and_no_network(written):
    text = (written / "report.html").read_text()
    page = Page(text)
    (inside,) = [html.unescape(one) for one in re.findall(r'srcdoc="([^"]*)"', text)]
    # Letters of a picture may be any; the page of the map names namespaces, and asks for nothing by its policy.
    written_out = re.sub(r'base64,[A-Za-z0-9+/=]+|srcdoc="[^"]*"', "", text)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', inside)
    assert policy.startswith("default-src 'none'; ")
    assert "connect-src" not in policy
    assert "http" not in policy
    assert "http" not in written_out
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))
    assert all(target.startswith("#") for target in page.references)
    kinds = Counter(source[: source.index(",")] for source in page.sources)
    assert kinds == {
        "data:image/jpeg;base64": 5 + 3,
    }, "a neighbourhood, a triplet"
    assert [one["name"] for one in index_of(inside)["maps"]] == found_labels(written), "a map of each store"
    assert all(one["pictures"]["count"] for one in index_of(inside)["maps"])
    assert "prefers-color-scheme: dark" in text


def found_labels(folder):
    return json.loads((folder / "report.json").read_text())["labels"]


def test_what_the_page_points_to_is_in_it_once(written):
    text = (written / "report.html").read_text()
    page = Page(text)
    used = {target.removeprefix("#") for target in [*page.references, *re.findall(r"url\(([^)]*)\)", text)]}
    times = Counter(page.ids)
    assert used
    assert {name: times[name] for name in used} == dict.fromkeys(used, 1)


def test_the_page_shows_every_number_of_the_json(written):
    found = json.loads((written / "report.json").read_text())
    texts = set(Page((written / "report.html").read_text()).texts)
    assert len(found["probes"]) == 2
    for report in found["probes"]:
        for result in report["results"]:
            shown = "not defined" if result["value"] is None else f"{round(result['value'], 3) + 0.0:.3f}"
            assert shown.replace("-", "\u2212") in texts, result
    for difference in found["differences"]:
        assert f"{difference['difference']:+.3f}".replace("-", "\u2212").replace("+0.000", "0.000") in texts
    assert len(found["verdict"]) == 2
    assert len(texts & set(found["verdict"])) == 2
    for sentence in found["summary"]:
        assert sentence.replace(" %", "\u00a0%") in texts


def test_the_page_opens_with_a_verdict_and_three_sentences_and_its_tables_are_closed(written):
    text = (written / "report.html").read_text()
    found = json.loads((written / "report.json").read_text())
    opened = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
    assert "<table" in text
    assert "<table" not in opened
    assert "<details open" not in text
    said = [sentence for sentence in found["summary"] if sentence.replace(" %", "\u00a0%") in Page(opened).texts]
    assert said == found["summary"][:3]
    assert all(sentence in Page(opened).texts for sentence in found["verdict"])


def test_all_panels_of_ranks_have_one_scale(store, monkeypatch):
    scales = []
    monkeypatch.setattr(figures, "_by_rank", lambda found, limits, **_: scales.append(limits) or "<svg></svg>")
    made = make_report([store, store], ReportConfig(permutations=2, map_sample=0))
    figures.rank_panels(made.probes)
    assert len(scales) > 5
    assert len(set(scales)) == 1
    low, high = scales[0]
    values = [one.value for one in made.probes[0].results if one.rank is not None and np.isfinite(one.value)]
    assert low < min(0, *values)
    assert high > max(1, *values)
    scales.clear()
    figures.difference_panels(made.differences, made.labels[1:])
    assert len(set(scales)) == 1


def test_photographs_show_relatives_and_strangers_as_the_words_say(store):
    made = make_report([store], ReportConfig(permutations=0, map_sample=0))
    neighbourhood, triplet = made.examples
    table = store.table()
    taxon_of = {row["uri"]: [row[rank] for rank in RANKS] for row in table.select(["uri", *RANKS]).to_pylist()}
    own = taxon_of[neighbourhood.pictures[0][0]][-1]
    for uri, said in neighbourhood.pictures[1:]:
        assert ("the same species" in said) == (taxon_of[uri][-1] == own)
    one, kin, stranger = (taxon_of[uri] for uri, _ in triplet.pictures)
    assert len({one[-1], kin[-1], stranger[-1]}) == 3
    shared = [sum(a == b for a, b in zip(one, other, strict=True)) for other in (kin, stranger)]
    assert shared[0] > shared[1]


def test_a_photograph_that_is_gone_is_told_and_the_page_is_made(clades, tmp_path, run):  # noqa: F811
    copied = shutil.copytree(clades, tmp_path / "clades")
    assert run("embed", copied / "metadata.csv", "--store", tmp_path / "s", "--encoder", "pixels").status == 0
    shutil.rmtree(copied)
    made = make_report([Store.open(tmp_path / "s")], ReportConfig(permutations=0, map_sample=0))
    text = report_page(made)
    Page(text)
    assert "Its pictures cannot be shown" in text


def test_json_and_stdout_are_what_is_written(run, store, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    ended = run("report", store.path, "--compare", store.path, "--permutations", 2, "--no-map", "--out", out, "--json")
    assert ended.status == 0, ended.err
    assert ended.json == json.loads((out / "report.json").read_text())
    assert "map: left out, as asked" in ended.json["not_measured"]
    assert not ended.json["maps"]
    assert {difference["difference"] for difference in ended.json["differences"]} == {0.0}


def test_words_are_there_for_every_probe_and_no_other(run, clades, tmp_path):  # noqa: F811
    rows = list(csv.DictReader((clades / "metadata.csv").read_text().splitlines()))
    with (tmp_path / "meta.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, [*rows[0], "sex"])
        table.writeheader()
        for number, row in enumerate(rows):
            table.writerow({**row, "file": clades / row["file"], "sex": "fm"[number % 2]})
    assert run("embed", tmp_path / "meta.csv", "--store", tmp_path / "s", "--encoder", "pixels").status == 0
    config = ReportConfig(permutations=0, map_sample=0, variant="sex", tree=read_tree(clades / "tree.nwk"))
    made = make_report([Store.open(tmp_path / "s")], config)
    measured = {method_name(result.probe) for result in made.probes[0].results}
    assert measured == {*OF_RANKS, *OF_TREES, *OF_SHAPE, *OF_VARIANTS}
    assert measured | {"map", "trustworthiness", "continuity"} == set(METHODS)
    assert made.not_measured == ("map: left out, as asked",)
    page = Page(report_page(made))
    assert set(METHODS) - set(page.texts) == {"map", "trustworthiness", "continuity"}
    assert any("disagrees with the phylogeny" in sentence for sentence in summary(made))


def test_an_encoder_that_knows_nothing_is_not_told_from_chance():
    clades = evolve(SimulationConfig(species=20))
    species = np.repeat(np.arange(20), 6)
    taxa = [clades.taxa[row] for row in species]
    rng = np.random.default_rng(2)
    known = summary(made_of(np.eye(20)[species] + 0.01 * rng.normal(size=(120, 20)), taxa, n_permutations=200))
    unknown = summary(made_of(rng.normal(size=(120, 20)), taxa, n_permutations=200))
    # It knows species, and of higher ranks what follows from that and no more.
    assert any("the species in 100 %" in said and "At the rank of kingdom, phylum, class, order, family, genus this cannot be told from chance" in said for said in known)  # fmt: skip
    assert not any("has learnt more than to recognise single species" in said for said in [*known, *unknown])
    assert any("family, genus, species this cannot be told from chance" in said for said in unknown)


def test_one_store_twice_has_two_names_and_no_difference(store):
    made = make_report([store, store], ReportConfig(permutations=0, map_sample=0))
    assert len(set(made.labels)) == 2
    assert {difference.difference for difference in made.differences} == {0.0}


def test_one_species_of_copies_makes_a_page():
    made = made_of(np.ones((5, 4)), [("Animalia", "Chordata")] * 5)
    page = Page(report_page(made))
    assert "not defined" in page.texts
    assert "No rank has two taxa." in page.texts


def test_missing_ranks_and_what_could_not_run_are_counted(run, photos, tmp_path):  # noqa: F811
    evil = "</style><b>'\"&"
    with (tmp_path / "meta.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "kingdom", "phylum", "class", "genus"])
        for number, path in enumerate(sorted(photos.iterdir())):
            rows.writerow([path, "Animalia", [evil, "Mollusca"][number % 2], "", f"G{number}" if number < 2 else ""])
    assert run("embed", tmp_path / "meta.csv", "--store", tmp_path / "s", "--encoder", "pixels").status == 0
    ended = run("report", tmp_path / "s", "--permutations", 2, "--out", tmp_path / "out", "--json")
    assert ended.status == 0, ended.err
    counts = {one["rank"]: (one["taxa"], one["pictures"], one["missing"]) for one in ended.json["ranks"]}
    assert counts["phylum"] == (2, 6, 0)
    assert counts["class"] == (0, 0, 6)
    assert counts["genus"] == (2, 2, 4)
    reasons = " ".join(ended.json["not_measured"])
    assert "rank kingdom has one value only" in reasons
    assert "rank class has no value" in reasons
    assert "nearest-centroid accuracy at genus" in reasons
    text = (tmp_path / "out" / "report.html").read_text()
    Page(text)
    assert evil not in text
    assert text.count("</style>") == 1


def test_a_clade_and_a_condition_are_said(store):
    made = make_report([store], ReportConfig(permutations=0, map_sample=0, where="width > 0"))
    assert "only rows where width &gt; 0" in report_page(made)


def test_the_same_seed_gives_the_same_page(store):
    one, two = (report_page(make_report([store], ReportConfig(permutations=2))) for _ in range(2))
    assert one == two


def test_a_report_that_was_killed_between_its_two_files_does_not_bar_the_next(tmp_path):
    (tmp_path / "report.html").write_text("")
    with pytest.raises(InputError, match=r"holds a report already \(report.html\)"):
        check_report_folder(tmp_path)
    (tmp_path / f"{PART}999999999-report.json").write_text("{}")
    check_report_folder(tmp_path)
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(InputError, match=r"holds a report already \(report.json\)"):
        check_report_folder(tmp_path)


def test_what_cannot_be_reported_is_refused_in_one_line(run, fails, misused, store, photos, tmp_path):  # noqa: F811
    done = tmp_path / "done"
    done.mkdir()
    (done / "report.json").write_text("{}")
    assert "holds a report already (report.json): choose another folder" in fails("report", store.path, "--out", done)
    (tmp_path / "file").write_text("")
    assert "is a file, expected a folder" in misused("report", store.path, "--out", tmp_path / "file")
    run("simulate", tmp_path / "c", "--species", 2, "--images", 2, "--size", 32, "--seed", 9)
    run("embed", tmp_path / "c" / "metadata.csv", "--store", tmp_path / "two", "--encoder", "pixels")
    out = tmp_path / "out"
    assert "share fewer than 3 pictures" in fails("report", store.path, "--compare", tmp_path / "two", "--out", out)
    run("embed", photos, "--store", tmp_path / "plain", "--encoder", "pixels")
    said = fails("report", tmp_path / "plain", "--out", out)
    assert f"{tmp_path / 'plain'}: 0 of 6 pictures have a vector and a taxon" in said
    assert "'tribe' is not one of" in misused("report", store.path, "--color", "tribe", "--out", out)
    assert not out.exists()


def test_a_colour_that_is_no_rank_is_refused():
    with pytest.raises(InputError, match="no rank"):
        ReportConfig(color="tribe")
