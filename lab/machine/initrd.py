# SPDX-License-Identifier: GPL-2.0-only
"""Puts the next kernel and its initrd into the old kernel's initrd.

Linux unpacks concatenated archives one after the other, so an archive with
those two files is appended to the common initrd. An archive cannot contain
itself: one that is used by kernel after kernel contains only the kernel, and is passed on as
/sys/firmware/initrd. A kernel that runs a guest with Linux gets the guest's kernel and initrd as
well.
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


def _system(name, kernel, initrd):
    """A folder with the kernel and initrd of a system."""
    yield _entry(name, DIRECTORY_MODE)
    yield _entry(f"{name}/kernel", FILE_MODE, _contents(kernel))
    if initrd:
        yield _entry(f"{name}/initrd.img", FILE_MODE, _contents(initrd))


def build(path, base, next_kernel, next_initrd=None, guest=None):
    """Write base plus /next/kernel, and /next/initrd.img if there is one, to path, and
    /guest/kernel and /guest/initrd.img if guest is the pair of their paths."""
    with open(path, "wb") as out:
        out.write(_pad(_contents(base)))
        out.writelines(_system("next", next_kernel, next_initrd))
        if guest:
            out.writelines(_system("guest", *guest))
        out.write(_entry(TRAILER, 0))
