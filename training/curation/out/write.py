"""The last step of a curation: the finished data set, from the tables of its stages.

`shards/SPLIT/`, `catalog.parquet`, `provenance.parquet`, `licenses.csv`, `train_small.txt`, `dropped.parquet`, `flow.csv`, `statistics.json` and
`statistics/`, `croissant.json`, `card.md` and `card.html`, and last `curate.json`, which has the hash of each. Nothing tells the time or a folder of this machine.
"""

import json
import logging
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import cladescope
from cladescope.errors import StoreError
from cladescope.files import hash_file, is_sealed, sealed, write_json, write_text
from cladescope.index.croissant_parts import check_about
from cladescope.steps import step
from cladescope.taxonomy.backbone import Backbone
from cladescope.training.curation.job import BEGUN, MANIFEST, SUMMARY, Job, check_begun
from cladescope.training.curation.out.card import Facts, card_of
from cladescope.training.curation.out.card_parts import as_html, as_markdown
from cladescope.training.curation.out.catalogue import LANCE, write_catalogue, write_csv, write_dropped, write_lance
from cladescope.training.curation.out.description import describe_folder
from cladescope.training.curation.out.figures import long_tail, phyla, sankey
from cladescope.training.curation.out.flow_table import HEAD, Flows, flows_of, to_dict
from cladescope.training.curation.out.plan import make_plan
from cladescope.training.curation.out.shards import is_whole, write_all
from cladescope.training.curation.out.statistics import write_statistics
from cladescope.training.curation.places import without_places

logger = logging.getLogger(__name__)

_PACKAGES: Final = ("duckdb", "pdqhash", "pillow", "pyarrow")
"""Packages whose version may change a byte."""
_XML: Final = '<?xml version="1.0" encoding="utf-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def write(job: Job) -> dict[str, Any]:
    """Write the data set of a job whose stages are finished into `job.out`; return what `curate.json` says.

    Goes on where it was cut short, a shard at a time; a folder that is finished is left as it is. The same stages and settings make the same bytes, the Lance
    table aside. Memory: see `plan`, `shards` and `catalogue`.

    Raises InputError where the folder was written with other settings or of other stages, where a picture can no longer be read, or `about` describes files;
    StoreError where the disk is full or cannot be written.
    """
    check_about(job.config.about, "about")
    out, work = job.out, job.work / "write"
    config = without_places(job.config.to_dict())
    assert isinstance(config, dict)
    stages = {stage: job.manifest(stage)["hash"] for stage in job.stages}
    begun = {"stage": "write", "settings": json.loads(json.dumps(_settings(config))), "made_of": stages}
    check_begun(work, begun, out)
    done = _finished(out / SUMMARY, work / MANIFEST, begun)
    if done is not None:
        lacking = _lacking(out, work, done["files"])
        if not lacking:
            return done
        logger.warning(
            "%s of the finished data set is not as it was written, %d such files: they are written anew",
            lacking[0],
            len(lacking),
        )
    try:
        work.mkdir(parents=True, exist_ok=True)
        # First, so that it is never taken for what is begun now.
        (out / SUMMARY).unlink(missing_ok=True)
        write_json(work / BEGUN, begun)
        found = sealed(_write(job, begun["settings"]))
        whole: dict[str, Any] = json.loads(write_json(out / SUMMARY, found).read_text())
        write_json(work / MANIFEST, sealed({**begun, "summary": whole["hash"]}))
        return whole
    except OSError as error:
        raise StoreError(
            f"cannot write into {out} ({error.strerror or error}): make room and run it again, what is there stays"
        ) from error


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    """What decides the bytes of what is written, beside the stages: not how many pictures are read at once."""
    return {key: value for key, value in config.items() if key != "workers"}


def _finished(path: Path, manifest: Path, begun: dict[str, Any]) -> dict[str, Any] | None:
    """What a finished folder says, if it was made of the same."""
    try:
        found, made = json.loads(path.read_text()), json.loads(manifest.read_text())
    except (OSError, ValueError):
        return None
    same = is_sealed(found) and is_sealed(made) and made["summary"] == found["hash"]
    return found if same and made["made_of"] == begun["made_of"] else None


def _lacking(out: Path, work: Path, files: dict[str, str]) -> list[str]:
    """Files of a finished data set that are gone, or others than were written; of shards the length is looked at, of others the hash."""
    found = []
    for name, digest in files.items():
        path = out / name
        if path.suffix == ".tar":
            is_same = is_whole(path, work / "done" / path.parent.name / f"{path.stem}.json")
        else:
            is_same = path.is_file() and hash_file(path) == digest
        if not is_same:
            found.append(name)
    return found


def _write(job: Job, settings: dict[str, Any]) -> dict[str, Any]:
    out, work = job.out, job.work / "write"
    with step("putting pictures into an order"):
        plan = make_plan(job)
    splits = {split: sum(counts) for split, counts in json.loads((plan / "plan.json").read_text())["splits"].items()}
    write_all(job, plan, out / "shards", work / "done")
    with step("writing the catalogue"):
        rights = write_catalogue(plan, out)
        n_dropped = write_dropped(job, out)
    flows = flows_of(job)
    with step("counting"):
        statistics = write_statistics(out)
        write_csv(out / "flow.csv", HEAD, flows.rows())
    figures = _figures(out, flows, statistics)
    document, missing = describe_folder(out, job.config, splits, rights)
    write_json(out / "croissant.json", document)
    if missing:
        logger.warning("croissant.json lacks %s: say it in [about]", ", ".join(missing))
    versions = _versions(job)
    manifests = {stage: job.manifest(stage) for stage in job.stages}
    facts = Facts(
        config=job.config, flows=flows, statistics=statistics, figures=figures, versions=versions, not_said=missing,
        more={stage: one["more"] for stage, one in manifests.items()},
    )  # fmt: skip
    title, sections = card_of(facts)
    write_text(out / "card.md", as_markdown(title, sections))
    write_text(out / "card.html", as_html(title, sections))
    if job.config.out.lance:
        write_lance(out)
    elif (out / LANCE).is_dir():
        shutil.rmtree(out / LANCE)  # of the data set as it was
    return {
        "title": title,
        "pictures": statistics["pictures"],
        "splits": splits,
        "train_small": statistics["pictures_in_train_small"],
        "dropped": dict(sorted(n_dropped.items())),
        "flow": to_dict(flows),
        "config": settings,
        "versions": versions,
        "croissant_lacks": list(missing),
        "files": _hashes(out, work),
    }


def _figures(out: Path, flows: Flows, statistics: dict[str, Any]) -> dict[str, str]:
    """Draw the figures into `statistics/`; their SVG by name."""
    counts = [(row["phylum"], row["pictures"]) for row in statistics["phyla"]]
    drawn = {"flow": sankey(flows), "long_tail": long_tail(statistics["tail"]), "phyla": phyla(counts)}
    for name, svg in drawn.items():
        write_text(out / "statistics" / f"{name}.svg", svg.replace("<svg", _XML, 1))
    return drawn


def _versions(job: Job) -> dict[str, str]:
    """Versions of what made the data set; of the backbone its release and hash."""
    found = {"cladescope": cladescope.__version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if job.config.names.backbone:
        backbone = Backbone.open(Path(job.config.names.backbone))
        found["backbone"] = f"{backbone.release} ({backbone.hash})"
    if job.config.kinds.encoder:
        found["encoder"] = Path(job.config.kinds.encoder).name
    return found


def _hashes(out: Path, work: Path) -> dict[str, str]:
    """BLAKE2b of each file of the data set, by its place in the folder; those of the shards are known from when they were written."""
    found = {
        f"shards/{note.parent.name}/{note.stem}.tar": json.loads(note.read_text())["blake2b"]
        for note in (work / "done").glob("*/shard-*.json")
    }
    names = (
        "*.parquet",
        "*.csv",
        "*.txt",
        "*.md",
        "*.html",
        "croissant.json",
        "statistics.json",
        "statistics/*",
        "shards/*/sizes.json",
    )
    for path in (path for name in names for path in out.glob(name)):
        found[path.relative_to(out).as_posix()] = hash_file(path)
    return dict(sorted(found.items()))
