#!/usr/bin/env bats
# The post-upgrade unit under a real systemd: armed by the upgrade, failing at the first boot of the new OS while the
# HSM's library is away, tried again and successful at the second, silent at the third.
# RPM=FILE takes a package; without it one is built on the oldest base.
# shellcheck disable=SC2016 # single quotes: expanded in the node

load node.bash

UNIT=okv-luna-post-upgrade.service
WANTED=/etc/systemd/system/multi-user.target.wants/$UNIT
LIBRARY=/usr/safenet/lunaclient/lib/libCryptoki2_64.so

setup_file() {
	package_for_file
	node_file_up node-11 node-12 -v "$RPM:/root/okv-luna-hooks.rpm:ro"
	on "$OLD" '
		/usr/share/okv-appliance/bin/client-archive minimal /root/client.tar.gz
		rpm -i /root/okv-luna-hooks.rpm
		okv-luna extract /root/client.tar.gz
		/usr/share/okv-appliance/bin/hsm-init
		okv-luna config wire
		okv-luna repair
	' >/dev/null 2>&1
}
teardown_file() { node_file_down; }

of_unit() { ctr exec "$NEW" systemctl show -p "$1" --value "$UNIT"; }

@test "armed by the upgrade, and the unit is one that systemd finds nothing wrong with" {
	on "$OLD" "systemd-analyze verify --man=no /etc/systemd/system/$UNIT"
	on "$OLD" 'okv-luna upgrade --yes' >/dev/null 2>&1
	[ -L "$ROOT$WANTED" ]
	ctr stop -t 10 "$OLD" >/dev/null
}

@test "without the library it fails at the first boot, says so, stays armed and does not hold the boot up" {
	mv "$ROOT$LIBRARY" "$ROOT$LIBRARY.away"
	began=$EPOCHSECONDS
	node_start "$NEW" || true
	[ $((EPOCHSECONDS - began)) -lt 300 ]
	[ "$(of_unit Result)" = exit-code ]
	on "$NEW" "journalctl -u $UNIT -o cat | grep -q 'do not restart this server' && systemctl is-active multi-user.target"
	on "$NEW" "[ -L $WANTED ] && systemd-analyze verify --man=no /etc/systemd/system/$UNIT"
}

@test "with the library back it succeeds at the second boot and disarms" {
	on "$NEW" "mv $LIBRARY.away $LIBRARY"
	ctr stop -t 10 "$NEW" >/dev/null
	node_start "$NEW"
	[ "$(of_unit Result)" = success ]
	[ "$(of_unit ExecMainStatus)" = 0 ]
	[ -n "$(of_unit ExecMainStartTimestamp)" ]
	on "$NEW" "[ ! -L $WANTED ]"
}

@test "at the third boot it does not run" {
	ctr stop -t 10 "$NEW" >/dev/null
	node_start "$NEW"
	[ -z "$(of_unit ExecMainStartTimestamp)" ]
	# Two runs in all: one that failed and one that proved it.
	ends=$(on "$NEW" 'sed -n "s/.*post-upgrade end \([a-z]*\).*/\1/p" /opt/okv-luna/var/journal')
	[ "$ends" = $'failed\nproven' ]
}
