"""One file a kind of encoder; each has `load(name, *, device, precision) -> Encoder`."""
