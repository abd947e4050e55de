#!/bin/sh
# Builds the package with rpmbuild from this tree: build.sh BUILD VERSION; the result lies in BUILD/rpm.
# Promise: the sources are packed first, so what is built is what the archive holds; the same commit gives the
# same time stamps.
set -eu
build=$1 version=$2
name=okv-luna-hooks-$version
out=$build/rpm
rm -rf "$out"
mkdir -p "$out/top/SOURCES" "$out/stage/$name"
top=$(cd "$out/top" && pwd)

tar -c --exclude="./$build" --exclude=./build --exclude=./.git . | tar -x -C "$out/stage/$name"
tar -c -z -f "$top/SOURCES/$name.tar.gz" --owner=0 --group=0 --sort=name -C "$out/stage" "$name"
rm -rf "$out/stage"

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date +%s)
export SOURCE_DATE_EPOCH

# The rpm database of a Debian machine is empty, so the build requirements cannot be looked up there; `make deps`
# has installed them.
nodeps=
[ -e /etc/redhat-release ] || nodeps=--nodeps
log=$out/rpmbuild.log
if ! rpmbuild -bb $nodeps --define "_topdir $top" --define "version_of_tree $version" \
	spec/okv-luna-hooks.spec >"$log" 2>&1; then
	tail -n 40 "$log" >&2
	echo "rpmbuild failed; the whole log is in $log" >&2
	exit 1
fi
find "$top/RPMS" -name '*.rpm' -exec mv {} "$out/" \;
rm -rf "$top"
ls "$out"/*.rpm
