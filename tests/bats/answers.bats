#!/usr/bin/env bats
# A yes is proven: whatever an exit 0 of slots, status, config check, pre-upgrade and post-upgrade vouches for has a row in
# tests/answers/table in which it is broken, and then the answer is not 0.

bats_require_minimum_version 1.5.0
load upgrade.bash

setup_file() {
	upgrade_setup_file
	ROOT=$BATS_FILE_TMPDIR/tree
	pre -q && post -q
}

setup() {
	top=$BATS_TEST_DIRNAME/../..
	refused=$BATS_FILE_TMPDIR/refused
	elsewhere=$BATS_TEST_TMPDIR/elsewhere
	sed -n 's/^elsewhere //p' "$top/tests/answers/table" >"$elsewhere"
}

# names FILE: of the table of steps in it; the way back of pre-upgrade vouches for nothing.
names() {
	sed -e '/undo_steps\[\] = {/,/^};/d' "$top/helpers/upgrade/$1.c" |
		sed -nE 's/^\t\{ "([a-z-]+)", ".*(STEP_[A-Z_]+), [a-z_]+ \},$/\1/p'
}
# said_no COMMAND NAME: a row, or a test elsewhere, has seen it say no.
said_no() { grep -qxF -- "$1 $2" "$refused" || grep -q -- "^$1 $2 " "$elsewhere"; }

@test "each thing that a yes vouches for is broken, and the answer is no, for that reason" {
	run -0 "$top/tests/answers/ask" "$BATS_FILE_TMPDIR/tree"
	[[ ${lines[-1]} =~ ^([0-9]+)' broken, 0 wrong'$ ]]
	[ "${BASH_REMATCH[1]}" -ge 150 ]
}

@test "no check of status and no step of a hook is forgotten: each has said no" {
	for command in status:status pre:pre-upgrade post:post-upgrade; do
		names "${command%:*}" >"$BATS_TEST_TMPDIR/names"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/names")" -ge 11 ]
		while read -r name; do
			said_no "${command#*:}" "$name" || { echo "nobody breaks it: ${command#*:} $name"; false; }
		done <"$BATS_TEST_TMPDIR/names"
	done
}

@test "no rule of config check that can fail is forgotten" {
	# The severity stands before the rule's word, or with the rules of HA behind it.
	{
		cat "$top"/helpers/okv/check*.c | tr -s '\n\t ' ' ' | grep -oE 'FINDING_FAIL( :[^,]*)?, ?"[a-z-]+"' |
			grep -oE '"[a-z-]+"'
		sed -nE 's/^\t\{ ("[a-z]+-[a-z-]+"), true, .*/\1/p' "$top/helpers/conf/chrystoki_groups.c"
	} | tr -d '"' | sort -u >"$BATS_TEST_TMPDIR/rules"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/rules")" -ge 40 ]
	while read -r rule; do
		said_no config "$rule" || { echo "nobody breaks it: config $rule"; false; }
	done <"$BATS_TEST_TMPDIR/rules"
}

@test "no sentence in which slots says no is forgotten" {
	tr -s '\n\t ' ' ' <"$top/helpers/hsm/verdict.c" | sed 's/" PRI[a-z0-9]* "/u/g; s/" PRI[a-z0-9]*/u"/g; s/" "//g' |
		grep -oE 'fault_(negative|refused)\( ?f, ?"[^"]*"' | sed 's/^[^"]*"//; s/"$//' >"$BATS_TEST_TMPDIR/sentences"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/sentences")" -ge 14 ]
	while read -r sentence; do
		pattern=$(sed -E 's/[][().*^$+?{}|\\]/\\&/g; s/%[a-z]+/.*/g' <<<"$sentence")
		grep -qE -- "^slots $pattern" "$refused" || grep -qF -- "slots '${sentence%% %*}'" "$elsewhere" ||
			{ echo "nobody hears: $sentence"; false; }
	done <"$BATS_TEST_TMPDIR/sentences"
}

@test "a test that is named elsewhere exists" {
	elsewhere() {
		[ -f "$top/tests/$3" ] && { [ $# = 3 ] || grep -qF -- "$4" "$top/tests/$3"; } || echo "not there: $*"
	}
	run eval "$(sed 's/^/elsewhere /' "$elsewhere")"
	[ -z "$output" ]
}
