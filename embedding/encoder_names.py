"""Names of encoders, told from misspelt ones without loading what computes them: torch alone takes seconds."""

import difflib
import heapq
import importlib.util
from functools import lru_cache
from pathlib import Path

from cladescope.embedding.shipped import SHIPPED
from cladescope.errors import EncoderError

HUB_NAMES = ("hf-hub:imageomics/bioclip", "hf-hub:imageomics/bioclip-2")
"""The encoders that most users of this package look for."""
SCHEMES = ("hf-hub:", "timm:", "local-dir:")


def check_name(name: str) -> None:
    """Raise EncoderError, with the nearest names, for what is neither an encoder's name nor a folder.

    >>> check_name("tiny")
    >>> check_name("tyni")
    Traceback (most recent call last):
    cladescope.errors.EncoderError: no encoder 'tyni': it is neither a folder, nor hf-hub:ORG/REPO, timm:NAME or a known open_clip MODEL/PRETRAINED (did you mean tiny?)
    """
    if name in SHIPPED or name == "pixels" or name.startswith(SCHEMES) or Path(name).expanduser().is_dir():
        return
    if (models := models_of_open_clip()) is None or name.partition("/")[0] in models:
        return
    near = _near(name, models)
    raise EncoderError(
        f"no encoder {name!r}: it is neither a folder, nor hf-hub:ORG/REPO, timm:NAME or a known open_clip MODEL/PRETRAINED"
        + (f" (did you mean {', '.join(near)}?)" if near else "")
    )


@lru_cache(maxsize=1)
def models_of_open_clip() -> tuple[str, ...] | None:
    """The models that open_clip describes; None where it is not installed, which is told when one is loaded."""
    found = importlib.util.find_spec("open_clip")
    if found is None or found.origin is None:
        return None
    return tuple(sorted(path.stem for path in (Path(found.origin).parent / "model_configs").glob("*.json")))


def _near(name: str, models: tuple[str, ...]) -> list[str]:
    """Names of encoders that are like one that does not exist, whatever its case; a hub's also by its last part.

    >>> models = ("MobileCLIP2-B", "ViT-B-16")
    >>> _near("BioCLIP2", models), _near("ViT-B-99/openai", models)
    (['hf-hub:imageomics/bioclip-2', 'hf-hub:imageomics/bioclip', 'MobileCLIP2-B'], ['ViT-B-16'])
    """
    names = [*SHIPPED, "pixels", *HUB_NAMES, *models]
    parts = name.lower().split("/")

    def likeness(known: str) -> float:
        own = known.rpartition("/")[2].lower()
        letters = sorted(own)
        return max(
            1.0 if sorted(part) == letters else difflib.SequenceMatcher(None, part, own).ratio() for part in parts
        )

    return [known for known in heapq.nlargest(3, names, key=likeness) if likeness(known) >= 0.6]
