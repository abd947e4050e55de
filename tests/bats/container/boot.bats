#!/usr/bin/env bats
# The post-upgrade unit under a real systemd: armed by the upgrade, failing at the first boots of the new OS while the
# HSM's library is away or hangs, tried again and successful at the next, silent from then on.
# RPM=FILE takes a package; without it one is built on the oldest base.
# shellcheck disable=SC2016 # single quotes: expanded in the node

load node.bash

UNIT=okv-luna-post-upgrade.service
WANTED=/etc/systemd/system/multi-user.target.wants/$UNIT
SLOTS=/etc/systemd/system/timers.target.wants/okv-luna-slots.timer
LIBRARY=/usr/safenet/lunaclient/lib/libCryptoki2_64.so

# ready_to_upgrade FROM TO
ready_to_upgrade() {
	node_file_up "$1" "$2" -v "$RPM:/root/okv-luna-hooks.rpm:ro"
	on "$OLD" '
		/usr/share/okv-appliance/bin/client-archive minimal /root/client.tar.gz
		rpm -i /root/okv-luna-hooks.rpm
		okv-luna extract /root/client.tar.gz
		/usr/share/okv-appliance/bin/hsm-init
		okv-luna config wire
		okv-luna repair
	' >/dev/null 2>&1
}
setup_file() {
	package_for_file
	ready_to_upgrade node-11 node-12
}
teardown_file() { node_file_down; }
# Of a test that has nodes of its own.
teardown() { node_cleanup; }

of_unit() { ctr exec "$NEW" systemctl show -p "$1" --value "$UNIT"; }

# boot_with_hanging_library: the bound is SLOT_TIMEOUT and what the other steps need, which is next to nothing.
boot_with_hanging_library() {
	"$BATS_TEST_DIRNAME/../../doubles/build" "$BATS_TEST_TMPDIR" deaf-initialize
	cp "$BATS_TEST_TMPDIR/deaf-initialize.so" "$ROOT$LIBRARY"
	sed -i 's/^#* *SLOT_TIMEOUT=.*/SLOT_TIMEOUT="3"/' "$ROOT/opt/okv-luna/etc/okv-luna.conf"
	node_start "$NEW" || true
	[ "$(of_unit Result) $(of_unit ExecMainStatus)" = 'exit-code 7' ]
	took=$(($(of_unit ExecMainExitTimestampMonotonic) - $(of_unit ExecMainStartTimestampMonotonic)))
	# Without it: a minute.
	[ "$took" -ge 3000000 ] && [ "$took" -lt 55000000 ]
	on "$NEW" "journalctl -u $UNIT -o cat | grep -q 'did not return.*do not restart this server'"
	on "$NEW" "systemctl is-active multi-user.target && [ -L $WANTED ]"
	sed -i 's/^SLOT_TIMEOUT=.*/#SLOT_TIMEOUT="60"/' "$ROOT/opt/okv-luna/etc/okv-luna.conf"
}

@test "armed by the upgrade, and the unit is one that systemd finds nothing wrong with" {
	on "$OLD" "systemd-analyze verify --man=no /usr/lib/systemd/system/$UNIT"
	# The timer of the slots, which is no part of the upgrade, is on before and after.
	on "$OLD" 'systemctl enable okv-luna-slots.timer' 2>/dev/null
	on "$OLD" 'okv-luna upgrade --yes' >/dev/null 2>&1
	[ -L "$ROOT$WANTED" ]
	[ "$(readlink "$ROOT$SLOTS")" = /usr/lib/systemd/system/okv-luna-slots.timer ]
	ctr stop -t 10 "$OLD" >/dev/null
}

@test "without the library it fails at the first boot, says so, stays armed and does not hold the boot up" {
	mv "$ROOT$LIBRARY" "$ROOT$LIBRARY.away"
	began=$EPOCHSECONDS
	node_start "$NEW" || true
	[ $((EPOCHSECONDS - began)) -lt 300 ]
	[ "$(of_unit Result)" = exit-code ]
	on "$NEW" "journalctl -u $UNIT -o cat | grep -q 'do not restart this server' && systemctl is-active multi-user.target"
	on "$NEW" "[ -L $WANTED ] && systemd-analyze verify --man=no /usr/lib/systemd/system/$UNIT"
}

@test "with a library that hangs the next boot waits no longer than its bound, and it stays armed" {
	ctr stop -t 10 "$NEW" >/dev/null
	boot_with_hanging_library
}

@test "with the library back it succeeds at the boot after that and disarms" {
	on "$NEW" "mv $LIBRARY.away $LIBRARY"
	ctr stop -t 10 "$NEW" >/dev/null
	node_start "$NEW"
	[ "$(of_unit Result)" = success ]
	[ "$(of_unit ExecMainStatus)" = 0 ]
	[ -n "$(of_unit ExecMainStartTimestamp)" ]
	on "$NEW" "[ ! -L $WANTED ]"
}

@test "at the boot after that it does not run" {
	ctr stop -t 10 "$NEW" >/dev/null
	node_start "$NEW"
	[ -z "$(of_unit ExecMainStartTimestamp)" ]
	# Three runs in all: two that failed and one that proved it.
	on "$NEW" 'systemctl is-enabled okv-luna-slots.timer && systemctl is-active okv-luna-slots.timer'
	ends=$(on "$NEW" 'sed -n "s/.*post-upgrade end \([a-z]*\).*/\1/p" /opt/okv-luna/var/journal')
	[ "$ends" = $'failed\nfailed\nproven' ]
}

@test "the same on Debian 11: armed, a first boot with a library that hangs, proven and disarmed at the second" {
	ready_to_upgrade node-11 node-11
	on "$OLD" 'okv-luna upgrade --yes' >/dev/null 2>&1
	[ -L "$ROOT$WANTED" ] && [ ! -L "$ROOT$SLOTS" ]
	ctr stop -t 10 "$OLD" >/dev/null
	cp -P "$ROOT$LIBRARY" "$ROOT$LIBRARY.away"
	rm "$ROOT$LIBRARY"
	boot_with_hanging_library
	on "$NEW" "mv $LIBRARY.away $LIBRARY && systemd-analyze verify --man=no /usr/lib/systemd/system/$UNIT"
	ctr stop -t 10 "$NEW" >/dev/null
	node_start "$NEW"
	[ "$(of_unit Result) $(of_unit ExecMainStatus)" = 'success 0' ]
	on "$NEW" "[ ! -L $WANTED ]"
}
