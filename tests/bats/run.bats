#!/usr/bin/env bats
# The runner of the tests, on a tree of its own: what it counts, and what it does not let pass for success.

bats_require_minimum_version 1.5.0

setup() {
	tree=$BATS_TEST_TMPDIR/tree
	mkdir -p "$tree"/tests/{gates,bats/container,unit} "$tree/.ci" "$tree/build/unit"
	cp "$BATS_TEST_DIRNAME/../run" "$BATS_TEST_DIRNAME/../limit" "$tree/tests/"
	cp "$BATS_TEST_DIRNAME/../../.ci/run" "$tree/.ci/"
	printf '.PHONY: all unit check\nall unit:\n\t@true\ncheck:\n\t@sh tests/run\n' >"$tree/Makefile"
	printf 'printf "1..1\\nok 1 - rooms\\n"\n' >"$tree/tests/gates/gates"
	cd "$tree"
}

# Not below the tests' own directory, which is root's alone.
teardown() { [ -z "${elsewhere-}" ] || rm -rf "$elsewhere"; }

# unit NAME BODY: a unit test in room `room` whose program is that shell script.
unit() {
	mkdir -p tests/unit/room build/unit/room
	touch "tests/unit/room/$1_test.c"
	printf '#!/bin/sh\n%s\n' "$2" >"build/unit/room/$1_test"
	chmod +x "build/unit/room/$1_test"
}

# behaviour NAME TEST:BODY...: a bats file.
behaviour() {
	for test in "${@:2}"; do
		printf '@%s "%s" {\n%s\n}\n' test "${test%%:*}" "${test#*:}"
	done >"tests/bats/$1.bats"
}

# suite STATUS SUM: runs it as CI does; it ends with that status and that last line.
suite() {
	run env -i PATH="${PATH#"$BATS_LIBEXEC":}" HOME=/ ${UNIT_SECONDS:+UNIT_SECONDS=$UNIT_SECONDS} \
		${TEST_SECONDS:+TEST_SECONDS=$TEST_SECONDS} ${BATS_SECONDS:+BATS_SECONDS=$BATS_SECONDS} bash .ci/run
	echo "$output"
	[ "$status" -eq "$1" ]
	[ "${lines[-1]}" = "$2" ]
}

@test "gates, unit tests and behaviour tests are added up" {
	unit fine 'printf "1..2\nok 1 - a\nok 2 - b\n"'
	behaviour plain one:true two:true
	behaviour container/x three:true
	suite 0 '6 passed, 0 failed, 0 skipped'
}

@test "a failing test fails the run, and its output is shown in full" {
	unit broken 'printf "1..2\nok 1 - a\nnot ok 2 - b\n# 0x1 != 0x2\n"; exit 1'
	behaviour plain 'one:echo seen; false'
	suite 2 '2 passed, 2 failed, 0 skipped'
	[[ $output == *'# 0x1 != 0x2'* && $output == *'# seen'* ]]
}

@test "a crashed program fails what it planned and did not give" {
	unit crash 'printf "1..3\nok 1 - a\n"; kill -SEGV $$'
	suite 2 '2 passed, 2 failed, 0 skipped'
	[[ $output == *'failed: unit/room/crash: planned 3 results and gave 1'* ]]
}

@test "a program that ends badly after its last result is a failure" {
	unit late 'printf "1..1\nok 1 - a\n"; exit 99'
	suite 2 '2 passed, 1 failed, 0 skipped'
	[[ $output == *'failed: unit/room/late: ended with status 99'* ]]
}

@test "a program that says nothing is a failure" {
	unit mute 'exit 0'
	suite 2 '1 passed, 1 failed, 0 skipped'
}

@test "a program that is not there is a failure" {
	unit gone 'exit 0'
	rm build/unit/room/gone_test
	suite 2 '1 passed, 1 failed, 0 skipped'
}

@test "a program that does not end is ended" {
	unit slow 'printf "1..1\n"; exec sleep 60'
	UNIT_SECONDS=1 suite 2 '1 passed, 1 failed, 0 skipped'
}

# left NAME: what runs under that name, which is this test's alone.
left() { pgrep -x -- "$1"; }

@test "a test that hangs is ended with all that it has started, named, and failed whatever it says; the next ones run" {
	for kind in deep stray; do cp "$(type -P sleep)" "$kind$$"; done
	behaviour hang "a function:f() { $PWD/deep$$ 900; echo; }; run f" \
		"a stray:(setsid env -i $PWD/stray$$ 900 3>&- &) ; $PWD/deep$$ 900 & wait || true" \
		'fine:[ -z "$(pgrep -x "(deep|stray)'$$'")" ]; touch ran'
	TEST_SECONDS=8 suite 2 '2 passed, 2 failed, 0 skipped'
	[[ $output == *'failed: bats/hang: test 1, "a function", took longer than 8 s and was ended'* ]]
	[[ $output == *'failed: bats/hang: test 2, "a stray", took longer than 8 s and was ended'* ]]
	[ -e ran ]
	run -1 left "(deep|stray)$$"
}

@test "a process that outlives its test and holds the results open hangs nobody, and is ended with the file" {
	cp "$(type -P sleep)" "kept$$"
	behaviour leave "one:$PWD/kept$$ 900 &" "two:true"
	TEST_SECONDS=60 suite 0 '3 passed, 0 failed, 0 skipped'
	run -1 left "kept$$"
}

@test "a file that does not end is ended, and what it planned and did not give is failed" {
	cp "$(type -P sleep)" "slow$$"
	behaviour slow one:true "two:$PWD/slow$$ 900"
	BATS_SECONDS=20 suite 2 '2 passed, 1 failed, 0 skipped'
	run -1 left "slow$$"
}

@test "a bats file that does not parse, and one whose setup fails, are failures" {
	behaviour torn 'one:if true'
	behaviour unset one:true two:true
	printf 'setup_file() {\nfalse\n}\n' >>tests/bats/unset.bats
	suite 2 '1 passed, 3 failed, 0 skipped'
}

@test "skips are counted and their reasons shown" {
	unit some 'printf "1..2\nok 1 - a\nnot ok 2 # SKIP b\n"'
	behaviour plain 'one:skip "no such machine"'
	suite 0 '2 passed, 0 failed, 2 skipped'
	[[ $output == *'skipped: bats/plain: one # skip no such machine'* ]]
}

@test "nothing that passed is no success" {
	printf 'printf "1..0\\n"\n' >tests/gates/gates
	suite 2 '0 passed, 0 failed, 0 skipped'
}

@test "a build that fails is a failure, and nothing is tested" {
	printf 'all unit:\n\t@echo no such header; false\ncheck:\n\t@sh tests/run\n' >Makefile
	behaviour plain 'one:touch ran'
	suite 2 '0 passed, 1 failed, 0 skipped'
	[[ $output == *'no such header'* ]]
	[ ! -e tests/bats/ran ] && [ ! -e ran ]
}

@test "whoever is not root is told so, and nothing is built or tested" {
	elsewhere=$(mktemp -d)
	cp -r . "$elsewhere/tree"
	chmod -R a+rwX "$elsewhere"
	cd "$elsewhere/tree"
	behaviour plain "one:touch $PWD/ran"
	run -2 setpriv --reuid nobody --clear-groups env -i PATH="${PATH#"$BATS_LIBEXEC":}" HOME=/ BUILD=build make -s check
	[[ $output == 'run this as root: '*$'\n0 passed, 1 failed, 0 skipped\n'* ]]
	[ ! -e ran ]
}

@test "container tests run one after the other" {
	for name in a b c; do
		behaviour "container/$name" "$name:mkdir $tree/alone; sleep 0.2; rmdir $tree/alone"
	done
	suite 0 '4 passed, 0 failed, 0 skipped'
}

@test "--sanitized leaves gates and containers out and builds nothing" {
	printf 'all unit:\n\tfalse\n' >Makefile
	unit fine 'printf "1..1\nok 1 - a\n"; [ "$OKV_SANITIZED" = 1 ]'
	behaviour container/x three:false
	run -0 env -i PATH="${PATH#"$BATS_LIBEXEC":}" HOME=/ BUILD=build sh tests/run --sanitized
	[ "${lines[-1]}" = '1 passed, 0 failed, 0 skipped' ]
}

@test "an unknown argument is a usage error" {
	run -2 sh tests/run --fast
}
