#!/usr/bin/env bats
# Hostile neighbours of root, a sample of the campaign (tests/faults.d/neighbour): what they plant or exchange gains them
# nothing and stops nothing, and the same judge catches naive versions of the commands.

bats_require_minimum_version 1.5.0

@test "a sample of what neighbours plant and exchange: none comes through, and a naive version lets some through" {
	run -0 "$BATS_TEST_DIRNAME/../hostile/neighbour/run" --sample
	[[ ${lines[-1]} =~ ^([0-9]+)' attacks, 0 came through'$ ]]
	[ "${BASH_REMATCH[1]}" -gt 80 ]
	for command in repair slots 'pre-upgrade --abort' mid-upgrade post-upgrade 'bundle seal'; do
		grep -q "^naive  $command: [1-9]" <<<"$output"
	done
}
