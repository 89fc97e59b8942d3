"""A server of object storage on loopback, moto's, that can refuse every n-th request: `python object_server.py PORT [N]`."""

import sys
from threading import Lock

SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


def main(port: int, every: int) -> None:
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
            n_requests += 1
            refused = every and n_requests % every == 0
        if refused:
            start_response(
                "503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", str(len(SLOW_DOWN)))]
            )
            return [SLOW_DOWN]
        return served(environ, start_response)

    make_server("127.0.0.1", port, application, threaded=True).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
