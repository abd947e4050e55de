#!/usr/bin/env bats
# The README's first command, with the package that this run has built: from the archive to the HSM on the next OS.

@test "the demo tells the whole story and ends with the same slot before and after" {
	run "$BATS_TEST_DIRNAME/../../appliance/demo"
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	[ "$(grep -c '^   [0-9]* Net Token Slot       TPA01 ' <<<"$output")" -eq 2 ]
	[ "$(grep -c 'root key found, round trip good' <<<"$output")" -eq 2 ]
	[[ $output == *'okv-luna-post-upgrade.service: success, status 0'* ]]
}
