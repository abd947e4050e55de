#!/usr/bin/env bats
# Upgrades from each root to each root (Debian 11, 12 and 13 as they are, with their own groupadd and shells) in all the
# circumstances that can be foreseen: a sample; tests/faults.d/upgrade-matrix has the whole, and the guide's steps beside it.

bats_require_minimum_version 1.5.0
load node.bash

matrix=$BATS_TEST_DIRNAME/../../upgrade/matrix

setup_file() { package_for_file; }

@test "the matrix: every two values of two dimensions meet, so each meets every pair of roots" {
	"${matrix}-cases" >"$BATS_TEST_TMPDIR/cases"
	# What cannot be: before the files are back there is no helper to miss and no var/ to fill, and no room to take.
	run -0 awk '
		{ for (i = 1; i <= NF; i++) { value[i, $i]; for (k = i + 1; k <= NF; k++) met[i, $i, k, $k] } }
		END {
			for (one in value) {
				values++
				for (other in value) {
					split(one, a, SUBSEP)
					split(other, b, SUBSEP)
					pairs += a[1] < b[1]
					if (a[1] < b[1] && !((one, other) in met))
						print a[2], b[2]
				}
			}
			print (pairs > 300), values
		}' "$BATS_TEST_TMPDIR/cases"
	[ "$(sort <<<"$output")" = $'1 32\nearly full\nearly missing\nearly noexec\nearly varfull\nearly varro' ]
}

@test "a sample of it: the HSM is reached after each, OKV's upgrade is never ended, every state is as promised" {
	run -0 "$matrix" --sample ours
	cases=$("${matrix}-cases" --sample | wc -l)
	[ "${lines[-1]}" = "$cases cases each by ours: 0 failed" ]
	[[ $output =~ "after all that is to be done "+"$cases/$cases" ]]
	[[ $output =~ "OKV's upgrade came to its end "+"$cases/$cases" ]]
	[[ $output =~ "client files with a foreign number "+"0/$cases" ]]
}

@test "the same judge, by the guide's steps: well where all is well, and not where it is not" {
	cat >"$BATS_TEST_TMPDIR/cases" <<-E
		11-12 free plain carried there fine bash
		11-13 taken plain fresh there fine sh
	E
	CASES=$BATS_TEST_TMPDIR/cases run -0 "$matrix" guide printed
	[[ $output =~ okv\ +carried\ +1/1\ +0/1 ]]
	[[ $output =~ okv\ +fresh\ +0/1\ +0/1 ]]
	[[ $output =~ "OKV's upgrade came to its end "+"2/2 "+"1/2" ]]
	[[ $output =~ "client files with a foreign number "+"2/2" ]]
}
