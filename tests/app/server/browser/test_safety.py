"""What is hostile, gone, refused or too large does nothing in the page but be told; and the token is asked for once."""

import pytest
from PIL import Image

import cladescope
from tests.app.server.browser.conftest import on_the_map, settled
from tests.app.server.browser.test_explore import loaded, number
from tests.app.server.conftest import until


def test_hostile_names_are_shown_and_do_nothing(opened, tmp_path):
    bad = "<img src=x onerror=alert(1)>"
    folder = tmp_path / "photos" / bad.replace("/", "")
    folder.mkdir(parents=True)
    for number_ in range(3):
        Image.effect_noise((40, 40), 60 + number_).convert("RGB").save(folder / f"'\"><script>alert({number_})<.png")
    cladescope.embed(folder.parent, tmp_path / "bad.store", encoder="pixels")
    page, _ = opened(tmp_path / "bad.store")
    assert page.locator("[role=gridcell] .name").first.inner_text() == bad
    on_the_map(page)
    assert bad in page.inner_text("body")
    page.locator("[role=gridcell] .open").first.click()
    page.wait_for_selector("dialog dl")
    assert "<script>alert(" in page.inner_text("dialog dl")
    assert page.locator("img[src=x], dialog script").count() == 0
    for view in ("teach", "care", "compare"):
        page.goto(f"/?view={view}")
        page.wait_for_selector("main h2")
        assert page.locator("img[src=x]").count() == 0


def test_a_picture_that_has_gone_is_a_plain_tile(opened, store, tmp_path):
    moved = tmp_path / "photos"
    moved.mkdir()
    for number_ in range(3):
        Image.effect_noise((40, 40), 50 + number_).convert("RGB").save(moved / f"{number_}.png")
    cladescope.embed(moved, tmp_path / "gone.store", encoder="pixels")
    (moved / "1.png").unlink()
    page, _ = opened(tmp_path / "gone.store")
    assert number(page) == 3
    assert min(loaded(page)) > 0, "no broken picture"


def test_the_token_is_asked_for_once(opened, store):
    page, told = opened(store.path, ready=False, arguments=("--token", "auto"))
    page.get_by_label("Token").fill("not-the-token-of-it")
    page.get_by_role("button", name="Enter").click()
    page.wait_for_selector("[role=alert]")
    page.get_by_label("Token").fill(told["token"])
    page.get_by_role("button", name="Enter").click()
    settled(page)
    until(lambda: number(page) == len(store))
    assert min(loaded(page)) > 0
    page.reload()
    settled(page)
    assert number(page) == len(store)


def test_what_cannot_be_done_is_said(opened, store, tmp_path):
    page, _ = opened(store.path, path="/?store=elsewhere")
    assert "There is no collection called elsewhere here; this is clades." in page.inner_text("body")
    text, big = tmp_path / "notes.txt", tmp_path / "big.png"
    text.write_text("words")
    big.write_bytes(b"0" * 20_000_001)
    for file, told in ((text, "notes.txt is no picture"), (big, "big.png has more than 20 MB")):
        page.set_input_files("input[type=file]", file)
        page.wait_for_selector(f"[role=alert]:has-text('{told}')")
        assert number(page) == len(store), "what was there stays"


def test_a_picture_that_cannot_be_read_is_told(chromium, start, store, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture at all")
    _, told = start(store.path)
    page = chromium.new_page()
    page.goto(told["address"])
    settled(page)
    page.set_input_files("input[type=file]", broken)
    page.wait_for_selector("[role=alert]:has-text('the query picture cannot be used')")
    assert "NaN" not in page.inner_text("body")
    page.close()


@pytest.mark.parametrize("what", ["deleted", "grown"])
def test_a_store_that_changes_while_it_is_looked_at(chromium, start, store, tmp_path, what):
    _, told = start(store.path)
    page = chromium.new_page()
    page.goto(told["address"])
    settled(page)
    on_the_map(page)
    if what == "deleted":
        store.path.rename(tmp_path / "deleted")  # in one step: the service still writes thumbnails into it
        page.get_by_role("combobox", name="Find a name").fill("a")
        page.reload()
        page.wait_for_selector("[role=alert]:has-text('deleted')")
    else:
        Image.effect_noise((40, 40), 50).convert("RGB").save(tmp_path / "new.png")
        cladescope.embed(tmp_path / "new.png", store.path)
        # Readers lag up to two seconds behind a writer elsewhere.
        until(lambda: cladescope.Client(told["address"]).store("clades")["images"] == 49)
        page.reload()
        settled(page)
        page.wait_for_selector("text=Pictures have come since this map was made.")
        page.get_by_role("button", name="Make it anew").click()
        page.wait_for_selector("text=Pictures have come since this map was made.", state="detached")
        until(lambda: number(page) == 49)
    page.close()
