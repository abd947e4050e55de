#!/usr/bin/env bats
# okv-luna slots against the doubles: real PKCS#11 modules, each with one fault (tests/doubles/LIST).  Each must get
# its exit code and its sentence; a hang ends at the deadline plus 100 ms at most; a second later no process of the
# double is left; nothing that it prints is on our standard output.

bats_require_minimum_version 1.5.0

setup_file() {
	export SLOTS=${BUILD:-$BATS_TEST_DIRNAME/../../build}/libexec/okv-luna-slots
	export TREES=$BATS_FILE_TMPDIR/trees
	. "$BATS_TEST_DIRNAME/../doubles/doubles.bash"
	"$BATS_TEST_DIRNAME/../doubles/build" "$BATS_FILE_TMPDIR/doubles"
	doubles_trees "$TREES" "$BATS_FILE_TMPDIR/doubles"
}

setup() {
	. "$BATS_TEST_DIRNAME/../doubles/doubles.bash"
}

group() {
	run doubles_group "$TREES" "$1"
	echo "$output"
	[ -z "$output" ]
}

@test "there are at least thirty doubles, and for every call one that hangs, one that is deaf, crashes, exits" {
	[ "$(doubles_list | wc -l)" -ge 30 ]
	# Every call of ours; those of a table begin with C_.
	calls=$(grep -o '"C_[A-Za-z]*"' "$BATS_TEST_DIRNAME/../../helpers/hsm/names.c" | tr -d '"' | sort)
	[ "$(printf '%s\n' $DOUBLES_CALLS | sort)" = "$calls" ]
}

@test "a module that works is believed, whatever else it does" { group well; }

@test "a hang in any call ends at the deadline, signals blocked or not" { group late; }

@test "a crash or an exit in any call is told from an answer" { group down; }

@test "a module that closes, scribbles or forks is found out, and what it forked is gone" { group meddling; }

@test "errors, empty lists, lists that change and lies each have their sentence" { group answers; }

@test "the key is counted, looked at and tried; a PIN near its last try is not" { group key; }

@test "what is no PKCS#11 library of this machine is not loaded" { group unloadable; }

@test "killed or failing at any of its calls, it leaves nothing behind and tells nothing untrue (a sample)" {
	run env STRIDE=25 "$BATS_TEST_DIRNAME/../faults.d/slots"
	echo "$output"
	[ "$status" -eq 0 ]
}
