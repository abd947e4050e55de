#!/bin/sh
# Shows that the packages are reproducible: reproducible.sh OUT.  Two builds of this tree, at two paths, two times and
# under two host names, with two umasks, give the same files, which then lie in OUT.  Needs unshare and faketime.
set -eu
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null)}"
[ -z "$SOURCE_DATE_EPOCH" ] || export SOURCE_DATE_EPOCH

# build DIR HOST UMASK DATE
build() {
	mkdir -p "$1"
	{
		git ls-files -z --cached --others --exclude-standard 2>/dev/null ||
			find . ! -path './build/*' ! -type d -print0
	} | tar -c --no-recursion --ignore-failed-read --null -T - 2>/dev/null | tar -x -m -C "$1"
	(cd "$1" && umask "$3" && unshare --uts sh -ec '
		hostname "$1"
		CHECK=no faketime -f "$2" sh spec/build.sh build/rpm
	' - "$2" "$4") >/dev/null
}
build "$work/a" builder-one 022 '@2031-01-02 03:04:05'
build "$work/b/longer/path/of/the/second" two.example.com 077 '+400d'
cat "$work/a/build/rpm/SHA256SUMS"
diff "$work/a/build/rpm/SHA256SUMS" "$work/b/longer/path/of/the/second/build/rpm/SHA256SUMS" || {
	echo "not reproducible: the two builds differ" >&2
	exit 1
}
rm -rf "$out"
mkdir -p "${out%/*}"
mv "$work/a/build/rpm" "$out"
echo "reproducible: two builds at two paths, times and host names gave these files"
