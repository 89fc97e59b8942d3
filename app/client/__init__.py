"""A service asked from Python: `Client`, a method for each request, and what the answers hold. It needs nothing that `serve` needs."""

from cladescope.app.client.client import Client as Client
