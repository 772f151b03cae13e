#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Fuzz the validators of the interrupt state, of the records of IOMMUs and of the list
# of PCI devices, built for user space, with address and undefined-behaviour sanitizers, starting
# from the inputs in lab/corpus. Print how many inputs were run and how much of each validator they
# reached.
#
#	fuzz.sh [RUNS]		for each of them
#
# A finding is left in $BUILD/fuzz; "$BUILD/fuzz/PROGRAM FILE" runs it again.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

SOURCE=tools/testing/irq_liveupdate_ser
RUNS=${1:-10000000}
# A root, a table and a few devices with tens of vectors.
MAX_LEN=2048

out=$BUILD/fuzz
mkdir -p "$out"
make -s -C "$LINUX/$SOURCE" OUTPUT="$out" fuzz fuzz-coverage

# fuzz PROGRAM VALIDATOR CORPUS
fuzz()
{
	log=$out/$1.log
	found=$out/corpus/$3
	seeds=$ROOT/lab/corpus/$3
	mkdir -p "$found"

	say FUZZ "$2, $RUNS inputs"
	"$out/$1" -runs="$RUNS" -max_len=$MAX_LEN -artifact_prefix="$out/" -print_final_stats=1 \
		"$found" "$seeds" >"$log" 2>&1 || {
		tail -40 "$log"
		die "finding, log: $log"
	}

	"$out/$1-coverage" -runs=0 "$found" "$seeds" >"$out/coverage.log" 2>&1
	llvm-profdata merge -o "$out/coverage" "$out/$1-coverage.raw"
	sed -n 's/^INFO: Seed: /seed: /p' "$log"
	sed -n 's/^stat::number_of_executed_units: */executions: /p
		s/^stat::average_exec_per_sec: */executions per second: /p' "$log"
	llvm-cov export -summary-only -instr-profile="$out/coverage" "$out/$1-coverage" |
		python3 -c '
import json, sys
files = json.load(sys.stdin)["data"][0]["files"]
summary = next(f["summary"] for f in files if f["filename"].endswith(sys.argv[1]))
for kind in ("functions", "lines", "branches"):
    have = summary[kind]
    print("{} of the validator reached: {} of {}".format(kind, have["covered"], have["count"]))
' "$2"
}

fuzz fuzz kernel/irq/liveupdate_ser.c irq
fuzz fuzz-iommu drivers/iommu/iommu-liveupdate-ser.c iommu
fuzz fuzz-pci drivers/pci/liveupdate_ser.c pci
