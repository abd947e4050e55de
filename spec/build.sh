#!/bin/sh
# Builds the packages with rpmbuild from this tree: build.sh OUT.  OUT then has the package, its debuginfo, the source
# package, a bill of materials (SPDX) and SHA256SUMS over all of them.  CHECK=no leaves out the unit tests.
#
# Promise: the sources are packed first, so what is built is what the archive holds.  The same tree gives the same
# files, wherever, whenever and on whichever machine with the same compiler (`make reproducible`); their time is that of
# the commit, or of the change log where there is no commit.
set -eu
LC_ALL=C TZ=UTC
export LC_ALL TZ
umask 022
command -v rpmbuild >/dev/null || {
	echo 'rpmbuild is not installed; run: make deps' >&2
	exit 6
}
spec=spec/okv-luna-hooks.spec
name=okv-luna-hooks-$(awk '$1 == "Version:" { print $2 }' $spec)
rm -rf "$1"
mkdir -p "$1/top/SOURCES"
out=$(cd "$1" && pwd)
top=$out/top

: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null)}"
changed=$(awk '/^%changelog/ { here = 1 } here && $1 == "*" { print $3, $4, $5; exit }' $spec)
: "${SOURCE_DATE_EPOCH:=$(date -d "$changed 12:00" +%s)}"
export SOURCE_DATE_EPOCH

# What is under version control or may come under it; elsewhere all but what was built.
{
	git ls-files -z --cached --others --exclude-standard 2>/dev/null ||
		find . \( -name .git -o -path ./build \) -prune -o ! -type d -printf '%P\0'
} | xargs -0 sh -c 'for file; do [ ! -e "$file" ] || printf "%s\0" "$file"; done' - | sort -z -u >"$top/list"
tar -c --no-recursion --null -T "$top/list" --transform "s,^,$name/,S" --owner=root:0 --group=root:0 \
	--mode=u+w,go-w,a+rX --mtime="@$SOURCE_DATE_EPOCH" --format=gnu | gzip -n -9 >"$top/SOURCES/$name.tar.gz"
# The times of both go into the source package.
cp $spec "$top/"
touch -d "@$SOURCE_DATE_EPOCH" "$top/SOURCES/$name.tar.gz" "$top/${spec##*/}"

# The rpm database of a Debian machine is empty, so the build requirements cannot be looked up there; `make deps`
# has installed them.
nodeps= nocheck=
[ -e /etc/redhat-release ] || nodeps=--nodeps
[ "${CHECK:-yes}" = yes ] || nocheck=--nocheck
# The source package holds the spec as rpm reads it, with the paths in which it would be built: nobody's.
rpmbuild_run() {
	# What a make around this one was told is not for the make in there.
	(cd "$top" && env -u BUILD -u MAKEFLAGS -u MFLAGS rpmbuild "$@" $nodeps "${spec##*/}") \
		>>"$out/rpmbuild.log" 2>&1 && return
	tail -n 40 "$out/rpmbuild.log" >&2
	echo "rpmbuild failed; the whole log is in $out/rpmbuild.log" >&2
	exit 1
}
rpmbuild_run -bs --define '_topdir .'
rpmbuild_run -bb $nocheck --define "_topdir $top"
find "$top/RPMS" "$top/SRPMS" -name '*.rpm' -exec mv {} "$out/" \;
rm -rf "$top"
sh spec/beside.sh "$out"
ls "$out"/*.rpm
