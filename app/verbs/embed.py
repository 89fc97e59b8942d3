"""Embedding pictures into a store."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from cladescope.app.verbs import jobs, shard_jobs
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.backboned import NamingJob
from cladescope.app.verbs.encoders import AnyEncoder, target_of
from cladescope.app.verbs.filling import address_of, look_names_up, part_of, rule_before, rule_said, source_of
from cladescope.app.verbs.given import AnyStore, opened
from cladescope.embedding import pipeline
from cladescope.embedding.decoding_device import decoding_device
from cladescope.embedding.encode import BATCH_SIZE, PICTURE_SECONDS, READERS, WORKERS
from cladescope.embedding.encoder import Device, Precision, Runtime
from cladescope.embedding.given import AnyPicture
from cladescope.embedding.pipeline import EmbedConfig, EmbedSummary, Progress
from cladescope.embedding.records import Source
from cladescope.embedding.retried import RetriedSource
from cladescope.embedding.shards import Shard, ShardedSource
from cladescope.embedding.ways import Tuning
from cladescope.embedding.web import introduce
from cladescope.errors import UsageError


@checked
def embed(
    source: str | Path | Source | AnyPicture | Sequence[AnyPicture],
    store: AnyStore,
    *,
    encoder: AnyEncoder | None = None,
    batch_size: int = BATCH_SIZE,
    workers: int = WORKERS,
    readers: int = READERS,
    picture_seconds: float | int = PICTURE_SECONDS,
    device: Device = "auto",
    precision: Precision = "auto",
    runtime: Runtime = "auto",
    decode: Literal["auto", "threads", "processes", "device"] = "auto",
    tuning: Tuning = "auto",
    limit: int | None = None,
    shard: str | None = None,
    devices: Sequence[str] = (),
    executor: Literal["local", "ray"] = "local",
    shards: int | None = None,
    prune: bool = False,
    check_remote: bool = False,
    retry_failed: str | None = None,
    contact: str | None = None,
    allow: Sequence[str] = (),
    backbone: str | Path | None = None,
    change_backbone: bool = False,
    conflicts: str | Path | None = None,
    types: Mapping[str, str] | None = None,
    missing: Sequence[str] | None = None,
    labels_from: str | None = None,
    by_content: bool = False,
    exif: bool = False,
    strict: bool = False,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> EmbedSummary:
    """Embed pictures into a store, which is created if needed. Called again it brings the store in step with its source.

    `source` is a folder of pictures, a CSV or Parquet manifest, WebDataset shards, a pattern or a URL of these; or pictures
    in memory: bytes, Pillow images, arrays of uint8, or a list of these and of paths. `store` is a folder or an open `Store`.
    `readers` pictures are read and `workers` decoded at the same time; one that takes longer than `picture_seconds` is a failure.
    `encoder` is by default the store's, or `tiny` for a new store. Of several, each picture is read once, the first is a new store's own, and the
    vectors of the others are kept beside them by name; pictures that the store holds already get them, too. `device` and `precision` apply if it is loaded here.
    A second run embeds what is new or changed, corrects labels, and marks rows whose picture the source no longer lists;
    `prune` deletes these, `check_remote` fetches stored pictures of URLs to compare them. Only rows of the same source are compared. `limit` embeds only the first pictures, `retry_failed` only
    those that failed before at a stage (`read`, `decode`, ...), for a reason with these words, or `all` of them. `shard`, such as `3/64`, is one of so many parts of the source,
    each embedded by a job into a part of the store; `cladescope.commit` puts them together. `devices`, numbers of GPUs or `cpu`, do both here with a process each,
    the `executor` `ray` does on a cluster, in so many `shards`. `contact`, an
    e-mail or web address, is named in requests to servers; `allow` are schemes (`ftp`, `file`) that a manifest may name beside
    the usual ones. `backbone` is a folder of `cladescope.backbone`, which turns synonyms into accepted names and fills the ranks
    above; labels that it is not sure of stay, and are written to the CSV file `conflicts`. A store that another backbone named is
    refused unless `change_backbone`. `types` gives columns of a table a type (text, int, float), `missing` the words that
    say that a label is not known; `labels_from` says what of a folder of pictures gives their labels: `folder` (the default: every folder on the way whose name is a name), `parent`, `none`, or a
    regular expression with named groups over the path; with `by_content` files that are not named as pictures are looked at; with `exif`, columns are made of what is written into the files (date, place, camera,
    keywords, rights), where the source has none of the name; with `strict` a record that a rule touched (a missing value, a respelt name, a refused row) is an
    error. `runtime` is what computes the encoder (`Encoder.load`). Pictures are decoded in `threads` or in as many `processes` as there are `workers`; `auto` uses
    these where the encoder computes on a GPU, with 32 workers or more. With `decode="device"` plain JPEGs are decoded on a GPU once its vectors
    were found right. On a CPU, a job that has encoded for a minute looks for the fastest way to use its cores, once an encoder and machine (`tuning`: `none` never, `again` anew). `progress` is called as the job advances; once `stop` is set the job commits and ends. Memory: as
    `embedding.pipeline.embed`.

    Returns the counts; the store's `failures` has a row for each picture that could not be embedded.

    Raises InputError for a source or numbers that cannot be used, EncoderError if the encoder cannot be loaded, StoreError
    if the store is another encoder's or cannot be written.

    >>> import cladescope
    >>> cladescope.embed("photos/metadata.csv", "new.store", encoder="pixels").embedded
    24
    """
    if devices or executor != "local":
        return shard_jobs.apart(locals())
    if shards is not None:
        raise UsageError("shards are for the executor ray: name it, or leave them out")
    if prune and retry_failed is not None:
        raise UsageError("prune looks at the whole source, and retry_failed at a part of it: leave one of them out")
    introduce(contact)
    if shard is not None and retry_failed is not None:
        raise UsageError("shard and retry_failed each choose records: leave one of them out")
    piece = None if shard is None else Shard.parse(shard)
    failed = () if retry_failed is None else opened(store).failed_uris(retry_failed)
    known_by = address_of(source)
    pictures, address = source_of(
        source, allow, jobs.table_rules(store, types, missing), by_content=by_content, labels_from=labels_from,
        before=rule_before(store, known_by),
    )  # fmt: skip
    config = EmbedConfig(
        batch_size=batch_size, workers=workers, readers=readers, picture_seconds=float(picture_seconds), limit=limit if piece is None else None,
        decode_on=decoding_device() if decode == "device" else None, decode_in="threads" if decode == "device" else decode, address=known_by, prune=prune, check_remote=check_remote, whole=retry_failed is None and (piece is None or limit is None), exif=exif, strict=strict,
    )  # fmt: skip
    naming = NamingJob(backbone, conflicts, change=change_backbone)
    pictures = naming.source(pictures)
    by: dict[str, Any] = {
        "device": device,
        "precision": precision,
        "runtime": runtime,
        "batch_size": batch_size,
        "tuning": tuning,
    }
    if piece is None:
        target = target_of(store, encoder, by)
    else:
        target = part_of(store, known_by, piece, encoder, by)
        pictures = ShardedSource(pictures, piece, limit=limit)
    look_names_up(pictures, target.own, naming.backbone)
    sink = target.store
    naming.check(sink)
    if retry_failed is not None:
        pictures = RetriedSource(pictures, failed)
    settings = {
        "batch_size": batch_size, "workers": workers, "readers": readers, "picture_seconds": picture_seconds, "device": device, "precision": precision, "runtime": runtime, "decode": decode, "tuning": tuning, "limit": limit, "shard": shard and str(piece), "address": known_by, "encoder": target.encoder.card.name,
        "prune": prune, "check_remote": check_remote, "retry_failed": retry_failed, "backbone": naming.settings, "types": dict(types or {}),
        "missing": missing if missing is None else list(missing), "labels_from": rule_said(pictures), "by_content": by_content, "exif": exif, "strict": strict,
    }  # fmt: skip
    with jobs.Run(sink, verb="embed", source=address, settings=settings).recorded() as run:
        summary = pipeline.embed(
            pictures, target.encoder, target.sink, config, progress=run.watching(progress), stop=stop
        )
        run.summary = summary
        target.complete(summary, config, progress=run.watching(progress), stop=stop)
        naming.finish(summary)
        run.settings["backbone"] = naming.settings
    return summary
