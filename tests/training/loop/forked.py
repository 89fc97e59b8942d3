"""Processes as torchrun starts them, but forked from this one, which has loaded torch and the models: each would take seconds for that.

A line of its input is a job, a JSON list: where the streams go, how many processes, the module that each runs, and its
arguments. Each answer is a line with their exit statuses. The house's loop is loaded by each process itself, after torchrun's variables are set.
"""

import json
import multiprocessing
import os
import runpy
import socket
import sys
from pathlib import Path

import cladescope.training.model.towers  # noqa: F401 - loads torch, open_clip and timm, and no polars, whose threads no fork survives

MOST_SECONDS = 300


def one(folder: str, process: int, variables: dict[str, str], module: str, arguments: list[str]) -> None:
    """Run a module as process number so, with streams of its own."""
    for descriptor, name in ((1, "out"), (2, "err")):
        with (Path(folder) / f"{process}.{name}").open("wb") as stream:
            os.dup2(stream.fileno(), descriptor)
    os.environ.update(variables, RANK=str(process), LOCAL_RANK=str(process))
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main() -> None:
    """Do the jobs in turn."""
    context = multiprocessing.get_context("fork")
    for line in sys.stdin:
        folder, n, module, arguments = json.loads(line)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        variables = {"WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
        processes = [context.Process(target=one, args=(folder, k, variables, module, arguments)) for k in range(n)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(MOST_SECONDS)
            process.kill()
            process.join()
        sys.stdout.write(json.dumps([process.exitcode for process in processes]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
