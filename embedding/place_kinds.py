"""What a place on the disk is, in words."""

import os
import stat

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file",
    stat.S_IFIFO: "a pipe (FIFO), not a file",
    stat.S_IFSOCK: "a socket, not a file",
    stat.S_IFCHR: "a device, not a file",
    stat.S_IFBLK: "a device, not a file",
}


def kind_of(status: os.stat_result) -> str:
    """What a place on disk is, in words.

    >>> kind_of(os.stat("/")), kind_of(os.stat("/dev/null"))
    ('a folder', 'a device, not a file')
    """
    return _KINDS.get(stat.S_IFMT(status.st_mode), "no ordinary file")
