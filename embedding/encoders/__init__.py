"""One file per kind of encoder; each has `load(name, *, device, precision) -> Encoder`."""
