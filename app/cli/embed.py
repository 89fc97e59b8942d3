"""`cladescope embed`: pictures into a store."""

from typing import Annotated, Any

import typer

from cladescope.app.cli.command import Verb
from cladescope.app.cli.embed_options import (
    CheckRemoteOption,
    DecodeName,
    DecodeOption,
    PruneOption,
    RetryFailedOption,
    TuningName,
    TuningOption,
)
from cladescope.app.cli.jobs import run_job
from cladescope.app.cli.many_options import DevicesOption, ExecutorName, ExecutorOption, ShardOption, ShardsOption
from cladescope.app.cli.options import (
    AllowOption,
    BackboneOption,
    ChangeBackboneOption,
    ConflictsOption,
    ContactOption,
    DeviceName,
    JsonOption,
    LabelsFromOption,
    MetricsOption,
    MissingOption,
    PrecisionName,
    ProgressOption,
    RuntimeName,
    RuntimeOption,
    StoreOption,
    StrictOption,
    TypesOption,
    pairs,
    words,
)
from cladescope.app.cli.watch import AUTO, Watch
from cladescope.embedding.encoder import DEFAULT_ENCODER
from cladescope.embedding.pipeline import EmbedConfig

DEFAULTS = EmbedConfig()


class OneSource(Verb):
    """A command whose further arguments are most likely a pattern that the shell has replaced by its matches."""

    allow_extra_args = True

    def parse_args(self, context: Any, args: list[str]) -> list[str]:
        """Read the arguments; raises BadParameter where there are several sources."""
        rest = super().parse_args(context, args)
        if rest:
            raise typer.BadParameter(
                f"found {1 + len(rest)} sources, expected one: quote a pattern, as in 'photos/*.jpg', or name the folder",
                ctx=context,
            )
        return rest


COMMAND = OneSource


def embed(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder of pictures, a CSV or Parquet table, a Darwin Core archive, WebDataset shards, a quoted pattern, or a URL.",
        ),
    ],
    store: StoreOption,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            help="tiny, pixels, MODEL/PRETRAINED of open_clip, hf-hub:ORG/REPO, a checkpoint folder, or timm:NAME[@FILE]. Repeat for vectors of several.",
            show_default=f"the store's, else {DEFAULT_ENCODER}",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures encoded at a time.")] = DEFAULTS.batch_size,
    workers: Annotated[
        int, typer.Option(min=1, help="Pictures decoded at the same time.", show_default="one per core")
    ] = DEFAULTS.workers,
    readers: Annotated[
        int, typer.Option(min=1, help="Pictures read at the same time from disks and servers, beside these.")
    ] = DEFAULTS.readers,
    picture_seconds: Annotated[
        float, typer.Option(min=0.1, help="A picture that takes longer to read or to decode is a failure.")
    ] = DEFAULTS.picture_seconds,
    device: Annotated[DeviceName, typer.Option(help="Where to compute.")] = DeviceName.AUTO,
    precision: Annotated[PrecisionName, typer.Option(help="Type of the encoder's weights.")] = PrecisionName.AUTO,
    runtime: RuntimeOption = RuntimeName.AUTO,
    decode: DecodeOption = DecodeName.AUTO,
    tuning: TuningOption = TuningName.AUTO,
    limit: Annotated[int | None, typer.Option(min=0, help="Only the first N pictures of the source.")] = None,
    shard: ShardOption = None,
    devices: DevicesOption = None,
    executor: ExecutorOption = ExecutorName.LOCAL,
    shards: ShardsOption = None,
    prune: PruneOption = False,
    check_remote: CheckRemoteOption = False,
    retry_failed: RetryFailedOption = None,
    contact: ContactOption = None,
    allow: AllowOption = None,
    backbone: BackboneOption = None,
    change_backbone: ChangeBackboneOption = False,
    conflicts: ConflictsOption = None,
    types: TypesOption = None,
    missing: MissingOption = None,
    labels_from: LabelsFromOption = None,
    by_content: Annotated[
        bool, typer.Option("--by-content", help="Look into files that are not named as pictures, too.")
    ] = False,
    exif: Annotated[
        bool,
        typer.Option(
            "--exif", help="Columns of what is written into the files: date, place, camera, keywords, rights."
        ),
    ] = False,
    strict: StrictOption = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Say how busy each stage was, and which one the others waited for.")
    ] = False,
    progress: ProgressOption = AUTO,
    metrics: MetricsOption = None,
    json: JsonOption = False,
) -> None:
    """Embed pictures into a store. Run it again to continue where it stopped, or when the source has changed.

    Stored pictures are skipped. Changed ones are encoded again, corrected labels are taken over.

    Example: cladescope embed photos/ --store photos.store
    """
    from cladescope.app.verbs import embed as verb
    from cladescope.app.verbs.filling import part_place

    run_job(
        lambda progress, stop: verb.embed(
            source, store, encoder=encoder, batch_size=batch_size, workers=workers, readers=readers, picture_seconds=picture_seconds, device=device.value,
            precision=precision.value, runtime=runtime.value, decode=decode.value, tuning=tuning.value, limit=limit, shard=shard, devices=words(devices) or (), executor=executor.value, shards=shards, prune=prune, check_remote=check_remote, retry_failed=retry_failed, contact=contact, allow=allow or (),
            backbone=backbone, change_backbone=change_backbone, conflicts=conflicts, types=pairs(types), missing=words(missing), labels_from=labels_from, by_content=by_content, exif=exif, strict=strict,
            progress=progress, stop=stop,
        ),
        Watch(verb="embed", source=source, store=str(store), how=progress, metrics=metrics),
        store if shard is None else part_place(store, source, shard), done="embedded", json=json, profile=profile,
    )  # fmt: skip
