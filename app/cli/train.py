"""`cladescope train`: labelled pictures into an encoder."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cladescope.app.cli.options import JsonOption, LabelsFromOption
from cladescope.app.cli.output import print_json, print_line, print_table, say
from cladescope.app.cli.overrides import SetOption, overrides_of


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
    set_: SetOption = None,
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

    replaced = overrides_of(set_)
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
