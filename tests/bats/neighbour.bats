#!/usr/bin/env bats
# Hostile neighbours of root, a sample of the campaign (tests/faults.d/neighbour): what they plant or exchange gains them
# nothing and stops nothing, and the same judge catches naive versions of the commands.

bats_require_minimum_version 1.5.0

@test "a sample of what neighbours plant and exchange: none comes through" {
	run -0 "$BATS_TEST_DIRNAME/../hostile/neighbour/run" --sample
	[[ ${lines[-1]} =~ ^([0-9]+)' attacks, 0 came through'$ ]]
	[ "${BASH_REMATCH[1]}" -gt 80 ]
}

@test "of a naive version of each command the same judge lets none pass" {
	run -0 "$BATS_TEST_DIRNAME/../hostile/neighbour/run" --naive
	[ "$(grep -c '^naive  ' <<<"$output")" -ge 17 ]
	[[ $output != *'NOT CAUGHT'* ]]
}
