# SPDX-License-Identifier: GPL-2.0
"""Where a file of the kernel tree lives in the repository, and back."""

import os
import subprocess

import overlay
import pytest

PLACES = {
    "kernel/irq/liveupdate.c": "kernel/irq/liveupdate.c",
    "kernel/irq/irq_liveupdate_core_test.c": "kunit/kernel/irq/irq_liveupdate_core_test.c",
    "kernel/irq/.kunitconfig": "kunit/kernel/irq/.kunitconfig",
    "kernel/irq/kunit_fake_machine.c": "kunit/kernel/irq/kunit_fake_machine.c",
    "drivers/iommu/intel/kunit_fake_vtd.h": "kunit/drivers/iommu/intel/kunit_fake_vtd.h",
    "include/kunit/irq_liveupdate/watch.h": "kunit/include/kunit/irq_liveupdate/watch.h",
    "tools/testing/irq_liveupdate_ser/kunit/test.h":
        "tools/testing/irq_liveupdate_ser/kunit/test.h",
    "tools/testing/selftests/x/a_test.c": "tools/testing/selftests/x/a_test.c",
    "kernel/irq/irq_test.c.patch": "kernel/irq/irq_test.c.patch",
}


@pytest.mark.parametrize("laid, filed", PLACES.items())
def test_each_file_has_one_place(laid, filed):
    assert overlay.repo_path(laid) == filed
    assert overlay.kernel_path(filed) == laid


@pytest.mark.parametrize("path", ["kunit/kernel/irq/helper.h", "kernel/irq/a_test.c"])
def test_file_in_the_wrong_half_is_refused(path):
    with pytest.raises(overlay.OverlayError):
        overlay.kernel_path(path)


def test_documents_beside_the_suites_are_not_laid():
    assert not overlay.in_overlay(overlay.kernel_path("kunit/README.md"))


# What Linux 7.3 does in a place where the older series does something else
OF_OLDER = {"pci_clear_master(dev);": "pci_disable_device(dev);"}

# Linux 7.2 allocates the nodes of KHO's tree in two places, and so needs the function of 7.3: the
# lines that only the patch of each series has
KHO_NODE = "(struct kho_radix_node *)get_zeroed_page(GFP_KERNEL);"
ONLY_IN = {
    "kernel/liveupdate/kexec_handover.c.patch": [
        ("-", "if (slab_is_available())"), ("-", f"node = {KHO_NODE}"), ("-", "else"),
        ("-", "node = memblock_alloc(PAGE_SIZE, PAGE_SIZE);"),
        ("+", "if (!slab_is_available())"), ("+", "return memblock_alloc(PAGE_SIZE, PAGE_SIZE);")],
    "versions/7.2/kernel/liveupdate/kexec_handover.c.patch": [
        ("+", "static struct kho_radix_node *kho_radix_alloc_node(void)"), ("+", "{"), ("+", "}"),
        ("+", "struct kho_radix_node *node;"), ("+", "return node;"), ("+", ""), ("+", ""),
        ("-", f"new_node = {KHO_NODE}"), ("+", "new_node = kho_radix_alloc_node();"),
        ("-", "tree->root = kzalloc(PAGE_SIZE, GFP_KERNEL);"),
        ("+", "tree->root = kho_radix_alloc_node();"),
        ("-", "kfree(tree->root);"), ("+", "free_page((unsigned long)tree->root);")],
}


def changed_lines(path):
    """The sign and the text of each line, whatever its indentation."""
    with open(os.path.join(overlay.REPO, path), encoding="utf-8") as file:
        lines = [(line[0], line[1:].strip()) for line in file.readlines()[2:] if line[0] in "+-"]
    for line in ONLY_IN.get(path, []):
        lines.remove(line)
    return sorted((sign, OF_OLDER.get(text, text)) for sign, text in lines)


def own_patches():
    return overlay.git_paths(overlay.REPO, "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard", "--", overlay.VERSIONS)


@pytest.mark.parametrize("path", own_patches())
def test_patch_for_another_series_changes_the_same_lines(path):
    assert changed_lines(path) == changed_lines(path.split("/", 2)[2])


@pytest.fixture(name="repo")
def make_repo(tmp_path):
    """A repository with a file and a patch that another series has as well."""
    for path, text in (("kernel/a.c", "all\n"), ("kernel/b.c", "both\n"),
                       ("versions/7.2/kernel/b.c", "only\n")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def contents(repo):
    return {path: entry.data.decode() for path, entry in repo.entries().items()}


@pytest.mark.parametrize("series, expected", [
    (None, "both\n"), ("7.3", "both\n"), ("7.2", "only\n")])
def test_a_series_has_its_own_file(repo, series, expected):
    assert contents(overlay.Repo(str(repo), series)) == {
        "kernel/a.c": "all\n", "kernel/b.c": expected}


def test_what_is_the_same_again_has_one_place(repo):
    one = overlay.Repo(str(repo), "7.2")
    one.put("kernel/b.c", overlay.Entry(b"both\n", False))
    assert not (repo / "versions").exists()


def test_what_differs_goes_to_the_series(repo):
    one = overlay.Repo(str(repo), "7.2")
    one.put("kernel/a.c", overlay.Entry(b"new\n", False))
    assert (repo / "kernel/a.c").read_text(encoding="utf-8") == "all\n"
    assert contents(one)["kernel/a.c"] == "new\n"


def test_file_of_all_series_is_not_removed_for_one(repo):
    with pytest.raises(overlay.OverlayError):
        overlay.Repo(str(repo), "7.2").put("kernel/a.c", None)
