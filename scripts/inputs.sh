#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The packages that are fetched, not installed, are pinned in scripts/inputs.lock,
# one per line: input, package, version, SHA-256 of the .deb. An input is a package with its
# dependencies.
#
#	inputs.sh check INPUT FOLDER	compare the .deb files in FOLDER, and record
#					them in $BUILD/inputs.lock. Another version
#					is a line in the output, another file of the
#					same version an error
#	inputs.sh pin			pin what was recorded
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

PINNED=$ROOT/scripts/inputs.lock
RECORD=$BUILD/inputs.lock

# In a file, replace the inputs that are on stdin.
merge()
{
	[ -e "$1" ] || : >"$1"
	awk 'FILENAME == "-" { new[$1] = 1 } FILENAME == "-" || !new[$1]' - "$1" |
		LC_ALL=C sort >"$1.tmp"
	mv "$1.tmp" "$1"
}

describe()
{
	for deb in "$2"/*.deb; do
		# shellcheck disable=SC2016
		echo "$1" "$(dpkg-deb -W --showformat '${Package} ${Version}' "$deb")" \
			"$(sha256sum <"$deb" | cut -d ' ' -f 1)"
	done
}

compare()
{
	awk -v pinned="$PINNED" '
		BEGIN {
			while ((getline line < pinned) > 0) {
				split(line, word)
				version[word[1], word[2]] = word[3]
				hash[word[1], word[2]] = word[4]
			}
		}
		!(($1, $2) in version) {
			print "  NOTE     " $1 ": " $2 " " $3 " is not pinned"
			next
		}
		$3 != version[$1, $2] {
			print "  NOTE     " $1 ": " $2 " " $3 ", pinned is " version[$1, $2]
			next
		}
		$4 != hash[$1, $2] {
			print "  " $1 ": " $2 " " $3 " is not the file that is pinned"
			bad = 1
		}
		END { exit bad }' >&2
}

case ${1:-} in
check)
	mkdir -p "$BUILD"
	fetched=$(describe "$2" "$3")
	echo "$fetched" | compare || die "see scripts/inputs.lock"
	echo "$fetched" | merge "$RECORD"
	;;
pin)
	[ -e "$RECORD" ] || die "nothing was fetched into $BUILD"
	merge "$PINNED" <"$RECORD"
	;;
*)
	die "usage: ${0##*/} check INPUT FOLDER | pin"
	;;
esac
