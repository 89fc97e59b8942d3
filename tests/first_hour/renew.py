"""Write the screens of the first hour anew: `python -m tests.first_hour.renew`; then look at what changed with `git diff`."""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from cladescope.simulation import SimulationConfig, simulate
from tests.conftest import REPOSITORY
from tests.first_hour.tasks import BINOMIALS, SCREENS, TASKS, lay_out, screen


def main() -> None:
    """Run every task, in a process of its own, as a person would."""
    SCREENS.mkdir(exist_ok=True)
    for old in SCREENS.glob("*.txt"):
        old.unlink()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made).resolve() / "home"
        folder.mkdir()
        simulate(Path(made) / "clades", SimulationConfig(species=12, images=4, seed=1, size=96))
        lay_out(folder, sorted((Path(made) / "clades" / "images").iterdir())[: len(BINOMIALS)])
        for task in TASKS:
            ended = subprocess.run(
                [sys.executable, "-m", "cladescope.app.cli", *shlex.split(task.command)[1:]],
                capture_output=True,
                text=True,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "100"},
            )
            (SCREENS / f"{task.name}.txt").write_text(
                screen(task, ended.returncode, ended.stdout, ended.stderr, folder), encoding="utf-8"
            )


if __name__ == "__main__":
    main()
