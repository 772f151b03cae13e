# SPDX-License-Identifier: GPL-2.0
"""What is built after each patch of the series."""

import types

import pytest
import series_build

PARTS = ("fixes", "fixes", "core")


class Builder:
    """Notes what it is asked to build, and fails for one variant."""

    def __init__(self, fails=None):
        self.built = []
        self.fails = fails

    def build(self, variant, options_change, link):
        self.built.append((variant.name, options_change, link))
        return variant.name != self.fails


@pytest.fixture(name="plan")
def make_plan():
    return types.SimpleNamespace(patches=[types.SimpleNamespace(part=part) for part in PARTS])


@pytest.fixture(autouse=True)
def compilers(monkeypatch):
    monkeypatch.setattr(series_build.shutil, "which", lambda name: name)


@pytest.mark.parametrize("number, link", [(1, False), (2, True), (3, True)])
def test_end_of_a_part_is_linked(plan, number, link):
    builder = Builder()
    assert series_build.build_patch(builder, plan, number, False) == []
    assert builder.built[:2] == [("off", False, False), ("on", False, link)]


def test_last_patch_is_built_for_other_architectures(plan):
    builder = Builder()
    series_build.build_patch(builder, plan, 3, False)
    assert builder.built[2:] == [("i386", True, False), ("arm64", True, False)]


def test_architecture_without_a_compiler_is_named(plan, monkeypatch, capsys):
    monkeypatch.setattr(series_build.shutil, "which", lambda name: name == "gcc")
    builder = Builder()
    assert series_build.build_patch(builder, plan, 3, False) == []
    assert builder.built[-1][0] == "i386"
    assert "arm64 is not built: no aarch64-linux-gnu-gcc" in capsys.readouterr().err


def test_variant_that_fails_is_named(plan):
    assert series_build.build_patch(Builder("on"), plan, 1, False) == ["on"]
