"""Care in the page: a label that is wrong is found, corrected by key, logged, and put back."""

import csv

import cladescope
from cladescope.index.store import Store
from tests.app.server.conftest import until


def test_a_wrong_label_is_found_corrected_and_put_back(opened, store, tmp_path):
    rows = store.table(["image_id", "kingdom", "phylum", "class", "order", "family", "genus", "species"]).to_pylist()
    first = rows[0]
    other = next(row for row in rows if row["kingdom"] != first["kingdom"])
    wrong = {rank: other[rank] for rank in other if rank != "image_id"}
    table = tmp_path / "wrong.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["image_id", *wrong])
        writer.writeheader()
        writer.writerow({"image_id": first["image_id"], **wrong})
    cladescope.relabel(store.path, table)
    page, told = opened(
        store.path, path="/?view=care&list=label_errors", verb="explore", arguments=("--no-browser",), ready=False
    )
    page.wait_for_selector("dl strong", timeout=60_000)
    item = page.inner_text("section dl")
    assert other["species"] in item
    page.keyboard.press("f")
    page.wait_for_selector("text=is now")
    after = Store.open(store.path).table(["image_id", "kingdom"]).to_pylist()
    assert next(row for row in after if row["image_id"] == first["image_id"])["kingdom"] == first["kingdom"]
    client = cladescope.Client(told["address"])
    (entry,) = client.decisions("clades")
    assert (entry["fixed"], entry["changes"][0]["image_id"], entry["undone"]) == (1, first["image_id"], False)
    assert first["image_id"] in (store.path / "decisions.jsonl").read_text()
    page.keyboard.press("u")
    page.wait_for_selector("text=Taken back")
    until(
        lambda: (
            next(
                row
                for row in Store.open(store.path).table(["image_id", "kingdom"]).to_pylist()
                if row["image_id"] == first["image_id"]
            )["kingdom"]
            == other["kingdom"]
        )
    )
