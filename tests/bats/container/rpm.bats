#!/usr/bin/env bats
# The release package on appliances: installed with its dependencies resolved,
# erased without a trace, its tools starting on later OSes.
# RPM=FILE takes a package; without it one is built on the oldest base.
# shellcheck disable=SC2016 # single quotes: expanded in the node

load node.bash

setup_file() {
	package_for_file
	node_file_up node-11 node-12 -v "$RPM:/root/okv-luna-hooks.rpm:ro"
}
teardown_file() { node_file_down; }
teardown() { on "$OLD" 'rpm -q okv-luna-hooks >/dev/null && rpm -e okv-luna-hooks || true' >/dev/null 2>&1; }

# What of the system the package must not change.
okv_files() { on "$OLD" 'cd / && find usr/local/okv etc/group etc/passwd -exec stat -c "%n %F %a %u %g" {} + &&
	find usr/local/okv etc/group etc/passwd -type f -exec sha256sum {} +' | sort; }

@test "the package installs with its dependencies resolved" {
	run on "$OLD" 'rpm -i /root/okv-luna-hooks.rpm && rpm -V okv-luna-hooks && okv-luna --version'
	[ "$status" -eq 0 ]
}

@test "rpm of each later OS takes it, too, with its dependencies resolved, and erases it" {
	for name in node-11 node-12 node-13; do
		image=$("$APPLIANCE_DIR/image" "$name" 2>/dev/null)
		ctr run --rm --privileged -i "$image" bash -euc '
			cat >/root/package.rpm
			rpm -q okv-appliance-base || rpm -i /usr/share/okv-appliance/okv-appliance-base.rpm
			rpm -i /root/package.rpm
			rpm -V okv-luna-hooks
			okv-luna --version
			rpm -e okv-luna-hooks
			[ ! -e /opt/okv-luna ]
			rpm --version
		' <"$RPM"
	done
}

@test "where rpm knows of nothing, the package is refused" {
	run on "$OLD" 'rpm --dbpath /tmp/empty --initdb && rpm --dbpath /tmp/empty -i --test /root/okv-luna-hooks.rpm'
	[ "$status" -ne 0 ]
	[[ "$output" == *"/bin/sh is needed"* ]]
}

@test "installing and erasing leave OKV's files as they were" {
	before=$(okv_files)
	on "$OLD" 'rpm -i /root/okv-luna-hooks.rpm' 2>/dev/null
	[ "$(okv_files)" = "$before" ]
	on "$OLD" 'rpm -e okv-luna-hooks' 2>/dev/null
	[ "$(okv_files)" = "$before" ]
	on "$OLD" '[ ! -e /opt/okv-luna ] && [ ! -L /usr/sbin/okv-luna ]'
}

@test "rpm 4.11 and a FIPS node could read it: gzip or xz payload, SHA-256 digests" {
	run on "$OLD" 'rpm -qp --qf "%{PAYLOADCOMPRESSOR} %{FILEDIGESTALGO}\n" /root/okv-luna-hooks.rpm 2>/dev/null'
	[[ "$output" == "gzip 8" || "$output" == "xz 8" ]]
}

@test "the front command starts on each later OS" {
	on "$OLD" 'rpm -i /root/okv-luna-hooks.rpm' 2>/dev/null
	for name in node-12 node-13; do
		image=$("$APPLIANCE_DIR/image" "$name" 2>/dev/null)
		ctr exec "$OLD" tar -C / -cf - opt/okv-luna |
			ctr run --rm -i "$image" sh -euc 'tar -C / -xf - && /opt/okv-luna/bin/okv-luna --version'
	done
}

@test "no tool of the release asks for more than the oldest system has" {
	(cd "$BATS_TEST_TMPDIR" && rpm2cpio "$RPM" | cpio -idm --quiet)
	cd "$BATS_TEST_DIRNAME/../../.."
	run env GLIBC_FLOOR=1 BUILD="$BATS_TEST_TMPDIR/opt/okv-luna" sh tests/gates/survive
	[ "$status" -eq 0 ] || { echo "$output"; false; }
}
