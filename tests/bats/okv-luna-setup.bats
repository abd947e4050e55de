#!/usr/bin/env bats
# setup: the steps of guide install that are ours, in order, as far as they go.

bats_require_minimum_version 1.5.0
load upgrade.bash

setup_file() {
	upgrade_setup_file
	"$BATS_TEST_DIRNAME/../appliance/client-archive" --library "$BATS_FILE_TMPDIR/doubles/honest.so" minimal \
		"$BATS_FILE_TMPDIR/minimal.tar.gz" >/dev/null
}
setup() { upgrade_setup; }

setup_of() { "$build/libexec/okv-luna-setup" --root "$ROOT" "$@"; }
valid() { python3 "$BATS_TEST_DIRNAME/schema.py" "$BATS_TEST_DIRNAME/../../payload/schema/setup.schema.json"; }
bare() {
	rm -r "$ROOT$LC" "$ROOT/etc/Chrystoki.conf"
	sed -i '/^hsmusers:/d' "$ROOT/etc/group" "$ROOT/etc/gshadow"
}
# The steps that have run, or would.
steps() { sed -nE 's/^(would: )?([a-z-]+): okv-luna .*/\2/p' <<<"$output" | tr '\n' ' '; }

@test "a bare server and an archive: client, group and modes, generic files; then what somebody else has to do" {
	bare
	run -0 setup_of --kind network "$BATS_FILE_TMPDIR/minimal.tar.gz"
	[ "$(steps)" = 'client group wire ' ]
	# What comes next is said once: by setup, and not by a command that it runs, too.
	[ "$(grep '^next: ' <<<"$output")" = "$(grep '^next: certificate: ' <<<"$output")" ]
	[[ $output == *$'\nnext: certificate: '* ]]
	[[ -f $ROOT$LC/libs/64/libCryptoki2.so && -f $ROOT/etc/Chrystoki.conf ]]
	grep -q '^hsmusers:.*oracle' "$ROOT/etc/group"
	grep -q '^VENDOR_NAME="Thales_Luna"' "$ROOT$GENERIC/okv_hsm.conf"
	after=$(state)
	run -0 setup_of
	[[ ${lines[0]} == 'nothing to do: '* ]]
	[ "$(state)" = "$after" ]
}

@test "with the client and its HSM there: group, files, then up to the reboot; the slots by label" {
	run -0 setup_of
	[ "$(steps)" = 'group wire ' ]
	[[ $output == *'next: reboot-files: '* ]]
	run -1 setup_of --label 'no such partition'
	[ "$(steps)" = 'reach ' ]
	[[ $output == *"--label 'no such partition' ended with status 1; "* ]]
	gpasswd -Q "$ROOT" -d oracle hsmusers >/dev/null
	run -0 setup_of
	[ "$(steps)" = 'group ' ]
}

@test "a dry run names each command once and changes nothing" {
	before=$(state)
	run -0 setup_of -n
	[ "$(steps)" = 'group wire ' ]
	[[ ${lines[0]} == 'would: group: okv-luna repair' ]]
	[ "$(state)" = "$before" ]
	bare
	run -0 setup_of -n --kind network "$BATS_FILE_TMPDIR/minimal.tar.gz"
	[[ $(steps) == 'client group wire ' ]]
	run -0 setup_of -n "$BATS_FILE_TMPDIR/minimal.tar.gz"
	[[ $(steps) == 'client wire ' ]]
}

@test "without an archive where one is wanted: 2, with the call that is right" {
	bare
	run -2 setup_of
	[[ $output == *'step client needs an archive: okv-luna setup ARCHIVE' ]]
	run -2 setup_of --kind boat
}

@test "it stops at the first step that fails, with that step's status and remedy, and goes on from there" {
	bare
	head -c 2000 "$BATS_FILE_TMPDIR/minimal.tar.gz" >"$BATS_TEST_TMPDIR/cut.tar.gz"
	run -3 setup_of "$BATS_TEST_TMPDIR/cut.tar.gz"
	[[ $output == *'stopped at step client: '*'ended with status 3'* ]]
	[ ! -e "$ROOT$LC" ]
	: >"$ROOT/usr/lib/other.so" && cp "$BATS_FILE_TMPDIR/doubles/honest.so" "$ROOT/usr/lib/other.so"
	sed -i 's|^PKCS11_LIB_LOC=.*|PKCS11_LIB_LOC="/usr/lib/other.so"|; s|^VENDOR_NAME=.*|VENDOR_NAME="Other"|' \
		"$ROOT$GENERIC/okv_hsm.conf"
	run -3 setup_of "$BATS_FILE_TMPDIR/minimal.tar.gz"
	[ "$(steps)" = 'client group wire ' ]
	[[ $output == *'--replace-vendor'*'stopped at step wire: '* ]]
	"$build/libexec/okv-luna-config" --root "$ROOT" wire --replace-vendor -q
	run -0 setup_of
	[[ ${lines[0]} == 'nothing to do: '* && $output != *'no archive was needed'* ]]
	run -0 setup_of "$BATS_FILE_TMPDIR/minimal.tar.gz"
	[[ ${lines[0]} == 'nothing to do: '* && ${lines[1]} == 'no archive was needed: '*': okv-luna extract ARCHIVE' ]]
}

@test "each command is printed as it can be typed" {
	bare
	mkdir "$BATS_TEST_TMPDIR/it's mine"
	echo text >"$BATS_TEST_TMPDIR/it's mine/a client.tar"
	run -3 setup_of "$BATS_TEST_TMPDIR/it's mine/a client.tar"
	words=${lines[0]#client: okv-luna extract }
	eval "words=($words)"
	[ "${words[-1]}" = "$BATS_TEST_TMPDIR/it's mine/a client.tar" ]
	[[ $output == *"stopped at step client: okv-luna extract "*"a client.tar' ended with status 3; "* ]]
}

@test "--json: what has run and what is next, by its schema; failures too" {
	count=$({ setup_of --json -n; setup_of --json; setup_of --json; bare; setup_of --json 2>/dev/null; } | valid)
	[ "$count" -eq 4 ]
	run -0 setup_of --json "$BATS_FILE_TMPDIR/minimal.tar.gz"
	[ "$(jq -r '[.ran[].id] | join(" ")' <<<"$output")" = 'client group' ]
	[ "$(jq -r .next <<<"$output")" = certificate ]
}
