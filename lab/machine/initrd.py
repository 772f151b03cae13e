# SPDX-License-Identifier: GPL-2.0-only
"""Puts the next kernel and its initrd into the old kernel's initrd.

Linux unpacks concatenated archives one after the other, so an archive with
those two files is appended to the common initrd. An archive cannot contain
itself: one which is used by kernel after kernel has the kernel alone, and is
given on as /sys/firmware/initrd.
"""

TRAILER = "TRAILER!!!"
DIRECTORY_MODE = 0o040755
FILE_MODE = 0o100644


def _pad(data, boundary=4):
    return data + b"\0" * (-len(data) % boundary)


def _entry(name, mode, data=b""):
    """One member of a cpio archive in "newc" format."""
    encoded = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _pad(header + encoded) + _pad(data)


def _contents(path):
    with open(path, "rb") as f:
        return f.read()


def build(path, base, next_kernel, next_initrd=None):
    """Write base plus /next/kernel, and /next/initrd.img if there is one, to path."""
    common, kernel = _contents(base), _contents(next_kernel)
    with open(path, "wb") as out:
        out.write(_pad(common))
        out.write(_entry("next", DIRECTORY_MODE))
        out.write(_entry("next/kernel", FILE_MODE, kernel))
        if next_initrd:
            out.write(_entry("next/initrd.img", FILE_MODE, _contents(next_initrd)))
        out.write(_entry(TRAILER, 0))
