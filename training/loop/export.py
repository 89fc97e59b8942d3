"""A checkpoint folder that plain open_clip loads, with a card that says what is in it.

`open_clip.create_model_and_transforms("local-dir:FOLDER")` and `Encoder.load("FOLDER")` give the trained towers.
"""

import csv
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

import cladescope
from cladescope.embedding.prompts import TAXA_FILE
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import StoreError
from cladescope.files import replacing, write_json, write_text
from cladescope.index.files import disk_errors
from cladescope.taxonomy.taxon import RANKS
from cladescope.training.data.examples import Examples
from cladescope.training.data.splits import Split
from cladescope.training.loop.evaluate import common_names_of
from cladescope.training.model.towers import Towers

CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, CARD_PAGE = (
    "open_clip_config.json",
    "open_clip_model.safetensors",
    "card.json",
    "README.md",
)
_OPEN_CLIP_RESIZE = {"crop": "shortest", "squash": "squash", "pad": "longest"}


def export(
    towers: Towers, folder: Path, *, card: Mapping[str, Any], dtype: Literal["float32", "float16"] = "float32"
) -> Path:
    """Write the towers as a checkpoint folder of open_clip's, `card` as `card.json` and as a page, and return the folder.

    The card is completed with the hash of the weight file. Existing files of these names are replaced.

    Raises StoreError where the folder cannot be written.
    """
    state = towers.weights()
    if dtype == "float16":
        state = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    config = {"model_cfg": towers.model_cfg, "preprocess_cfg": preprocess_cfg(towers.transform)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / CONFIG_FILE, config)
        with replacing(folder / WEIGHTS_FILE) as draft:
            save_file(state, draft)
            shutil.copymode(folder / CONFIG_FILE, draft)  # safetensors lets nobody else read its files
            with draft.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        whole = {
            **card,
            "weights": {"file": WEIGHTS_FILE, "dtype": dtype, "sha256": digest, "parameters": _count(state)},
        }
        write_json(folder / CARD_FILE, whole)
        write_text(folder / CARD_PAGE, page(whole))
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise StoreError(f"cannot export to {folder} ({reason}): free some space or choose another folder") from error
    return folder


def file_name(path: str) -> str:
    """The last part of a local path, also of the one in an encoder's name: a card that is passed on does not tell of this machine's folders.

    >>> file_name("timm:tf_efficientnet_lite0@/home/ann/lite0.safetensors?size=224"), file_name("run/export")
    ('timm:tf_efficientnet_lite0@lite0.safetensors?size=224', 'run/export')
    """
    name, at, file = path.partition("@")
    if at and Path(file.partition("?")[0]).is_absolute():
        file, query, options = file.partition("?")
        return f"{name}@{Path(file).name}{query}{options}"
    return Path(path).name if Path(path).is_absolute() else path


def read_card(folder: Path) -> dict[str, Any]:
    """The card of an exported encoder. Raises StoreError where there is none that can be read."""
    path = folder / CARD_FILE
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}): resume the run to export it again") from error
    return card


def preprocess_cfg(transform: ImageTransform) -> dict[str, Any]:
    """open_clip's words for an image transform.

    >>> preprocess_cfg(ImageTransform(size=224, mean=(0.5,) * 3, std=(0.5,) * 3))["resize_mode"]
    'shortest'
    """
    return {
        "size": [transform.size, transform.size],
        "mode": "RGB",
        "mean": list(transform.mean),
        "std": list(transform.std),
        "interpolation": transform.interpolation,
        "resize_mode": _OPEN_CLIP_RESIZE[transform.resize],
        "fill_color": transform.fill[0],
    }


def data_card(examples: Examples, split: Split) -> dict[str, Any]:
    """What a model was trained on: pictures, taxa, data sets and licences, and what was held out."""
    rows = split.train.tolist()
    return {
        "pictures": len(rows),
        ("labels" if examples.by_label else "taxa"): len({examples.taxa[row] for row in rows}),
        "sources": dict(Counter(examples.sources[row] for row in rows).most_common()),
        "licences": dict(Counter(examples.licences[row] or "not stated" for row in rows).most_common()),
        "skipped": dict(examples.skipped),
        "split": split.report(),
    }


def write_taxa(folder: Path, examples: Examples, split: Split) -> Path:
    """Write `taxa.csv` into an exported folder: the taxa that were trained on, from which zero-shot chooses by default.

    Raises StoreError where it cannot be written.
    """
    names = common_names_of(examples)
    known = sorted(
        {int(code) for code in examples.classes()[split.train]}, key=lambda code: str(examples.class_taxa[code])
    )
    path = folder / TAXA_FILE
    with disk_errors(folder), replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*RANKS, "common_name"])
        for code in known:
            ranks = examples.class_taxa[code].path
            table.writerow([*(name or "" for name in ranks), *[""] * (len(RANKS) - len(ranks)), names[code] or ""])
    return path


def environment(device: torch.device) -> dict[str, Any]:
    """Versions and hardware of a run."""
    return {
        "cladescope": cladescope.__version__,
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }


def page(card: Mapping[str, Any]) -> str:
    """The card for people.

    >>> print(page({"name": "tiny", "scores": {"one_shot": 0.7}}).splitlines()[0])
    # tiny
    """
    data, scores = card.get("data", {}), card.get("scores", {})
    lines = [
        f"# {card.get('name', 'encoder')}",
        "",
        "An encoder of pictures of organisms and of their names, trained with Cladescope. Load it with",
        '`cladescope embed ... --encoder FOLDER` or `open_clip.create_model_and_transforms("local-dir:FOLDER")`.',
        "",
        "| what | |",
        "| --- | --- |",
        f"| started from | {card.get('started_from', 'not stated')} |",
        *([f"| taught by | {', '.join(card['taught_by'])} |"] if "taught_by" in card else []),
        f"| recipe | {card.get('recipe', 'not stated')} |",
        f"| steps | {card.get('steps', 'not stated')} |",
        f"| pictures, {'labels' if 'labels' in data else 'taxa'} | {data.get('pictures', '?')}, {data.get('labels', data.get('taxa', '?'))} |",
    ]
    if "weights" in card:
        weights = card["weights"]
        lines += [
            f"| parameters | {weights['parameters']:,} in {weights['dtype']} |",
            f"| SHA-256 of `{weights['file']}` | `{weights['sha256']}` |",
        ]
    if scores:
        of = f"Scores of {card['scores_of']}:" if "scores_of" in card else "Scores on what was held out:"
        lines += ["", of, "", "| score | |", "| --- | ---: |"]
        lines += [f"| {name} | {value:.3f} |" for name, value in scores.items()]
    for title, counts in (
        ("Data sets", data.get("sources", {})),
        ("Licences of the pictures", data.get("licences", {})),
    ):
        if counts:
            lines += ["", f"{title}:", "", "| | pictures |", "| --- | ---: |"]
            lines += [f"| {name} | {n:,} |" for name, n in counts.items()]
    return "\n".join(lines) + "\n"


def _count(state: Mapping[str, torch.Tensor]) -> int:
    return sum(value.numel() for value in state.values() if value.is_floating_point())
