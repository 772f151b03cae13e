# SPDX-License-Identifier: GPL-2.0-only
"""Puts the next kernel and its initrd into the old kernel's initrd.

Linux unpacks concatenated archives one after the other, so an archive with
those two files is appended to the common initrd.
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


def build(path, base, next_kernel, next_initrd):
    """Write base plus /next/kernel and /next/initrd.img to path."""
    common, kernel, nested = map(_contents, (base, next_kernel, next_initrd))
    with open(path, "wb") as out:
        out.write(_pad(common))
        out.write(_entry("next", DIRECTORY_MODE))
        out.write(_entry("next/kernel", FILE_MODE, kernel))
        out.write(_entry("next/initrd.img", FILE_MODE, nested))
        out.write(_entry(TRAILER, 0))
