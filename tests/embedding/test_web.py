"""Pictures of the web, from a server of this process at 127.0.0.1."""

import email.utils
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from cladescope.embedding import web, web_answer
from cladescope.embedding.encode import encoded
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.records import Record
from cladescope.embedding.schemes import refusal
from cladescope.embedding.sources import open_source
from cladescope.embedding.web import Web
from cladescope.errors import InputError, PictureError
from tests.embedding.encoding import encode, patches
from tests.embedding.reading import put, remote

__all__ = ["remote"]

PICTURE = encode(patches(), "PNG")
Answer = tuple[int, dict[str, str], bytes]


class Server:
    """A server whose answers tests write; it notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.answers: dict[str, Callable[[], Answer]] = {}
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        noted = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None:
                """Nothing."""

            def do_GET(self) -> None:
                with noted.lock:
                    noted.asked.append((self.command, self.path, self.headers.get("User-Agent", "")))
                    noted.at_once += 1
                    noted.most_at_once = max(noted.most_at_once, noted.at_once)
                status, headers, body = noted.answers.get(self.path, lambda: (200, {}, PICTURE))()
                with noted.lock:
                    noted.at_once -= 1
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_HEAD(self) -> None:
                self.do_GET()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.server.shutdown()
    made.server.server_close()


def assert_refused(url: str, reason: str, *, public_only: bool = False) -> None:
    with pytest.raises(PictureError) as refusal:
        Web(pause=0.01).fetch(url, public_only=public_only)
    assert reason in str(refusal.value)
    assert url in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_one_get_and_no_head_under_a_name_with_a_contact(server: Server) -> None:
    records = [Record(image_id=str(n), uri=f"{server.address}/{n}.png", source="s") for n in range(2)]
    (batch,) = encoded(records, Encoder.load("pixels"), web=Web("me@museum.org"))
    assert len(batch.records) == 2
    assert [command for command, _, _ in server.asked] == ["GET", "GET"]
    assert {agent for _, _, agent in server.asked} == {"cladescope/0.1.0 (me@museum.org)"}


def test_a_contact_that_breaks_a_header_is_refused() -> None:
    for contact in ("a\r\nHost: b", "Zoë", " "):
        with pytest.raises(InputError, match="for a contact"):
            Web(contact)


@pytest.mark.parametrize(
    "status, reason",
    [(401, "a login"), (403, "refused (403)"), (404, "no such file (404)"), (410, "gone (410)"), (418, "answers 418")],
)
def test_refusals_are_told_apart_and_not_repeated(server: Server, status: int, reason: str) -> None:
    server.answers["/a.jpg"] = lambda: (status, {}, b"<html>")
    assert_refused(f"{server.address}/a.jpg", reason)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(server: Server, status: int) -> None:
    answers = iter([(status, {"Retry-After": "1"}, b""), (200, {}, PICTURE)])
    server.answers["/a.jpg"] = lambda: next(answers)
    began = time.monotonic()
    fetching = Web(pause=0.01)
    other = threading.Timer(0.3, fetching.fetch, [f"{server.address}/b.jpg"])
    other.start()
    assert fetching.fetch(f"{server.address}/a.jpg") == PICTURE
    assert time.monotonic() - began > 0.9
    other.join()
    assert [path for _, path, _ in server.asked][:1] == ["/a.jpg"]
    assert len(server.asked) == 3  # the other picture waited, too


def test_a_server_that_stays_busy_or_wants_long_patience_is_a_failure(server: Server) -> None:
    server.answers["/a.jpg"] = lambda: (429, {}, b"")
    assert_refused(f"{server.address}/a.jpg", "too many requests (429), asked 4 times")
    assert len(server.asked) == 4
    tomorrow = email.utils.formatdate(time.time() + 86_400, usegmt=True)
    server.answers["/b.jpg"] = lambda: (503, {"Retry-After": tomorrow}, b"")
    assert_refused(f"{server.address}/b.jpg", "s of patience (503)")
    assert len(server.asked) == 5


def test_a_host_is_asked_for_few_pictures_at_once(server: Server) -> None:
    def slow() -> Answer:
        time.sleep(0.05)
        return 200, {}, PICTURE

    server.answers |= {f"/{n}.jpg": slow for n in range(12)}
    fetching = Web()
    threads = [threading.Thread(target=fetching.fetch, args=(f"{server.address}/{n}.jpg",)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 12
    assert server.most_at_once <= web.REQUESTS_A_HOST


def test_a_body_may_not_be_larger_than_a_picture_whatever_is_announced(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_answer, "MAX_FILE_BYTES", 1000)
    server.answers["/a.jpg"] = lambda: (200, {}, bytes(1001))
    assert_refused(f"{server.address}/a.jpg", "has 1001 bytes")
    server.answers["/b.jpg"] = lambda: (200, {"Content-Length": "2000"}, bytes(2000))
    assert_refused(f"{server.address}/b.jpg", "has 2000 bytes")


def test_redirects_are_followed_a_few_times_and_never_into_this_network(server: Server) -> None:
    server.answers["/a.jpg"] = lambda: (302, {"Location": "/b.jpg"}, b"")
    assert Web().fetch(f"{server.address}/a.jpg") == PICTURE
    server.answers["/loop.jpg"] = lambda: (301, {"Location": "/loop.jpg"}, b"")
    assert_refused(f"{server.address}/loop.jpg", "more than 5 redirects")
    server.answers["/file.jpg"] = lambda: (302, {"Location": "file:///etc/passwd"}, b"")
    assert_refused(f"{server.address}/file.jpg", "redirected to what is no web address")
    port = server.server.server_port
    server.answers["/in.jpg"] = lambda: (302, {"Location": f"http://localhost:{port}/b.jpg"}, b"")
    assert_refused(f"{server.address}/in.jpg", "may not lead to an address of this network")


def test_private_addresses_are_refused_when_a_table_comes_from_elsewhere(
    server: Server, remote: fsspec.AbstractFileSystem
) -> None:
    assert_refused(f"{server.address}/a.jpg", "may not lead to an address of this network", public_only=True)
    remote.pipe("/t/m.csv", f"file\n{server.address}/a.jpg\n/etc/passwd\nx.jpg\nfile:///etc/passwd\n".encode())
    records = list(open_source("memory://t/m.csv").records())
    assert [record.public_only for record in records] == [True] * 4
    (batch,) = encoded(records, Encoder.load("pixels"))
    reasons = [failure.reason for failure in batch.failures]
    assert "may not lead to an address of this network" in reasons[0]
    assert reasons[1].startswith("a table from elsewhere may not name files of this machine")
    assert reasons[2] == "no such file: memory://t/x.jpg"
    assert "allow the scheme file" in reasons[3]
    assert server.asked == []


def test_a_table_names_no_address_that_was_not_meant(tmp_path: Path) -> None:
    picture = put(tmp_path / "a b.png", PICTURE)
    strange = [
        "ftp://a.org/x.jpg",
        "zip://x.jpg::http://a.org/y.zip",
        "reference://x.jpg",
        "s3://a/x.zip::ftp://b/c.jpg",
    ]
    lines = "\n".join(["file", *strange, f"file://{tmp_path}/a%20b.png", ""])
    table = put(tmp_path / "m.csv", lines.encode())
    problems = [record.problem or "" for record in open_source(table).records()]
    assert [
        "allow the scheme ftp" in problems[0],
        "allow the scheme zip" in problems[1],
        "allow the scheme reference" in problems[2],
    ] == [True] * 3
    assert "inside another" in problems[3]
    # A table of this machine may name its files, in either way; one from elsewhere in neither.
    assert not problems[4]
    assert [record.uri for record in open_source(table).records()][4] == str(picture)
    local = f"file://{tmp_path}/a%20b.png"
    assert "allow the scheme file" in str(refusal(local, str(picture), [], elsewhere=True))
    assert refusal(local, str(picture), ["file"], elsewhere=True) is None
    with pytest.raises(InputError, match="for a scheme to allow"):
        open_source(table, allowed=["file://"])


def test_a_server_that_is_not_there_is_a_failure_in_one_line() -> None:
    assert_refused("http://127.0.0.1:9/a.jpg", "cannot reach")
    assert_refused("http://[half/a.jpg", "is no web address")
