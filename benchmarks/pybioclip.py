"""pybioclip beside `predict`: the same weights, pictures and taxa, the answers at every rank, time and memory.

pip install --no-deps --target /tmp/pybioclip pybioclip pandas prettytable python-dateutil six wcwidth
python benchmarks/pybioclip.py --pybioclip /tmp/pybioclip --species 2000 --pictures 200

pybioclip (https://github.com/Imageomics/pybioclip, read at 2.1.6) goes into a folder of its own and takes torch and open_clip
from this environment; nothing of it is installed here. Both load the checkpoint of `tiny` from its folder and the same
`txt_emb_species.json` and `.npy`, made from the texts of simulated species, of which every tenth is labelled no deeper than
its family. Only where pybioclip would fetch these files from a hub it is given them here.

Each runs in a process of its own and names the pictures rank by rank, as its Python interface does it: pictures are encoded
anew for every rank. Answers are compared picture by picture, the best five at each rank. `float16` are text vectors that
were rounded to float16 beforehand: that is how Cladescope keeps them, so that what is left is the arithmetic.

Known differences, which are taken into account or do not arise here:

* A taxon that is labelled no deeper than a family is an answer of pybioclip's at the ranks below, with an empty name. Ours
  are taxa that have the rank; theirs are asked for more answers here, and those without a name are passed over.
* Above species pybioclip leaves out taxa of a probability up to 1e-9.
* It sums by the names joined with spaces; we by path. Names that hold spaces could fall together.
* For the two BioCLIP models pybioclip squashes a picture to 224 x 224, bilinear and antialiased; for others, as here, it takes
  open_clip's transform, which ours always is.
* pybioclip leaves the model in training mode. BioCLIP's transformers do not mind; the batch norms of `tiny` would take the
  statistics of each batch, so that the model is put into evaluation mode here.
* Its own texts for custom labels are 80 templates, ours 81; those for the tree of life are published vectors for both.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path
from typing import Any

from side_by_side import machine, print_table

# What is imported here would count towards the children's memory, see memory.py.

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
BEST = 5
MORE = 200
"""Answers that pybioclip is asked for, so that five with a name are among them."""


def make_files(folder: str, species: str) -> None:
    """Pictures and, in two folders, the published files of their taxa: in float32 and in what float16 can hold."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv

    from cladescope.analysis.classify.taxon_lists import taxa_table
    from cladescope.analysis.classify.zero_shot import TEXT_TYPE
    from cladescope.embedding.encoder import Encoder
    from cladescope.embedding.prompts import prompt
    from cladescope.simulation import SimulationConfig, simulate
    from cladescope.taxonomy.taxon import Taxon

    out = Path(folder)
    manifest = simulate(out / "clades", SimulationConfig(species=int(species), images=1, size=224), workers=2)
    table = csv.read_csv(manifest, convert_options=csv.ConvertOptions(strings_can_be_null=True))
    rows = [{name: row[name] for name in (*RANKS, "common_name")} for row in table.to_pylist()]
    for row in rows[::10]:
        row.update(genus=None, species=None, common_name=None)
    taxa = taxa_table(pa.Table.from_pylist(rows))
    labelled = [(Taxon.from_ranks(row), row["common_name"]) for row in taxa.to_pylist()]
    texts = [prompt(taxon, TEXT_TYPE, common_name=name) for taxon, name in labelled if taxon is not None]
    vectors = Encoder.load("tiny").encode_texts(texts)
    names = [
        [
            [*(row[rank] or "" for rank in RANKS[:-1]), (row["species"] or "").partition(" ")[2]],
            row["common_name"] or "",
        ]
        for row in taxa.to_pylist()
    ]
    for name, values in (("float32", vectors), ("float16", vectors.astype(np.float16).astype(np.float32))):
        (out / name).mkdir()
        (out / name / "txt_emb_species.json").write_text(json.dumps(names))
        np.save(out / name / "txt_emb_species.npy", np.ascontiguousarray(values.T))


def checkpoint() -> Path:
    return Path(str(resources.files("cladescope.embedding") / "checkpoints" / "tiny"))


def ours(folder: str, kind: str, pictures: str) -> None:
    """What is measured of ours."""
    began = time.perf_counter()
    from cladescope.analysis.classify.answers import Answers
    from cladescope.analysis.classify.precomputed import read_precomputed
    from cladescope.analysis.classify.zero_shot import gallery_of
    from cladescope.embedding.encoder import Encoder

    encoder = Encoder.load(str(checkpoint()))
    ready = read_precomputed(Path(folder, kind, "txt_emb_species.json"), dim=encoder.card.dim)
    gallery = gallery_of(ready.vectors, ready.table, encoder.text_scale)
    about: dict[str, Any] = {"load": time.perf_counter() - began, "seconds": {}, "answers": {}}
    files = shown(folder, pictures)
    for rank in RANKS:
        began = time.perf_counter()
        answers = Answers(gallery, rank=rank, k=BEST)
        found = list(answers.of(encoder.encode_images(files)))
        about["seconds"][rank] = time.perf_counter() - began
        about["answers"][rank] = [[(_name(row, rank), row["score"]) for row in one] for one in found]
    Path(folder, f"ours-{kind}.json").write_text(json.dumps(about))


def theirs(folder: str, kind: str, pictures: str) -> None:
    """What is measured of pybioclip."""
    began = time.perf_counter()
    import bioclip.predict
    import numpy as np
    import torch

    class Local(bioclip.predict.TreeOfLifeClassifier):  # type: ignore[misc]
        """Reads the two files where they lie."""

        def get_txt_emb(self) -> Any:
            return torch.from_numpy(np.load(Path(folder, kind, "txt_emb_species.npy")))

        def get_txt_names(self) -> Any:
            return json.loads(Path(folder, kind, "txt_emb_species.json").read_text())

    classifier = Local(model_str=f"local-dir:{checkpoint()}")
    classifier.model.eval()
    about: dict[str, Any] = {"load": time.perf_counter() - began, "seconds": {}, "answers": {}}
    files = shown(folder, pictures)
    for rank in RANKS:
        began = time.perf_counter()
        rows = classifier.predict(files, bioclip.predict.Rank[rank.upper()], k=MORE, callback=lambda done, total: None)
        about["seconds"][rank] = time.perf_counter() - began
        found: dict[str, list[tuple[str, float]]] = {file: [] for file in files}
        for row in rows:
            if row["species_epithet" if rank == "species" else rank]:
                found[row["file_name"]].append((_name(row, rank), row["score"]))
        about["answers"][rank] = [one[:BEST] for one in found.values()]
    Path(folder, f"theirs-{kind}.json").write_text(json.dumps(about))


def shown(folder: str, pictures: str) -> list[str]:
    return [str(path) for path in sorted(Path(folder, "clades", "images").rglob("*.jpg"))[: int(pictures)]]


def _name(row: dict[str, Any], rank: str) -> str:
    return " ".join(row[name] for name in RANKS[: RANKS.index(rank) + 1])


TASKS = {task.__name__: task for task in (make_files, ours, theirs)}


def in_child(task: str, *arguments: str | int | Path, path: Path | None = None) -> float:
    """Peak memory in bytes of a task in a process of its own, with a folder of packages besides."""
    environment = dict(os.environ) if path is None else {**os.environ, "PYTHONPATH": str(path)}
    process = subprocess.Popen([sys.executable, __file__, "--task", task, *map(str, arguments)], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{task} ended with status {status}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def compared(folder: Path, kind: str) -> dict[str, tuple[int, float]]:
    """At each rank the pictures whose five answers are not the same, and the largest difference of a probability."""
    own, other = (json.loads((folder / f"{side}-{kind}.json").read_text())["answers"] for side in ("ours", "theirs"))
    found = {}
    for rank in RANKS:
        pairs = list(zip(own[rank], other[rank], strict=True))
        different = sum([name for name, _ in one] != [name for name, _ in two] for one, two in pairs)
        gaps = [
            abs(chance - dict(two)[name])
            for one, two in map(_as_lists, pairs)
            for name, chance in one
            if name in dict(two)
        ]
        found[rank] = (different, max(gaps))
    return found


def _as_lists(pair: tuple[list[Any], list[Any]]) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    return [tuple(row) for row in pair[0]], [tuple(row) for row in pair[1]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pybioclip", type=Path, help="folder that pybioclip was installed into")
    parser.add_argument("--species", type=int, default=2000, help="default: %(default)s")
    parser.add_argument("--pictures", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        TASKS[options.task[0]](*options.task[1:])
        return
    if options.pybioclip is None:
        parser.error("--pybioclip is needed: the folder that pybioclip was installed into")
    print(f"{machine()}; {options.pictures} pictures, {options.species:,} taxa\n")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        in_child("make_files", folder, options.species)
        peaks: dict[str, float] = {}
        for kind in ("float32", "float16"):
            peaks["ours"] = in_child("ours", folder, kind, options.pictures)
            peaks["theirs"] = in_child("theirs", folder, kind, options.pictures, path=options.pybioclip)
        own, other = (json.loads((folder / f"{side}-float16.json").read_text()) for side in ("ours", "theirs"))
        exact, published = compared(folder, "float16"), compared(folder, "float32")
        header = ["rank", "other answers", "largest difference", "float16: other answers", "largest difference"]
        header += ["pybioclip, s", "cladescope, s"]
        rows = [
            [rank, str(published[rank][0]), f"{published[rank][1]:.1e}", str(exact[rank][0]), f"{exact[rank][1]:.1e}"]
            + [f"{side['seconds'][rank]:.2f}" for side in (other, own)]
            for rank in RANKS
        ]
        print_table(header, rows)
        print()
        rows = [
            [name, f"{side['load']:.1f}", f"{sum(side['seconds'].values()):.1f}", f"{peaks[key] / 1e6:,.0f}"]
            for name, key, side in (("pybioclip", "theirs", other), ("cladescope", "ours", own))
        ]
        print_table(["", "load, s", "seven ranks, s", "peak, MB"], rows)


if __name__ == "__main__":
    main()
