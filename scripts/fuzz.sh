#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Fuzz the validator of the interrupt state, built for user space, under address
# and undefined-behaviour sanitizer, from the inputs in lab/corpus on. Say how
# much was run and how much of the validator that reached.
#
#	fuzz.sh [RUNS]
#
# A finding is left in $BUILD/fuzz; "$BUILD/fuzz/fuzz FILE" runs it again.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

SOURCE=tools/testing/irq_liveupdate_ser
RUNS=${1:-10000000}
VALIDATOR=kernel/irq/liveupdate_ser.c
# A root, a table and a few devices with tens of vectors.
MAX_LEN=2048

out=$BUILD/fuzz
log=$out/fuzz.log
mkdir -p "$out/corpus"
make -s -C "$LINUX/$SOURCE" OUTPUT="$out" fuzz fuzz-coverage

say FUZZ "$RUNS inputs"
"$out/fuzz" -runs="$RUNS" -max_len=$MAX_LEN -artifact_prefix="$out/" -print_final_stats=1 \
	"$out/corpus" "$ROOT/lab/corpus" >"$log" 2>&1 || {
	tail -40 "$log"
	die "finding, log: $log"
}

"$out/fuzz-coverage" -runs=0 "$out/corpus" "$ROOT/lab/corpus" >"$out/coverage.log" 2>&1
llvm-profdata merge -o "$out/coverage" "$out/fuzz-coverage.raw"
sed -n 's/^INFO: Seed: /seed: /p' "$log"
sed -n 's/^stat::number_of_executed_units: */executions: /p
	s/^stat::average_exec_per_sec: */executions per second: /p' "$log"
llvm-cov export -summary-only -instr-profile="$out/coverage" "$out/fuzz-coverage" |
	python3 -c '
import json, sys
files = json.load(sys.stdin)["data"][0]["files"]
summary = next(f["summary"] for f in files if f["filename"].endswith(sys.argv[1]))
for kind in ("functions", "lines", "branches"):
    have = summary[kind]
    print("{} of the validator reached: {} of {}".format(kind, have["covered"], have["count"]))
' "$VALIDATOR"
