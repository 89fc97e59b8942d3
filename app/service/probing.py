"""What the encoder of a store has learnt about the tree of life: measured in the background, kept, and said in plain words."""

import hashlib
from pathlib import Path
from typing import Any

from cladescope.analysis.probes.in_words import in_words, verdict
from cladescope.analysis.probes.result import ProbeReport, ProbeResult
from cladescope.analysis.probes.stores import probe_stores
from cladescope.app.service.audit_lists import found_in, state_of
from cladescope.app.service.plain import plain
from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.served_store import ServedStore
from cladescope.app.service.thumbnails import folder_for
from cladescope.app.service.work import Work
from cladescope.errors import InputError, StoreError
from cladescope.index.store import Store

FOLDER = "probes"
"""Within a store's folder, or the user's cache; it may be deleted at any time."""


def probes_of(work: Work, served: ServedStore, vectors: str | None) -> dict[str, Any]:
    """The probes of a store's vectors, or of further ones by their name, or how far they are; the first request for a version begins them.

    Raises RefusalError for vectors that the store does not have.
    """
    with served.reading() as store:
        if vectors is not None and vectors not in store.named:
            raise RefusalError(
                422,
                f"no vectors {vectors[:100]!r} in {served.name}: there are {', '.join(store.named) or 'its own alone'}",
            )
        version = store.version
    place = _place(served.path, vectors)
    job = work.find("probes", served.name, f"{vectors} {version}")
    if job is None and (kept := _kept(place, version)) is not None:
        return {"state": "ready", "done": None, "problem": None, **_shown(kept)}
    job = job or work.begin(
        "probes",
        served.name,
        f"{vectors} {version}",
        lambda job: found_in(served, lambda store: _probed(store, vectors, place)),
    )
    found = {"probes": [], "notes": []} if job.state != "done" else _shown(job.result)
    return {**state_of(job), **found}


def _probed(store: Store, vectors: str | None, place: Path) -> ProbeReport:
    held = store if vectors is None else Store.open(store.path, vectors=vectors)
    report = probe_stores([held]).reports[0]
    try:
        place.parent.mkdir(exist_ok=True)  # not the store's own folder, if the store has been deleted meanwhile
        report.write(place)
    except OSError:
        return report  # it is made anew by the next service
    return report


def _place(path: Path, vectors: str | None) -> Path:
    name = (
        "own"
        if vectors is None
        else hashlib.blake2b(vectors.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    )
    return folder_for(path, FOLDER) / f"{name}.json"


def _kept(place: Path, version: int) -> ProbeReport | None:
    """The report of this very version that was kept, if there is one."""
    try:
        report = ProbeReport.read(place)
    except (InputError, StoreError):
        return None
    return report if report.store_version == version else None


def _shown(report: ProbeReport) -> dict[str, Any]:
    name = str(report.encoder.get("name", "the encoder"))
    notes = [
        verdict(name, report),
        *in_words(name, report),
        *report.notes,
        *(f"not measured: {one}" for one in report.skipped),
    ]
    return plain({"probes": [_probe(one) for one in report.results], "notes": notes})  # type: ignore[return-value]


def _probe(one: ProbeResult) -> dict[str, Any]:
    null = (None, None, None) if one.null is None else one.null
    return {
        "name": f"{one.probe} {one.rank}" if one.rank else one.probe, "title": f"{one.probe} ({one.rank})" if one.rank else one.probe,
        "value": one.value, "low": one.low, "high": one.high, "null_low": null[1], "null_high": null[2], "p": one.p_value,
        "higher_is_better": one.higher_is_better, "said": one.meaning,
    }  # fmt: skip
