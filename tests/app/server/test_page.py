"""The page's files: sent as they are, with a policy that lets them run and nothing else, and the cookie that stands for the token."""

import re

import pytest
from starlette.testclient import TestClient

from cladescope.app.server.application import application
from cladescope.app.server.page_routes import COOKIE, FOLDER, page_files

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
        policy = answer.headers.get_list("content-security-policy")
        assert len(policy) == 1
        assert "unsafe" not in policy[0]
        assert "script-src 'self'" in policy[0]
        assert ("immutable" in answer.headers["cache-control"]) == path.startswith("/assets/")


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


def test_the_cookie_stands_for_the_token_in_this_service_alone(browser, serving, store, rules):
    assert browser.get("/api/v1/stores").status_code == 401
    wrong = browser.post("/api/v1/session", headers={"Authorization": "Bearer another-token-of-letters"})
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
    answer = browser.post("/api/v1/session", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
    assert browser.get("/api/v1/stores").json()["stores"][0]["images"] == len(store)
    held = browser.cookies[COOKIE]
    other = TestClient(application(serving(store).service, rules(token=TOKEN)), base_url="http://127.0.0.1:8000")
    assert other.get("/api/v1/stores", headers={"Cookie": f"{COOKIE}={held}"}).status_code == 401
    assert other.get("/api/v1/stores", headers={"Cookie": f"{COOKIE}="}).status_code == 401


def test_without_a_token_there_is_nothing_to_enter(client):
    assert "no token" in client.refused("/session", 404, method="POST")


def test_the_page_is_small(browser):
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 600_000, "not even compressed"
