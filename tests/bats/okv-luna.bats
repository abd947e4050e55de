#!/usr/bin/env bats
# The front command: finds a command's program beside itself and becomes it.

bats_require_minimum_version 1.5.0

setup() {
	build=${BUILD:-$BATS_TEST_DIRNAME/../../build}
	[[ $build == /* ]] || build=$BATS_TEST_DIRNAME/../../$build
	front=$build/bin/okv-luna
}

@test "an unknown command is 127 and one line" {
	run -127 "$front" frobnicate
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == "okv-luna: unknown command 'frobnicate'"* ]]
}
