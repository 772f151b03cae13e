#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own tests of the libraries that the overlay changes, in user space, with
# sanitizers: lib/test_ida.c and tools/testing/memblock. Print KTAP. What they leave in the
# kernel tree is ignored by git.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

RADIX_TREE=$LINUX/tools/testing/radix-tree
MEMBLOCK=$LINUX/tools/testing/memblock
status=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# run NAME PROGRAM [ARGUMENT]: a result for each test that the program names, and one for the
# program, which ends with the first test that fails
run()
{
	name=$1
	shift
	result=ok
	"$@" >"$log" 2>&1 || {
		result='not ok'
		status=1
	}
	passed=$(grep -c '^ok ' "$log") || true
	printf 'KTAP version 1\n1..%u\n' $((passed + 1))
	sed -En 's/^(ok [0-9]+) : (.*): passed$/\1 \2/p; t; s/^/# /p' "$log"
	echo "$result $((passed + 1)) $name"
}

# Their makefiles do not know all headers on which the programs depend.
make -s -C "$RADIX_TREE" clean idr-test
make -s -C "$MEMBLOCK" clean main
run ida "$RADIX_TREE/idr-test"
run memblock "$MEMBLOCK/main" -v
exit "$status"
