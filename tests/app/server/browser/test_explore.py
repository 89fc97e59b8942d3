"""The page as people use it, in a headless Chromium: search, clades, a picture in full, a link, a telephone, and names that are hostile."""

import re
import shutil
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

import cladescope
from tests.app.server.conftest import until

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: .ci/page installs it")


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, start):
    """Serve stores and open the page, at a path; no error may stand in its console, and nothing may be asked from elsewhere."""
    pages, wrong = [], []

    def call(*stores, path="/", width=1280, dark=False, ready=True, arguments=()):
        _, told = start(*stores, *arguments)
        page = chromium.new_page(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light", base_url=told["address"]
        )
        pages.append(page)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append("a dialog opened"), dialog.dismiss()))
        page.on("request", lambda asked: None if asked.url.startswith(told["address"]) else wrong.append(asked.url))
        page.goto(path)
        if ready:
            settled(page)
        return page, told

    yield call
    for page in pages:
        page.close()
    # A browser writes into its console that it was refused before the token was given.
    assert [one for one in wrong if "401 (Unauthorized)" not in one] == []


def settled(page):
    page.wait_for_selector("section[aria-busy=false]")


def counted(page):
    """The number that stands above the pictures."""
    settled(page)
    return int(page.inner_text("section .count").split()[0].replace(",", ""))


def asked(page):
    return parse_qs(urlsplit(page.url).query)


def brightness(colour):
    """The sum of the parts of a colour such as `rgb(22, 25, 26)`."""
    return sum(map(int, re.findall(r"\d+", colour)))


def loaded(page):
    """Width of each picture that the page has shown so far; 0 for a broken one."""
    until(lambda: page.evaluate("[...document.querySelectorAll('section img')].slice(0, 4).every(one => one.complete)"))
    return page.eval_on_selector_all("section img", "several => several.slice(0, 4).map(one => one.naturalWidth)")


def test_a_clade_of_the_tree_keeps_its_pictures_and_a_reload_shows_the_same(opened, store):
    page, _ = opened(store.path)
    assert counted(page) == len(store)
    assert min(loaded(page)) > 0
    page.locator("button.taxon").last.click()
    page.wait_for_url("**within=*")
    (clade,) = asked(page)["within"]
    n = store.count(within=clade)
    assert 0 < n < len(store)
    until(lambda: counted(page) == n)
    assert page.locator(".chips button").first.inner_text() == f"{clade.split(' > ')[-1]} ×"
    page.reload()
    assert counted(page) == n
    root = store.table(["kingdom"])["kingdom"][0].as_py()
    page.goto(f"/?within={root}")
    settled(page)
    assert page.locator(".chips button").first.inner_text() == f"{root} ×"
    page.get_by_role("button", name="All pictures").click()
    until(lambda: counted(page) == len(store))


def test_a_picture_from_the_readers_disk_finds_itself_first(opened, store):
    some = store.table(["uri", "image_id"]).slice(7, 1).to_pylist()[0]
    page, _ = opened(store.path)
    page.set_input_files("input[type=file]", some["uri"])
    page.wait_for_selector("section .score")
    expected = store.search(images=[some["uri"]], k=100).hits
    assert page.inner_text("section .score >> nth=0") == f"{expected[0].score:.2f}" == "1.00"
    assert page.locator("section li").count() == len(expected)
    page.locator("section li .open").first.click()
    page.wait_for_selector("dialog dl")
    assert asked(page)["open"] == [expected[0].image_id] == [some["image_id"]]
    assert str(some["uri"]) in page.inner_text("dialog")
    page.keyboard.press("ArrowRight")
    page.wait_for_url(f"**open={expected[1].image_id}*")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert "open" not in asked(page)


def test_more_like_this_is_a_search_that_a_link_carries(opened, store):
    page, told = opened(store.path)
    page.locator("section li").nth(3).hover()
    page.locator("section li .like").nth(3).click()
    page.wait_for_selector("section .score")
    (like,) = asked(page)["like"]
    expected = [hit.image_id for hit in store.search(image_id=like, k=100).hits]
    assert like == store.table(["image_id"])["image_id"][3].as_py()
    assert counted(page) == len(expected)
    page.go_back()
    page.wait_for_selector("section .score", state="detached")
    assert counted(page) == len(store)


def test_on_a_telephone_and_in_the_dark_nothing_sticks_out(opened, store):
    page, _ = opened(store.path, width=390, dark=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.get_by_label("Colours of the page").select_option("light")
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert brightness(dark) < 150 < 600 < brightness(light)


def test_hostile_names_are_shown_and_do_nothing(opened, tmp_path):
    bad = "<img src=x onerror=alert(1)>"
    folder = tmp_path / "photos" / bad.replace("/", "")
    folder.mkdir(parents=True)
    for number in range(3):
        Image.effect_noise((40, 40), 60 + number).convert("RGB").save(folder / f"'\"><script>alert({number})<.png")
    cladescope.embed(folder.parent, tmp_path / "bad.store", encoder="pixels")
    page, _ = opened(tmp_path / "bad.store")
    assert page.locator("section li .name").first.inner_text() == bad
    page.locator("section li .open").first.click()
    page.wait_for_selector("dialog dl")
    assert "<script>alert(" in page.inner_text("dialog dl")
    assert page.locator("img[src=x], dialog script").count() == 0


def test_a_picture_that_has_gone_is_a_plain_tile(opened, store, tmp_path):
    moved = tmp_path / "photos"
    moved.mkdir()
    for number in range(3):
        Image.effect_noise((40, 40), 50 + number).convert("RGB").save(moved / f"{number}.png")
    cladescope.embed(moved, tmp_path / "gone.store", encoder="pixels")
    (moved / "1.png").unlink()
    page, _ = opened(tmp_path / "gone.store")
    assert counted(page) == 3
    assert min(loaded(page)) > 0, "no broken picture"


def test_the_token_is_asked_for_once(opened, store):
    page, told = opened(store.path, ready=False, arguments=("--token", "auto"))
    page.get_by_label("Token").fill(told["token"])
    page.get_by_role("button", name="Enter").click()
    assert counted(page) == len(store)
    assert min(loaded(page)) > 0
    page.reload()
    assert counted(page) == len(store)


def test_what_cannot_be_done_is_said(opened, store, tmp_path):
    page, _ = opened(store.path, path="/?store=elsewhere")
    assert "There is no collection called elsewhere here; this is clades." in page.inner_text("body")
    text, big = tmp_path / "notes.txt", tmp_path / "big.png"
    text.write_text("words")
    big.write_bytes(b"0" * 20_000_001)
    for file, told in ((text, "notes.txt is no picture"), (big, "big.png has more than 20 MB")):
        page.set_input_files("input[type=file]", file)
        assert told in page.inner_text(".found [role=alert]")
        assert counted(page) == len(store), "what was there stays"


def test_a_picture_that_cannot_be_read_is_told_and_can_be_tried_again(chromium, start, store, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture at all")
    _, told = start(store.path)
    page = chromium.new_page()
    page.goto(told["address"])
    settled(page)
    page.set_input_files("input[type=file]", broken)
    page.wait_for_selector("p.problem")
    assert "the query picture cannot be used" in page.inner_text("p.problem")
    assert "NaN" not in page.inner_text("body")
    page.get_by_role("button", name="Clear all").click()
    page.wait_for_selector("p.problem", state="detached")
    assert counted(page) == len(store)
    page.close()
