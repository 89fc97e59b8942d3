"""The session with which a page bears the token, and who may write."""

import pytest
from fastapi import Response

from cladescope.app.server import sessions
from cladescope.app.server.guard import Rules
from cladescope.app.server.parameters import Writes
from cladescope.app.server.sessions import Sessions

TOKEN = "correct-horse-battery"
OWN = "http://127.0.0.1:8000"


@pytest.fixture
def locked(serving, store):
    """A client of a service that asks for a token."""
    return serving(store, rules=Rules(token=TOKEN))


@pytest.fixture
def writing(serving, store):
    """Serve with some rules and a route that changes something."""

    def serve(**rules):
        client = serving(store, rules=Rules(**rules))
        app = client.app._app

        @app.post("/api/v1/write", dependencies=[Writes])
        def write():
            return Response(status_code=204)

        return client

    return serve


def begin(client, token=TOKEN, **asked):
    return client.post("/session", json={"token": token}, **asked)


def test_health_says_whether_a_token_is_needed_and_whether_stores_can_change(serving, store, locked):
    assert {word: locked.json("/health")[word] for word in ("needs_token", "read_only")} == {
        "needs_token": True,
        "read_only": True,
    }
    told = serving(store, rules=Rules(read_only=False)).json("/health")
    assert (told["needs_token"], told["read_only"]) == (False, False)


def test_the_cookie_of_a_session_stands_for_the_token(locked):
    assert locked.get("/stores").status_code == 401
    answer = begin(locked)
    assert (answer.status_code, answer.content) == (204, b"")
    cookie = answer.headers["set-cookie"]
    assert TOKEN not in cookie
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}
    assert locked.json("/stores")["stores"]
    kept = locked.cookies[sessions.COOKIE]
    assert len(kept) >= 43
    assert locked.delete("/session").status_code == 204
    locked.cookies.set(sessions.COOKIE, kept)
    assert locked.get("/stores").status_code == 401


@pytest.mark.parametrize("token", ["", "x", TOKEN + "x", TOKEN[:-1], "é" * 20])
def test_another_token_begins_no_session(locked, token):
    answer = begin(locked, token)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert locked.get("/stores").status_code == 401


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"token": 5}', b"\xff", b'{"token": "' + b"x" * 2000 + b'"}'])
def test_what_holds_no_token_is_refused(locked, body):
    answer = locked.post("/session", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]


@pytest.mark.parametrize("cookie", ["", "x", TOKEN, "None"])
def test_a_made_up_session_is_none(locked, cookie):
    assert locked.get("/stores", headers={"Cookie": f"a=b; {sessions.COOKIE}={cookie}"}).status_code == 401


def test_without_a_token_a_session_is_needless_and_no_failure(client):
    answer = begin(client, "whatever")
    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers


def test_old_sessions_are_forgotten(monkeypatch):
    monkeypatch.setattr(sessions, "MOST", 2)
    held = Sessions()
    first, second, third = held.begin(), held.begin(), held.begin()
    assert [held.holds(one) for one in (first, second, third)] == [False, True, True]
    held.end(second)
    held.end("no session")
    assert [held.holds(one) for one in (second, third)] == [False, True]


def test_writes_are_refused_unless_the_service_is_for_writing_and_the_header_is_there(writing):
    header = {"X-Cladescope": "1"}
    closed = writing()
    assert "read-only" in closed.refused("/write", 403, method="POST", headers=header)
    opened = writing(read_only=False)
    assert "X-Cladescope" in opened.refused("/write", 403, method="POST")
    assert opened.post("/write", headers=header).status_code == 204


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),
        ({"Origin": OWN}, True),
        ({"Origin": OWN, "Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "https://example.org"}, False),
        ({"Origin": "http://127.0.0.1:9000"}, False),
        ({"Origin": "http://127.0.0.1:8000.example.org"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://["}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": OWN, "Sec-Fetch-Site": "cross-site"}, False),
    ],
)
def test_a_page_of_another_site_sends_nothing_that_does_something(client, query, headers, passes):
    answer = client.post("/stores/clades/search/image", content=query.read_bytes(), headers=headers)
    assert answer.status_code == (200 if passes else 403)
    if not passes:
        assert "another site" in answer.json()["error"]
    # Questions are answered: the browser does not let that page read the answer.
    assert client.get("/stores", headers=headers).status_code == 200
