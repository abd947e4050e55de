#!/usr/bin/env bats
# What the caller of the front command had is what the command's program gets: OKV's upgrade runs under it.

bats_require_minimum_version 1.5.0

setup() {
	build=${BUILD:-$BATS_TEST_DIRNAME/../../build}
	[[ $build == /* ]] || build=$BATS_TEST_DIRNAME/../../$build
	mkdir -p "$BATS_TEST_TMPDIR/bin" "$BATS_TEST_TMPDIR/libexec"
	cp "$build/bin/okv-luna" "$BATS_TEST_TMPDIR/bin/"
	front=$BATS_TEST_TMPDIR/bin/okv-luna
	cat >"$BATS_TEST_TMPDIR/libexec/okv-luna-upgrade" <<'PROGRAM'
#!/bin/sh
umask
echo "ORACLE_HOME=$ORACLE_HOME"
ulimit -H -c
echo "arguments: $*"
PROGRAM
	chmod 755 "$BATS_TEST_TMPDIR/libexec/okv-luna-upgrade"
}

@test "the command's program gets the caller's umask, environment, limits and arguments" {
	umask 0027
	hard=$(ulimit -H -c)
	ORACLE_HOME=/u01 run -0 "$front" upgrade -- --a "b c"
	[ "${lines[0]}" = 0027 ]
	[ "${lines[1]}" = ORACLE_HOME=/u01 ]
	[ "${lines[2]}" = "$hard" ]
	[ "${lines[3]}" = "arguments: -- --a b c" ]
}
