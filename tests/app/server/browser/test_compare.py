"""Two encoders side by side in the page: a map of each over the same pictures, and their probes."""

import cladescope
from tests.app.server.conftest import until


def test_two_encoders_have_a_map_each_and_their_probes_stand_beside_each_other(opened, store, tmp_path):
    folder = str(store.table(["uri"])["uri"][0].as_py()).rsplit("/", 2)[0]
    cladescope.embed(folder, tmp_path / "two.store", encoder=["pixels", "tiny"])
    page, told = opened(tmp_path / "two.store", path="/?view=compare", ready=False)
    maps = page.locator("canvas.dots, main canvas")
    # Of the collection, and of each map.
    until(lambda: page.get_by_text("48 pictures", exact=True).count() >= 3, 90)
    assert maps.count() >= 2
    client = cladescope.Client(told["address"])
    until(lambda: all(client.probes("two", vectors=one)["state"] == "ready" for one in (None, "tiny")), 90)
    page.wait_for_selector("main table tbody tr", timeout=60_000)
    rows = page.locator("main table tbody tr")
    both = [client.probes("two", vectors=one)["probes"] for one in (None, "tiny")]
    assert rows.count() >= max(map(len, both))
    assert {one["encoder"] for one in client.vectors("two")} == {"pixels", "tiny"}
    here, there = ({one["name"]: one["value"] for one in several} for several in both)
    assert here != there
