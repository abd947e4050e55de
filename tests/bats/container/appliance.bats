#!/usr/bin/env bats
# The appliance keeps its own promises: what the product is tested on is tested.
# shellcheck disable=SC2016 # single quotes: expanded in the node

load node.bash

GENERIC=/usr/local/okv/hsm/generic
HSMCLIENT=/usr/local/okv/hsm/bin/hsmclient

setup_file() {
	node_file_up node-11 node-12
	client_by_hand "$OLD"
	on "$OLD" "cp -a $GENERIC /root/generic"
}
teardown_file() { node_file_down; }
setup() { on "$OLD" "cp -a /root/generic/. $GENERIC/"; }

upgrade() { run on "$OLD" "/usr/bin/ruby /images/upgrade.rb $*"; }

@test "an image that is there is not made again" {
	run "$APPLIANCE_DIR/image" node-11 node-12
	[ "$status" -eq 0 ]
	[[ "$output" != *bootstrapping* && "$output" != *furnishing* ]]
}

@test "an unknown image is a wrong use" {
	run "$APPLIANCE_DIR/image" node-10
	[ "$status" -eq 2 ]
}

@test "without a container runtime one sentence says what to install" {
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	for tool in bash dirname; do
		ln -s "$(type -P $tool)" "$BATS_TEST_TMPDIR/bin/$tool"
	done
	run env -u APPLIANCE_READY PATH="$BATS_TEST_TMPDIR/bin" "$APPLIANCE_DIR/demo"
	[ "$status" -eq 5 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == *"install podman"* ]]
}

@test "the appliance has no group hsmusers and an honest rpm database" {
	run ctr run --rm "$("$APPLIANCE_DIR/image" node-11 2>/dev/null)" sh -c 'getent group hsmusers; rpm -qa; ls /usr/safenet'
	[[ "$output" != *hsmusers* ]]
	[[ "$output" == *okv-appliance-base* ]]
	[[ "$output" == *"No such file"* ]]
	run on "$OLD" 'rpm -q --whatprovides "libcrypto.so.1.1()(64bit)" /usr/sbin/groupadd /bin/sh "libc.so.6(GLIBC_2.17)(64bit)"'
	[ "$status" -eq 0 ]
	run on "$OLD" 'rpm -q --whatprovides "libcrypto.so.3()(64bit)"'
	[ "$status" -ne 0 ]
}

@test "the next OS knows no package, has other numbers and no libcrypto.so.1.1" {
	run ctr run --rm "$("$APPLIANCE_DIR/image" node-12 2>/dev/null)" sh -c \
		'rpm -qa; id -u oracle; ls /usr/lib/x86_64-linux-gnu | grep -E "^libcrypto.so"'
	[ "${lines[0]}" != "$(on "$OLD" id -u oracle)" ]
	[ "${lines[1]}" = libcrypto.so.3 ]
	[ "${#lines[@]}" -eq 2 ]
}

@test "the library needs glibc alone" {
	run on "$OLD" '
		lib=/usr/share/okv-appliance/lib/libCryptoki2.so
		/usr/lib/rpm/elfdeps --requires --assume-exec <<<$lib |
			grep -vE "^(libc|libdl|libpthread|ld-linux-x86-64)\.so\.[0-9]+|^rtld"
		[ $? = 1 ]'
	[ -z "$output" ]
}

@test "hsmclient reaches the HSM as oracle and writes a trace" {
	run node_as "$OLD" oracle "$HSMCLIENT" open_wallet
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
	run on "$OLD" 'cat "$(ls -t /var/okv/log/hsm/* | head -n 1)"'
	[[ "${lines[0]}" == *"Beginning trace for hsmclient open_wallet" ]]
	[[ "$output" == *"Retrieved 1 keys"* ]]
	[[ "$output" == *"HSM configuration verified"* ]]
	[[ "${lines[-1]}" == *"Finished successfully" ]]
}

@test "hsmclient refuses other users and other commands" {
	run on "$OLD" "$HSMCLIENT open_wallet"
	[ "$status" -eq 1 ]
	run node_as "$OLD" oracle "$HSMCLIENT" close_wallet
	[ "$status" -eq 2 ]
}

@test "hsmclient skips a bad env line with its number and sets the good ones" {
	on "$OLD" "printf '%s\n' 'ChrystokiConfigurationPath=\"/etc\"' 'export A=\"b\"' >$GENERIC/okv_hsm_env"
	run node_as "$OLD" oracle "$HSMCLIENT" pre_restore
	[ "$status" -eq 0 ]
	run on "$OLD" 'cat "$(ls -t /var/okv/log/hsm/* | head -n 1)"'
	[[ "$output" == *"Setting ChrystokiConfigurationPath to /etc"* ]]
	[[ "$output" == *"WARNING: skipping line 2 with invalid formatting"* ]]
}

@test "without access there are no slots and no error" {
	on "$OLD" 'chmod 0700 /usr/safenet/lunaclient/cert'
	run node_as "$OLD" oracle "$HSMCLIENT" open_wallet
	on "$OLD" 'chmod 0755 /usr/safenet/lunaclient/cert'
	[ "$status" -eq 1 ]
	[ "$output" = "hsm_initialize: Could Not Get Slot for HSM" ]
}

@test "with an unreadable Chrystoki.conf there are no slots and no error" {
	on "$OLD" 'chmod 0600 /etc/Chrystoki.conf'
	run node_as "$OLD" oracle /usr/safenet/lunaclient/bin/64/vtl listslots
	on "$OLD" 'chmod 0644 /etc/Chrystoki.conf'
	[ "$output" = "Number of slots: 0" ]
}

@test "hsmclient does not choose between two root keys" {
	on "$OLD" 'cp -a /usr/safenet/lunaclient/cert /root/cert.kept
		pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label TPA01 --login --pin partition-password \
			--keygen --key-type AES:32 --label "OKV 18.1 HSM Root Key" >/dev/null 2>&1
		chmod -R 0755 /usr/safenet/lunaclient/cert'
	run node_as "$OLD" oracle "$HSMCLIENT" open_wallet
	on "$OLD" 'rm -rf /usr/safenet/lunaclient/cert; mv /root/cert.kept /usr/safenet/lunaclient/cert'
	[ "$status" -eq 1 ]
	[[ "$output" == *"found 2"* ]]
}

@test "upgrade.rb asks for --confirm" {
	upgrade
	[ "$status" -ne 0 ]
	[[ "$output" == *--confirm* ]]
}

@test "the stock hook passes with variables handed over, by its header, and with empty ones" {
	for shell in bash sh; do
		upgrade "--confirm --hook-shell $shell --hook-env set"
		[ "$status" -eq 0 ]
		[[ "$output" == *"ended with 73 (DBFW_PM_NO_CHANGE_REQUIRED)"* ]]
		upgrade "--confirm --hook-shell $shell --hook-env unset"
		[ "$status" -eq 0 ]
		[[ "$output" == *"ended with 65 (DBFW_PM_NO_CHANGE_REQUIRED)"* ]]
		upgrade "--confirm --hook-shell $shell --hook-env empty"
		[ "$status" -eq 0 ]
		[[ "$output" == *"ended with 0 (no number was given)"* ]]
	done
}

@test "a hook that ends with another status ends the upgrade" {
	on "$OLD" "sed -i 's/^exit .*/exit 1/' $GENERIC/okv_hsm_mid_upgrade"
	upgrade --confirm
	[ "$status" -eq 1 ]
	[[ "$output" == *"ended with 1 (not agreed)"* ]]
}

@test "an unterminated string in the hook ends the upgrade, as the printed guide's would" {
	on "$OLD" "sed -i 's/^logger .*/logger -t x \"text\xe2\x80\x9d/' $GENERIC/okv_hsm_mid_upgrade"
	upgrade --confirm
	[ "$status" -eq 1 ]
	[[ "$output" == *"ended with 2 (not agreed)"* ]]
}

@test "only PRESERVED_FILES come back, by number; OKV's own directory by name" {
	on "$OLD" '
		install -d -o 4242 -g 4343 -m 2751 /usr/safenet/lunaclient/odd
		ln -sfn nowhere /usr/safenet/lunaclient/odd/link
		echo left >/etc/left-behind
		sed -i "s|^PRESERVED_FILES=.*|PRESERVED_FILES=\"/usr/safenet/lunaclient:/etc/not-there:/opt/*\"|" \
			'"$GENERIC"'/okv_hsm.conf'
	upgrade --confirm
	[ "$status" -eq 0 ]
	[[ "$output" == *"WARNING: '/etc/not-there'"* ]]
	[[ "$output" == *"WARNING: '/opt/*'"* ]]
	[ "$(stat -c '%u %g %a' "$ROOT/usr/safenet/lunaclient/odd")" = "4242 4343 2751" ]
	[ "$(readlink "$ROOT/usr/safenet/lunaclient/odd/link")" = nowhere ]
	[ ! -e "$ROOT/etc/left-behind" ]
	[ "$(stat -c %u "$ROOT$GENERIC/okv_hsm.conf")" = "$(awk -F: '$1 == "oracle" { print $3 }' "$ROOT/etc/passwd")" ]
	[ "$(stat -c %a "$ROOT/usr/local/okv/hsm/wallet/credential")" = 600 ]
}

@test "in place, the stock generic files come back and the hook runs here" {
	upgrade --confirm --same-os --stock-generic
	[ "$status" -eq 0 ]
	run on "$OLD" "grep ^VENDOR_NAME $GENERIC/okv_hsm.conf"
	[ "$output" = 'VENDOR_NAME=""' ]
}

@test "the three kinds of client archive can be read by the usual tools" {
	for kind in minimal cloud full; do
		on "$OLD" "/usr/share/okv-appliance/bin/client-archive $kind /tmp/$kind"
	done
	run on "$OLD" 'tar -tzf /tmp/minimal'
	[[ "$output" == *LunaClient-Minimal-10.4.0-417.x86_64/libs/64/libCryptoki2_64.so* ]]
	run on "$OLD" 'unzip -p /tmp/cloud cvclient-min.tar | tar -tf -'
	[[ "${lines[0]}" == bin/ ]]
	run on "$OLD" 'cd /tmp && tar -xf full && rpm -qpl LunaClient_10.4.0-417_Linux/64/libcryptoki-*.rpm'
	[[ "$output" == */usr/safenet/lunaclient/lib/libCryptoki2_64.so* ]]
}
