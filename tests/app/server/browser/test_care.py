"""Care in the page: a label that is wrong is found, corrected by key, logged, and put back."""

import json

from cladescope.index.store import Store
from tests.app.server.conftest import until


def test_a_wrong_label_is_found_corrected_and_put_back(opened, store, tmp_path):
    rows = store.table(["image_id", "kingdom", "phylum", "class", "order", "family", "genus", "species"]).to_pylist()
    first = rows[0]
    other = next(row for row in rows if row["kingdom"] != first["kingdom"])
    wrong = {rank: other[rank] for rank in other if rank != "image_id"}
    store.relabel({first["image_id"]: wrong})
    page, _ = opened(
        store.path, path="/?view=care&list=label_errors", verb="explore", arguments=("--no-browser",), ready=False
    )
    page.wait_for_selector("dl strong", timeout=60_000)
    item = page.inner_text("section dl")
    assert other["species"] in item
    page.keyboard.press("f")
    page.wait_for_selector("text=is now")
    after = Store.open(store.path).table(["image_id", "kingdom"]).to_pylist()
    assert next(row for row in after if row["image_id"] == first["image_id"])["kingdom"] == first["kingdom"]
    log = [json.loads(line) for line in (store.path / "decisions.jsonl").read_text().splitlines()]
    assert log[0]["changes"][0]["image_id"] == first["image_id"]
    page.keyboard.press("u")
    page.wait_for_selector("text=Taken back")
    until(
        lambda: next(
            row for row in Store.open(store.path).table(["image_id", "kingdom"]).to_pylist() if row["image_id"] == first["image_id"]
        )["kingdom"]
        == other["kingdom"]
    )
