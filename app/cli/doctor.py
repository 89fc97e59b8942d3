"""`cladescope doctor`: versions, devices and memory of this machine."""

from cladescope.app.cli.options import JsonOption
from cladescope.app.cli.output import print_json, print_line, print_table


def doctor(json: JsonOption = False) -> None:
    """Show versions, devices and memory, for a problem report.

    Example: cladescope doctor
    """
    from cladescope.app.verbs import doctor as verb

    found = verb.doctor()
    if json:
        print_json(found)
        return
    print_table(["", "found"], [(name, "none" if value is None else str(value)) for name, value in found.items()])
    gpu = found["cuda"] is not None
    print_line("ready: embedding on the GPU" if gpu else "ready: embedding on the CPU (no CUDA device was found)")
