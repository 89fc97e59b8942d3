"""Published layouts of tasks of the field, written with simulated pictures."""

import csv
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FISH_HEAD = [
    "", "Unnamed: 0", "species", "image", "SpecCode", "Genus", "Subfamily", "Family", "Order", "Class", "SuperClass", "source", "Folder",
    "Troph", "FeedingPath", "Tropical", "Temperate", "Subtropical", "Boreal", "Polar", "freshwater", "saltwater", "brackish", "NewOrder",
    "Frequency",
]  # fmt: skip
Rows = list[list[Any]]


def write(path: Path, rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def species_folders(clades: Path) -> list[list[Path]]:
    """The pictures of each simulated species."""
    return [sorted(folder.iterdir()) for folder in sorted((clades / "images").iterdir())]


def newt(root: Path, clades: Path) -> Path:
    """Six tasks, each of two species: three pictures of each to learn from and one to ask."""
    folders = species_folders(clades)
    rows: Rows = [["id", "task_cluster", "task_subcluster", "task", "label", "text_label", "split", "height", "width"]]
    for task in range(6):
        cluster = ("appearance", "context")[task % 2]
        for label in (0, 1):
            for number, path in enumerate(folders[2 * task + label]):
                name = f"{task}-{label}-{number}"
                copy(path, root / "newt2021_images" / f"{name}.jpg")
                split = "test" if number == 3 else "train"
                rows.append([name, cluster, "", f"task_{task}", label, ("neg", "pos")[label], split, 96, 96])
    write(root / "newt2021_labels.csv", rows)
    return root


def fishnet(root: Path, clades: Path) -> Path:
    """Traits that go by species, a row that lacks one, and a path with folders in `image`."""
    tables: dict[str, Rows] = {"train": [FISH_HEAD], "test": [FISH_HEAD]}
    for place, folder in enumerate(species_folders(clades)):
        values = [
            ("benthic", "pelagic")[place % 2],
            *((place >> bit) & 1 for bit in range(4)),
            0,
            1,
            place % 3 == 0,
            place < 6,
        ]
        values = [int(one) if not isinstance(one, str) else one for one in values]
        for number, path in enumerate(folder):
            name = f"{place}-{number}.jpg"
            copy(path, root / "Image_Library" / f"Family{place}" / name)
            written = f"somewhere/{name}" if number == 0 else name
            row = ["", "", "", written, "", "", "", "", "", "", "", "", f"Family{place}", "3.1", *values, "", ""]
            tables["test" if number == 3 else "train"].append(row)
    tables["train"].append([*tables["train"][1][:15], "", *tables["train"][1][16:]])
    for part, rows in tables.items():
        write(root / "anns" / f"{part}.csv", rows)
    return root


def awa2(root: Path, clades: Path) -> Path:
    """Five attributes of twelve animals, the last three of which are asked."""
    names = [f"animal+{place}" for place in range(12)]
    for name, folder in zip(names, species_folders(clades), strict=True):
        for number, path in enumerate(folder):
            copy(path, root / "JPEGImages" / name / f"{name}_{number}.jpg")
    (root / "classes.txt").write_text("".join(f"{place + 1:>8}\t{name}\n" for place, name in enumerate(names)))
    (root / "predicates.txt").write_text("".join(f"{place + 1:>8}\tp{place}\n" for place in range(5)))
    (root / "trainclasses.txt").write_text("\n".join(names[:8]) + "\n")
    (root / "testclasses.txt").write_text("\n".join(names[9:]) + "\n")
    rows = [[(place * 7 + bit * 3) % 5 > 1 for bit in range(5)] for place in range(12)]
    text = "\n".join(" ".join(str(int(value)) for value in row) for row in rows)
    (root / "predicate-matrix-binary.txt").write_text(text + "\n")
    return root


def inquire(root: Path, clades: Path) -> Path:
    """Four queries, of which one has no answer in the gallery, and one answer that is not there."""
    folders = species_folders(clades)
    for place, folder in enumerate(folders):
        for number, path in enumerate(folder):
            copy(path, root / "inat24" / "train" / f"{place:05}_Animalia" / f"{place}-{number}.jpg")
    head = ["", "query_id", "query_text", "supercategory", "category", "iconic_group"]
    write(
        root / "inquire" / "inquire_queries_test.csv",
        [head, [0, 7, "a bird on a wire", "Behavior", "c", "Birds"], [1, 9, "a fern", "Species", "c", "Plants"]],
    )
    write(
        root / "inquire" / "inquire_queries_val.csv",
        [head, [0, 3, "a wet dog", "Behavior", "c", "Mammals"], [1, 4, "nothing", "Context", "c", "None"]],
    )
    pairs = [(7, 0, 0), (7, 0, 1), (7, 5, 2), (9, 3, 1), (3, 8, 0), (3, 8, 3), (4, 99, 0), (9, 98, 0)]
    rows = [[query, 1, f"train/{place:05}_Animalia/{place}-{number}.jpg"] for query, place, number in pairs]
    write(root / "inquire" / "inquire_annotations.csv", [["query_id", "image_id", "image_path"], *rows])
    return root / "inquire"


def life_stages(root: Path, clades: Path) -> Path:
    """Three species, two of them at two stages."""
    stages = [
        ("Luna moth", "Adult"),
        ("Luna moth", "Larva"),
        ("Monarch", "Adult"),
        ("Monarch", "Egg"),
        ("Mantis", "Adult"),
    ]
    rows: Rows = [["inat21_filename", "scientificName", "common_name", "life_stages", "path", "class_out"]]
    for (species, stage), folder in zip(stages, species_folders(clades), strict=False):
        for number, path in enumerate(folder):
            name = f"{species}-{stage}-{number}.jpg".replace(" ", "_")
            copy(path, root / "pictures" / name)
            rows.append([number, "x", species, stage, f"/lifestages/{name}", f"{species} {stage}"])
    return write(root / "final_lifestages_metadata.csv", rows)


def confusable(root: Path, clades: Path) -> Path:
    """Two pairs; one species is misspelt in its second pair, as in the published table."""
    folders = species_folders(clades)
    pairs = [("C1", "Harmonia axyridis", "Adalia bipunctata"), ("C2", "Harmonia axyridis", "Epilachna mexicana")]
    rows: Rows = [["path", "pair", "scientific_name", "class_options", "idx"]]
    for place, (pair, *options) in enumerate(pairs):
        for side, name in enumerate(options):
            for path in folders[2 * place + side]:
                folder = f"{pair}_{name.replace(' ', '_')}"
                copy(path, root / "Confounding" / folder / path.name)
                said = "Harmonia axyridies" if (place, side) == (1, 0) else name
                rows.append(
                    [f"/scratch/of/others/Confounding/{folder}/{path.name}", pair, said, "!".join(options), side]
                )
    return write(root / "confounding_species.csv", rows)


def ecdysis(root: Path, clades: Path) -> Path:
    """Twelve species of four visits, and a row without a picture."""
    head = [
        "id",
        "image_thumbnail_large",
        "visit_date",
        *(f"gbif_{rank}" for rank in ("class", "order", "family", "genus", "species")),
    ]
    rows: Rows = [head, ["x", "", "2020-01-01", "Insecta", "o", "f", "g", "g s"]]
    for place, folder in enumerate(species_folders(clades)):
        for number, path in enumerate(folder):
            name = f"{place}-{number}.jpg"
            copy(path, root / "images" / name)
            rows.append(
                [
                    name,
                    f"specimen_images/{name}",
                    f"2020-0{4 - number}-01",
                    "Insecta",
                    "Odonata",
                    "Aeshnidae",
                    "Aeshna",
                    f"Aeshna s{place}",
                ]
            )
    write(root / "metadata.csv", rows)
    return root


def beluga(root: Path, clades: Path) -> Path:
    """Twelve whales of four pictures, one picture without an annotation."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for place, folder in enumerate(species_folders(clades)):
        for path in folder:
            name = f"{len(images):05}.jpg"
            copy(path, root / "images/train2022" / name)
            annotations.append({"image_id": len(images), "name": f"whale{place:02}"})
            images.append({"id": len(images), "file_name": name})
    (root / "annotations").mkdir()
    told = {"images": images, "annotations": annotations[:-1]}
    (root / "annotations/instances_train2022.json").write_text(json.dumps(told))
    return root


def kabr(root: Path, clades: Path) -> Path:
    """Twelve clips of a species each, four of them to ask: 16 frames each, and a clip that is too short."""
    head = ["original_vido_id", "video_id", "frame_id", "path", "labels"]
    tables: dict[str, Rows] = {"train": [head], "val": [head]}
    for place, folder in enumerate(species_folders(clades)):
        for frame in range(1, 17):
            name = f"G{place:04}/{frame}.jpg"
            copy(folder[frame % 4], root / "dataset/image" / name)
            label = 2 if frame < 4 else place % 2
            tables["val" if place % 3 == 2 else "train"].append([f"G{place:04}", place + 1, frame, name, label])
    tables["val"] += [["G0099", 99, frame, f"G0099/{frame}.jpg", 0] for frame in range(1, 16)]
    write_spaced(root / "annotation", tables)
    (root / "annotation/classes.json").write_text(json.dumps({"Walk": 0, "Graze": 1, "Browse": 2, "Run": 6}))
    return root


def mammalnet(root: Path, clades: Path) -> Path:
    """Nine clips of 32 frames, three of them to ask; one clip without frames and one that lacks the last."""
    tables: dict[str, Rows] = {"train": [], "test": []}
    for place, folder in enumerate(species_folders(clades)[:9]):
        for frame in range(1, 33):
            copy(folder[frame % 4], root / "frames" / f"v{place}_1" / f"frame_{frame:02}.jpg")
        part = "test" if place % 3 == 2 else "train"
        tables[part].append([f"trimmed_videos/v{place}_1.mp4", (3, 11)[place % 2], 170 - place])
    copy(species_folders(clades)[0][0], root / "frames/short/frame_01.jpg")
    tables["train"] += [["trimmed_videos/gone.mp4", 3, 1], ["trimmed_videos/short.mp4", 3, 1]]
    write_spaced(root / "annotation/composition", tables)
    return root


def write_spaced(folder: Path, tables: dict[str, Rows]) -> None:
    """Tables whose values are separated by spaces."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, rows in tables.items():
        (folder / f"{stem}.csv").write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))


def fungiclef(root: Path, clades: Path) -> Path:
    """Eight species that are taught, an observation of two pictures of each, two strangers (-1, and a class of val alone), and poison."""
    head = ["observationID", "image_path", "class_id", "Habitat"]
    tables: dict[str, Rows] = {"train": [head], "val": [head]}
    for place, folder in enumerate(species_folders(clades)[:10]):
        taught = place < 8
        for number, path in enumerate(folder):
            part = "train" if taught and number < 2 else "val"
            name = f"{place}-{number}.JPG"
            copy(path, root / ("DF20_300" if part == "train" else "DF21_300") / (name.lower() if number == 0 else name))
            label = place if taught else (-1, 1500)[place - 8]
            tables[part].append([1000 + place, name, label, "mixed, wet"])
    tables["train"].append([1, "", 0, ""])
    tables["val"] += [[1000, "0-2.JPG", 5, ""], [7, "9-9.JPG", "no", ""], ["", "9-9.JPG", 3, ""]]
    for part, rows in tables.items():
        write(root / f"FungiCLEF2023_{part}_metadata_PRODUCTION.csv", rows)
    write(
        root / "poison_status_list.csv", [["class_id", "poisonous"], *[[place, place % 4 == 1] for place in range(10)]]
    )
    text = (root / "poison_status_list.csv").read_text().replace("True", "1").replace("False", "0")
    (root / "poison_status_list.csv").write_text(text)
    return root


def inquire_rerank(root: Path, clades: Path) -> Path:
    """Three queries of the test split, in two files, one of them without a relevant candidate; and one query of the validation split."""
    pictures = [path for folder in species_folders(clades) for path in folder]
    queries = [
        ("test", "a wet dog", "Behavior", range(30), (3, 4, 17)),
        ("test", "a fern", "Species", range(20, 48), (20, 29, 31, 47)),
        ("test", "nothing", "Behavior", range(5), ()),
        ("validation", "a bird on a wire", "Context", range(10, 40), (11, 12)),
    ]
    files: dict[str, list[dict[str, Any]]] = {}
    for number, (split, query, kind, candidates, relevant) in enumerate(queries):
        for place in candidates:
            path = pictures[place]
            row = {
                "image": {"bytes": path.read_bytes(), "path": path.name},
                "query": query,
                "relevant": int(place in relevant),
                "clip_score": 0.5,
                "inat24_image_id": 1000 + place,
                "inat24_file_name": f"train/{place:05}_Animalia/{place}.jpg",
                "supercategory": kind,
            }
            files.setdefault(f"{split}-0000{int(number == 1)}-of-00002.parquet", []).append(row)
    (root / "data").mkdir(parents=True)
    for name, rows in files.items():
        pq.write_table(pa.Table.from_pylist(rows), root / "data" / name, row_group_size=20)
    return root


def herbarium19(root: Path, clades: Path) -> Path:
    """Twelve species, called by their numbers, six of them known, and a picture beside their folders."""
    for place, folder in enumerate(species_folders(clades)):
        for number, path in enumerate(folder):
            copy(path, root / "small-train" / str(place) / f"{number}.jpg")
    copy(path, root / "small-train" / "stray.jpg")
    splits = {"Old": [np.int64(one) for one in (11, 0, 2, 5, 7, 8)], "New": np.array([1, 3, 4, 6, 9, 10])}
    (root / "herbarium_19_class_splits.pkl").write_bytes(pickle.dumps(splits, protocol=2))
    return root
