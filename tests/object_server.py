"""A server of object storage on loopback, moto's, that can refuse every n-th request: `python object_server.py PORT [N [late]]`.

What is refused `late` was done all the same, as where an answer is lost.

It answers the clients of S3 and, since the XML API of Google's storage is that of S3 under other headers, those of Google's too. No
server of PyPI answers these: fake-gcs-server and gcp-storage-emulator speak Google's JSON API.
"""

import sys
from threading import Lock

SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


def as_s3(environ: dict[str, str]) -> None:
    """A request to Google's storage, which bears a token, as S3 has it."""
    if environ.get("HTTP_AUTHORIZATION", "").startswith("Bearer"):
        environ["HTTP_AUTHORIZATION"] = SIGNED
    if environ.get("HTTP_X_GOOG_IF_GENERATION_MATCH") == "0":
        environ["HTTP_IF_NONE_MATCH"] = "*"
    if source := environ.get("HTTP_X_GOOG_COPY_SOURCE"):
        environ["HTTP_X_AMZ_COPY_SOURCE"] = source


def main(port: int, every: int, *, late: bool) -> None:
    """Serve until it is killed."""
    # Not above: doctests of a machine without moto import this file.
    from moto.server import (  # type: ignore[import-not-found, unused-ignore]
        DomainDispatcherApplication,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    served = DomainDispatcherApplication(create_backend_app)
    lock, n_requests = Lock(), 0

    def application(environ, start_response):
        nonlocal n_requests
        with lock:
            n_requests += not late or environ["REQUEST_METHOD"] == "PUT"
            refused = every and n_requests % every == 0 and (not late or environ["REQUEST_METHOD"] == "PUT")
        as_s3(environ)
        if refused and late:
            for _ in served(environ, lambda *_: None):
                pass
        if refused:
            start_response(
                "503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", str(len(SLOW_DOWN)))]
            )
            return [SLOW_DOWN]

        def start(status, headers, *more):
            return start_response(status, [*headers, ("x-goog-generation", "1")], *more)

        return served(environ, start)

    make_server("127.0.0.1", port, application, threaded=True).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0, late="late" in sys.argv)
