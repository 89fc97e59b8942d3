"""The service over HTTP, and its page: routes, and the guard before them.

`cladescope serve` runs it. It needs the extra `serve` (FastAPI, uvicorn); docs/serve.md describes every request.
"""
