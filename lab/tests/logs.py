# SPDX-License-Identifier: GPL-2.0-only
"""Logs of the tests have short times, "1@103.5:event": seconds instead of a date."""

import re
from datetime import datetime, timezone

from machine import qemulog

SHORT = re.compile(r"^\d@(\d+\.\d+):")


def _stamp(match):
    time = datetime.fromtimestamp(float(match[1]), timezone.utc)
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ ")


def stamped(line):
    """As QEMU writes it."""
    return SHORT.sub(_stamp, line)


def parse(line):
    """The event of a line with a short time."""
    return qemulog.parse(stamped(line))
