#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Keep the overlay in this repository and the kernel work tree in sync.

A file that is new in the kernel lives here at its kernel path, and a file of a
KUnit suite at that path under kunit/. A change to an upstream file X lives here
as X.patch. Only the repository's side knows about kunit/: everything else, the
output of list included, goes by the path in the kernel. The work tree ($BUILD/linux) is a git
work tree whose first commit is the pristine kernel.

The overlay is written for one kernel series. What has to be different for another one
lives under versions/SERIES/, at the same path, and takes precedence over the file outside:
versions/7.2/kernel/irq/Makefile.patch. Export writes a file there only if it differs.

    overlay.py lay      repository -> work tree
    overlay.py export   work tree -> repository
    overlay.py check    compare only; fails when they differ
    overlay.py list     print the paths of the overlay

Both directions are incremental, file by file: a record of what was the same on
both sides last time ($BUILD/overlay.laid) shows which side has changed since.
A file that changed on one side only is never overwritten from the other; one
that changed on both is a conflict, and nothing is done unless FORCE=1. Files
that are the same already keep their time stamps.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

# The top-level folders that are laid into the kernel tree. A patch to a file
# at the top of the kernel tree (Kconfig.patch) lies at the top here, too.
ROOTS = ("arch", "Documentation", "drivers", "include", "kernel",
         "lib", "mm", "tools", "virt")

# Where files of KUnit suites live in the repository, and the kernel paths of such
# files: suites, headers beside them, headers of several suites, configurations.
SUITES = "kunit/"
SUITE = re.compile(r"(?!tools/)(?:include/kunit/.*|(?:.*/)?"
                   r"(?:[^/]*_test\.[ch]|kunit_[^/]*\.[ch]|\.kunitconfig))")

# What is different for kernel series other than the one that the overlay is written for.
VERSIONS = "versions/"

# Files that the kernel's .gitignore hides although they are sources.
HIDDEN_SOURCES = (".kunitconfig", ".gitignore")

# More files than this are only counted in the output.
SAY_EACH = 20

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class OverlayError(Exception):
    """Something the user has to decide about."""


class Entry:
    """One file of the overlay, as it is on one side."""

    def __init__(self, data, executable):
        self.data = data
        self.executable = executable

    def key(self, path):
        """A hash that is equal when the two sides mean the same.

        The line numbers and the context names of hunks are not part of it: they
        move with every stable update of the kernel.
        """
        data = self.data
        if path.endswith(".patch"):
            data = re.sub(rb"^@@ .*$", b"@@", data, flags=re.M)
        mark = b"x" if self.executable else b"-"
        return hashlib.sha256(mark + data).hexdigest()


def git(folder, *args):
    """Run git in a folder without taking its index lock; return its output."""
    env = dict(os.environ, GIT_OPTIONAL_LOCKS="0")
    env.pop("GIT_DIR", None)
    return subprocess.run(["git", "-C", folder, *args], env=env, check=True,
                          stdout=subprocess.PIPE).stdout


def git_paths(folder, *args):
    """The NUL-separated list of paths that a git command prints."""
    out = git(folder, *args).decode()
    return [path for path in out.split("\0") if path]


def in_overlay(path):
    """Whether a path may be part of the overlay."""
    top, slash, _ = path.partition("/")
    return top in ROOTS if slash else path.endswith(".patch")


def repo_path(path):
    """Where the file at a path in the kernel tree lives in the repository."""
    return SUITES + path if SUITE.fullmatch(path) else path


def kernel_path(path):
    """Where a file of the repository is laid in the kernel tree."""
    laid = path.removeprefix(SUITES)
    if in_overlay(laid) and repo_path(laid) != path:
        raise OverlayError(f"{path}: its place is {repo_path(laid)}")
    return laid


def read_entry(base, path):
    """Read one file; None when it is not there."""
    name = os.path.join(base, path)
    try:
        with open(name, "rb") as file:
            return Entry(file.read(), os.access(name, os.X_OK))
    except FileNotFoundError:
        return None


def write_entry(base, path, entry):
    """Make one file what the entry says; touch nothing if it is that already."""
    name = os.path.join(base, path)
    old = read_entry(base, path)
    if entry is None:
        if old is not None:
            os.unlink(name)
            folder = os.path.dirname(name)
            while folder != base and not os.listdir(folder):
                os.rmdir(folder)
                folder = os.path.dirname(folder)
        return
    if old and old.data == entry.data and old.executable == entry.executable:
        return
    os.makedirs(os.path.dirname(name), exist_ok=True)
    with open(name, "wb") as file:
        file.write(entry.data)
    os.chmod(name, 0o755 if entry.executable else 0o644)


class Repo:
    """The overlay's side: files and patches in this repository."""

    def __init__(self, base, series=None):
        """series: that of the kernel tree, for one that has files under versions/."""
        self.base = base
        own = os.path.join(VERSIONS, series or "")
        self.own = own if series and os.path.isdir(os.path.join(base, own)) else None

    def entries(self):
        """All files of the overlay."""
        found, own = {}, {}
        for path in git_paths(self.base, "ls-files", "-z", "--cached",
                              "--others", "--exclude-standard"):
            if path.startswith(VERSIONS):
                if not self.own or not path.startswith(self.own + "/"):
                    continue
                laid, into = kernel_path(path.removeprefix(self.own + "/")), own
            else:
                laid, into = kernel_path(path), found
            entry = read_entry(self.base, path)
            if entry and in_overlay(laid):
                into[laid] = entry
        return found | own

    def put(self, path, entry):
        """Write or remove one file of the overlay."""
        common = repo_path(path)
        if not self.own:
            write_entry(self.base, common, entry)
            return
        theirs = read_entry(self.base, common)
        if not entry and theirs:
            raise OverlayError(f"{path}: the other series have it, so it cannot be removed "
                               "here alone")
        same = entry and theirs and entry.key(path) == theirs.key(path)
        write_entry(self.base, os.path.join(self.own, common), None if same else entry)


class Tree:
    """The kernel's side: a work tree on top of the pristine commit."""

    def __init__(self, base):
        self.base = base
        if not os.path.isdir(os.path.join(base, ".git")):
            raise OverlayError(f"no kernel tree in {base}: make prepare")
        self.pristine = git(base, "rev-list", "--max-parents=0",
                            "HEAD").decode().split()[0]
        makefile = git(base, "cat-file", "blob", f"{self.pristine}:Makefile").decode()
        self.series = ".".join(re.search(rf"^{name} = (\d+)$", makefile, re.M)[1]
                               for name in ("VERSION", "PATCHLEVEL"))

    def entries(self, known=()):
        """Everything that differs from the pristine kernel, in the overlay's terms.

        Files at the paths in known are looked at even when the kernel's
        .gitignore hides them, or they are in a folder which the overlay has left.
        """
        found = self._patches()
        new = set(git_paths(self.base, "diff", "-z", "--name-only",
                            "--no-renames", "--diff-filter=A", self.pristine))
        # Debian's .gitignore hides all of the top level from git.
        new.update(git_paths(self.base, "ls-files", "-z", "--others",
                             "--exclude=!/*", "--exclude=/.*",
                             "--exclude=*.orig", "--exclude=*.rej",
                             "--exclude=__pycache__",
                             "--exclude-per-directory=.gitignore"))
        new.update(git_paths(self.base, "ls-files", "-z", "--others", "--",
                             *(f":(glob)**/{name}" for name in HIDDEN_SOURCES)))
        new.update(path for path in known if not path.endswith(".patch"))
        for path in new:
            entry = read_entry(self.base, path)
            if not entry:
                continue
            if not in_overlay(path) and path not in known:
                raise OverlayError(f"{path}: new file in the kernel tree, but "
                                   "outside the folders of the overlay")
            found[path] = entry
        return found

    def _patches(self):
        gone = git_paths(self.base, "diff", "-z", "--name-only", "--no-renames",
                         "--diff-filter=DT", self.pristine)
        if gone:
            raise OverlayError("the overlay cannot express that these upstream "
                               "files are gone: " + " ".join(gone))
        diff = git(self.base, "-c", "core.quotePath=false", "diff",
                   "--no-color", "--no-ext-diff", "--no-renames", "--text",
                   "--diff-algorithm=myers", "--no-indent-heuristic", "-U3",
                   "--inter-hunk-context=0", "--src-prefix=a/",
                   "--dst-prefix=b/", "--diff-filter=M", self.pristine)
        found = {}
        for part in re.split(rb"^diff --git .*\n", diff, flags=re.M)[1:]:
            start = part.find(b"--- ")
            if start < 0:
                raise OverlayError("mode changed in the kernel tree: "
                                   + part.decode().strip())
            part = part[start:]
            path = part.split(b"\n", 1)[0][len(b"--- a/"):].decode().strip()
            if not in_overlay(path + ".patch"):
                raise OverlayError(f"{path}: changed in the kernel tree, but "
                                   "outside the folders of the overlay")
            found[path + ".patch"] = Entry(part, False)
        return found

    def put(self, path, entry):
        """Lay or remove one file of the overlay."""
        if path.endswith(".patch"):
            self._put_patched(path.removesuffix(".patch"), entry)
        else:
            write_entry(self.base, path, entry)

    def _put_patched(self, path, patch):
        mode = git(self.base, "ls-tree", self.pristine, "--", path).split(b" ")
        if len(mode) < 2:
            raise OverlayError(f"{path}.patch: there is no such file in this "
                               "kernel")
        data = git(self.base, "cat-file", "blob", f"{self.pristine}:{path}")
        if patch:
            data = apply_patch(path, data, patch.data)
        write_entry(self.base, path, Entry(data, mode[0] == b"100755"))


def apply_patch(path, data, patch):
    """Apply a patch to the content of one file. Fuzz is a last resort."""
    with tempfile.TemporaryDirectory() as folder:
        names = [os.path.join(folder, name) for name in ("old", "new", "rej")]
        with open(names[0], "wb") as file:
            file.write(data)
        for fuzz in ("0", "2"):
            run = subprocess.run(["patch", "-s", "-f", "-F", fuzz, "-r",
                                  names[2], "-o", names[1], names[0]],
                                 input=patch, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, check=False)
            if run.returncode == 0:
                if fuzz != "0":
                    say("FUZZ", f"{path}.patch")
                with open(names[1], "rb") as file:
                    return file.read()
    raise OverlayError(f"{path}.patch does not apply to this kernel:\n"
                       + run.stdout.decode())


def say(what, text):
    """One line of progress."""
    print(f"  {what:<8} {text}", file=sys.stderr)


class Sync:
    """The comparison of both sides with the record of last time."""

    def __init__(self, build):
        self.record = os.path.join(build, "overlay.laid")
        self.laid = {}
        self.moved = set()
        if os.path.exists(self.record):
            with open(self.record, encoding="utf-8") as file:
                for line in file:
                    repo, tree, path = line.rstrip("\n").split(" ", 2)
                    self.laid[path] = (repo, tree)
        self.tree = Tree(os.path.join(build, "linux"))
        self.repo = Repo(REPO, self.tree.series)
        self.scan()

    def scan(self):
        """Look at both sides."""
        self.in_repo = self.repo.entries()
        self.in_tree = self.tree.entries({*self.in_repo, *self.laid})
        self.paths = sorted({*self.in_repo, *self.in_tree, *self.laid})

    def keys(self, path):
        """What a path is on both sides, None for absent."""
        return tuple(side[path].key(path) if path in side else None
                     for side in (self.in_repo, self.in_tree))

    def changed(self, path):
        """Which sides changed since the last time: (repository, tree)."""
        repo, tree = self.keys(path)
        if repo == tree:
            return False, False
        laid = self.laid.get(path, (None, None))
        return repo != laid[0], tree != laid[1]

    def edited(self, side):
        """The paths that changed on one side only, and the conflicts."""
        state = {path: self.changed(path) for path in self.paths}
        only = [path for path, changed in state.items()
                if changed[side] and not changed[1 - side]]
        both = [path for path, changed in state.items() if all(changed)]
        return only, both

    def save(self):
        """Write the record: what is the same on both sides now.

        A path that is not the same keeps its old record, so that it still
        counts as changed on the side that was not looked at.
        """
        self.scan()
        lines = []
        for path in self.paths:
            keys = self.keys(path)
            if keys[0] != keys[1] and path not in self.moved:
                keys = self.laid.get(path)
            if keys and None not in keys:
                lines.append(f"{keys[0]} {keys[1]} {path}\n")
        text = "".join(lines)
        with open(self.record + ".tmp", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self.record + ".tmp", self.record)

    def move(self, source):
        """Carry over what changed on the source side."""
        force = os.environ.get("FORCE", "") not in ("", "0")
        paths, conflicts = self.edited(source)
        if conflicts and not force:
            way = ("repository -> kernel tree", "kernel tree -> repository")
            raise OverlayError(
                "changed both in the repository and in the kernel tree:\n  "
                + "\n  ".join(conflicts)
                + f"\nFORCE=1 overwrites ({way[source]}).")
        have = (self.in_repo, self.in_tree)[source]
        put = (self.tree, self.repo)[source].put
        self.moved = set(paths + conflicts)
        verb = ("LAY", "EXPORT")[source]
        for path in sorted(self.moved):
            put(path, have.get(path))
            if len(self.moved) <= SAY_EACH:
                say(verb, path if path in have else f"{path} (removed)")
        if len(self.moved) > SAY_EACH:
            say(verb, f"{len(self.moved)} files")
        self.save()
        return self.moved


def lay(sync):
    """Repository to tree."""
    sync.move(0)
    mine = sync.edited(1)[0]
    if mine:
        say("NOTE", f"{len(mine)} edit(s) in the kernel tree are not in the "
            "repository yet: make export")
    return 0


def export(sync):
    """Tree to repository."""
    sync.move(1)
    theirs = sync.edited(0)[0]
    if theirs:
        say("NOTE", f"{len(theirs)} change(s) in the repository are not in the "
            "kernel tree yet: make prepare")
    return 0


def check(sync):
    """Compare; a patch that needed fuzz counts as the same as what was laid."""
    stale = {}
    for path in sync.paths:
        repo, tree = sync.keys(path)
        if repo != tree and (repo, tree) != sync.laid.get(path):
            repo_changed, tree_changed = sync.changed(path)
            stale[path] = ("changed on both sides" if repo_changed and tree_changed
                           else "make export" if tree_changed
                           else "make prepare")
    for path, why in stale.items():
        print(f"{path}: {why}")
    return 1 if stale else 0


def show_list():
    """The overlay as the repository has it, by paths in the kernel."""
    for path in sorted(Repo(REPO).entries()):
        print(path)
    return 0


def main():
    """Run one of the commands under the build folder's lock."""
    if sys.argv[1:] == ["list"]:
        return show_list()
    commands = {"lay": lay, "export": export, "check": check}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        print(__doc__)
        return 2
    build = os.path.join(REPO, os.environ.get("BUILD", "build"))
    if not shutil.which("patch"):
        raise OverlayError("needs patch(1): make prepare installs it")
    os.makedirs(build, exist_ok=True)
    with open(os.path.join(build, "overlay.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return commands[sys.argv[1]](Sync(build))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OverlayError as error:
        print(f"overlay: {error}", file=sys.stderr)
        sys.exit(1)
