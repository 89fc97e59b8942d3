"""A headless Chromium that opens the page of stores which are served, and notes whatever goes wrong in it."""

import shutil
from urllib.parse import parse_qs, urlsplit

import pytest

from cladescope.app.service.map_kept import FOLDER, OWN
from cladescope.app.service.map_layout import laid_out
from cladescope.app.service.work import Job
from cladescope.index.store import Store
from tests.app.server.conftest import until

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pytest_collection_modifyitems(items):
    """Skip the tests of this folder, with a word, where there is no Chromium."""
    for item in items:
        if CHROMIUM is None and "tests/app/server/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.skip(reason="no chromium on this machine: .ci/page installs it"))


@pytest.fixture(scope="session")
def _mapped_store(_clade_store, tmp_path_factory):
    path = tmp_path_factory.mktemp("mapped") / "clades.store"
    shutil.copytree(_clade_store, path)
    made = laid_out(Store.open(path), Job(id=1, kind="map", store="clades", key="", do=lambda job: None))
    made.save(path / FOLDER / f"{OWN}.arrow")
    return path


@pytest.fixture
def store(_mapped_store, tmp_path):
    """As the store of other tests, with a map that was made before: each service would take seconds to compile UMAP."""
    path = tmp_path / "clades.store"
    shutil.copytree(_mapped_store, path)
    return Store.open(path)


@pytest.fixture(scope="module")
def chromium():
    """The browser."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, start):
    """Serve stores and open the page, at a path; no error may stand in its console, and nothing may be asked from elsewhere."""
    contexts, wrong = [], []

    def call(*stores, path="/", width=1280, dark=False, ready=True, arguments=(), verb="serve", bypass_csp=False):
        _, told = start(*stores, *arguments, verb=verb)
        context = chromium.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if dark else "light",
            base_url=told["address"],
            bypass_csp=bypass_csp,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append("a dialog opened"), dialog.dismiss()))
        page.on("request", lambda asked: None if is_own(asked.url, told["address"]) else wrong.append(asked.url))
        page.goto(path)
        if ready:
            settled(page)
        return page, told

    yield call
    for context in contexts:
        context.close()
    # A browser writes into its console that it was refused before the token was given.
    assert [one for one in wrong if "401 (Unauthorized)" not in one] == []


def is_own(url, address):
    """Whether an address is of the service, or of a picture that the page itself holds."""
    return url.startswith((address, f"blob:{address}", "data:image/"))


def settled(page):
    """Wait until the grid is there, and shows what was asked for last."""
    page.wait_for_selector("[role=grid] [role=gridcell] .open")


def asked(page):
    """What stands in the address."""
    return parse_qs(urlsplit(page.evaluate("location.href")).query)


def on_the_map(page):
    """Wait until the map is drawn."""
    page.wait_for_selector("[role=application]", timeout=60_000)


def is_true(page, script):
    """Wait until a script is true in the page, whose policy forbids Playwright's own way to."""
    until(lambda: page.evaluate(script))
