"""Requests that mean harm, or are wrong: each is refused with its status and one sentence, and nothing is opened or changed."""

import asyncio
import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image

from cladescope.app.server import uploads
from tests.app.cli.command_line import png_that_claims
from tests.app.server.conftest import API


@pytest.mark.parametrize(
    "image_id",
    [
        "../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "/etc/passwd",
        "%2Fetc%2Fpasswd",
        "file:%2F%2F%2Fetc%2Fpasswd",
        "https:%2F%2Fexample.org%2Fa.jpg",
        "%00",
        "a%0d%0aSet-Cookie:%20b=c",
        "' OR '1'='1",
        "x') OR (1=1",
        "%ff%fe",
        "A" * 5000,
    ],
)
@pytest.mark.parametrize("what", ["rows", "thumbnails", "images"])
def test_an_id_is_looked_up_and_is_no_path_url_or_sql(client, monkeypatch, what, image_id):
    for name in ("thumbnail_of", "original_of"):
        monkeypatch.setattr(
            f"cladescope.app.server.picture_routes.{name}", lambda *_, **__: pytest.fail("something was opened")
        )
    answer = client.get(f"/stores/clades/{what}/{image_id}")
    assert answer.status_code == 404, answer.text
    assert "set-cookie" not in answer.headers
    (sentence,) = answer.json().values()
    assert sentence.startswith(("no image_id ", "there is nothing at "))


def test_the_path_of_a_picture_is_no_id(client, store):
    uri = store.table(["uri"]).column(0)[0].as_py()
    client.refused(f"/stores/clades/images/{uri.replace('/', '%2F')}", 404)


@pytest.mark.parametrize("name", ["..", "..%2Fclades", "clades%00", "clades.store", "%2Ftmp"])
def test_a_store_is_known_by_its_name_alone(client, name):
    assert client.get(f"/stores/{name}/rows").status_code == 404


@pytest.mark.parametrize(
    "filters",
    [
        ["1=1"],
        ["width>0 OR 1=1"],
        ["width>=(SELECT 1)"],
        ["width>=1; DROP TABLE images"],
        ["genus`=x"],
        ["width>nan"],
        ["width=inf"],
        ["width=99999999999999999999999"],
        ["width=1e3"],
        ["width in 1,x"],
        ["width in "],
        ["vector=1"],
        ["_rowid>0"],
        ["genus LIKE %"],
        ["genus IS NULL"],
        [""],
        ["genus=a\x00b"],
        ["genus=a\nb"],
        [f"genus={'x' * 20_000}"],
        ["width>1"] * 21,
    ],
)
def test_a_filter_is_no_sql(client, filters):
    for path in ("/stores/clades/rows", "/stores/clades/search?taxon=Animalia"):
        client.refused(path, 422, params={"where": filters})


@pytest.mark.parametrize(
    "value", ["' OR 1=1 --", "x' OR 'a'='a", "'); DROP TABLE images; --", '"', "`", "\\'", "é漢字🦉"]
)
def test_a_value_with_quotes_is_a_value(client, value):
    assert client.json("/stores/clades/rows", params={"where": f"genus={value}"})["rows"] == []
    assert client.json("/stores/clades/rows", params={"where": f"genus!={value}"})["total"] == 48


@pytest.mark.parametrize(
    "path, sentence",
    [
        ("/search?id=a&k=0", "k is '0': expected at least 1"),
        ("/search?id=a&k=-1", "k is '-1': expected at least 1"),
        ("/search?id=a&k=1001", "k is '1001': expected at most 1000"),
        ("/search?id=a&k=99999999999999999999", "k is '99999999999999999999': expected at most 1000"),
        ("/search?id=a&k=nan", "k is 'nan': expected a whole number"),
        ("/search?id=a&k=1e2", "k is '1e2': expected a whole number"),
        ("/search?id=a&exact=perhaps", "exact is 'perhaps': expected true or false"),
        ("/search", "the query is empty: give text, id or taxon"),
        ("/search?text=%20", "the text of the query is empty: give some words, or leave it out"),
        (f"/search?text={'a' * 2001}", "it has more than 2000 letters"),
        ("/rows?limit=0", "limit is '0': expected at least 1"),
        ("/rows?limit=100001", "limit is '100001': expected at most 100000"),
        (
            "/rows?limit=1001",
            "limit is '1001': expected at most 1000 as JSON; `Accept: application/vnd.apache.arrow.stream` brings up to 100000",
        ),
        ("/rows?cursor=-1", "cursor is '-1': give the `next` of the page before, or leave it out"),
        ("/rows?cursor=1%3B", "cursor is '1;': give the `next` of the page before, or leave it out"),
        ("/rows?cursor=²", "cursor is '²': give the `next` of the page before, or leave it out"),
        ("/tree?rank=tribe", "rank is 'tribe': below the roots there are kingdom, phylum"),
        ("/tree?offset=-1", "offset is '-1': expected at least 0"),
        ("/thumbnails/a?side=257", "side is 257: expected 128, 256 or 512"),
    ],
)
def test_what_a_parameter_may_not_be_is_told_in_a_sentence(client, path, sentence):
    assert sentence in client.refused(f"/stores/clades{path}", 422)


@pytest.mark.parametrize("asked", [{"taxon": "Dodo"}, {"id": "nope"}, {"id": "a", "within": "Dodo"}])
def test_unknown_names_are_not_found(client, store, asked):
    if "within" in asked:
        asked["id"] = store.table(["image_id"]).column(0)[0].as_py()
    told = client.refused("/stores/clades/search", 404, params=asked)
    assert str(store.path) not in told


def test_a_file_that_a_taxon_names_is_not_read(client, store, tmp_path):
    listed = tmp_path / "taxa.txt"
    listed.write_text("Animalia\n")
    client.refused("/stores/clades/rows", 404, params={"within": str(listed)})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_nothing_can_be_changed(client, method):
    for path in ("/stores", "/stores/clades", "/stores/clades/rows", "/stores/clades/rows/a"):
        answer = client.request(method, path)
        assert answer.status_code == 405
        assert "is not answered at" in answer.json()["error"]
        assert "access-control-allow-origin" not in answer.headers


def upload(client, content, **more):
    return client.post("/stores/clades/search/image", content=content, **more)


def test_an_upload_has_a_most_of_bytes_whatever_it_says_of_itself(client):
    sentence = "the body has more than 20,000,000 bytes: send a smaller picture"
    for answer in (
        upload(client, b"x" * 20_000_001),
        upload(client, (b"x" * 1_000_000 for _ in range(21))),
        upload(client, b"", headers={"Content-Length": "99999999999"}),
        client.post("/stores/clades/search/image", files={"file": ("a.jpg", b"x" * 20_000_000)}),
    ):
        assert (answer.status_code, answer.json()) == (413, {"error": sentence})
    assert upload(client, b"x" * 20_000_000).status_code == 422, "as many as are allowed"


def bomb(side):
    """A PNG of a few kilobytes, all of whose pixels are there."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = zlib.compressobj(9)
    body = b"".join(row.compress(bytes(side // 8 + 1)) for _ in range(side)) + row.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_picture_of_too_many_pixels_is_refused_before_they_are_decoded(client):
    small = bomb(20_000)
    assert len(small) < 100_000
    gif = BytesIO()
    Image.new("L", (64, 64)).save(gif, "GIF")
    wide = gif.getvalue()[:6] + struct.pack("<HH", 60_000, 60_000) + gif.getvalue()[10:]
    for data in (small, png_that_claims(2**31 - 1, 2**31 - 1), png_that_claims(60_000, 60_000), wide):
        answer = upload(client, data)
        assert answer.status_code == 413, answer.text
        assert "pixels" in answer.json()["error"]
    assert "cladescope_encode_batches_total{" not in client.get("/metrics").text


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "no picture is given: send it as the body, or as the field 'file' of a form"),
        (b"GIF89a", "truncated"),
        (b"\xff\xd8\xff\xe0", "the query picture cannot be used"),
        (b"<svg onload='alert(1)'/>", "not a picture but an SVG drawing"),
        (b"/etc/passwd", "not a picture but text"),
        (b"https://example.org/a.jpg", "not a picture but text"),
        (b"PK\x03\x04", "not a picture but a ZIP archive"),
        (png_that_claims(100, 100), "the query picture cannot be used"),
    ],
)
def test_what_is_no_picture_is_told(client, content, reason):
    answer = upload(client, content)
    assert answer.status_code == 422
    assert reason in answer.json()["error"]


@pytest.mark.parametrize(
    "kind, body",
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\ngarbage"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n/etc/passwd\r\n--b--\r\n'),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\nx\r\n--b--\r\n'),
        ("multipart/form-data; boundary=" + "b" * 10_000, b"x"),
    ],
)  # fmt: skip
def test_a_form_without_a_picture_is_refused(client, kind, body):
    answer = upload(client, body, headers={"Content-Type": kind})
    assert answer.status_code in (400, 422), answer.text
    assert list(answer.json()) == ["error"]


def test_a_form_of_many_files_or_fields_is_refused(client, query):
    several = [("file", ("a.jpg", query.read_bytes()))] * 21
    assert client.post("/stores/clades/search/image", files=several).status_code == 400
    fields = {f"field{number}": "x" for number in range(5)}
    assert client.post("/stores/clades/search/image", files=several[:1], data=fields).status_code == 400


def test_a_body_that_does_not_come_is_not_waited_for(client, monkeypatch):
    async def never(request):
        await asyncio.sleep(60)

    monkeypatch.setattr(uploads, "_body", never)
    monkeypatch.setattr(uploads, "BODY_SECONDS", 0.1)
    answer = upload(client, b"x" * 1000)
    assert answer.status_code == 408
    assert answer.json()["error"].startswith("the picture did not come within 0 seconds")


def as_sent(client, method, path, messages):
    """Status and body of the answer to a request as a server hands it over, which no client made tidy."""
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": path, "raw_path": path.encode(),
        "query_string": b"", "root_path": "", "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    sent, waiting = [], iter(messages)

    async def receive():
        return next(waiting, {"type": "http.disconnect"})

    async def send(message):
        sent.append(message)

    asyncio.run(client.app(scope, receive, send))
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:])


@pytest.mark.parametrize(
    "where", ["stores/clades/images/", "stores/clades/thumbnails/", "stores/clades/rows/", "stores/", ""]
)
def test_a_path_that_climbs_leads_nowhere(client, where):
    for climbing in ("../../../../etc/passwd", "..//..//etc/passwd", "/etc/passwd", "..\\..\\etc\\passwd", "a\0.jpg"):
        status, body = as_sent(client, "GET", f"{API}/{where}{climbing}", [])
        assert (status, b"root:" in body) == (404, False)


def test_a_client_that_goes_away_amid_its_picture_is_no_fault_of_ours(client, caplog):
    half = [{"type": "http.request", "body": b"\xff\xd8\xff", "more_body": True}]
    status, body = as_sent(client, "POST", f"{API}/stores/clades/search/image", half)
    assert (status, body) == (400, b'{"error":"the picture did not come whole"}')
    assert "failed" not in caplog.text


def test_a_fault_of_ours_is_one_sentence_and_stands_in_the_log(client, monkeypatch, caplog):
    def broken(*_, **__):
        raise ZeroDivisionError("a secret of ours")

    monkeypatch.setattr("cladescope.app.service.paging.page", broken)
    told = client.refused("/stores/clades/rows", 500)
    assert told == "something went wrong inside the service: its log says more"
    assert f"a request of {API}/stores/clades/rows failed" in caplog.text
    assert "a secret of ours" in caplog.text
    assert 'status="500"} 1.0' in client.get("/metrics").text
