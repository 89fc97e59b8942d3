"""What made some answers: encoder, classes, backbone, version and date, to stand beside each of them."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from cladescope.embedding.encoder import EncoderCard
from cladescope.files import hash_file


def made_by(
    card: EncoderCard, *classes: object, within: Sequence[str] = (), backbone: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What made answers: the first of `classes` that is not None is a classifier's or a list's file, a store, or labels.

    Without any they are the taxa that the encoder was trained on. `within` are clades that the classes were kept to, `backbone` the release and hash of the one that named them, empty without. Files are told by name and hash (BLAKE2b, 16 bytes), so that two of one name are told apart; a hash that is not known is empty.

    >>> card = EncoderCard(name="pixels", dim=960, weight_hash="5e1f", transform=None, has_text=False)
    >>> found = made_by(card, ["a tit", "a crow"])
    >>> found["encoder"], found["encoder_hash"], found["classes"], found["classes_hash"]
    ('pixels', '5e1f', 'a tit, a crow', '')
    """
    chosen = next((one for one in classes if one is not None), None)
    named, hashed = ("taxa of the encoder", "") if chosen is None else _told(chosen)
    return {
        "encoder": card.name,
        "encoder_hash": card.weight_hash or "",
        "classes": f"{named} within {', '.join(within)}" if within else named,
        "classes_hash": hashed,
        "backbone": (backbone or {}).get("release", ""),
        "backbone_hash": (backbone or {}).get("hash", ""),
        "cladescope": version("cladescope"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _told(classes: object) -> tuple[str, str]:
    """A name for classes, and the hash of their file."""
    if isinstance(classes, str | os.PathLike):
        path = Path(classes)
        return path.name, hash_file(path) if path.is_file() else ""
    if isinstance(classes, list | tuple):
        names = [str(one) for one in classes]
        return ", ".join(names) if len(names) <= 5 else f"{len(names):,} labels", ""
    return type(classes).__name__.lower(), ""
