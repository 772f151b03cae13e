# SPDX-License-Identifier: GPL-2.0
"""Shell scripts that notice that one of their commands fails."""

import os
import re
import subprocess

import ktap
import pytest

SCRIPTS = os.path.join(ktap.ROOT, "scripts")


def functions(script, *names):
    """The text of functions of a script, which cannot be sourced: it would run."""
    with open(os.path.join(SCRIPTS, script), encoding="utf-8") as file:
        text = file.read()
    return "".join(re.search(rf"^{name}\(\)\n{{\n.*?^}}\n", text, re.M | re.S)[0]
                   for name in names)


def run(tmp_path, commands):
    """Run commands as a script does; returns what is done."""
    path = f"{tmp_path}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", f". {SCRIPTS}/lib.sh\n{commands}", os.path.join(SCRIPTS, "test.sh")],
        env={**os.environ, "BUILD": str(tmp_path), "PATH": path},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def program(tmp_path, name, text):
    """A program that scripts find before the one of this machine."""
    path = tmp_path / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def calls_only_exports(tmp_path, path):
    (tmp_path / ".exports").write_text("printk\n", encoding="utf-8")
    return run(tmp_path, "out=$BUILD\n" + functions("check.sh", "calls_only_exports")
               + f"calls_only_exports vfio {path}")


@pytest.mark.parametrize("called, status", (("printk", 0), ("ours", 1)))
def test_symbol_that_a_module_lacks_is_named(tmp_path, called, status):
    path = tmp_path / "vfio_main.o"
    subprocess.run(["gcc", "-xc", "-c", "-o", path, "-"], check=True, text=True,
                   input=f"void {called}(void); void f(void) {{ {called}(); }}")
    done = calls_only_exports(tmp_path, path)
    assert done.returncode == status
    assert ("vfio.ko: not exported: ours" in done.stdout) == bool(status)


def test_object_that_is_missing_fails_the_check_of_exports(tmp_path):
    assert calls_only_exports(tmp_path, tmp_path / "vfio_main.o").returncode


def test_kernel_without_symbols_fails_the_check_of_exports(tmp_path):
    done = run(tmp_path, "out=$BUILD\ncalls_only_exports() { :; }\n"
               + functions("check.sh", "exports") + "exports")
    assert done.returncode


def test_overlay_without_a_file_fails_kernel_doc(tmp_path):
    tree = tmp_path / "linux/scripts"
    tree.mkdir(parents=True)
    program(tree, "kernel-doc", "exit 0")
    script = functions("check.sh", "overlay_files", "kernel_doc")
    assert run(tmp_path, f"{script} kernel_doc").returncode == 0
    done = run(tmp_path, f"{script} ROOT=$BUILD; kernel_doc")
    assert done.returncode and "no list of the overlay's files" in done.stdout
    done = run(tmp_path, script.replace("[ch]", "nothing") + "kernel_doc")
    assert done.returncode and "no file of the overlay matches" in done.stdout


def test_kernel_that_does_not_build_fails_w1(tmp_path):
    (tmp_path / "scripts").mkdir()
    program(tmp_path / "scripts", "build-kernel.sh", "exit 1")
    program(tmp_path / "scripts", "own_warnings.py", "exit 0")
    program(tmp_path, "make", "exit 0")
    done = run(tmp_path, "ROOT=$BUILD out=$BUILD flavour=lab\nown_objects() { echo a.o; }\n"
               + functions("check.sh", "w1_sparse") + "w1_sparse")
    assert done.returncode


def make_image(tmp_path, ldd):
    program(tmp_path, "ldd", ldd)
    program(tmp_path, "a-program", "exit 0")
    return run(tmp_path, "set -eu\nGEN=true\n"
               + functions("build-initramfs.sh", "program", "libraries", "image")
               + 'list() { program "$BUILD/a-program"; libraries "$BUILD/a-program"; }\n'
               + "image list a.img")


def test_image_has_a_list_with_hashes(tmp_path):
    assert make_image(tmp_path, "echo").returncode == 0
    assert (tmp_path / "a.img").exists()
    lines = (tmp_path / "a.img.list").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("file /bin/a-program ") and lines[1].endswith("/a-program")
    assert lines[1].startswith("# ") and len(lines) == 2


def test_program_that_lacks_a_library_fails_the_image(tmp_path):
    done = make_image(tmp_path, 'echo "libx.so.1 => not found"')
    assert done.returncode and "a program lacks a library" in done.stdout
    assert not (tmp_path / "a.img").exists()


def build_kernel(tmp_path, status):
    """Build a kernel with a stand-in for make; returns the exit status."""
    return run(tmp_path, "set -eu\nflavour=lab out=$BUILD\nnr_files() { echo 0; }\n"
               f"profiled() {{ :; }}\nnewer() {{ :; }}\nkmake_aloud() {{ return {status}; }}\n"
               + functions("build-kernel.sh", "build") + "build").returncode


def test_build_that_fails_leaves_the_time_of_the_last_complete_one(tmp_path):
    assert build_kernel(tmp_path, 0) == 0
    os.utime(tmp_path / ".built", (1000, 1000))
    assert build_kernel(tmp_path, 1)
    assert (tmp_path / ".built").stat().st_mtime == 1000
    assert build_kernel(tmp_path, 0) == 0
    assert (tmp_path / ".built").stat().st_mtime > 1000
