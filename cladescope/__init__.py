"""Cladescope: vector search over images of organisms.

Every command of the command line is a function here, with the same name and options::

    import cladescope

    cladescope.embed("photos/", "photos.store")
    store = cladescope.open("photos.store")
    for hit in cladescope.search(store, "query.jpg").hits:
        print(hit.score, hit.taxon, hit.uri)
    frame, (vectors, names) = store.to_pandas(), store.to_numpy("species")

`build_index` and `import_vectors` are the commands `index` and `import`, `search_batch` is `search --queries`. A function is loaded when it is first used: this import
loads no torch, LanceDB, FAISS or NumPy. The parts, from the bottom up: this package is the ground (taxonomy, arrays, errors,
simulated clades), then `cladescope.embedding` (pictures to vectors), `cladescope.index` (vectors to neighbours),
`cladescope.analysis`, `cladescope.training`, `cladescope.app`. Examples: docs/python.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cladescope.app.client.client import Client as Client
    from cladescope.app.verbs.act_on import act_on as act_on
    from cladescope.app.verbs.audit import audit as audit
    from cladescope.app.verbs.backbone import backbone as backbone
    from cladescope.app.verbs.build_index import build_index as build_index
    from cladescope.app.verbs.commit import commit as commit
    from cladescope.app.verbs.compact import compact as compact
    from cladescope.app.verbs.curate import curate as curate
    from cladescope.app.verbs.curate import trace as trace
    from cladescope.app.verbs.delete import delete as delete
    from cladescope.app.verbs.demo import demo as demo
    from cladescope.app.verbs.doctor import doctor as doctor
    from cladescope.app.verbs.duplicates import duplicates as duplicates
    from cladescope.app.verbs.embed import embed as embed
    from cladescope.app.verbs.evaluate import evaluate as evaluate
    from cladescope.app.verbs.explore import explore as explore
    from cladescope.app.verbs.export import export as export
    from cladescope.app.verbs.fit import fit as fit
    from cladescope.app.verbs.import_vectors import import_vectors as import_vectors
    from cladescope.app.verbs.info import info as info
    from cladescope.app.verbs.map import map as map
    from cladescope.app.verbs.open import open as open
    from cladescope.app.verbs.pack import pack as pack
    from cladescope.app.verbs.predict import predict as predict
    from cladescope.app.verbs.probe import probe as probe
    from cladescope.app.verbs.publish import publish as publish
    from cladescope.app.verbs.relabel import relabel as relabel
    from cladescope.app.verbs.report import report as report
    from cladescope.app.verbs.search import search as search
    from cladescope.app.verbs.search_batch import search_batch as search_batch
    from cladescope.app.verbs.serve import serve as serve
    from cladescope.app.verbs.share import share as share
    from cladescope.app.verbs.simulate import simulate as simulate
    from cladescope.app.verbs.sources import sources as sources
    from cladescope.app.verbs.suggest import suggest as suggest
    from cladescope.app.verbs.train import train as train
    from cladescope.app.verbs.undo import undo as undo
    from cladescope.app.verbs.verify import verify as verify
    from cladescope.embedding.encoder import Encoder as Encoder
    from cladescope.index.store import Store as Store

__version__ = "0.1.0"

_VERBS = (
    "act_on",
    "audit",
    "backbone",
    "build_index",
    "commit",
    "compact",
    "curate",
    "delete",
    "demo",
    "doctor",
    "duplicates",
    "embed",
    "evaluate",
    "explore",
    "export",
    "fit",
    "import_vectors",
    "info",
    "map",
    "pack",
    "predict",
    "probe",
    "publish",
    "relabel",
    "report",
    "search",
    "search_batch",
    "serve",
    "share",
    "simulate",
    "sources",
    "suggest",
    "train",
    "undo",
    "verify",
)
_PLACES = {
    **{verb: f"cladescope.app.verbs.{verb}" for verb in _VERBS},
    "open": "cladescope.app.verbs.open",
    "trace": "cladescope.app.verbs.curate",
    "Client": "cladescope.app.client.client",
    "Encoder": "cladescope.embedding.encoder",
    "Store": "cladescope.index.store",
}


def __getattr__(name: str) -> Any:
    """A verb, `Store`, `Encoder` or `Client`, loaded when it is first asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
