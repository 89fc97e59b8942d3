"""Pages that need no service, read back and looked at in a headless Chromium."""

import gzip
import json
import re
import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def index_of(page):
    """What a page that stands alone reads first."""
    return json.loads(re.search(r'id="cladescope-index">(.*?)</script>', page)[1])


def part_of(page, name, place=0):
    """The bytes of a part that lies in a page."""
    import base64

    return gzip.decompress(base64.b64decode(re.search(rf'id="cladescope-{place}/{name}">(.*?)</script>', page)[1]))


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: .ci/page installs it")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """Open a page; no error may stand in its console, no dialog may open, and nothing may be asked from elsewhere than `under`."""
    pages, wrong = [], []

    def call(address, *, under, width=1280, dark=False):
        page = chromium.new_page(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light", accept_downloads=True
        )
        pages.append(page)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append("a dialog opened"), dialog.dismiss()))
        page.on(
            "request",
            lambda asked: None if asked.url.startswith((under, "blob:", "data:")) else wrong.append(asked.url),
        )
        page.goto(address)
        return page

    yield call
    for page in pages:
        page.close()
    assert not wrong, wrong
