"""Teaching in the page: classes by click and key, what the classifier says at once, undo, and what is kept and taken away."""

import csv
import json

import cladescope
from tests.app.server.conftest import until


def teach(page, name):
    page.get_by_label("Name of a new class").fill(name)
    page.get_by_role("button", name="Add", exact=True).click()


def test_a_class_is_taught_measured_undone_saved_and_taken_away(opened, store, tmp_path):
    page, told = opened(store.path, path="/?view=teach", verb="explore", arguments=("--no-browser",), ready=False)
    names = store.table(["image_id", "class"]).to_pydict()
    classes = list(dict.fromkeys(names["class"]))[:2]
    page.get_by_role("button", name="From names").click()
    page.get_by_label("Names of").select_option("class")
    for name in classes:
        page.get_by_role("checkbox", name=name).check()
    page.get_by_role("button", name="Take 2 classes").click()
    page.wait_for_selector(".accuracy strong")
    share = page.inner_text(".accuracy strong")
    assert share.endswith("%")
    labels = page.evaluate(
        "JSON.parse(Object.entries(localStorage).find(([key]) => key.startsWith('cladescope-labels'))[1])"
    )
    given = {}
    for image_id, label in labels["of"]:
        given.setdefault(label, []).append(image_id)
    assert set(given) == set(classes)
    client = cladescope.Client(told["address"])
    told_directly = client.teach("clades", given)
    assert share == f"{100 * told_directly['accuracy']['value']:.0f}%"
    said = page.inner_text("section.says dl")
    for one in told_directly["counts"]:
        assert f"{one['images']} (" in said
    # A key puts the next picture in doubt into a class, and undo takes it back.
    n = sum(map(len, given.values()))
    page.keyboard.press("1")
    until(lambda: kept(page) == n + 1)
    page.get_by_role("region", name="Pictures to label").get_by_role("button", name="Undo").click()
    until(lambda: kept(page) == n)
    page.get_by_label("Name of the classifier").fill("mine")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_selector("text=The classifier mine is saved.")
    assert client.classifier("clades", "mine")["images"] == n
    with page.expect_download() as download:
        page.get_by_role("button", name="Download labels (CSV)").click()
    download.value.save_as(tmp_path / "labels.csv")
    with (tmp_path / "labels.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert {(row["image_id"], row["label"]) for row in rows} == {
        (one, label) for label, ids in given.items() for one in ids
    }
    with page.expect_download() as download:
        page.get_by_role("link", name="Classifier").first.click()
    download.value.save_as(tmp_path / "mine.safetensors")
    assert len(list(cladescope.predict(store, classifier=tmp_path / "mine.safetensors"))) == len(store)
    page.reload()
    page.wait_for_selector(".accuracy strong")
    assert page.inner_text(".accuracy strong") == share, "labels are kept in the browser"


def kept(page):
    """How many labels the browser keeps."""
    text = page.evaluate("Object.entries(localStorage).find(([key]) => key.startsWith('cladescope-labels'))[1]")
    return len(json.loads(text)["of"])


def test_a_service_that_only_reads_lets_teach_but_not_save(opened, store):
    page, _ = opened(store.path, path="/?view=teach", ready=False)
    page.wait_for_selector("text=This service only reads")
    teach(page, "birds")
    teach(page, "birds")
    assert "There is a class “birds” already." in page.inner_text("[role=alert]")
    assert page.get_by_role("button", name="Save", exact=True).count() == 0
