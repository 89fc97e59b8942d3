"""The service: stores searched, browsed and looked at over HTTP, read only.

`cladescope serve` runs it. It needs the extra `serve` (FastAPI, uvicorn); docs/serve.md describes every request.
"""
