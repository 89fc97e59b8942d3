"""Cladescope: vector search over images of organisms.

This package is the ground that every other part stands on: taxonomy, arrays, errors, simulated clades. It imports no
torch, no LanceDB and no FAISS. The parts, from the bottom up: `cladescope.embedding` (pictures to vectors),
`cladescope.index` (vectors to neighbours), `cladescope.analysis`, `cladescope.training`, `cladescope.app`.
"""

__version__ = "0.1.0"
