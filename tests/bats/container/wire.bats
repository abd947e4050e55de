#!/usr/bin/env bats
# OKV's generic files, wired by the installed package, inside OKV's own upgrade:
# whatever happens to our part, the upgrade goes on and OKV's files come back.
# RPM=FILE takes a package; without it one is built on the oldest base.
# shellcheck disable=SC2016 # single quotes: expanded in the node

load node.bash

GENERIC=/usr/local/okv/hsm/generic
HOOK=/opt/okv-luna/hooks/mid-upgrade

setup_file() {
	package_for_file
	node_file_up node-11 node-12 -v "$RPM:/root/okv-luna-hooks.rpm:ro"
	client_by_hand "$OLD"
	on "$OLD" 'rpm -i /root/okv-luna-hooks.rpm; cp /usr/share/okv-appliance/stock/* '"$GENERIC/"'
		cp -a '"$GENERIC"' /root/generic; okv-luna config wire
		[ ! -e '"$HOOK"' ] || cp -a '"$HOOK"' /root/hook' >/dev/null 2>&1
}
teardown_file() { node_file_down; }

# hook SCRIPT: what stands where our hook stands.
hook() { on "$OLD" "mkdir -p ${HOOK%/*}; printf '#!/bin/sh\n%s\n' '$1' >$HOOK; chmod 0755 $HOOK"; }
# upgrade_says STATUS: in each shell, with our hook in the new root, the upgrade
# ends well and the hook of OKV with this status.
upgrade_says() {
	local shell
	for shell in bash sh; do
		run on "$OLD" "/usr/bin/ruby /images/upgrade.rb --confirm --hook-shell $shell"
		[ "$status" -eq 0 ]
		[[ "$output" == *"ended with $1 "* ]]
	done
}

@test "our 0 says that something changed" {
	hook 'exit 0'
	upgrade_says 71
}

@test "our 1 falls through to OKV's own end" {
	hook 'exit 1'
	upgrade_says 73
}

@test "a failing hook never ends OKV's upgrade" {
	hook 'exit 5'
	upgrade_says 73
}

@test "a crashing hook never ends OKV's upgrade" {
	hook 'kill -SEGV $$'
	upgrade_says 73
}

@test "a hook that cannot start never ends OKV's upgrade" {
	hook 'exit 0'
	on "$OLD" "sed -i '1s|.*|#!/not/there|' $HOOK"
	upgrade_says 73
	on "$OLD" "rm $HOOK"
	rm -f "$ROOT$HOOK"
	upgrade_says 73
}

@test "the block says nothing on standard output" {
	hook 'echo noise; exit 1'
	run on "$OLD" '/usr/bin/ruby /images/upgrade.rb --confirm'
	[[ "$output" != *noise* ]]
}

@test "without numbers from anybody the upgrade still goes on" {
	hook 'exit 0'
	run on "$OLD" '/usr/bin/ruby /images/upgrade.rb --confirm --hook-env empty'
	[ "$status" -eq 0 ]
}

@test "wiring twice changes nothing, unwiring brings every byte back" {
	on "$OLD" "okv-luna config wire -q; cp -a $GENERIC /root/wired; okv-luna config wire -q; diff -r /root/wired $GENERIC"
	on "$OLD" "okv-luna config unwire --all --even-in-use -q; diff -r /root/generic $GENERIC; okv-luna config wire -q"
}

@test "erasing the package takes our part, and leaves OKV its HSM" {
	on "$OLD" "rpm -e okv-luna-hooks 2>/dev/null; cmp /root/generic/okv_hsm_mid_upgrade $GENERIC/okv_hsm_mid_upgrade"
	on "$OLD" "! grep -rq okv-luna $GENERIC && [ -z \"\$(find $GENERIC -type l)\" ]"
	on "$OLD" "grep -qx 'VENDOR_NAME=\"Thales_Luna\"' $GENERIC/okv_hsm.conf && grep -q '^PKCS11_LIB_LOC=\"/usr' $GENERIC/okv_hsm.conf"
	[ "$(on "$OLD" "stat -c '%a %U %G' $GENERIC/okv_hsm.conf")" = "640 oracle oinstall" ]
	on "$OLD" 'test -d /usr/safenet/lunaclient/cert/softhsm && test -f /etc/Chrystoki.conf'
}
