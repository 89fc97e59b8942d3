"""Servers that mean no good, or are broken: what they answer is a failure in one line, in bounded time."""

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from cladescope.embedding import web_address, web_answer
from cladescope.embedding.web import Web, _moved
from cladescope.embedding.web_address import is_public
from cladescope.errors import PictureError
from tests.embedding.encoding import encode, patches

PICTURE = encode(patches(), "PNG")
Talk = Callable[[socket.socket], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Talk], str]]:
    """Starts a server that reads a request and then says what it is told to."""
    stop, sockets = threading.Event(), []

    def started(talk: Talk) -> str:
        listening = socket.create_server(("127.0.0.1", 0))
        listening.settimeout(0.05)
        sockets.append(listening)

        def run() -> None:
            while not stop.is_set():
                try:
                    opened, _ = listening.accept()
                except (TimeoutError, OSError):
                    continue
                with opened, contextlib.suppress(OSError):
                    if opened.recv(65536):
                        talk(opened)

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield started
    stop.set()
    for one in sockets:
        one.close()


def refused(url: str, *, public_only: bool = False) -> str:
    with pytest.raises(PictureError) as refusal:
        Web(pause=0.01).fetch(url, public_only=public_only)
    text = str(refusal.value)
    assert "\n" not in text
    assert len(text) < 600
    return text


def head(*lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


def test_a_body_that_drips_is_given_up_in_bounded_time(
    serve: Callable[[Talk], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_answer, "MAX_SECONDS", 0.3)

    def drip(opened: socket.socket) -> None:
        opened.sendall(head("Content-Length: 100000"))
        for _ in range(100):
            opened.sendall(b"x")
            time.sleep(0.02)

    began = time.monotonic()
    assert "took more than 0 s" in refused(f"{serve(drip)}/a.jpg")
    assert time.monotonic() - began < 1.5


def test_a_head_that_drips_is_given_up_in_bounded_time(
    serve: Callable[[Talk], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_address, "HEAD_SECONDS", 0.3)

    def drip(opened: socket.socket) -> None:
        opened.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(100):
            opened.sendall(b"x")
            time.sleep(0.02)

    began = time.monotonic()
    assert "cannot reach" in refused(f"{serve(drip)}/a.jpg")
    assert time.monotonic() - began < 1.5


def test_a_table_that_comes_too_slowly_is_given_up(
    serve: Callable[[Talk], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_answer, "SLOW_SECONDS", 0.2)

    def drip(opened: socket.socket) -> None:
        opened.sendall(head("Content-Length: 100000"))
        for _ in range(100):
            opened.sendall(b"file,\n" * 50)
            time.sleep(0.02)

    with Web().opened(f"{serve(drip)}/t.csv") as stream, pytest.raises(PictureError, match="too slow"):
        stream.read(100_000)


@pytest.mark.parametrize(
    "lines, body, reason",
    [
        (["Content-Length: 5000"], PICTURE, "cannot reach"),
        (["Transfer-Encoding: chunked"], b"ffff\r\nabc", "cannot reach"),
        (["Content-Length: 5000", "Content-Encoding: gzip"], b"no gzip" * 800, "cannot reach"),
        (
            ["Content-Type: text/html"],
            b"\n<!DOCTYPE html><title>Log in</title>",
            "gives a web page in place of the file",
        ),
        (["Content-Length: -7"], PICTURE[:4], ""),
        (["X: " + "y" * 100_000], PICTURE, "cannot reach"),
        (["X: y"] * 500, PICTURE, "cannot reach"),
    ],
)
def test_a_broken_answer_is_a_failure_that_says_so(
    serve: Callable[[Talk], str], lines: list[str], body: bytes, reason: str
) -> None:
    address = serve(lambda opened: opened.sendall(head(*lines) + body))
    if reason:
        assert reason in refused(f"{address}/a.jpg")
    else:
        assert Web().fetch(f"{address}/a.jpg") in (body, b"")


def test_no_http_at_all_is_a_failure(serve: Callable[[Talk], str]) -> None:
    assert "cannot reach" in refused(f"{serve(lambda opened: opened.sendall(b'220 ftp ready'))}/a.jpg")
    assert "cannot reach" in refused(f"{serve(lambda opened: None)}/a.jpg")


def test_a_body_in_gzip_is_unpacked_and_a_bomb_is_not(
    serve: Callable[[Talk], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sent(body: bytes) -> str:
        packed = gzip.compress(body)
        return serve(
            lambda opened: opened.sendall(head(f"Content-Length: {len(packed)}", "Content-Encoding: gzip") + packed)
        )

    assert Web().fetch(f"{sent(PICTURE)}/a.png") == PICTURE
    with Web().opened(f"{sent(PICTURE)}/a.png") as stream:
        assert stream.read() == PICTURE
    monkeypatch.setattr(web_answer, "MAX_FILE_BYTES", 2**20)
    assert "bytes: a picture may have" in refused(f"{sent(bytes(2**26))}/a.png")


def test_a_body_longer_than_it_says_is_cut_where_it_says(serve: Callable[[Talk], str]) -> None:
    address = serve(lambda opened: opened.sendall(head(f"Content-Length: {len(PICTURE)}") + PICTURE + b"more"))
    assert Web().fetch(f"{address}/a.png") == PICTURE


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "a@127.0.0.1",
    ],
)
def test_no_spelling_of_an_address_of_this_machine_is_public(serve: Callable[[Talk], str], host: str) -> None:
    asked: list[bytes] = []

    def noting(opened: socket.socket) -> None:
        asked.append(b"asked")
        opened.sendall(head(f"Content-Length: {len(PICTURE)}") + PICTURE)

    port = serve(noting).rpartition(":")[2]
    text = refused(f"http://{host}:{port}/a.png", public_only=True)
    assert "may not lead to an address of this network" in text or "cannot reach" in text
    assert asked == []


def test_a_name_that_resolves_to_a_private_address_is_refused(
    serve: Callable[[Talk], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(serve(lambda opened: None).rpartition(":")[2])
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    text = refused(f"http://photos.example.org:{port}/a.png", public_only=True)
    assert "may not lead to an address of this network" in text


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "169.254.169.254", "fe80::1%eth0", "64:ff9b::a00:1", "2002:7f00:1::", "0.0.0.0", "224.0.0.1"],
)
def test_addresses_that_lead_inside_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:99999/a.jpg",
        "http:///a.jpg",
        "http://a b/c.jpg",
        "http://\x01/c.jpg",
        "http://" + "a" * 300 + "/",
    ],
)
def test_what_is_no_web_address_is_a_failure(url: str) -> None:
    refused(url)


def test_a_redirect_from_https_to_http_is_refused() -> None:
    assert _moved("https://a.org/1.jpg", "https://a.org/1.jpg", "/2.jpg", 1) == "https://a.org/2.jpg"
    assert _moved("http://a.org/1.jpg", "http://a.org/1.jpg", "https://b.org/2.jpg", 1) == "https://b.org/2.jpg"
    with pytest.raises(PictureError, match="from https to http"):
        _moved("https://a.org/1.jpg", "https://a.org/1.jpg", "http://a.org/1.jpg", 1)
