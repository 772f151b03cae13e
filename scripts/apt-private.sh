#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Download packages of a Debian suite that is not among the machine's sources, without leaving a
# trace in the machine's own apt: sources, lists and cache are private to $BUILD/apt. Mirror, proxy
# settings and keyring are the machine's. apt verifies the signature of the suite and the hash of
# every package.
#
# usage: apt-private.sh [--with-libraries] SUITE FOLDER PACKAGE...
#	puts the newest PACKAGEs of SUITE, as .deb, into FOLDER; with everything
#	they depend on, down to the C library, as if nothing were installed here
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

with_libraries=0
if [ "${1:-}" = --with-libraries ]; then
	with_libraries=1
	shift
fi
[ $# -ge 3 ] || die "usage: ${0##*/} [--with-libraries] SUITE FOLDER PACKAGE..."
suite=$1 folder=$2
shift 2

command -v apt-get >/dev/null ||
	die "needs apt-get to fetch $* from $suite"

# The mirror this machine takes its own release from, whatever the format of
# its sources.
mirror()
{
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' \
		'Created-By: Packages' |
	awk -v codename="$codename" '
		$2 != "main" { next }
		$1 == codename { print $3; found = 1; exit }
		$1 ~ /^(old)*stable$/ && !other { other = $3 }
		END { if (!found && other) print other }'
}

case $suite in
*-backports) release=${suite%-backports} ;;
*) release= ;;
esac
state=$BUILD/apt/$suite
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

mkdir -p "$folder" "$state/lists/partial" "$state/cache/archives/partial" \
	"$state/sources"
uri=$(mirror)
[ -n "$uri" ] || die "found no Debian mirror in this machine's apt sources"
{
	echo "Types: deb"
	echo "URIs: $uri"
	# A backported package depends on the release to which it is backported.
	echo "Suites: $suite${release:+ $release}"
	echo "Components: main"
	[ ! -r "$keyring" ] || echo "Signed-By: $keyring"
} >"$state/sources/private.sources"
: >"$state/status"

# The machine's network settings, but none of its hooks and pins.
{
	apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets'
	cat <<-CONF
	APT::Sandbox::User "";
	Dir::Etc::main "/dev/null";
	Dir::Etc::parts "/dev/null";
	Dir::Etc::preferences "/dev/null";
	Dir::Etc::preferencesparts "/dev/null";
	Dir::Etc::sourcelist "/dev/null";
	Dir::Etc::sourceparts "$state/sources";
	Dir::State::lists "$state/lists";
	Dir::State::status "$state/status";
	Dir::Cache "$state/cache";
	APT::Default-Release "$suite";
	APT::Install-Recommends "false";
	CONF
} >"$state/apt.conf"
export APT_CONFIG="$state/apt.conf"

update()
{
	say APT "$suite"
	# For apt, a mirror that does not answer, or a bad signature, is a mere warning.
	if ! apt-get -q update >"$state/log" 2>&1 ||
	   grep -q '^[WE]:' "$state/log"; then
		cat "$state/log" >&2
		die "cannot get the package lists of $suite"
	fi
}

download_these()
{
	(cd "$folder" && apt-get -q download "$@" >"$state/log" 2>&1)
}

# The status file is empty: for apt, nothing is installed.
download_with_libraries()
{
	apt-get clean &&
		apt-get -q -y --download-only install "$@" >"$state/log" 2>&1 &&
		mv "$state"/cache/archives/*.deb "$folder"
}

download()
{
	if [ "$with_libraries" = 1 ]; then
		download_with_libraries "$@"
	else
		download_these "$@"
	fi
}

# Lists are fetched again if they are missing or a day old, or if the archive has changed since.
if [ -z "$(find "$state/lists" -name '*_Packages*' -mtime -1)" ]; then
	update
fi
say FETCH "$* ($suite)"
download "$@" || {
	update
	download "$@"
} || {
	cat "$state/log" >&2
	die "cannot download $* from $suite"
}
"$ROOT/scripts/inputs.sh" check "$1" "$folder"
