#!/usr/bin/env bats
# What okv-luna rehearse says of prepared nodes, beside what the appliance's upgrade and OKV's consumer say afterwards: a
# sample; tests/faults.d/upgrade-rehearsal has all of tests/upgrade/rehearsal-nodes.

bats_require_minimum_version 1.5.0
load node.bash

setup_file() { package_for_file; }

@test "rehearsal and upgrade agree in both ways, the cause is the true one, and no inode of the node is changed" {
	run -0 "$BATS_TEST_DIRNAME/../../upgrade/rehearsal" plain everyday hook-exits-early no-conf no-product \
		library-is-a-link tokens-in-opt list-curly-quote hook-fails policy-shuts-out
	[[ ${lines[-1]} == '10 nodes: rehearsal and upgrade agree on 10 '*'of 7 losses 7 causes are true; 0 nodes changed' ]]
}
