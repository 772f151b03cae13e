# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0
#
# Sourced by scripts that build kernels, after lib.sh. The caller defines $out, where a kernel is
# built, $localversion, the end of its release, and fragments(), which prints the configuration
# fragments in order.

# Everything that would make two builds of the same source differ, or two clones
# of the repository miss each other's compiler cache.
export KBUILD_BUILD_TIMESTAMP='2026-01-01 00:00:00 UTC'
export KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab
export LC_ALL=C
CC=gcc
if command -v ccache >/dev/null; then
	CC='ccache gcc'
	export CCACHE_BASEDIR="$BUILD" CCACHE_NOHASHDIR=1
	export CCACHE_SLOPPINESS=time_macros,include_file_mtime,include_file_ctime
fi

kmake_aloud()
{
	make -C "$LINUX" O="$out" ARCH=x86_64 CC="$CC" HOSTCC="$CC" \
		LOCALVERSION="$localversion" --no-print-directory -j"$JOBS" "$@"
}

kmake()
{
	kmake_aloud -s "$@"
}

# Compare what the fragments ask for with what Kconfig made of it. A symbol
# that no Kconfig file knows is worth a note: the overlay may not have it yet.
verify_config()
{
	find "$LINUX" -name 'Kconfig*' -exec cat {} + |
		awk '$1 ~ /^(menu)?config$/ && NF == 2 { print "CONFIG_" $2 }' |
		sort -u >"$out/.config.known"
	# shellcheck disable=SC2046
	awk -v known="$out/.config.known" -v config="$out/.config" '
		function wish(line) {
			if (line ~ /^CONFIG_[A-Za-z0-9_]*=/) {
				sep = index(line, "=")
				name = substr(line, 1, sep - 1)
				return substr(line, sep + 1)
			}
			if (line ~ /^# CONFIG_[A-Za-z0-9_]* is not set$/) {
				name = substr(line, 3, length(line) - 13)
				return "n"
			}
			name = ""
			return ""
		}
		BEGIN {
			while ((getline line < known) > 0)
				exists[line] = 1
			while ((getline line < config) > 0) {
				value = wish(line)
				if (name)
					have[name] = value
			}
		}
		{
			value = wish($0)
			if (name) {
				if (!(name in want))
					order[++n] = name
				want[name] = value
			}
		}
		END {
			for (i = 1; i <= n; i++) {
				name = order[i]
				# A missing string counts as an empty one.
				got = name in have ? have[name] : \
				      want[name] == "\"\"" ? want[name] : "n"
				if (got == want[name])
					continue
				if (!exists[name]) {
					print "  NOTE     " name ": no such symbol"
					continue
				}
				print "  " name ": asked for " want[name] ", got " got
				bad = 1
			}
			exit bad
		}' $(fragments) >&2
}

# How many files a first build compiles: the commands that make would run, once everything exists
# that it needs to tell. Not worth the time in a later build. Argument: the target.
nr_files()
{
	if [ -e "$out/vmlinux" ]; then
		echo 0
		return
	fi
	kmake prepare >&2
	kmake -n "$1" 2>/dev/null | grep -c ' -c -o ' || true
}
