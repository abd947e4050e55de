#!/usr/bin/env bats
# mid-upgrade: on a new OS the group, the membership, what carried the old id, the links; silent and in time.

bats_require_minimum_version 1.5.0
load upgrade.bash
load eventually

setup_file() { upgrade_setup_file; }
setup() { upgrade_setup; }

gid_of() { sed -n "s/^$1:[^:]*:\([0-9]*\):.*/\1/p" "$ROOT/etc/group"; }

@test "the group comes back with its old id, and OKV's user is in it" {
	pre -q
	new_os
	run -0 --separate-stderr mid
	[ -z "$output" ]
	[ "$(gid_of hsmusers)" = 986 ]
	grep -q '^hsmusers:.*:oracle$' "$ROOT/etc/group"
	grep -q 'mid-upgrade end changed$' "$ROOT/opt/okv-luna/var/journal"
}

@test "links, unit and arming come back" {
	pre -q
	new_os
	mid
	[ "$(readlink "$ROOT/usr/sbin/okv-luna")" = /opt/okv-luna/bin/okv-luna ]
	# A file, not a link: systemctl disable would remove a linked unit.
	for unit in okv-luna-post-upgrade.service okv-luna-slots.service okv-luna-slots.timer; do
		[ ! -L "$ROOT/usr/lib/systemd/system/$unit" ]
		cmp "$ROOT/opt/okv-luna/share/systemd/$unit" "$ROOT/usr/lib/systemd/system/$unit"
	done
	[ "$(readlink "$ROOT$WANTED")" = /usr/lib/systemd/system/okv-luna-post-upgrade.service ]
	[ "$(readlink "$ROOT$GENERIC/okv_hsm_post_upgrade")" = /opt/okv-luna/hooks/post-upgrade ]
}

@test "the second run says 1 and changes nothing" {
	pre -q
	new_os
	mid
	before=$(state)
	run -1 --separate-stderr mid
	[ -z "$output$stderr" ]
	[ "$(state)" = "$before" ]
	grep -q 'mid-upgrade end unchanged$' "$ROOT/opt/okv-luna/var/journal"
}

@test "with the id taken by another group, exactly what carried it is re-owned" {
	mkdir "$ROOT$LC/rbs"
	printf 'x' >"$ROOT$LC/rbs/serverkey.pem"
	chgrp -R 986 "$ROOT$LC/rbs"
	chmod 2770 "$ROOT$LC/rbs"
	chgrp 987 "$ROOT$LC/plugins"
	pre -q
	new_os 986
	mkdir "$ROOT/srv"
	chgrp 986 "$ROOT/srv"
	mid
	new=$(gid_of hsmusers)
	[ "$new" != 986 ]
	[ "$(stat -c '%g %a' "$ROOT$LC/rbs")" = "$new 2770" ]
	[ "$(stat -c %g "$ROOT$LC/rbs/serverkey.pem")" = "$new" ]
	[ "$(stat -c %g "$ROOT$LC/plugins")" = 987 ]
	[ "$(stat -c %g "$ROOT/srv")" = 986 ]
	[ "$(gid_of others)" = 986 ]
}

@test "outside of the client only what the snapshot knows with the old id is re-owned: same path, type and bytes" {
	mkdir -p "$ROOT/etc/ssh" "$ROOT/srv/hsm"
	echo old >"$ROOT/etc/ssh/host_key"
	for file in same other; do echo $file >"$ROOT/srv/hsm/$file"; done
	chgrp -R 986 "$ROOT/srv/hsm"
	sed -i 's|^PRESERVED_FILES="|PRESERVED_FILES="/etc/ssh:/srv/hsm:|' "$ROOT$GENERIC/okv_hsm.conf"
	pre -q
	old=$ROOT
	new_os 986
	mkdir "$ROOT/srv" "$ROOT/etc/ssh"
	cp -a "$old/srv/hsm" "$ROOT/srv/"
	for file in "$ROOT/etc/ssh/host_key" "$ROOT/srv/hsm/other" "$ROOT/srv/hsm/new"; do
		echo new >"$file"
		chgrp 986 "$file"
	done
	mid
	id=$(sed -n 's/^hsmusers:x:\([0-9]*\):.*/\1/p' "$ROOT/etc/group")
	[ "$id" != 986 ]
	[ "$(stat -c %g "$ROOT/srv/hsm/same")" = "$id" ]
	for file in /etc/ssh/host_key /srv/hsm/other /srv/hsm/new; do [ "$(stat -c %g "$ROOT$file")" = 986 ]; done
}

@test "with the id taken as a user's primary group another one is chosen" {
	pre -q
	new_os
	printf 'someone:x:1200:986::/:/bin/sh\n' >>"$ROOT/etc/passwd"
	mid
	[ -n "$(gid_of hsmusers)" ]
	[ "$(gid_of hsmusers)" != 986 ]
}

@test "re-owning that was interrupted is finished by the next run" {
	mkdir -p "$ROOT$LC/rbs"
	for i in $(seq 40); do : >"$ROOT$LC/rbs/f$i"; done
	chgrp -R 986 "$ROOT$LC/rbs"
	pre -q
	new_os 986
	strace -f -o /dev/null -e inject=fchown:signal=KILL:when=20 \
		"$build/libexec/okv-luna-mid-upgrade" --root "$ROOT" || true
	mid || [ $? -eq 1 ]
	[ -z "$(find "$ROOT$LC/rbs" ! -gid "$(gid_of hsmusers)")" ]
}

@test "before the files are back the group is made all the same" {
	pre -q
	new_os
	rm -rf "$ROOT${LC:?}" "$ROOT/etc/Chrystoki.conf"
	run -0 --separate-stderr mid
	[ -z "$output" ]
	grep -q '^hsmusers:.*:oracle$' "$ROOT/etc/group"
}

@test "without any pre-upgrade it works too" {
	new_os
	cp -a "$BATS_FILE_TMPDIR/tree/opt/okv-luna" "$ROOT/opt/"
	run -0 mid
	grep -q '^hsmusers:.*:oracle$' "$ROOT/etc/group"
}

@test "an empty environment and a removed working directory do not matter" {
	pre -q
	new_os
	mkdir "$BATS_TEST_TMPDIR/gone"
	run -0 bash -c "cd '$BATS_TEST_TMPDIR/gone' && rmdir ../gone &&
		exec env -i '$build/libexec/okv-luna-mid-upgrade' --root '$ROOT'"
	grep -q '^hsmusers:.*:oracle$' "$ROOT/etc/group"
}

@test "a read-only var costs the record, not the group" {
	pre -q
	new_os
	read_only
	run mid
	umount "$ROOT/opt/okv-luna/var"
	[ "$status" -eq 0 ]
	grep -q '^hsmusers:.*:oracle$' "$ROOT/etc/group"
	[ -L "$ROOT$WANTED" ]
}

@test "a full var costs the record, not the group" {
	pre -q
	new_os
	cp -a "$ROOT/opt/okv-luna/var" "$BATS_TEST_TMPDIR/var"
	mount -t tmpfs -o size=1M tmpfs "$ROOT/opt/okv-luna/var"
	cp -a "$BATS_TEST_TMPDIR/var/." "$ROOT/opt/okv-luna/var/"
	cat /dev/zero >"$ROOT/opt/okv-luna/var/fill" 2>/dev/null || true
	run mid
	umount "$ROOT/opt/okv-luna/var"
	[ "$status" -eq 0 ]
	grep -q '^hsmusers:.*:oracle$' "$ROOT/etc/group"
	[ -L "$ROOT$WANTED" ]
}

@test "a groupadd that hangs costs its bound, and the rest is done" {
	pre -q
	new_os
	printf '#!/bin/sh\nread -r x <>/dev/hang\n' >"$ROOT/usr/sbin/groupadd"
	mkfifo "$ROOT/dev/hang"
	started=$SECONDS
	run mid --timeout 20
	[ "$status" -gt 1 ]
	# It would hang for ever.
	[ $((SECONDS - started)) -le 60 ]
	[ -L "$ROOT$WANTED" ]
	[[ $output == *"mid-upgrade failed"* ]]
	grep -q 'mid-upgrade end failed ' "$ROOT/opt/okv-luna/var/journal"
	eventually nobody_there
}

@test "the whole run is bounded" {
	pre -q
	new_os
	printf '#!/bin/sh\nread -r x <>/dev/hang\n' >"$ROOT/usr/sbin/groupadd"
	mkfifo "$ROOT/dev/hang"
	started=$SECONDS
	run mid --timeout 2
	[ "$status" -eq 7 ]
	[ $((SECONDS - started)) -le 30 ]
	eventually nobody_there
}

# No process of this tree is left.
nobody_there() { [[ $(readlink /proc/[0-9]*/root) != *"$ROOT"* ]]; }

@test "a groupadd that fails, a user that is not there: never 0 or 1, and said" {
	pre -q
	new_os
	printf '#!/bin/sh\necho cannot lock /etc/group >&2\nexit 10\n' >"$ROOT/usr/sbin/groupadd"
	run mid
	[ "$status" -gt 1 ]
	[[ $output == *"cannot lock /etc/group"* ]]
	sed -i '/^oracle/d' "$ROOT/etc/passwd"
	cp "$BATS_FILE_TMPDIR/tree/usr/sbin/groupadd" "$ROOT/usr/sbin/"
	run mid
	[ "$status" -gt 1 ]
	[[ $output == *oracle* ]]
}

@test "while another command holds the lock it gives up late and says who" {
	pre -q
	new_os
	exec 8<>"$ROOT/opt/okv-luna/var/lock"
	flock 8
	run -7 mid
	[[ $output == *"another okv-luna command is running"* ]]
	exec 8<&-
}

@test "--dry-run shows the plan and changes nothing" {
	pre -q
	new_os
	before=$(state)
	run mid --dry-run
	[ "$status" -eq 0 ]
	[[ $output == *"group 'hsmusers'"* ]]
	[ "$(state)" = "$before" ]
}

@test "used wrongly" {
	run -2 mid --timeout 0
	run -2 mid operand
}

@test "killed with all its children at a sample of its system calls, the next run finishes" {
	interrupted 2 mid kill 0 7 40
}

@test "with a sample of its system calls failing, it says so or has done the work, and the next run finishes" {
	interrupted 2 mid fail 0 7 80
}
