"""What is known of the taxa that an encoder was trained on: a file beside its list of them.

The file is `.safetensors`: the parts of `Known`, a mean for each row of the list, those of the `BackOff` that tells how narrow a name may be, and
the hash of the weights that made them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from cladescope.analysis.classify.back_off import BackOff
from cladescope.analysis.classify.known import Known
from cladescope.embedding.encoder import EncoderCard

FILE = "known.safetensors"
_PARTS = ("means", "axes", "held", "empty")


@dataclass(frozen=True, eq=False)
class EncoderKnown:
    """How far from an encoder's taxa a picture may be, and how narrow its name."""

    known: Known
    back_off: BackOff | None = None


def write_known(found: EncoderKnown, folder: Path, card: EncoderCard) -> Path:
    """Write what is known of an encoder's taxa beside their list, in float16 where that is precise enough; return the path."""
    parts = {name: getattr(found.known, name) for name in _PARTS if getattr(found.known, name) is not None}
    parts |= {name: parts[name].astype(np.float16) for name in ("means", "axes")}
    parts |= {} if found.back_off is None else found.back_off.parts()
    save_file(
        {name: np.ascontiguousarray(part) for name, part in parts.items()},
        folder / FILE,
        {"weights": str(card.weight_hash)},
    )
    return folder / FILE


def read_known(taxa_file: Path, card: EncoderCard, n_taxa: int) -> EncoderKnown | None:
    """What is known of the taxa in a list; None where nothing lies beside it that these weights made for as many taxa."""
    path = taxa_file.with_name(FILE)
    try:
        with safe_open(path, framework="numpy") as file:
            if (file.metadata() or {}).get("weights") != card.weight_hash:
                return None
            parts = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        return None
    known = Known(**{name: parts[name] for name in _PARTS if name in parts})
    return EncoderKnown(known, BackOff.of_parts(parts)) if len(known.means) == n_taxa else None
