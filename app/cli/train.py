"""`cladescope train`: labelled pictures into an encoder."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cladescope.app.cli.options import JsonOption, LabelsFromOption
from cladescope.app.cli.output import print_json, print_line, print_table, say


def train(
    config: Annotated[str, typer.Argument(metavar="CONFIG.toml", help="A file of settings, or the name of a recipe.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the run.")] = Path("run"),
    data: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="Manifest, folder, shards or store to learn from, for data.source."),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="Encoder to train further, for model.open_clip: tiny, a run's export, hf-hub:..."),
    ] = None,
    labels_from: LabelsFromOption = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Replace one setting, for instance loop.epochs=3; repeat for several."
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out where it stopped.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the complete configuration and stop.")] = False,
    json: JsonOption = False,
) -> None:
    """Train an encoder and export it as a checkpoint folder for --encoder; torchrun uses several GPUs.

    Recipes: fine-tune (on some hundreds of your own pictures, in minutes), tiny and then tiny-texts, bioclip, bioclip2, inat-only,
    ablation-... (training/recipes).

    Example: cladescope train fine-tune --data photos/ --out mine
    """
    from cladescope.app.verbs import train as verb

    pairs = list(map(_override, set_ or []))
    replaced = dict(pairs)
    if len(replaced) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for place, key in enumerate(keys) if key in keys[:place])
        raise typer.BadParameter(f"--set {twice} is given twice, expected once")
    given: dict[str, Any] = {"data": data, "encoder": encoder, "labels_from": labels_from, "set": replaced}
    if show:
        print_json(verb.resolve(config, **given)[0].to_dict())
        return
    made = verb.train(config, out=out, resume=resume, **given)
    from cladescope.training.loop.distributed import is_first_process  # loads torch

    if not is_first_process():
        return
    if json:
        told = {"encoder": str(made.encoder), "run": str(out), "scores": made.scores, "notes": list(made.notes)}
        print_json(told if made.verdict is None else {**told, "verdict": made.verdict})
        return
    for note in made.notes:
        say(note)
    if made.verdict is not None:
        print_line(made.verdict)
    elif made.scores:
        print_table(["held out", "score"], list(made.scores.items()))
    print_line(f"encoder: {made.encoder} (use it with --encoder {made.encoder})")


def _override(text: str) -> tuple[str, Any]:
    """Key and value of KEY=VALUE; the value is read as TOML, and as a text where it is none."""
    import tomllib

    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise typer.BadParameter(f"--set {text!r} is not KEY=VALUE: write for instance --set loop.epochs=3")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value
