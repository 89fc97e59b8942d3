"""Requests that mean harm or are broken, by kind, as bytes. `fuzz_answers.py` sends them; `fuzz_service.py` and tests/app/server/test_fuzzed.py use both."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

API = "/api/v1"


@dataclass(frozen=True)
class Request:
    """What is sent: parts with a pause between them."""

    kind: str
    parts: tuple[bytes, ...]
    pause: float = 0.0
    is_whole: bool = True
    """Whether an answer is due."""
    half_closed: bool = False


@dataclass
class Known:
    """What a service has, so that requests lead behind the first refusal."""

    store: str
    ids: Sequence[str]
    picture: bytes
    key: str = "x"
    taxon: str = "Animalia"


CLIMBS = (
    "../",
    "..%2f",
    "%2e%2e/",
    "..\\",
    "%2e%2e%5c",
    "....//",
    "/",
    "%00",
    "%252e%252e%252f",
    "file:///",
    "http://127.0.0.1:1/",
    "~/",
)
FILES = ("etc/passwd", "proc/self/environ", "api/v1/openapi.json", "index.html", "cladescope.json", "con", "a\x7f", "")
INJECTED = (
    "' OR 1=1 --", "1; DROP TABLE images", "width>=(SELECT 1)", "genus=x' UNION SELECT vector", "width in (1),2", "`genus`=1", "genus=${7*7}",
    "genus={{7*7}}", "width>=1e999", "_rowid>0", "genus=%s%n", "genus=\\", "<script>alert(1)</script>=1", "genus in \"a,\"\"b", "genus in " + "," * 2000,
    "width=1 AND sleep(9)", "$(id)=1", "genus='\\x00'", "uri!=\u202e", "genus=\u0000", "width>", "=1", "lineage=*", "width<=-0", "regexp_matches(uri,'(a+)+$')",
)  # fmt: skip
WRONG = (
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    10**30,
    1.5,
    -0.0,
    "",
    "x",
    "\u0000",
    "a" * 5000,
    [],
    [[]],
    {},
    {"a": 1},
    [None],
    ["x"],
    [{}],
    "1",
    "true",
    "ß\u202e🦉",
)
NUMBERS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "1" * 400,
    "1" * 5000,
    "0x10",
    "01",
    "1.",
    ".5",
    "1e-999",
    "- 1",
    "+1",
    "\u0661",
)
GET_PARAMETERS = {
    "rows": ("where", "within", "cursor", "limit"),
    "search": ("id", "taxon", "text", "not_id", "k", "where", "within", "exact"),
    "tree": ("under", "rank", "limit", "offset"),
    "taxa": ("q", "limit"),
    "map/codes": ("key", "by", "vectors"), "map/legend": ("key", "by", "vectors"), "map/labels": ("key", "by"),
    "map/points": ("key", "vectors"), "map/rows": ("key", "index"), "map/selected": ("key", "where", "within"),
    "map/match": ("key", "to", "to_key", "to_vectors"), "probes": ("vectors",), "map": ("vectors",),
}  # fmt: skip


class Drawn:
    """Draws requests of a seed."""

    def __init__(self, known: Known, seed: int) -> None:
        self.known, self.rng = known, random.Random(seed)
        self.base = f"{API}/stores/{quote(known.store)}"

    def request(self) -> Request:
        """The next one."""
        kind, make = self.rng.choice(KINDS)
        return make(self, kind)

    def bodies(self) -> dict[str, dict[str, object]]:
        """Bodies that can be answered, by paths."""
        ids = self.rng.sample(list(self.known.ids), 4)
        name = f"c{self.rng.randrange(3)}"
        return {
            "search/batch": {"queries": [{"ids": ids[:1]}, {"taxa": [self.known.taxon]}], "k": 3, "where": ["width>=1"]},
            "predict": {"ids": ids[:2], "k": 2},
            "teach": {"classes": {"a": ids[:2], "b": ids[2:]}, "next": 2, "risk": 0.2},
            f"teach/codes?key={self.known.key}": {"classes": {"a": ids[:2], "b": ids[2:]}},
            f"map/indexes?key={self.known.key}": {"ids": ids},
            "classifiers": {"name": name, "labels": {"a": ids[:2], "b": ids[2:]}},
            "decisions": {"decisions": [{"image_id": ids[0], "action": "keep"}, {"image_id": ids[1], "action": "fix", "value": "Parus major"}]},
        }  # fmt: skip

    def get(self, kind: str, path: str, **more: object) -> Request:
        return Request(kind, (head("GET", path),), **more)  # type: ignore[arg-type]

    def post(self, kind: str, path: str, body: bytes, *headers: str, **more: object) -> Request:
        whole = head("POST", f"{self.base}/{path}", f"Content-Length: {len(body)}", "X-Cladescope: 1", *headers) + body
        return Request(kind, (whole,), **more)  # type: ignore[arg-type]

    def valid(self, kind: str = "") -> Request:
        """A request that can be answered."""
        if self.rng.random() < 0.4:
            path, asked = self.rng.choice(list(self.bodies().items()))
            return self.post(kind, path, json.dumps(asked).encode(), JSON)
        image_id = quote(self.rng.choice(self.known.ids), safe="")
        paths = (
            "rows?limit=3",
            f"search?id={image_id}&k=2",
            "tree",
            f"rows/{image_id}",
            f"thumbnails/{image_id}?side=128",
            "decisions",
            "map",
        )
        return self.get(kind, f"{self.base}/{self.rng.choice(paths)}")

    def traversal(self, kind: str) -> Request:
        climb = "".join(self.rng.choice(CLIMBS) for _ in range(self.rng.randrange(1, 8))) + self.rng.choice(FILES)
        under = self.rng.choice(("rows/", "images/", "thumbnails/", "classifiers/", "classifiers/a/", "", "../"))
        path = self.rng.choice(
            (f"{self.base}/{under}{climb}", f"/{climb}", f"/assets/{climb}", f"{API}/stores/{climb}")
        )
        return self.get(kind, path.replace(" ", "").replace("\x7f", "%7f"))

    def injection(self, kind: str) -> Request:
        route, names = self.rng.choice(list(GET_PARAMETERS.items()))
        return self.get(
            kind, self.asked(route, {one: self.rng.choice(INJECTED) for one in names if self.rng.random() < 0.7})
        )

    def asked(self, route: str, given: dict[str, str]) -> str:
        found = {"key": self.known.key, "to": self.known.store, "to_key": self.known.key, "by": "genus"}
        given = {
            one: given.get(one, found.get(one, "")) for one in GET_PARAMETERS[route] if one in given or one in found
        }
        return f"{self.base}/{route}?" + "&".join(f"{one}={quote(value, safe='')}" for one, value in given.items())

    def wrong_types(self, kind: str) -> Request:
        if self.rng.random() < 0.4:
            route, names = self.rng.choice(list(GET_PARAMETERS.items()))
            given = {one: str(self.rng.choice(WRONG)) for one in names if self.rng.random() < 0.5}
            return self.get(kind, self.asked(route, given))
        path, asked = self.rng.choice(list(self.bodies().items()))
        return self.post(kind, path, json.dumps(self.changed(asked)).encode(), JSON)

    def changed(self, value: object) -> object:
        """A value in which something is another one."""
        if self.rng.random() < 0.25 or not isinstance(value, dict | list) or not value:
            return self.rng.choice(WRONG)
        if isinstance(value, list):
            at = self.rng.randrange(len(value))
            return [*value[:at], self.changed(value[at]), *value[at + 1 :]]
        name = self.rng.choice(list(value))
        if self.rng.random() < 0.15:
            return {**value, self.rng.choice(("x", "", "__proto__", "\u0000", "\ud800")): 1}
        return {**value, name: self.changed(value[name])}

    def huge(self, kind: str) -> Request:
        n = self.rng.choice((3_000, 20_000, 60_000, 200_000))
        path, asked = self.rng.choice(list(self.bodies().items()))
        choice = self.rng.randrange(6)
        if choice == 0:
            return self.get(kind, f"{self.base}/rows/{'A' * n}")
        if choice == 1:
            return self.get(kind, f"{self.base}/rows?" + "&".join(f"where=width>{one}" for one in range(n // 12)))
        if choice == 2:
            return Request(
                kind, (head("GET", f"{self.base}/rows", *(f"X-{one}: {'b' * 50}" for one in range(n // 60))),)
            )
        if choice == 3:
            return self.post(kind, "predict", json.dumps({"ids": ["x"] * n}).encode(), JSON)
        if choice == 4:
            return self.post(
                kind, "teach", json.dumps({"classes": {f"c{one}": ["x"] for one in range(n // 10)}}).encode(), JSON
            )
        return self.post(kind, path, json.dumps({**asked, "k": 10**n if n < 4000 else "9" * n}).encode(), JSON)

    def malformed(self, kind: str) -> Request:
        return Request(kind, (self.rng.choice(MALFORMED).replace(b"BASE", self.base.encode()),), is_whole=False)

    def flipped(self, kind: str) -> Request:
        raw = bytearray(b"".join(self.valid().parts))
        for _ in range(self.rng.randrange(1, 6)):
            at = self.rng.randrange(len(raw))
            raw[at : at + self.rng.randrange(2)] = self.rng.randbytes(self.rng.randrange(3))
        return Request(kind, (bytes(raw),), is_whole=False)

    def half_closed(self, kind: str) -> Request:
        raw = b"".join(self.valid().parts)
        return Request(
            kind, (raw[: self.rng.randrange(len(raw))],), is_whole=False, half_closed=self.rng.random() < 0.7
        )

    def slow(self, kind: str) -> Request:
        raw, n = b"".join(self.valid().parts), self.rng.randrange(2, 6)
        step = len(raw) // n + 1
        parts = tuple(raw[at : at + step] for at in range(0, len(raw), step))
        is_whole = self.rng.random() < 0.5
        return Request(kind, parts if is_whole else parts[:-1], pause=0.01, is_whole=is_whole)

    def pipelined(self, kind: str) -> Request:
        raw = b"".join(b"".join(self.valid().parts) for _ in range(self.rng.randrange(1, 4)))
        return Request(kind, (raw + self.rng.randbytes(self.rng.randrange(200)) + b"\r\n\r\n",))

    def surrogates(self, kind: str) -> Request:
        if self.rng.random() < 0.3:
            bad = self.rng.choice(("%ff", "%c0%80", "%ed%a0%80", "%f4%90%80%80", "%", "%zz", "%u0000"))
            return self.get(
                kind,
                f"{self.base}/{self.rng.choice(('rows/', 'search?id=', 'search?text=', 'taxa?q=', 'tree?under=', 'rows?where=genus='))}{bad}",
            )
        path, asked = self.rng.choice(list(self.bodies().items()))
        text = json.dumps(asked)
        at = self.rng.choice([one for one, letter in enumerate(text) if letter == '"']) + 1
        bad = self.rng.choice(
            (
                b"\\ud800",
                b"\\udfff\\ud800",
                b"\xff\xfe",
                b"\xed\xa0\x80",
                b"\\u0000",
                b"\x00",
                b"\\x",
                "\u2028".encode(),
            )
        )
        return self.post(kind, path, text[:at].encode() + bad + text[at:].encode(), JSON)

    def numbers(self, kind: str) -> Request:
        path, asked = self.rng.choice(list(self.bodies().items()))
        name = self.rng.choice([*asked, "k", "risk", "next"])
        text = json.dumps({**asked, name: "HERE"}).replace('"HERE"', self.rng.choice(NUMBERS))
        return self.post(kind, path, text.encode(), JSON)

    def deep(self, kind: str) -> Request:
        path, asked = self.rng.choice(list(self.bodies().items()))
        n, (opening, closing) = (
            self.rng.choice((500, 5_000, 100_000)),
            self.rng.choice((("[", "]"), ('{"a":', "}"), ('{"classes":', "}"))),
        )
        text = json.dumps({**asked, self.rng.choice(list(asked)): "HERE"}).replace(
            '"HERE"', opening * n + "1" + closing * n
        )
        return self.post(kind, path, self.rng.choice((text, opening * n)).encode(), JSON)

    def zipped(self, kind: str) -> Request:
        path, asked = self.rng.choice(list(self.bodies().items()))
        body = gzip.compress(json.dumps(asked).encode() + b" " * self.rng.choice((0, 10**6)), mtime=0)
        return self.post(kind, path, body, JSON, f"Content-Encoding: {self.rng.choice(('gzip', 'deflate', 'br', 'x'))}")

    def duplicates(self, kind: str) -> Request:
        if self.rng.random() < 0.5:
            route, names = self.rng.choice(list(GET_PARAMETERS.items()))
            path = self.asked(route, {})
            return self.get(
                kind,
                f"{path}&"
                + "&".join(
                    f"{self.rng.choice(names)}={self.rng.choice(('1', '', 'genus', self.known.key))}" for _ in range(30)
                ),
            )
        path, asked = self.rng.choice(list(self.bodies().items()))
        text = json.dumps(asked)
        return self.post(
            kind,
            path,
            (text[:-1] + "," + json.dumps(self.changed(asked) or {"k": 1}).strip("{}[]") + "}").encode(),
            JSON,
            JSON,
        )

    def pictures(self, kind: str) -> Request:
        raw = bytearray(self.known.picture)
        for _ in range(self.rng.randrange(1, 30)):
            raw[self.rng.randrange(len(raw))] = self.rng.randrange(256)
        body = bytes(raw[: self.rng.randrange(1, len(raw))] if self.rng.random() < 0.3 else raw)
        path = self.rng.choice(("search/image?k=1", "predict/image", f"map/place/image?key={self.known.key}"))
        if self.rng.random() < 0.5:
            return self.post(kind, path, body)
        start = self.rng.choice(
            (
                b'--b\r\nContent-Disposition: form-data; name="file"; filename="../../x.jpg"\r\n\r\n',
                b"--b\r\nContent-Disposition: x\r\n\r\n",
                b"--b\r\n\r\n",
                b"--c\r\n",
            )
        )
        return self.post(
            kind,
            path,
            start + body + self.rng.choice((b"\r\n--b--\r\n", b"", b"\r\n--b\r\n" * 50)),
            "Content-Type: multipart/form-data; boundary=b",
        )

    def methods(self, kind: str) -> Request:
        method = self.rng.choice(("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "PROPFIND", "HEAD2", "get"))
        path = self.rng.choice(
            ("", "/rows", "/rows/a", "/classifiers/../x", "/classifiers/nope", "/decisions/1/undo", "/map")
        )
        more = self.rng.choice(((), ("X-Cladescope: 1",), ("Origin: http://evil.example",), ("X-Cladescope: 2",)))
        return Request(kind, (head(method, f"{self.base}{path}", *more),))


JSON = "Content-Type: application/json"
MALFORMED = (
    b"\r\n\r\n", b"\x00" * 100, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET BASE HTTP/1.1\r\n\r\n", b"GET BASE HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", b"GET BASE HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
    b"GET BASE HTTP/1.1\nHost: localhost\n\n", b"GET  BASE HTTP/1.1\r\nHost: localhost\r\n\r\n", b"G\xffT BASE HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: [::1\r\n\r\n", b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST BASE/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", b"POST BASE/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1e9\r\n\r\nx",
    b"POST BASE/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", b"POST BASE/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST BASE/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nx\r\n0\r\n\r\n", b"POST BASE/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    b"POST BASE/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", b"POST BASE/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
    b"POST BASE/predict HTTP/1.1\r\nHost: localhost\r\nExpect: 200-ok\r\nContent-Length: 2\r\n\r\n{}", b"GET BASE HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET BASE HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", b"GET BASE HTTP/1.1\r\nHost: localhost\r\nRange: bytes=5-1,-9\r\n\r\n",
    b"GET BASE HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"\xff;=" * 100 + b"\r\n\r\n", b"GET BASE HTTP/1.1\r\nHost: localhost\r\n folded: x\r\n\r\n",
)  # fmt: skip
Make = Callable[[Drawn, str], Request]
KINDS: tuple[tuple[str, Make], ...] = (
    ("traversal", Drawn.traversal), ("injection", Drawn.injection), ("wrong types", Drawn.wrong_types), ("huge values", Drawn.huge),
    ("malformed HTTP", Drawn.malformed), ("flipped bytes", Drawn.flipped), ("half-closed", Drawn.half_closed), ("slow", Drawn.slow),
    ("pipelined garbage", Drawn.pipelined), ("surrogates", Drawn.surrogates), ("NaN and infinity", Drawn.numbers), ("deep JSON", Drawn.deep),
    ("compressed bodies", Drawn.zipped), ("duplicates", Drawn.duplicates), ("damaged pictures", Drawn.pictures), ("methods", Drawn.methods),
)  # fmt: skip


def head(method: str, path: str, *headers: str) -> bytes:
    """The head of a request."""
    lines = (f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", "")
    return "\r\n".join(lines).encode("utf-8", "surrogatepass")
