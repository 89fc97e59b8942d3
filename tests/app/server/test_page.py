"""The page's files: sent as they are, with a policy that lets them run and nothing else."""

import re

import pytest
from starlette.testclient import TestClient

from cladescope.app.server.application import application
from cladescope.app.server.page_routes import POLICY, STATIC, page_files

TOKEN = "a-token-of-many-letters"


@pytest.fixture
def browser(serving, store, rules):
    """A client that asks from the root, of a service that wants a token."""
    return TestClient(application(serving(store).service, rules(token=TOKEN)), base_url="http://127.0.0.1:8000")


def test_every_file_of_the_page_is_sent_without_a_token_and_under_the_pages_policy(browser):
    assert {"/", "/index.html", "/favicon.svg"} < page_files().keys()
    for path, file in page_files().items():
        answer = browser.get(path)
        assert (answer.status_code, answer.content) == (200, file.read_bytes()), path
        assert answer.headers.get_list("content-security-policy") == [POLICY]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert ("immutable" in answer.headers["cache-control"]) == path.startswith("/assets/")


def test_the_page_may_load_nothing_but_its_own():
    allowed = dict(one.split(" ", 1) for one in POLICY.split("; "))
    assert allowed["default-src"] == "'none'"
    assert {allowed[one] for one in ("script-src", "style-src", "connect-src", "worker-src")} == {"'self'"}
    assert allowed["frame-ancestors"] == "'none'"


def test_what_the_page_loads_is_its_own_and_is_there(browser):
    html = browser.get("/").text
    wanted = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert len(wanted) >= 3
    assert all(browser.get(f"/{one.removeprefix('./')}").status_code == 200 for one in wanted)
    assert "<style" not in html
    assert not re.search(r"<script(?![^>]* src=)", html), "no script stands inside the page"


@pytest.mark.parametrize(
    "path", ["/assets/../__init__.py", "/assets/%2e%2e/guard.py", "/assets/nothing.js", "/.gitignore"]
)
def test_no_other_file_is_sent(browser, path):
    answer = browser.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 404
    assert "import" not in answer.text


def test_the_page_is_small(browser):
    assert sum(path.stat().st_size for path in STATIC.rglob("*") if path.is_file()) < 600_000, "not even compressed"
