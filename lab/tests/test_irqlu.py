# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the check of what irqlu prints."""

from judge import irqlu

PRINTED = """irqlu: a message on standard error
{
  "version":1,
  "command":"audit",
  "devices":[ { "bdf":"0000:01:00.0", "agrees":true, "vectors":8 } ]
}
"""


def check(output, command="irqlu --json audit"):
    found = irqlu.check([{"command": f"shell {command}", "output": output}])
    return found[0] if found else None


class TestIrqlu:
    def test_right(self):
        assert check(PRINTED).ok

    def test_other_commands(self):
        assert check("bdf\n", "irqlu list") is None

    def test_no_json(self):
        assert not check("irqlu: no such file\n").ok
        assert not check("").ok

    def test_number_as_text(self):
        assert not check(PRINTED.replace("8", '"8"')).ok

    def test_other_version(self):
        assert not check(PRINTED.replace('"version":1', '"version":2')).ok

    def test_unknown_member(self):
        assert not check(PRINTED.replace('"bdf"', '"x":1,"bdf"')).ok

    def test_address_in_short(self):
        assert not check(PRINTED.replace("0000:01:00.0", "01:00.0")).ok
