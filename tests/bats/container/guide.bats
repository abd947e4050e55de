#!/usr/bin/env bats
# The six systems of the integration guide, each from a bare appliance to the end by typing what `okv-luna guide install`
# prints; the HSM, its cloud and OKV's console are played.  In the end status is green, and OKV reaches its root key.
# RPM=FILE takes a package; without it one is built on the oldest base.
# shellcheck disable=SC2016 # single quotes: expanded in the node

load node.bash

# SYSTEM KIND OKV VENDORS ARCHIVE OPTION...: one of each of guide's kinds; releases with and without generic files.
systems() {
	cat <<-'LIST'
		network network 21.5 - archive.tar
		ha network 21.3 - archive.tar --ha
		v6 network 18.3 SafeNet v6 --client 6.3
		cloud-min cloud-min 21.10 - service.zip
		cloud-full cloud-full 21.1 Thales archive.tar
		hybrid hybrid 21.4 - archive.tar
	LIST
}

setup_file() {
	local image system words
	package_for_file
	mapfile -t image < <("$APPLIANCE_DIR/image" node-11 2>/dev/null)
	mkdir "$BATS_FILE_TMPDIR/shared"
	# What Thales delivers.
	ctr run --rm -v "$BATS_FILE_TMPDIR/shared:/shared" "${image[0]}" sh -ec 'make=/usr/share/okv-appliance/bin/client-archive
		$make full /shared/archive.tar; $make cloud /shared/service.zip' >/dev/null
	NODES=
	while read -r system _; do
		node_new "bats-guide-$system"
		NODES+=" $NODE"
		node_create "$NODE" "${image[0]}" -v "$RPM:/root/okv-luna-hooks.rpm:ro" -v "$BATS_FILE_TMPDIR/shared:/shared:ro" \
			-v "$APPLIANCE_DIR/guide-play:/root/guide-play:ro" -v "$APPLIANCE_DIR/guide-type:/root/guide-type:ro"
	done < <(systems)
	export NODES
	# Side by side: most of it is waiting for boots.
	while read -ra words; do
		follow "${words[@]}" </dev/null &
	done < <(systems)
	wait
}
teardown_file() {
	read -ra APPLIANCE_NODES <<<"$NODES"
	node_cleanup
}

node_of() { tr ' ' '\n' <<<"$NODES" | grep "guide-$1-[0-9]"; }

# The installer of a v6.x client, as far as it matters here: no group, and everything is readable by all.
installer() {
	cat <<-'SH'
		#!/bin/sh
		[ "$*" = "-p sa" ] || exit 1
		umask 022
		mkdir /tmp/v6 && tar -C /tmp/v6 -xf /shared/archive.tar && cd / || exit 1
		for rpm in libcryptoki vtl; do
			rpm2cpio /tmp/v6/*/64/$rpm-*.rpm | cpio -idmu 2>/dev/null
		done
		cd /usr/safenet/lunaclient/lib && mv libCryptoki2_64.so libCryptoki2_64.so.6.3.0 &&
			ln -s libCryptoki2_64.so.6.3.0 libCryptoki2_64.so
	SH
}

# follow SYSTEM KIND OKV VENDORS ARCHIVE OPTION...: to the end of guide, through as many restarts as it asks for; what
# there was to say, the status and the number of restarts are left in files.
follow() {
	local system=$1 kind=$2 okv=$3 vendors=$4 archive=$5 node rc=42 restarts=0 out=$BATS_FILE_TMPDIR/$1
	node=$(node_of "$system")
	node_start "$node"
	on "$node" "rpm -i /root/okv-luna-hooks.rpm
		[ '$vendors' = - ] || rm -r /usr/local/okv/hsm/generic
		echo okv1 >/etc/hostname" 2>/dev/null
	[ "$archive" != v6 ] || { on "$node" 'mkdir -p /root/luna/linux/64'; installer | ctr exec -i "$node" \
		sh -c 'cat >/root/luna/linux/64/install.sh'; }
	while [ "$rc" = 42 ]; do
		rc=0
		ctr exec -e SYSTEM="$system" -e OKV="$okv" -e VENDORS="$vendors" -e ARCHIVE="/shared/$archive" "$node" \
			bash -lc "/root/guide-type --okv $okv --kind $kind ${*:6}" >>"$out" 2>&1 || rc=$?
		[ "$rc" = 42 ] || break
		# Times of start are told in seconds; a real machine is not up again within one.
		sleep 2
		ctr restart -t 0 "$node" >/dev/null
		node_settle "$node"
		restarts=$((restarts + 1))
	done
	echo "$rc $restarts" >"$out.end"
}

# ended SYSTEM RESTARTS: guide came to its end, status is green, and OKV's own program finds the root key and uses it.
ended() {
	NODE=$(node_of "$1")
	[ "$(cat "$BATS_FILE_TMPDIR/$1.end")" = "0 $2" ] || {
		cat "$BATS_FILE_TMPDIR/$1" "$BATS_FILE_TMPDIR/$1.end"
		on "$NODE" 'tail -n 60 /root/guide.log'
		return 1
	}
	run on "$NODE" 'okv-luna status'
	[ "$status" -eq 0 ] && ! grep -q '^FAIL' <<<"$output" || { echo "$output"; return 1; }
	run ctr exec -e SYSTEM=x -e OKV=x -e VENDORS=x "$NODE" /root/guide-play consumer
	[[ $status == 0 && $output == *'root key found, round trip good'* ]] || { echo "$output"; return 1; }
}

@test "Luna Network HSM, full client, OKV 21.5" { ended network 1; }

@test "Luna Network HSMs as an HA group, OKV 21.3" {
	ended ha 1
	[ "$(on "$NODE" 'okv-luna slots | grep -c "Net Token Slot"')" -eq 1 ]
}

@test "Luna client v6.x, OKV 18.3: no group, no generic files, no modes of ours, no restart" {
	ended v6 0
	on "$NODE" '! grep -q ^hsmusers: /etc/group && [ ! -e /usr/local/okv/hsm/generic ]'
	on "$NODE" '[ "$(stat -c %U:%G:%a /etc/Chrystoki.conf)" = root:root:644 ]'
}

@test "Luna Cloud HSM, minimum client, OKV 21.10: no restart" { ended cloud-min 0; }

@test "Luna Cloud HSM, full client, OKV 21.1: group, no generic files" {
	ended cloud-full 0
	on "$NODE" '[ ! -e /root/okv-luna-service ] && grep -q "^hsmusers:.*oracle" /etc/group'
}

@test "a Luna HSM and a Luna Cloud HSM, OKV 21.4" {
	ended hybrid 1
	on "$NODE" 'grep -q "^REST" /etc/Chrystoki.conf && grep -q ServerName00 /etc/Chrystoki.conf'
}
