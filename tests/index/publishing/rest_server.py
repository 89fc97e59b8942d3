"""A small server that speaks Qdrant's REST over its client's local mode: what goes over the wire is what a server would get."""

import json
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import urlsplit

from qdrant_client import QdrantClient, models


class RestServer:
    """Collections in memory, behind HTTP. `faults` are statuses with which it answers first; `seen` is what it was asked."""

    def __init__(self, *, keeps_metadata=True):
        self.base, self.lock = QdrantClient(":memory:"), Lock()
        self.faults, self.seen, self.keys = [], [], set()
        self.keeps_metadata = keeps_metadata
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(length) or "null")
                outer.keys.add(self.headers.get("api-key"))
                path = urlsplit(self.path).path
                outer.seen.append((self.command, path))
                with outer.lock:
                    status, result = (outer.faults.pop(0), None) if outer.faults else (200, outer.do(path, body))
                sent = json.dumps({"result": result, "status": "ok", "time": 0.0}).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_PUT = do_POST = do_PATCH = answer  # noqa: N815

            def log_message(self, *_):
                """Nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        """Stop."""
        self.http.shutdown()
        self.http.server_close()

    def do(self, path, body):
        """Carry out one request; the last one seen says how it came."""
        method = self.seen[-1][0]
        _, _, name, *rest = path.split("/")
        match method, rest:
            case "GET", ["exists"]:
                return {"exists": self.base.collection_exists(name)}
            case "GET", []:
                return json.loads(self.base.get_collection(name).model_dump_json())
            case "PUT", []:
                return self.base.create_collection(name, models.VectorParams(**body["vectors"]))
            case "PATCH", []:
                return self.base.update_collection(name, metadata=body["metadata"] if self.keeps_metadata else {})
            case "PUT", ["index"]:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    self.base.create_payload_index(name, body["field_name"], field_schema=body["field_schema"])
            case "PUT", ["points"]:
                self.base.upsert(name, models.Batch(**body["batch"]))
            case "POST", ["points"]:
                found = self.base.retrieve(name, body["ids"], with_payload=body["with_payload"])
                return [json.loads(point.model_dump_json()) for point in found]
            case "POST", ["points", "count"]:
                return {"count": self.base.count(name, exact=body["exact"]).count}
            case "POST", ["points", "scroll"]:
                found, offset = self.base.scroll(name, limit=body["limit"], offset=body.get("offset"))
                return {"points": [{"id": point.id} for point in found], "next_page_offset": offset}
            case "POST", ["points", "delete"]:
                self.base.delete(name, models.PointIdsList(points=body["points"]))
            case _:
                raise AssertionError(f"{method} {path}")
        return {"operation_id": 0, "status": "completed"}
