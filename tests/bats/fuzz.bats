#!/usr/bin/env bats
# The fuzzers, for a moment each and always with the same inputs: what is new is for make fuzz to find.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_DIRNAME/../.."
}

@test "every fuzz target builds and finds nothing in its seeds and 2,000 inputs made from them" {
	run env RUNS=2000 sh tests/fuzz/fuzz
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(grep -c ' ok$' <<<"$output")" -eq "$(ls tests/fuzz/*_fuzz.c | wc -l)" ]
}

@test "a target that finds something fails the run and keeps what it found" {
	mkdir -p "$BATS_TEST_TMPDIR/tests/fuzz"
	cp -r Makefile helpers "$BATS_TEST_TMPDIR/"
	cp tests/fuzz/fuzz "$BATS_TEST_TMPDIR/tests/fuzz/"
	cd "$BATS_TEST_TMPDIR"
	# One room is enough to see it.
	printf 'base -\ncmd base\n' >helpers/FLOORPLAN
	cat >tests/fuzz/planted_fuzz.c <<-'EOF'
		#include <stddef.h>
		#include <stdint.h>

		int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

		int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
		{
			if (size > 2 && data[0] == 7)
				__builtin_trap();
			return 0;
		}
	EOF
	run -1 env SECONDS_EACH=20 BUILD=build sh tests/fuzz/fuzz planted
	[[ $output == *'planted '*'FOUND'* ]] || { echo "$output"; false; }
	ls build/fuzz/found/planted-*
}
