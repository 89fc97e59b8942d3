"""Training an encoder on labelled pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cladescope.app.verbs.arguments import checked
from cladescope.errors import EncoderError, InputError, UsageError
from cladescope.paths import local_path
from cladescope.training.config import TrainConfig, load_config


@dataclass(frozen=True)
class Trained:
    """What a run made."""

    encoder: Path
    """Folder of the checkpoint, for `Encoder.load` and open_clip."""
    run: Path
    scores: dict[str, float]
    """On the held-out pictures, by name."""
    verdict: str | None = None
    """Of `fine-tune`: whether it got better at pictures that were only tested, in words."""
    notes: tuple[str, ...] = ()
    """Why the checkpoint has no graphs for ONNX Runtime, where it has none."""


@checked
def train(
    config: str | Path | TrainConfig,
    *,
    out: str | Path = "run",
    data: str | Path | None = None,
    encoder: str | None = None,
    labels_from: str | None = None,
    set: Mapping[str, Any] | None = None,
    resume: bool = False,
) -> Trained:
    """Train an encoder and export it as a checkpoint folder, with graphs for ONNX Runtime, which `embed(..., encoder=...)` takes.

    `config` is a TOML file, the name of a recipe (`fine-tune`, `tiny`, `bioclip`, ...; see training/recipes) or a configuration. `data`
    is the manifest, folder, shards or store to learn from (the setting `data.source`), `encoder` what is trained further
    (`model.open_clip`), `labels_from` how names of folders are read (`data.labels_from`, as for `embed`); `set` replaces other settings, such as
    `{"loop.epochs": 3}`. `resume` continues the run in `out` where it stopped. Under torchrun every process makes this call.

    Raises UsageError where nothing to learn from is named; InputError for a configuration or data that cannot be used, or if `out` already holds a run; EncoderError if the
    starting weights cannot be loaded; TrainingError if the loss is no longer finite; StoreError if the disk fails.

    >>> import cladescope
    >>> cladescope.train("fine-tune", data="photos/", out="runs/mine").verdict      # doctest: +SKIP
    """
    resolved, recipe = resolve(config, data=data, encoder=encoder, labels_from=labels_from, set=set)
    if not resolved.data.source:
        raise UsageError(
            "data.source is empty: name a manifest, a folder, shards or a store of labelled pictures as data, for instance photos/"
        )
    from cladescope.embedding.encoder import Encoder
    from cladescope.training.loop import train as loop
    from cladescope.training.loop.distributed import is_first_process
    from cladescope.training.loop.export import read_card

    folder = loop.train(resolved, local_path(out), recipe=recipe, resume=resume, load_encoder=Encoder.load)
    if not is_first_process():
        return Trained(folder, local_path(out), {})
    card = read_card(folder)
    verdict = card.get("gain", {}).get("verdict")
    return Trained(folder, local_path(out), dict(card["scores"]), verdict, _with_graphs(folder))


def _with_graphs(folder: Path) -> tuple[str, ...]:
    """Write the graphs by which a checkpoint computes without torch; say why where that cannot be, which is no failure."""
    from cladescope.embedding.encoders.onnx_export import export_beside
    from cladescope.embedding.encoders.onnx_towers import FILE

    try:
        export_beside(folder)
    except EncoderError as error:
        (folder / FILE).unlink(missing_ok=True)
        return (f"no graphs for ONNX Runtime, so that torch computes this encoder: {error}",)
    return ()


def resolve(
    config: str | Path | TrainConfig,
    *,
    data: str | Path | None = None,
    encoder: str | None = None,
    labels_from: str | None = None,
    set: Mapping[str, Any] | None = None,
) -> tuple[TrainConfig, str]:
    """The complete configuration that `train` would use, and the name of its recipe.

    Raises InputError for a missing file or recipe, or an invalid key or value.

    >>> resolve("tiny", set={"loop.epochs": 3})[0].loop.epochs
    3
    """
    replaced = dict(set or {})
    given = {
        "data": ("data.source", data),
        "encoder": ("model.open_clip", encoder),
        "labels_from": ("data.labels_from", labels_from),
    }
    for name, (key, value) in given.items():
        if value is not None:
            if key in replaced:
                raise InputError(f"{name} and the key {key} say the same: give one of them")
            replaced[key] = str(value)
    if not isinstance(config, TrainConfig):
        return load_config(config, replaced), str(config)
    if replaced:
        raise InputError(f"a TrainConfig is whole: put {next(iter(replaced))} into it")
    return config, "not stated"
