#!/usr/bin/env bats
# The six systems of the integration guide, each from a bare appliance to the end by typing what `okv-luna guide install`
# prints, then a restore, the start of a cluster and an upgrade by the same; the HSM, its cloud and OKV's console are
# played.  In the end status is green, ready for a restore and for a cluster, and OKV reaches its root key.
# RPM=FILE takes a package; without it one is built on the oldest base.
# shellcheck disable=SC2016 # single quotes: expanded in the node

bats_require_minimum_version 1.5.0

load node.bash
load ../../appliance/cluster.sh
load ../examples.bash

# SYSTEM KIND OKV VENDORS ARCHIVE OPTION...: one of each of guide's kinds; releases with and without generic files; and
# one that `okv-luna setup` installs.
systems() {
	cat <<-'LIST'
		network network 21.5 - archive.tar
		ha network 21.3 - archive.tar --ha
		v6 network 18.3 SafeNet v6 --client 6.3
		cloud-min cloud-min 21.10 - service.zip
		cloud-full cloud-full 21.1 Thales archive.tar
		hybrid hybrid 21.4 - archive.tar
		setup network 21.5 - archive.tar
	LIST
}

# upgrades SYSTEM: the options of its upgrade: our hooks on one server, our hooks in a cluster's order, and OKV's upgrade
# alone.  Fails where a system is not upgraded here.
upgrades() {
	case $1 in
	cloud-min | v6) ;;
	setup) echo --cluster ;;
	*) return 1 ;;
	esac
}

setup_file() {
	local image system words host wire network
	package_for_file
	mapfile -t image < <("$APPLIANCE_DIR/image" node-11 2>/dev/null)
	mkdir "$BATS_FILE_TMPDIR/shared"
	# What Thales delivers.
	ctr run --rm -v "$BATS_FILE_TMPDIR/shared:/shared" "${image[0]}" sh -ec 'make=/usr/share/okv-appliance/bin/client-archive
		$make full /shared/archive.tar; $make cloud /shared/service.zip' >/dev/null
	# okv1 (network) sends its bundle to okv2 (ha): over a network that stays when one of them restarts.
	node_new bats-guide-wire
	NODES=" $NODE"
	ctr run -d --name "$NODE" "${image[0]}" sleep infinity >/dev/null
	wire=$NODE
	while read -r system _; do
		node_new "bats-guide-$system"
		NODES+=" $NODE"
		host=okv1 network=()
		case $system in
		network | ha) network=(--network "container:$wire") ;;&
		ha) host=okv2 ;;
		esac
		NODE_HOSTNAME=$host node_create "$NODE" "${image[0]}" "${network[@]}" -v "$RPM:/root/okv-luna-hooks.rpm:ro" \
			-v "$BATS_FILE_TMPDIR/shared:/shared:ro" -v "$APPLIANCE_DIR/guide-play:/root/guide-play:ro" \
			-v "$APPLIANCE_DIR/guide-type:/root/guide-type:ro"
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

# typed SYSTEM PROCEDURE OPTION...: to the end of that procedure of guide, through as many restarts as it asks for; what
# there was to say, the status and the number of restarts are left in files.
typed() {
	local procedure=$2 node rc=42 restarts=0 out=$BATS_FILE_TMPDIR/$1.$2
	node=$(node_of "$1")
	while [ "$rc" = 42 ]; do
		rc=0
		asked "$@" >>"$out" 2>&1 || rc=$?
		[ "$rc" = 42 ] || break
		# Times of start are told in seconds; a real machine is not up again within one.
		sleep 2
		ctr restart -t 0 "$node" >/dev/null
		node_settle "$node"
		restarts=$((restarts + 1))
	done
	echo "$procedure $rc $restarts" >"$out.end"
	[ "$rc" = 0 ]
}

# asked SYSTEM PROCEDURE OPTION...: until guide has no next step for this node, or asks for a restart.
asked() {
	local kind okv vendors archive options setup=()
	[ "$1 $2" != 'setup install' ] || setup=(-e 'SETUP=--accept-licence --kind network /shared/archive.tar')
	read -r _ kind okv vendors archive options < <(systems | grep "^$1 ")
	# shellcheck disable=SC2086
	ctr exec "${setup[@]}" -e SYSTEM="$1" -e OKV="$okv" -e VENDORS="$vendors" -e ARCHIVE="/shared/$archive" "$(node_of "$1")" \
		bash -lc "/root/guide-type $2 --okv $okv --kind $kind $options ${*:3}"
}

# follow SYSTEM KIND OKV VENDORS ARCHIVE OPTION...: all procedures of a single node, one after the other.
follow() {
	local system=$1 okv=$3 vendors=$4 archive=$5 node
	node=$(node_of "$system")
	node_start "$node"
	on "$node" "rpm -i /root/okv-luna-hooks.rpm
		[ '$vendors' = - ] || rm -r /usr/local/okv/hsm/generic
		hostname >/etc/hostname
		echo 'UPGRADE_COMMAND=\"/usr/bin/ruby /images/upgrade.rb --confirm --same-os\"' >>/opt/okv-luna/etc/okv-luna.conf" \
		2>/dev/null
	[ "$archive" != v6 ] || { on "$node" 'mkdir -p /root/luna/linux/64'; installer | ctr exec -i "$node" \
		sh -c 'cat >/root/luna/linux/64/install.sh'; }
	[ "$system" != setup ] || stumble "$node" >"$BATS_FILE_TMPDIR/stumbled" 2>&1
	typed "$system" install && typed "$system" restore && typed "$system" cluster || return
	# shellcheck disable=SC2046
	! upgrades "$system" >/dev/null || typed "$system" upgrade $(upgrades "$system")
}

# stumble NODE: setup with an archive that was cut in half.
stumble() {
	on "$1" 'head -c 100000 /shared/archive.tar >/root/cut.tar
		okv-luna setup --accept-licence --kind network /root/cut.tar || echo "status $?"
		find /usr/safenet /etc/Chrystoki.conf 2>/dev/null || true'
}

# ended SYSTEM RESTARTS: guide came to its ends, status is green for all of them, and OKV's own program finds the root
# key and uses it.
ended() {
	local procedure wanted=$'cluster 0 0\ninstall 0 '"$2"$'\nrestore 0 1'
	NODE=$(node_of "$1")
	! upgrades "$1" >/dev/null || wanted+=$'\nupgrade 0 1'
	[ "$(cat "$BATS_FILE_TMPDIR/$1".*.end)" = "$wanted" ] || {
		for procedure in install restore cluster upgrade; do cat "$BATS_FILE_TMPDIR/$1.$procedure"* || true; done
		on "$NODE" 'tail -n 60 /root/guide.log'
		return 1
	}
	for procedure in '' '--for restore --pin-file - --key "OKV 18.1 HSM Root Key"' '--for cluster'; do
		run on "$NODE" "echo partition-password | okv-luna status $procedure"
		[ "$status" -eq 0 ] && ! grep -q '^FAIL' <<<"$output" || { echo "$output"; return 1; }
	done
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

@test "okv-luna setup: stops at a damaged archive and says why, then goes on as far as it can, each time" {
	grep -q '^okv-luna-setup: stopped at step client: ' "$BATS_FILE_TMPDIR/stumbled"
	grep -q '^status 3$' "$BATS_FILE_TMPDIR/stumbled"
	run -1 grep '^/' "$BATS_FILE_TMPDIR/stumbled"
	ended setup 1
	# A partition that is not there is the first problem; with the one that is there, there is nothing left to do.
	run -1 on "$NODE" 'okv-luna setup --label par9'
	[[ $output == *"--label par9 ended with status 1; "* ]]
	run -0 on "$NODE" 'okv-luna setup'
	[[ ${lines[0]} == 'nothing to do: '* ]]
}

@test "an upgrade on one server, in a cluster's order, and of a release without our hooks: each step in its turn" {
	run -0 tail -qn 1 "$BATS_FILE_TMPDIR"/{cloud-min,setup,v6}.upgrade
	[ "${lines[0]}" = 'done: page oracle-steps backup-after' ]
	[ "${lines[1]}" = 'done: page enable-node oracle-steps backup-after' ]
	[ "${lines[2]}" = 'done: page oracle-steps backup-after' ]
	# From the first step that only an upgrade has; and the first boot has done the last of ours.
	for system in cloud-min:disk setup:order; do
		NODE=$(node_of "${system%:*}")
		run -0 on "$NODE" "sed -n '/^== ${system#*:}:/,\$ s/^== \([a-z-]*\): .*/\1/p' /root/guide.log | paste -sd' '"
		case $system in
		cloud-min:*) [ "$output" = 'disk pre-upgrade upgrade page oracle-steps backup-after' ] ;;
		*) [ "$output" = 'order backup disk disable-node pre-upgrade upgrade page enable-node oracle-steps backup-after' ] ;;
		esac
		on "$NODE" "grep -q '^upgrade.rb: okv_hsm_mid_upgrade ended with 7[13] ' /root/guide.log &&
			grep -q ' post-upgrade end proven\$' /opt/okv-luna/var/journal"
	done
}

@test "a cluster of several nodes: the bundle goes to okv2 and is put in its place, by what guide prints" {
	local other id command when_done step
	other=$(node_of ha)
	CLUSTER=("$(node_of network)" "$other")
	cluster_join
	on "$(node_of network)" 'okv-luna guide cluster --okv 21.5 --kind network --again' >/dev/null || true
	for step in place apply-bundle enable-others; do
		run asked network cluster --bundle
		[ "$status" -eq 43 ] || { echo "$output"; return 1; }
		IFS=$'\t' read -r id command when_done <<<"${lines[-1]}"
		[ "$id" = $step ]
		case $step in
		apply-bundle) ctr exec -e SYSTEM=x -e OKV=21.3 -e VENDORS=- "$other" /root/guide-play $step "$command" ;;
		*) ctr exec "$other" bash -lc '/root/guide-type --here "$1"' - "$command" ;;
		esac
		on "$(node_of network)" "$when_done" >/dev/null || [ $? = 1 ]
	done
	[ "$(on "$other" 'sha256sum </usr/local/okv/hsm/hsmbundle')" = \
		"$(on "$(node_of network)" 'sha256sum </usr/local/okv/hsm/hsmbundle')" ]
	run -0 asked network cluster --bundle
	on "$(node_of network)" '[ ! -e /usr/local/okv/hsm/hsmbundle ] && okv-luna status --for cluster' >/dev/null
	on "$other" 'okv-luna bundle clean && [ ! -e /usr/local/okv/hsm/hsmbundle ]'
}

@test "every example of the manual that needs the HSM works where there is one" {
	local page needs line count=0
	NODE=$(node_of network)
	# Something to compare with.
	on "$NODE" 'okv-luna pre-upgrade -q'
	while IFS="|" read -r page needs line; do
		# The demo types this one: it ends on another OS.
		[ "$line" != 'okv-luna upgrade' ] || continue
		[[ $line != *'--for upgrade' ]] || on "$NODE" 'okv-luna pre-upgrade -q'
		run ctr exec "$NODE" bash -lc '/root/guide-type --here "$1"' - "${line/--label okv/--label TPA01}"
		[ "$status" -eq 0 ] || { echo "$page: $line: $output"; return 1; }
		count=$((count + 1))
	done < <(for page in "$BATS_TEST_DIRNAME"/../../../payload/man/*.[1-9]; do
		examples "$page" | sed "s,^,${page##*/}|,"
	done | grep -E '^[^|]*[|]Needs (a node|the client and the HSM|the HSM( and a terminal)?)\.[|]')
	[ "$count" -ge 12 ]
}
