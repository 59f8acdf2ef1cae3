# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the shell programs under tools/ share. Sourced, never run.
#
# Every program that sources this runs with errexit, nounset and pipefail, has
# its place in the tree in $top and its output under $build.

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${BUILD:-$top/build}
# What all bases share: what is downloaded, and the emulators
shared=$build
# shellcheck disable=SC2034 # for tools/base
debs=$shared/debs
me=${0##*/}

export LC_ALL=C
export DEBIAN_FRONTEND=noninteractive

# say WORDS...: one line of progress, on stderr so that stdout stays clean
say() {
	printf '%s: %s\n' "$me" "$*" >&2
}

# die WORDS...: one line of error, then out
die() {
	printf '%s: error: %s\n' "$me" "$*" >&2
	exit "${die_status:-1}"
}

# BASE=X.Y is Linux X.Y as Debian packages it (default: 6.12), BASE=PATH a source tree
# or a tarball of any kernel. Another version than the default has a build folder to
# itself, and the small kernel by default.
# shellcheck disable=SC2034 # for tools/base
linux=6.12
if [[ ${BASE:-} =~ ^[0-9]+\.[0-9]+$ ]] && [ "$BASE" != "$linux" ]; then
	linux=$BASE
	build=$shared/$linux
	[ -z "${KVER:-}" ] || die_status=2 die "KVER is a kernel of Linux 6.12, not of $linux"
	[ -n "${ARCH:-}${CPU:-}" ] || export KERNEL=${KERNEL:-minimal}
fi

# A kernel version asked for has a build folder to itself, since its source and
# its series may differ; only the downloads are shared. The default one, which
# is looked up once (tools/base kver), has the plain folder.
if [ -n "${KVER:-}" ]; then
	[[ $KVER =~ ^6\.12\.[0-9]+[0-9A-Za-z.+~-]*$ ]] ||
		die_status=2 die "KVER=$KVER is not a 6.12 kernel version"
	if [ "$(cat "$build/base/kver" 2>/dev/null)" != "$KVER" ]; then
		build=$build/kver/$KVER
	fi
fi

# as_root COMMAND...: run it as root, through sudo if this is not root
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -E "$@"
	else
		die "root or sudo is needed for: $*"
	fi
}

# lock NAME [FOLDER]: hold a lock until this program ends, so that two commands
# started at once do not build the same thing twice. The descriptor is not handed on.
lock() {
	local folder=${2:-$build} fd
	mkdir -p "$folder"
	exec {fd}>"$folder/.lock.$1"
	if ! flock -n "$fd"; then
		say "waiting for another run that holds $1"
		flock "$fd"
	fi
}

apt_update() {
	say "refreshing the list of Debian packages"
	as_root apt-get -qq update >&2 ||
		die "apt-get update failed"
}

# private_apt TYPE SUITE: fetch a list of our own of a suite of Debian (deb, deb-src), so
# that the machine's sources stay as they are. "${apt_options[@]}" makes apt-get use it.
# Status 1, and a line that says why, if there is none.
private_apt() {
	local folder=$shared/apt/$1/$2 release mirror line fd status=0
	local key=/usr/share/keyrings/debian-archive-keyring.gpg

	release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	# shellcheck disable=SC2016 # for apt-get
	mirror=$(apt-get indextargets --format '$(REPO_URI)' \
		"Codename: $release" 'Identifier: Packages' | head -n 1)
	if [ -z "$mirror" ]; then
		say "apt-get knows no archive of Debian"
		return 1
	fi
	[ ! -f "$key" ] || mirror="[signed-by=$key] $mirror"
	line="$1 $mirror $2 main"
	mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$debs"
	apt_options=(-o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache"
		     -o "Dir::Etc::SourceList=$folder/sources.list"
		     -o "Dir::Etc::SourceParts=-" -o "APT::Sandbox::User=")
	# Commands that begin together need one list: apt-get does not wait for the lock
	# of another, and what another replaces is away for a moment
	exec {fd}>"$folder/.lock"
	flock "$fd"
	if [ -z "$(find "$folder/fetched" -mmin -10 2>/dev/null)" ] ||
	   [ "$(cat "$folder/fetched")" != "$line" ]; then
		echo "$line" >"$folder/sources.list"
		if apt-get -qq "${apt_options[@]}" update >&2; then
			echo "$line" >"$folder/fetched"
		else
			say "cannot fetch the list of $2"
			status=1
		fi
	fi
	exec {fd}>&-
	return $status
}

have_pkg() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

apt_install() {
	as_root apt-get -qq -y -o DPkg::Lock::Timeout=600 \
		--no-install-recommends install "$@" >"$(log_file apt)" 2>&1
}

# need PACKAGE...: install what is missing of these Debian packages
need() {
	local p missing=() fd

	for p; do
		have_pkg "$p" || missing+=("$p")
	done
	[ ${#missing[@]} -gt 0 ] || return 0

	command -v apt-get >/dev/null ||
		die "no apt-get here; needed: ${missing[*]}"
	# One at a time: another command may be at it, perhaps for the same
	mkdir -p "$build"
	exec {fd}>"$build/.lock.apt"
	flock "$fd"
	missing=()
	for p; do
		have_pkg "$p" || missing+=("$p")
	done
	if [ ${#missing[@]} -gt 0 ]; then
		say "installing Debian packages: ${missing[*]}"
		for p in "${missing[@]}"; do
			if ! apt-cache show "$p" >/dev/null 2>&1; then
				apt_update
				break
			fi
		done
		# The list may be older than the archive: once more, fresh
		apt_install "${missing[@]}" || { apt_update; apt_install "${missing[@]}"; } ||
			die "cannot install ${missing[*]}; see $(log_file apt)"
	fi
	exec {fd}>&-
}

log_file() {
	mkdir -p "$build/log"
	echo "$build/log/$1.log"
}

# done_as FILE TEXT: does the stamp FILE hold TEXT?
done_as() {
	[ -f "$1" ] && [ "$(cat "$1")" = "$2" ]
}

# stamp FILE TEXT
stamp() {
	mkdir -p "$(dirname "$1")"
	printf '%s\n' "$2" >"$1.new"
	mv "$1.new" "$1"
}

# check_number NAME VALUE MIN MAX
check_number() {
	case $2 in
	''|*[!0-9]*) die_status=2 die "$1 must be a number, not '$2'" ;;
	esac
	if [ "${#2}" -gt 9 ] || [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
		die_status=2 die "$1 must be $3 to $4, not $2"
	fi
}
