"""The page for everybody: axe finds no serious fault, nothing sticks out on a telephone, and dark is dark."""

import re

import pytest

from tests.app.server.browser.conftest import on_the_map
from tests.app.server.browser.test_explore import loaded
from tests.app.server.conftest import until

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

VIEWS = {"explore": "[role=gridcell]", "teach": "main h2", "care": "main section", "compare": "main h2"}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_serious_fault(opened, store, dark):
    page, _ = opened(store.path, verb="explore", arguments=("--no-browser",), dark=dark, bypass_csp=True)
    on_the_map(page)
    found = {}
    for view, there in VIEWS.items():
        page.goto(f"/?view={view}")
        page.wait_for_selector(there, timeout=60_000)
        if view == "explore":
            loaded(page)
            on_the_map(page)
        if view == "care":
            page.wait_for_selector("section dl, main h2", timeout=60_000)
        result = axe.Axe().run(page)
        assert len(result.response["passes"]) > 10, "it has looked"
        serious = [one for one in result.response["violations"] if one["impact"] in ("serious", "critical")]
        found |= {f"{view}: {one['id']}": [node["html"][:200] for node in one["nodes"]] for one in serious}
    page.goto("/")
    page.locator("[role=gridcell] .open").first.click()
    page.wait_for_selector("dialog dl")
    result = axe.Axe().run(page)
    found |= {
        one["id"]: one["nodes"][0]["html"][:200]
        for one in result.response["violations"]
        if one["impact"] in ("serious", "critical")
    }
    assert found == {}


@pytest.mark.parametrize("view", VIEWS)
def test_on_a_telephone_and_in_the_dark_nothing_sticks_out(opened, store, view):
    page, _ = opened(store.path, path=f"/?view={view}", width=390, dark=True, ready=False)
    page.locator("main h2:visible, [role=application]:visible").first.wait_for(timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    dark = brightness(page)
    page.get_by_label("Colours of the page").select_option("light")
    until(lambda: brightness(page) > 600)
    assert dark < 150


def test_the_page_is_used_by_keys_alone(opened, store):
    page, _ = opened(store.path)
    on_the_map(page)
    page.locator("[data-at='0'] .open").focus()
    page.keyboard.press("ArrowRight")
    until(lambda: page.evaluate("document.activeElement.closest('[data-at]')?.dataset.at") == "1")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog dl")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    page.locator("[role=treeitem]").first.focus()
    page.keyboard.press("ArrowRight")
    until(lambda: page.locator("[role=treeitem][aria-level='2']").count() > 0)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**within=*")


def brightness(page):
    """The sum of the three parts of the page's background."""
    colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3]))
