"""Who may ask, how often, and what every answer says to a browser."""

import pytest

from cladescope.app.server import rate
from cladescope.app.server.guard import Rules
from cladescope.app.server.rate import RateLimit

TOKEN = "correct-horse-battery"


def test_every_answer_forbids_a_browser_what_no_answer_needs(client, store):
    image_id = store.table(["image_id"]).column(0)[0].as_py()
    paths = ["/health", "/stores", "/nowhere", "/stores/clades/search?k=x", f"/stores/clades/thumbnails/{image_id}"]
    for path in [*paths, f"/stores/clades/images/{image_id}", "/metrics"]:
        headers = client.get(path, headers={"Origin": "https://example.org"}).headers
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "header", [None, "", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer ", "Bearer é"]
)
def test_without_the_token_nothing_but_health_is_answered(serving, store, header):
    client = serving(store, rules=Rules(token=TOKEN))
    headers = {} if header is None else {"Authorization": header.encode()}
    for path in ("/stores", "/stores/clades", "/metrics", "/openapi.json", "/nowhere", "/health/", "/stores/../health"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 401 or (path.endswith("../health") and answer.status_code == 200), path
        if answer.status_code == 401:
            assert answer.json() == {
                "error": "the token is missing or another one: send it as `Authorization: Bearer TOKEN`"
            }
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/health", headers=headers).status_code == 200


def test_with_the_token_everything_is_answered_under_any_name(serving, store):
    client = serving(store, rules=Rules(token=TOKEN), base_url="http://clades.example.org")
    assert client.json("/stores", headers={"Authorization": f"Bearer {TOKEN}"})["stores"]


def test_tokens_are_compared_in_constant_time(serving, store, monkeypatch):
    asked = []
    monkeypatch.setattr("hmac.compare_digest", lambda one, other: asked.append((one, other)) or False)
    serving(store, rules=Rules(token=TOKEN)).refused("/stores", 401, headers={"Authorization": "Bearer no"})
    assert asked == [(b"Bearer no", f"Bearer {TOKEN}".encode())]


@pytest.mark.parametrize(
    "host", ["evil.example.org", "127.0.0.1.evil.example.org", "localhost.evil.org:8000", "", "[", "127.1:x"]
)
def test_another_sites_name_for_this_machine_is_refused(client, host):
    assert "localhost" in client.refused("/stores", 403, headers={"Host": host})


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:80", "[::1]:8000", "LOCALHOST"])
def test_this_machines_own_names_are_answered(client, host):
    assert client.json("/stores", headers={"Host": host})


def test_a_client_that_asks_too_often_waits(serving, store):
    client = serving(store, rules=Rules(rate=0.001, burst=3))
    for _ in range(3):
        client.json("/health")
    answer = client.get("/health")
    assert answer.status_code == 429
    assert answer.json()["error"].startswith("more than 0.001 requests a second came from ")
    assert int(answer.headers["retry-after"]) > 900


def test_bodies_that_are_held_at_once_have_a_most(serving, store, query):
    picture = query.read_bytes()
    client = serving(store, rules=Rules(max_held_bytes=len(picture)))
    for _ in range(3):  # what was answered is held no longer
        assert client.post("/stores/clades/search/image", content=picture).status_code == 200
    told = client.post("/stores/clades/search/image", content=picture + b"x")
    assert (told.status_code, told.headers["retry-after"]) == (503, "1")
    assert told.json() == {"error": "too many pictures are sent at once: ask again"}
    assert client.post("/stores/clades/search/image", content=picture).status_code == 200


def test_a_bucket_fills_at_its_rate_and_no_higher_than_its_burst():
    now = [0.0]
    limit = RateLimit(2.0, 3, clock=lambda: now[0])
    assert [limit.wait("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert limit.wait("b") == 0.0
    now[0] = 0.25
    assert limit.wait("a") == 0.25
    now[0] = 0.5
    assert (limit.wait("a"), limit.wait("a")) == (0.0, 0.5)
    now[0] = 1000.0
    assert [limit.wait("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_clients_that_were_seen_long_ago_are_forgotten(monkeypatch):
    monkeypatch.setattr(rate, "KEPT_CLIENTS", 2)
    limit = RateLimit(1.0, 1, clock=lambda: 0.0)
    assert [limit.wait(one) for one in ("a", "b", "a", "c", "a", "b")] == [0.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    assert len(limit._buckets) == 2
