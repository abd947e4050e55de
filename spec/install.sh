#!/bin/sh
# Lays out the files as they lie on an appliance: install.sh BUILD DESTDIR VERSION, run from the top of the tree.
# Promise: the tools come from helpers/TOOLS; every folder of payload/ has one destination; links are the
# conveniences outside /opt/okv-luna, which `okv-luna config wire` can remake.
set -eu
build=$1 destdir=$2 version=$3
prefix=/opt/okv-luna
top=$destdir$prefix

install -d -m 0755 "$top" "$top/bin" "$top/libexec" "$top/hooks" "$top/share" "$top/etc" "$top/etc/policy.d"
install -d -m 0700 "$top/var"

# Tools, stripped: the debuginfo package has the rest, or the same sources, built again.
awk '$1 !~ /^#/ && NF { print $1, $3 }' helpers/TOOLS | while read -r tool place; do
	install -s -m 0755 "$build/$place/$tool" "$top/$place/$tool"
done

# folder MODE SOURCE DESTINATION: the files of a folder, and of its folders.
folder() {
	[ -d "$2" ] || return 0
	(cd "$2" && find . -type f) | while read -r file; do
		install -D -m "$1" "$2/$file" "$3/$file"
	done
}
for hook in hooks/*-upgrade; do
	[ ! -f "$hook" ] || install -m 0755 "$hook" "$top/hooks/"
done
folder 0644 payload/etc "$top/etc"
folder 0644 payload/policy "$top/share/policy"
folder 0644 payload/systemd "$top/share/systemd"
folder 0644 payload/schema "$top/share/schema"
folder 0644 payload/ansible "$top/share/ansible"
folder 0644 payload/completion "$top/share/completion"
for page in payload/man/*.[0-9]; do
	[ -f "$page" ] || continue
	section=${page##*.}
	name=${page##*/}
	install -D -m 0644 "$page" "$top/share/man/man$section/$name"
	install -d -m 0755 "$destdir/usr/share/man/man$section"
	ln -sfn "$prefix/share/man/man$section/$name" "$destdir/usr/share/man/man$section/$name"
done
install -d -m 0755 "$top/share/doc"
install -m 0644 README.md LICENSE payload/doc/SECURITY.md "$top/share/doc/"
printf '%s\n' "$version" >"$top/share/version"
chmod 0644 "$top/share/version"

# link TARGET PLACE: a convenience outside our prefix, where its target exists.
link() {
	[ -e "$destdir$1" ] || return 0
	install -d -m 0755 "$destdir${2%/*}"
	ln -sfn "$1" "$destdir$2"
}
link "$prefix/bin/okv-luna" /usr/sbin/okv-luna
link "$prefix/share/completion/okv-luna" /usr/share/bash-completion/completions/okv-luna
# Files where the distribution has them: a linked unit is removed by `systemctl disable`.  Those under our prefix
# outlive an OS major, after which `okv-luna config wire` and mid-upgrade copy them here.
folder 0644 payload/systemd "$destdir/usr/lib/systemd/system"
