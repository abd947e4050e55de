#!/usr/bin/env bats
# Hostile neighbours of root, a sample of the campaign (tests/faults.d/neighbour): what they plant or exchange gains them
# nothing and stops nothing, and the same judge catches naive versions of the commands.

bats_require_minimum_version 1.5.0

# In a memory file system of its own: /dev/shm of a container is often small, and nothing in it can be started.
neighbours() {
	unshare -m sh -c 'mount -t tmpfs -o mode=1777 tmpfs /dev/shm && exec "$@"' sh "$BATS_TEST_DIRNAME/../hostile/neighbour/run" "$@"
}

@test "a sample of what neighbours plant and exchange: none comes through" {
	run -0 neighbours --sample --part planted --part stories --part races
	[[ ${lines[-1]} =~ ^([0-9]+)' attacks, 0 came through'$ ]]
	[ "${BASH_REMATCH[1]}" -gt 80 ]
}

@test "an exchange just as a system call of root's begins: none comes through" {
	run -0 neighbours --sample --part moments
	[[ ${lines[-1]} =~ ^([0-9]+)' attacks, 0 came through'$ ]]
	[ "${BASH_REMATCH[1]}" -gt 20 ]
	# Not one of them is held because nothing was exchanged in any.
	[[ $output =~ 'oracle puts '[^'(']*'(at '[1-9] ]]
}

@test "the same exchange makes a naive edit write to a secret file, and a naive look wait for a FIFO" {
	run -0 neighbours --naive --part moments --only 'config wire: oracle' --only 'secret file'
	[[ $output == 'naive  config wire: oracle puts a link to a secret file under a call: at openat '*'etc/shadow: '* ]]
	run -0 neighbours --naive --part moments --only 'config check: oracle' --only FIFO
	[[ $output == 'naive  config check: oracle puts a FIFO under a call: at openat '*'it ended with 124' ]]
}

@test "of a naive version of each command the same judge lets none pass" {
	run -0 neighbours --naive
	[ "$(grep -c '^naive  ' <<<"$output")" -ge 17 ]
	[[ $output != *'NOT CAUGHT'* ]]
}

@test "a lease on a file among OKV's generic files does not hold up pre-upgrade" {
	run -0 "$BATS_TEST_DIRNAME/../hostile/neighbour/run" --part planted --only 'pre-upgrade: oracle' --only lease --only hsm/generic
	[[ $output == *"held  pre-upgrade: oracle has a file with a lease in usr/local/okv/hsm/generic"* ]]
}
