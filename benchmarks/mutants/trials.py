"""Trials of mutants: which tests run a mutant's line, processes that try it, and a memory of what was found."""

import ast
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from mutation import Mutant, Places

HERE = Path(__file__).resolve().parent
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "PYTHONHASHSEED": "0",
}


@dataclass(frozen=True)
class Found:
    """What became of a mutant."""

    is_killed: bool
    killer: str | None
    n_tests: int


def digest(*paths: str) -> str:
    """Of the contents of files."""
    return hashlib.sha256(b"\0".join(Path(path).read_bytes() for path in paths)).hexdigest()[:16]


class Trials:
    """The trials of one room."""

    def __init__(self, room: str, tests: list[str], *, cache: Path, processes: int, fresh: bool) -> None:
        self.files = sorted(str(path) for path in Path(room).glob("*.py"))
        self.room, self.tests, self.cache, self.n_processes = room, tests, cache, processes
        self.name = room.replace("/", "-")
        self.memory = cache / f"{self.name}.jsonl"
        self.known = (
            {} if fresh or not self.memory.exists() else dict(map(_remembered, self.memory.read_text().splitlines()))
        )
        self.lock = threading.Lock()
        self.sound: dict[str, bool] = {}

    def tried(self, mutants: list[Mutant]) -> list[Found]:
        """What became of each mutant."""
        self.traces = self._traces()
        self.seconds = {test: seconds for trace in self.traces.values() for test, seconds in trace["seconds"].items()}
        self.places = {file: Places(ast.parse(Path(file).read_text())) for file in {mutant.file for mutant in mutants}}
        jobs = [(mutant, self._tests_of(mutant)) for mutant in mutants]
        names = _numbered(mutants)
        waiting: SimpleQueue[int] = SimpleQueue()
        found: dict[int, Found] = {}
        for place, (mutant, tests) in enumerate(jobs):
            before = self._recalled(names[place], mutant, tests)
            if not tests:
                found[place] = Found(False, None, 0)
            elif before is not None:
                found[place] = before
            else:
                waiting.put(place)
        total = waiting.qsize()
        if total:
            with ThreadPoolExecutor(self.n_processes) as pool:
                for part in pool.map(
                    lambda _: self._work(waiting, jobs, names, total), range(min(self.n_processes, total))
                ):
                    found |= part
        return [found[place] for place in range(len(mutants))]

    def _work(
        self, waiting: "SimpleQueue[int]", jobs: list[tuple[Mutant, list[str]]], names: list[str], total: int
    ) -> dict[int, Found]:
        server = Server(self.cache / f"{self.name}.modules", list(self.traces))
        found = {}
        while not waiting.empty():
            place = waiting.get()
            mutant, tests = jobs[place]
            job = {
                "file": mutant.file,
                "source": mutant.source,
                "function": self.places[mutant.file].outer(mutant.number),
            }
            killer = server.killer(job, tests, self.seconds)
            while killer in self.seconds and not self._is_sound(server, killer):
                tests = [test for test in tests if test != killer]
                killer = server.killer(job, tests, self.seconds)
            found[place] = Found(killer is not None, killer, len(tests))
            with self.lock, self.memory.open("a") as memory:
                line = {
                    "name": names[place],
                    "source": digest(mutant.file),
                    "tests": self._digests(killer, tests),
                    **asdict(found[place]),
                }
                memory.write(json.dumps(line) + "\n")
            if waiting.qsize() % 50 == 0:
                print(f"{self.room}: {waiting.qsize()} of {total} to go", file=sys.stderr, flush=True)
        server.close()
        return found

    def _is_sound(self, server: "Server", test: str) -> bool:
        """Whether a test passes in a fork without any mutant."""
        if test not in self.sound:
            self.sound[test] = server.killer({"source": None}, [test], self.seconds) is None
            if not self.sound[test]:
                print(f"{self.room}: left out, for it fails in a fork without any mutant: {test}", file=sys.stderr)
        return self.sound[test]

    def _traces(self) -> dict[str, Any]:
        """What each test file runs, traced anew where it, or a source of the room, has changed."""
        kept = self.cache / f"{self.name}.traces.json"
        before = json.loads(kept.read_text()) if kept.exists() else {}
        paths = [f"cladescope/{file}" for file in self.files] + sorted(
            {str(path) for test in self.tests for path in _test_files(Path(test))}
        )
        now = {path: digest(path, *self.files) for path in paths}
        stale = [path for path in paths if before.get(path, {}).get("digest") != now[path]]
        if stale:
            out, files = self.cache / f"{self.name}.new.json", self.cache / f"{self.name}.files"
            files.write_text("\n".join(self.files))
            print(f"{self.room}: tracing {len(stale)} files of tests", file=sys.stderr, flush=True)
            command = [sys.executable, str(HERE / "tracing.py"), str(out), str(files), *stale]
            subprocess.run(command, check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
            new = json.loads(out.read_text())
            empty = {"seconds": {}, "failed": [], "lines": {}}
            before |= {path: {**new.get(path, empty), "digest": now[path]} for path in stale}
            modules = self.cache / f"{self.name}.modules"
            loaded = set(out.with_suffix(".modules").read_text().split()) | set(
                modules.read_text().split() if modules.exists() else ()
            )
            modules.write_text("\n".join(sorted(loaded)))
            kept.write_text(json.dumps(before))
            for entry in before.values():
                if entry["failed"]:
                    print(f"{self.room}: fail without any mutant: {entry['failed']}", file=sys.stderr)
        return {path: before[path] for path in paths}

    def _tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that run a mutant's line, quick ones first; those of the whole file for a line that runs on import."""
        places = self.places[mutant.file]
        if not places.outer(mutant.number):
            return self._all_tests_of(mutant.file)
        lines = places.together(mutant.number)
        return self._ordered(
            test
            for trace in self.traces.values()
            for line in lines
            for test in trace["lines"].get(mutant.file, {}).get(str(line), ())
        )

    def _all_tests_of(self, file: str) -> list[str]:
        return self._ordered(
            test for trace in self.traces.values() for tests in trace["lines"].get(file, {}).values() for test in tests
        )

    def _ordered(self, tests: Iterable[str]) -> list[str]:
        by_file = defaultdict(list)
        for test in set(tests):
            path = test.partition("::")[0]
            if test not in self.traces[path]["failed"]:
                by_file[path].append((self.traces[path]["seconds"][test], test))
        files = sorted(by_file.values(), key=lambda of_file: sum(seconds for seconds, _ in of_file))
        return [test for of_file in files for _, test in sorted(of_file)]

    def _recalled(self, name: str, mutant: Mutant, tests: list[str]) -> Found | None:
        line = self.known.get(name)
        if (
            line is None
            or line["source"] != digest(mutant.file)
            or line["tests"] != self._digests(line["killer"], tests)
        ):
            return None
        return Found(line["is_killed"], line["killer"], line["n_tests"])

    def _digests(self, killer: str | None, tests: list[str]) -> str:
        paths = (
            [killer.partition("::")[0]]
            if killer is not None and "::" in killer
            else sorted({test.partition("::")[0] for test in tests})
        )
        return digest(*(path for path in paths if Path(path).exists()))


class Server:
    """A process of `trial.py`."""

    def __init__(self, modules: Path, tests: list[str]) -> None:
        command = [sys.executable, str(HERE / "trial.py"), str(modules), *tests]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
        )

    def killer(self, job: dict[str, Any], tests: list[str], seconds: dict[str, float]) -> str | None:
        """The first of some tests that fails with a mutant in place, or what else ended them; None where all pass."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        usual = sum(seconds[test] for test in tests)
        limits = {"cpu_seconds": 20 + 4 * usual, "wall_seconds": 600 + 40 * usual}
        self.process.stdin.write(json.dumps({**job, **limits, "tests": tests}) + "\n")
        self.process.stdin.flush()
        found: str | None = json.loads(self.process.stdout.readline())["killer"]
        return found

    def close(self) -> None:
        """Let it end."""
        self.process.communicate()


def _remembered(line: str) -> tuple[str, dict[str, Any]]:
    found = json.loads(line)
    return found["name"], found


def _numbered(mutants: list[Mutant]) -> list[str]:
    """A name for each, with the content of what it becomes: two places of one line may change alike."""
    return [
        f"{' | '.join(mutant.key)} | {hashlib.sha256(mutant.source.encode()).hexdigest()[:12]}" for mutant in mutants
    ]


def _test_files(path: Path) -> list[Path]:
    return sorted(path.glob("test_*.py")) if path.is_dir() else [path]
