"""The first hour of someone with photographs: thirty commands, each as it is typed, in the order in which one would come to them.

They are typed in a folder that holds `photos/`, pictures without names; `classes/`, a folder for each kind, called by its name; and
`query.jpg`. `screens/` keeps what each printed, with its exit status, as text; `python -m tests.first_hour.renew` writes them anew.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFilter

SCREENS = Path(__file__).parent / "screens"
BINOMIALS = ("Danaus plexippus", "Lama glama", "Triticum aestivum", "Sus scrofa")


@dataclass(frozen=True)
class Task:
    """One thing that a person wants to know or have."""

    name: str
    command: str
    status: int = 0
    makes: tuple[str, ...] = ()
    """Files that are there afterwards."""


TASKS = (
    Task("what-are-these", "cladescope predict photos/"),
    Task("what-is-this", "cladescope predict query.jpg -k 3"),
    Task("names-as-a-table", "cladescope predict photos/ -k 1 --csv"),
    Task("names-for-a-script", "cladescope predict query.jpg -k 1 --json"),
    Task("remember-my-pictures", "cladescope embed photos/ --store photos.store", makes=("photos.store/store.json",)),
    Task("remember-them-again", "cladescope embed photos/ --store photos.store"),
    Task("what-is-in-it", "cladescope info photos.store"),
    Task("what-looks-like-this", "cladescope search photos.store query.jpg -k 3 --sheet hits.png", makes=("hits.png",)),
    Task("the-other-way-round", "cladescope search query.jpg photos.store -k 3"),
    Task("what-looks-like-these-words", 'cladescope search photos.store --text "a photo of a butterfly." -k 3'),
    Task("remember-my-classes", "cladescope embed classes/ --store classes.store"),
    Task("which-kind-looks-like-this", "cladescope search classes.store query.jpg -k 4"),
    Task("only-among-mammals", "cladescope search classes.store query.jpg -k 2 --within mammals"),
    Task(
        "which-are-there-twice",
        "cladescope duplicates photos/ --sheet pairs.png",
    ),
    Task("wrong-names-and-odd-ones", "cladescope audit classes.store --out audit", makes=("audit/audit.json",)),
    Task("teach-it-my-kinds", "cladescope fit classes/ --out mine.safetensors", makes=("mine.safetensors",)),
    Task("name-by-my-kinds", "cladescope predict photos/ --classifier mine.safetensors -k 1"),
    Task("name-by-my-kinds-with-care", "cladescope predict photos/ --classifier mine.safetensors --risk 0.2"),
    Task("sort-into-folders", "cladescope predict photos/ --classifier mine.safetensors --sort-into sorted"),
    Task("turn-the-sorting-back", "cladescope undo sorted"),
    Task(
        "map-my-collection",
        "cladescope map classes.store --method tsne --out map",
        makes=("map/map.html", "map/map.png"),
    ),
    Task(
        "which-encoder-is-best",
        "cladescope evaluate few-shot classes/ --encoder tiny --encoder pixels --shots 1 --out scores",
        makes=("scores/results.md",),
    ),
    Task("names-by-genus", "cladescope predict query.jpg --rank genus -k 2"),
    Task("take-it-to-a-spreadsheet", "cladescope export classes.store --format csv --out exported"),
    Task("help-with-one-verb", "cladescope help duplicates"),
    Task("no-such-folder", "cladescope predict foto/", status=1),
    Task("a-verb-misspelt", "cladescope serch photos.store query.jpg", status=2),
    Task("a-picture-for-a-store", "cladescope info query.jpg", status=1),
    Task("a-classifier-that-is-not-there", "cladescope predict photos/ --classifier yours.safetensors", status=2),
    Task("a-result-that-is-there", "cladescope fit classes/ --out mine.safetensors", status=1),
)


def lay_out(folder: Path, kinds: list[Path], names: tuple[str, ...] | None = BINOMIALS) -> None:
    """Make `photos/`, `classes/` and `query.jpg` of the pictures of some kinds, a folder each."""
    (folder / "photos").mkdir()
    for number, kind in enumerate(kinds):
        home = folder / "classes" / (kind.name if names is None else names[number])
        home.mkdir(parents=True)
        for n, path in enumerate(sorted(kind.glob("*.jpg"))[:8]):
            shutil.copy(path, home / f"{n}.jpg")
            shutil.copy(path, folder / "photos" / f"IMG_{number:02}{n:02}.jpg")
            with Image.open(path) as picture:
                picture.filter(ImageFilter.GaussianBlur(2 + n)).rotate(9 * n).save(home / f"again-{n}.jpg")
    shutil.copy(folder / "photos" / "IMG_0001.jpg", folder / "query.jpg")


def screen(task: Task, status: int, out: str, err: str, folder: Path) -> str:
    """What a person sees of a task, as text: the command, what it printed, how it ended. Numbers that change from run to run are kept out."""
    printed = "\n".join(one.rstrip() for one in (err + out).replace(str(folder), ".").splitlines())
    printed = re.sub(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\+\d\d:\d\d)?", "TIME", printed)
    printed = re.sub(r"\d+\.\d+(e-\d+)? s, \d+ pictures a second|\bat \d+ a second", "RATE", printed)
    printed = re.sub(r"[+-]?\d*\.\d+(e-\d+)?", "#", printed)
    return f"$ {task.command}\n{printed}\n[exit status {status}]\n"


def alike(text: str) -> list[str]:
    """The lines of a screen without what may differ between machines: names, numbers and words for them, the order of equal ones, columns' widths."""
    lines = []
    for line in text.splitlines():
        bare = re.sub(r"\S*/\S+|\S+\.jpg", "FILE", line)
        bare = re.sub(r"\b[A-Z][\w-]+( [a-z-]+)?( \([^)]*\))?", "NAME", bare)
        bare = re.sub(r"[+-]?\d[\d,.]*|#", "#", bare)
        bare = re.sub(r"\b(almost sure|likely|perhaps|a guess|(very |hardly )?like)\b", "WORDS", bare)
        lines.append(re.sub(r"\s+", " ", bare).strip())
    return lines
