#!/usr/bin/env bats
# okv-luna extract with the libarchive of Debian 11, 12 and 13 (3.4, 3.6 and 3.7): one package, built on the oldest, in the
# roots of all three.  What reads archives differently from one to the next shows here: honest ones, hostile and damaged.
# RPM=FILE takes a package; without it one is built on the oldest base.

bats_require_minimum_version 1.5.0
load node.bash

setup_file() {
	local packers=$BATS_TEST_DIRNAME/../../packers hostile=$BATS_TEST_DIRNAME/../../hostile name node root
	package_for_file
	# The same path here and there.
	export TMPDIR=$BATS_FILE_TMPDIR/work SYSTEMS=$BATS_FILE_TMPDIR/systems
	mkdir "$TMPDIR"
	chmod 0755 "$BATS_FILE_TMPDIR" "$TMPDIR"
	"$packers/make" "$TMPDIR/packed" gnutar bsdtar infozip 7z python windows mac git cpio busybox >/dev/null
	"$hostile/make" "$TMPDIR/hostile" >/dev/null
	for name in node-11 node-12 node-13; do
		node_new bats-libarchive
		node=$NODE
		node_create "$node" "$("$APPLIANCE_DIR/image" "$name" 2>/dev/null)"
		root=$(node_root "$node")
		rpm2cpio "$RPM" | (cd "$root" && cpio -idm --quiet)
		mkdir -p "$root$TMPDIR"
		mount --bind "$TMPDIR" "$root$TMPDIR"
		mount -t proc proc "$root/proc"
		mkdir "$BATS_FILE_TMPDIR/$name"
		printf '#!/bin/sh\nexec chroot "%s" /opt/okv-luna/libexec/okv-luna-extract "$@"\n' "$root" \
			>"$BATS_FILE_TMPDIR/$name/extract"
		printf '#!/bin/sh\nexec chroot "%s" bsdtar "$@"\n' "$root" >"$BATS_FILE_TMPDIR/$name/bsdtar"
		chmod +x "$BATS_FILE_TMPDIR/$name"/*
		echo "$name $node $root" >>"$SYSTEMS"
	done
}
teardown_file() {
	local name node root
	while read -r name node root; do
		umount "$root/proc" "$root$TMPDIR"
		ctr umount "$node" >/dev/null
		APPLIANCE_NODES+=("$node")
	done <"$SYSTEMS"
	node_cleanup
}

# each COMMAND...: for each system, with its extract for the word EXTRACT and its bsdtar first in the path.
each() {
	local name node root
	while read -r name node root; do
		run env PATH="$BATS_FILE_TMPDIR/$name:$PATH" "${@/#EXTRACT/$BATS_FILE_TMPDIR/$name/extract}"
		[ "$status" -eq 0 ] || { echo "$name ($node, $root): $output"; return 1; }
	done <"$SYSTEMS"
}

@test "three libarchives are tried, of three releases" {
	local name node root versions=
	while read -r name node root; do
		versions+=$("$BATS_FILE_TMPDIR/$name/bsdtar" --version | grep -o 'libarchive [0-9]*\.[0-9]*')' '
	done <"$SYSTEMS"
	[ "$versions" = 'libarchive 3.4 libarchive 3.6 libarchive 3.7 ' ] || { echo "$versions"; return 1; }
}

@test "honest archives of every packer: taken whole by each" {
	each "$BATS_TEST_DIRNAME/../../packers/take" EXTRACT "$TMPDIR/packed" 3
}

@test "hostile archives: refused by each with nothing changed, or taken as judged" {
	each "$BATS_TEST_DIRNAME/../../hostile/refuse" EXTRACT "$TMPDIR/hostile" 7
}

@test "cuts and flipped bits: refused by each, or without any effect" {
	each "$BATS_TEST_DIRNAME/../../hostile/damage" EXTRACT 30 7
}
