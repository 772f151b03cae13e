# SPDX-License-Identifier: GPL-2.0-only
"""The plugin that counts the instructions of functions, on made-up instructions."""

import os
import subprocess

import pytest

HERE = os.path.dirname(__file__)
PLUGIN = os.path.join(HERE, "..", "machine", "plugin", "cost.c")

# Addresses, and stack pointers of two tasks
ONE, OTHER, INTERRUPT, ELSEWHERE = 0x1000, 0x2000, 0x3000, 0x4000
STACK, OF_OTHER_CPU = 0x10000ff8, 0x20000ff8

NOP, RET, IRETQ = 0x90, 0xc3, 0xcf48


@pytest.fixture(scope="module", name="host")
def _host(tmp_path_factory):
    path = tmp_path_factory.mktemp("plugin") / "host"
    subprocess.run(["cc", "-O2", "-Wall", os.path.join(HERE, "plugin_host.c"), PLUGIN, "-o", path],
                   check=True)
    return path


def run(host, *instructions):
    """(event, function, numbers by name) of each line"""
    text = "".join(f"{address:x} {stack:x} {opcode:x}\n" for address, stack, opcode in instructions)
    output = subprocess.run([host, f"watch=one:{ONE:#x}", f"watch=other:{OTHER:#x}",
                             f"interrupt={INTERRUPT:#x}"], input=text, check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    lines = [line.split() for line in output.splitlines()]
    return [(event, name, dict(zip(rest[::2], map(int, rest[1::2]))))
            for event, name, *rest in lines]


def left(events):
    return {name: numbers["own"] for event, name, numbers in events if event == "leave"}


def test_function(host):
    found = run(host, (ELSEWHERE, STACK, NOP), (ONE, STACK, NOP), (ELSEWHERE, STACK - 64, NOP),
                (ELSEWHERE, STACK, RET), (ELSEWHERE, STACK, NOP))
    assert found == [("enter", "one", {"all": 1}),
                     ("leave", "one", {"own": 2, "from": 1, "all": 3})]


def test_calls_count_in_both(host):
    found = run(host, (ONE, STACK, NOP), (OTHER, STACK - 64, NOP), (ELSEWHERE, STACK - 64, RET),
                (ELSEWHERE, STACK, RET))
    assert left(found) == {"one": 3, "other": 1}


def test_other_cpu_in_another_function(host):
    """Each has its own instructions, and not those of the other one."""
    found = run(host, (ONE, STACK, NOP), (OTHER, OF_OTHER_CPU, NOP),
                *[(ELSEWHERE, OF_OTHER_CPU - 64, NOP)] * 100, (ELSEWHERE, STACK - 64, NOP),
                (ELSEWHERE, STACK, RET), (ELSEWHERE, OF_OTHER_CPU, RET))
    assert left(found) == {"one": 2, "other": 101}


def test_same_function_on_both_cpus(host):
    found = run(host, (ONE, STACK, NOP), (ONE, OF_OTHER_CPU, NOP),
                *[(ELSEWHERE, OF_OTHER_CPU - 64, NOP)] * 10, (ELSEWHERE, STACK, RET),
                (ELSEWHERE, OF_OTHER_CPU, RET))
    assert [numbers for event, _, numbers in found if event == "leave"] == [
        {"own": 1, "from": 0, "all": 12}, {"own": 11, "from": 1, "all": 13}]


def test_interrupt_on_the_stack(host):
    found = run(host, (ONE, STACK, NOP), (INTERRUPT, STACK - 64, NOP),
                *[(ELSEWHERE, STACK - 128, NOP)] * 10, (ELSEWHERE, STACK - 64, IRETQ),
                (ELSEWHERE, STACK - 64, NOP), (ELSEWHERE, STACK, RET))
    assert left(found) == {"one": 2}
