"""The recipes of CONTRIBUTING.md, each followed with a toy: an encoder, a source, a door, a classifier, a probe, a verb."""

import importlib
import re
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.svm import LinearSVC
from typer.testing import CliRunner

import cladescope
from cladescope.analysis.classify import fitting
from cladescope.analysis.classify.linear_models import LINEAR_MODELS
from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes import run as probes
from cladescope.analysis.probes.result import ProbeResult
from cladescope.analysis.report.methods import METHODS, method_name
from cladescope.app.cli import app, group
from cladescope.embedding import doors, sources
from cladescope.embedding import encoder as encoders
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.labels import clean_labels, is_respelt
from cladescope.embedding.pipeline import embed
from cladescope.embedding.records import Record, id_of_uri
from cladescope.embedding.sources.joined import Joining
from cladescope.embedding.sources.package import table_of
from cladescope.index.store import Store
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "CONTRIBUTING.md").read_text()
RECIPES = PAGE[PAGE.index("## Where do I add") : PAGE.index("## Before you send a change")]


def as_module(monkeypatch, name, **members):
    """A file of that name, as if it had been written."""
    module = types.ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)
    return module


def test_each_recipe_has_five_lines():
    parts = re.split(r"\n\*\*An? \w+\*\*\n", RECIPES)[1:]
    assert len(parts) == 6
    assert [re.findall(r"^(\d)\. ", part, re.MULTILINE) for part in parts] == [list("12345")] * 6


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+\.(?:py|md))`", RECIPES))))
def test_every_file_that_a_recipe_names_is_there(path):
    assert (REPOSITORY / path).exists() or "NAME" in path
    assert (REPOSITORY / path).parent.is_dir()


@pytest.mark.parametrize(
    "module, names",
    [
        ("embedding.encoder", "KINDS Encoder EncoderCard"),
        ("embedding.records", "Source Record"),
        ("embedding.labels", "clean_labels is_respelt"),
        ("embedding.sources", "KINDS open_source"),
        ("embedding.sources.joined", "Joining"),
        ("embedding.sources.package", "table_of"),
        ("embedding.doors", "DOORS"),
        ("analysis.classify.linear_models", "LINEAR_MODELS"),
        ("analysis.classify.fitting", "METHODS fit_classes"),
        ("analysis.classify.class_gallery", "ClassGallery"),
        ("analysis.probes.result", "ProbeResult"),
        ("analysis.probes.rank_probes", "rank_probes"),
        ("analysis.probes.run", "probe"),
        ("analysis.report.methods", "METHODS"),
        ("app.cli.group", "VERBS"),
    ],
)
def test_every_name_of_a_recipe_is_where_it_says(module, names):
    found = importlib.import_module(f"cladescope.{module}")
    for name in names.split():
        assert f"`{name}`" in RECIPES
        assert hasattr(found, name)


class MeanColour(Encoder):
    def __init__(self):
        card = Encoder.load("pixels").card
        self.card = replace(card, name="mean-colour", dim=3, weight_hash="0" * 64, pooling="avg")

    def encode_pixels(self, batch):
        colour = batch.mean(axis=(1, 2)).astype(np.float32)
        return colour / np.linalg.norm(colour, axis=1, keepdims=True)


def test_an_encoder(monkeypatch):
    as_module(
        monkeypatch, "cladescope.embedding.encoders.mean_colour", load=lambda name, *, device, precision: MeanColour()
    )
    monkeypatch.setitem(encoders.KINDS, "mean-colour", "mean_colour")
    vector = Encoder.load("mean-colour").encode_images([Image.new("RGB", (40, 40), (30, 40, 0))])
    np.testing.assert_allclose(vector, [[0.6, 0.8, 0.0]], atol=1e-6)


class ListFile:
    """A text file with a path and a species a line."""

    extra_fields = ()

    def __init__(self, uri, *, name):
        self.name, self.uri = name, uri

    def _lines(self):
        with open(self.uri) as file:  # noqa: PTH123
            return file.read().splitlines()

    def count(self):
        return len(self._lines())

    def records(self):
        for line in self._lines():
            path, _, species = line.partition(" ")
            raw = {"species": species}
            labels = clean_labels(raw)
            yield Record(
                image_id=id_of_uri(path), uri=path, source=self.name, labels=labels, respelt=is_respelt(raw, labels)
            )


def test_a_source(monkeypatch, tmp_path):
    monkeypatch.setitem(sources.KINDS, ".list", lambda uri, name: ListFile(uri, name=name))
    Image.new("RGB", (40, 40), "teal").save(tmp_path / "a.png")
    (tmp_path / "some.list").write_text(f"{tmp_path}/a.png parus major\n{tmp_path}/b.png Parus minor\n")
    encoder = Encoder.load("pixels")
    store = Store.create(tmp_path / "s", encoder.card)
    summary = embed(sources.open_source(tmp_path / "some.list"), encoder, store)
    assert (summary.embedded, summary.respelt, summary.failed) == (1, 1, 1)
    assert [taxon.name for taxon in store.taxonomy] == ["Parus", "Parus major"]


def open_traps(package, *, name, rules, allowed):
    """A package of `sightings.csv`, and `cameras.csv` that says where each camera stood."""
    with Joining() as joining:
        with package.text("sightings.csv") as text:
            joining.read("seen", text, {"file": "file", "camera": "camera", "species": "species"})
        with package.text("cameras.csv") as text:
            joining.read("cameras", text, {"camera": "camera", "latitude": "latitude"})
        lost = joining.count("FROM seen ANTI JOIN cameras USING (camera)")
        rows = joining.rows("SELECT file, species, latitude FROM seen JOIN cameras USING (camera) ORDER BY seen.line")
    left_out = {"sightings without a camera": lost}
    return table_of(package, rows, name=name, rules=rules, allowed=allowed, left_out=left_out)


def test_a_door(monkeypatch, tmp_path):
    as_module(monkeypatch, "cladescope.embedding.sources.traps", open_package=open_traps)
    door = doors.Door("traps", "two tables", files=("sightings.csv", "cameras.csv"), module="traps")
    monkeypatch.setattr(doors, "DOORS", (*doors.DOORS, door))
    Image.new("RGB", (40, 40), "teal").save(tmp_path / "a.png")
    (tmp_path / "sightings.csv").write_text("file,camera,species\na.png,2,Parus major\nb.png,7,Parus minor\n")
    (tmp_path / "cameras.csv").write_text("camera,latitude\n1,9\n2,47.5\n")
    encoder = Encoder.load("pixels")
    store = Store.create(tmp_path / "s", encoder.card)
    summary = embed(sources.open_source(tmp_path), encoder, store)
    assert (summary.embedded, summary.failed, summary.left_out) == (1, 0, {"sightings without a camera": 1})
    assert next(store.scan(["species", "latitude"])).to_pylist() == [{"species": "Parus major", "latitude": 47.5}]


def test_a_classifier(monkeypatch):
    monkeypatch.setitem(LINEAR_MODELS, "svm", LinearSVC)
    monkeypatch.setattr(fitting, "METHODS", (*fitting.METHODS, "svm"))
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(3), 8)
    vectors = np.eye(3)[classes] + 0.1 * rng.standard_normal((24, 3))
    gallery = fitting.fit_classes(vectors, classes, ("tit", "crow", "owl"), method="svm")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (gallery.probabilities(vectors).argmax(axis=1) == LinearSVC().fit(unit, classes).predict(unit)).all()


def test_a_probe(monkeypatch, store):
    usual = probes.rank_probes

    def with_toy(pictures, rank, *arguments, **options):
        yield from usual(pictures, rank, *arguments, **options)
        labels = pictures.labels(rank)
        known = labels[labels >= 0]
        yield ProbeResult(
            probe="taxa a picture", rank=rank, value=len(np.unique(known)) / len(known), n_images=len(known),
            n_taxa=len(np.unique(known)), n_left_out=len(labels) - len(known), reference="", meaning="",
        )  # fmt: skip

    monkeypatch.setattr(probes, "rank_probes", with_toy)
    report = probes.probe(Pictures.of_store(store), n_permutations=2).report
    found = {result.rank: result.value for result in report.results if result.probe == "taxa a picture"}
    assert found["species"] == 12 / 48
    assert {method_name(result.probe) for result in report.results} - set(METHODS) == {"taxa a picture"}


def test_a_verb(monkeypatch, store):
    def largest(store):
        counts = Store.open(store).lineages().sort_by([("n_images", "descending"), ("species", "ascending")])
        return counts["species"][0].as_py()

    def command(store: str) -> None:
        """Name the species of the most pictures.

        Example: cladescope largest photos.store
        """
        print(cladescope.largest(store))  # noqa: T201

    as_module(monkeypatch, "cladescope.app.verbs.largest", largest=largest)
    as_module(monkeypatch, "cladescope.app.cli.largest", largest=command)
    monkeypatch.setitem(cladescope._PLACES, "largest", "cladescope.app.verbs.largest")
    monkeypatch.setitem(group.VERBS, "largest", "Name the species of the most pictures.")
    ended = CliRunner().invoke(app, ["largest", str(store.path)])
    assert ended.exit_code == 0, ended.output
    assert ended.output.strip() in store.taxonomy.resolve(ended.output.strip())[0].name
    assert "largest" in CliRunner().invoke(app, ["--help"]).output
