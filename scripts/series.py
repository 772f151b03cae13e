#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Write the overlay as a series of patches, for review.

    series.py              write $BUILD/series/*.patch; fails if a change has no patch, or if the
                           patches do not result in the tree of the overlay
    series.py checkpatch   the same, and run checkpatch on each patch
    series.py recipients   the same, and list the recipients that get_maintainer.pl names for each
    series.py build [A-B]  the same, and build what the patches A to B touch after each
                           of them, with the options on and off; needs what "scripts/setup.sh
                           full" installs, and the lab's kernel
    series.py kunit [A-B]  the same, and boot the kernel after those of the patches A to B
                           that touch a KUnit suite, or end a part, and run its suites

Which change belongs to which patch is in series/plan, see series_plan.py. The commits are
made in a repository of their own, $BUILD/series.git, on the pristine commit of
$BUILD/linux; their date is that of the last commit here.
"""

import concurrent.futures
import fcntl
import glob
import os
import re
import subprocess
import sys

import series_build
import series_kunit
from overlay import REPO, OverlayError, Repo, Tree, apply_patch, git, say
from series_plan import Plan

BUILD = os.path.join(REPO, os.environ.get("BUILD", "build"))
LINUX = os.path.join(BUILD, "linux")
GIT_DIR = os.path.join(BUILD, "series.git")
OUT = os.path.join(BUILD, "series")

# The pristine tree has no history in which to look up a commit; MAINTAINERS has a section for all
# new files; a compatible string of LUO is not a device tree compatible.
CHECKPATCH = ["scripts/checkpatch.pl", "--strict", "--terse", "--no-summary", "--quiet",
              "--show-types", "--showfile", "--ignore", "UNKNOWN_COMMIT_ID,FILE_PATH_CHANGES",
              "--ignore", "EMBEDDED_FILENAME,UNDOCUMENTED_DT_STRING"]


def user():
    """Who sends the series; a machine that only checks it may have nobody."""
    try:
        return {key: git(REPO, "config", f"user.{key}").decode().strip()
                for key in ("name", "email")}
    except subprocess.CalledProcessError:
        say("NOTE", "signed off by nobody: git has no user.name and user.email")
        return {"name": "nobody", "email": "nobody@localhost"}


class Commits:
    """The commits of the series, as input of git fast-import."""

    def __init__(self, pristine):
        self.user = user()
        when = git(REPO, "log", "-1", "--format=%cd", "--date=raw").decode().strip()
        self.ident = f"{self.user['name']} <{self.user['email']}> {when}"
        self.pristine = pristine
        self.branches = set()
        self.stream = []

    def commit(self, branch, message, files):
        """Add a commit to a branch; its files are (path, content, executable)."""
        text = message.encode()
        self.stream.append(f"commit refs/heads/{branch}\ncommitter {self.ident}\n"
                           f"data {len(text)}\n".encode() + text + b"\n")
        if branch not in self.branches:
            self.branches.add(branch)
            self.stream.append(f"from {self.pristine}\n".encode())
        for path, content, executable in files:
            mode = self.mode(path) if executable is None else 755 if executable else 644
            self.stream.append(f"M {mode} inline {path}\ndata {len(content)}\n".encode()
                               + content + b"\n")

    def mode(self, path):
        """The mode of an upstream file."""
        return git(LINUX, "ls-tree", self.pristine, "--", path)[3:6].decode()

    def write(self):
        """Make the repository of the series anew."""
        subprocess.run(["rm", "-rf", GIT_DIR], check=True)
        subprocess.run(["git", "init", "-q", "--bare", "-b", "series", GIT_DIR], check=True)
        with open(os.path.join(GIT_DIR, "objects/info/alternates"), "w",
                  encoding="utf-8") as file:
            file.write(os.path.abspath(os.path.join(LINUX, ".git/objects")) + "\n")
        for key, value in self.user.items():
            git(GIT_DIR, "config", f"user.{key}", value)
        subprocess.run(["git", "-C", GIT_DIR, "fast-import", "--quiet"],
                       input=b"".join(self.stream), check=True)


def overlay_files(entries, pristine):
    """(path, content, executable) of each file as the overlay has it."""
    for path, entry in entries.items():
        if path.endswith(".patch"):
            path = path.removesuffix(".patch")
            yield path, apply_patch(path, pristine(path), entry.data), None
        else:
            yield path, entry.data, entry.executable


def says_who_maintains(maintainers):
    """Whether the section of the series in MAINTAINERS has a person."""
    section = re.search(r"^INTERRUPT LIVE UPDATE\n(.+\n)*", maintainers, re.M)
    return bool(section and re.search(r"^M:\t", section[0], re.M))


def make_plan():
    """The series by the plan, and its commits in a repository of its own."""
    tree = Tree(LINUX)
    entries = Repo(REPO, tree.series).entries()

    def pristine(path):
        return git(LINUX, "cat-file", "blob", f"{tree.pristine}:{path}")

    plan = Plan(os.path.join(REPO, "series"), entries, pristine)
    if plan.wrong:
        raise OverlayError("\n  ".join(["not a series:", *plan.wrong]))
    commits = Commits(tree.pristine)
    for patch in plan.patches:
        files = list(plan.written(patch))
        if not files:
            raise OverlayError(f"{patch.name}: the patch is empty")
        commits.commit("series", patch.message, files)
    overlay = list(overlay_files(entries, pristine))
    if not says_who_maintains(dict(one[:2] for one in overlay)["MAINTAINERS"].decode()):
        say("NOTE", "MAINTAINERS has no M: line for it, see series/README.md")
    commits.commit("overlay", "overlay", overlay)
    commits.write()
    return plan, tree.pristine


def write_patches(pristine):
    """The files to send, with the cover letter."""
    subprocess.run(["rm", "-rf", OUT], check=True)
    with open(os.path.join(REPO, "series/cover.txt"), encoding="utf-8") as file:
        git(GIT_DIR, "config", "branch.series.description", file.read())
    git(GIT_DIR, "format-patch", "-q", "--signoff", "--cover-letter", "--no-renames",
        "--cover-from-description=subject", "-o", OUT, f"{pristine}..series")
    return sorted(glob.glob(os.path.join(OUT, "*.patch")))[1:]


def messages(repository, commits):
    """The messages of the commits in a range, the first one first, without Signed-off-by."""
    text = git(repository, "log", "-z", "--reverse", "--format=%B", commits).decode()
    return [re.sub(r"\n*^Signed-off-by: .*", "", message, flags=re.M).strip()
            for message in text.split("\0")]


def apply_all(patches, plan, pristine):
    """git am the files as they would be sent; fails unless they result in the overlay."""
    tree = os.path.abspath(os.path.join(GIT_DIR, "applied"))
    git(GIT_DIR, "worktree", "add", "-q", "--no-checkout", "--detach", tree, pristine)
    # Only the files that the series touches
    git(tree, "sparse-checkout", "set", "--no-cone",
        *sorted({f"/{path}" for patch in plan.patches for path, _, _ in plan.written(patch)}))
    git(tree, "checkout", "-q")
    git(tree, "am", "-q", *(os.path.abspath(path) for path in patches))
    if git(tree, "rev-parse", "HEAD^{tree}") != git(tree, "rev-parse", "overlay^{tree}"):
        raise OverlayError("the series does not result in the tree of the overlay:\n"
                           + git(tree, "diff-tree", "-r", "--stat", "HEAD", "overlay").decode())
    cut = [patch.name for patch, sent, meant
           in zip(plan.patches, messages(tree, f"{pristine}..HEAD"),
                  messages(tree, f"{pristine}..series")) if sent != meant]
    if cut:
        raise OverlayError("git am does not take the whole message of " + ", ".join(cut))


def is_quoted(line, patch):
    """Whether checkpatch complains about a word that is only in the subject of another commit."""
    typo = re.search(r"TYPO_SPELLING: '([^']+)'", line)
    return bool(typo) and typo[1] not in re.sub(r"^ ?Fixes: .*\n", "", patch, flags=re.M)


def checkpatch(patches):
    """Run checkpatch on each patch; 1 if it reports anything."""
    # Its helpers need the Python modules that setup.sh installs.
    env = dict(os.environ, PATH="/usr/bin:/bin:" + os.environ["PATH"])

    def said(path):
        run = subprocess.run([*CHECKPATCH, path], cwd=LINUX, check=False, env=env,
                             stdout=subprocess.PIPE, text=True)
        lines = run.stdout.splitlines() or ["checkpatch failed"] * bool(run.returncode)
        with open(path, encoding="utf-8") as file:
            patch = file.read()
        return [line for line in lines if not is_quoted(line, patch)]

    status = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, lines in zip(patches, pool.map(said, patches)):
            for line in lines:
                print(f"{os.path.basename(path)}: {line}")
                status = 1
    return status


def recipients(patches):
    """Write the recipients of each patch to a file beside the patches."""
    name = os.path.join(OUT, "recipients")
    with open(name, "w", encoding="utf-8") as file:
        for path in patches:
            run = subprocess.run(["scripts/get_maintainer.pl", "--nogit", "--nogit-fallback",
                                  "--nofixes", path], cwd=LINUX, check=True, stdout=subprocess.PIPE,
                                 text=True)
            file.write(f"{os.path.basename(path)}\n")
            file.writelines(f"    {line}\n" for line in run.stdout.splitlines())
    say("WRITE", name)
    return 0


def main(args):
    """Run one of the commands."""
    with open(GIT_DIR + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return command(args)


def command(args):
    """Run it while no other instance writes there."""
    plan, pristine = make_plan()
    patches = write_patches(pristine)
    apply_all(patches, plan, pristine)
    say("SERIES", f"{len(patches)} patches in {os.path.relpath(OUT)}")
    if not args:
        return 0
    if args == ["checkpatch"]:
        return checkpatch(patches)
    if args == ["recipients"]:
        return recipients(patches)
    if args[0] in ("build", "kunit") and len(args) <= 2:
        run = series_build.build if args[0] == "build" else series_kunit.run
        return run(plan, GIT_DIR, BUILD, *(args[1:] or ["1-"]))
    print(__doc__)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except OverlayError as error:
        print(f"series: {error}", file=sys.stderr)
        sys.exit(1)
