"""A peer's own command line, run by the Python of its environment over a checkpoint folder: see `embed_peers.py`.

    PEERS/pybioclip/bin/python benchmarks/embed_peers_run.py pybioclip FOLDER embed --model local-dir:FOLDER ...

Imports nothing of Cladescope.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def clip_retrieval(folder: Path) -> None:
    """`clip-retrieval`, where open_clip knows the folder's configuration by its name."""
    import open_clip
    from clip_retrieval.cli import main

    about = json.loads((folder / "open_clip_config.json").read_text())
    with tempfile.TemporaryDirectory() as place:
        config = Path(place, f"{folder.name}.json")
        config.write_text(json.dumps(about["model_cfg"]))
        open_clip.add_model_config(config)
    pixels = {f"image_{name}": about["preprocess_cfg"][name] for name in ("mean", "std")}
    create = open_clip.create_model_and_transforms

    def evaluating(*given: Any, **more: Any) -> Any:
        model, *transforms = create(*given, **more, **pixels)
        return model.eval(), *transforms

    open_clip.create_model_and_transforms = evaluating
    main()


def pybioclip(_: Path) -> None:
    """`bioclip`."""
    from bioclip.__main__ import main
    from bioclip.predict import BaseClassifier

    load = BaseClassifier.load_pretrained_model

    def evaluating(self: Any, *given: Any, **more: Any) -> None:
        load(self, *given, **more)
        self.model.eval()

    BaseClassifier.load_pretrained_model = evaluating
    main()


PEERS: dict[str, Callable[[Path], None]] = {"clip-retrieval": clip_retrieval, "pybioclip": pybioclip}


if __name__ == "__main__":
    sys.path.pop(0)  # the other benchmarks, whose names are not meant for a peer's imports
    _, peer, checkpoint, *arguments = sys.argv
    sys.argv = [peer, *arguments]
    PEERS[peer](Path(checkpoint))
