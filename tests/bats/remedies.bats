#!/usr/bin/env bats
# Advice works: every remedy that is printed can be typed as it stands and removes what it stands under; following all of
# them ends, and never in a circle.  The table is tests/remedies/table.

bats_require_minimum_version 1.5.0
load upgrade.bash

setup_file() {
	upgrade_setup_file
	ROOT=$BATS_FILE_TMPDIR/tree
	pre -q && post -q
}

@test "every fault of the table is named, and its remedies, typed as printed, end it without a circle" {
	run -0 "$BATS_TEST_DIRNAME/../remedies/follow" "$BATS_FILE_TMPDIR/tree"
	[[ ${lines[-1]} =~ ^([0-9]+)' faults, '([0-9]+)' remedies typed, '([0-9]+)' to green, 0 wrong'$ ]]
	[ "${BASH_REMATCH[1]}" -ge 40 ] && [ "${BASH_REMATCH[3]}" -ge 40 ]
}

@test "no rule of config check is forgotten: each has a row" {
	top=$BATS_TEST_DIRNAME/../..
	kinds='chrystoki|cloud|config|env|file|ha|helper|key|library|line|link|mid|preserved|server|stdout|stray|upgrade|value|vendor|wrong'
	grep -rhoE "\"($kinds)-[a-z-]+\"" "$top"/helpers/okv/check*.c "$top"/helpers/conf/*.c | tr -d '"' |
		sort -u >"$BATS_TEST_TMPDIR/rules"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/rules")" -ge 100 ]
	sed -n 's/^row \([a-z0-9-]*\) .*/\1/p' "$top/tests/remedies/table" | sort >"$BATS_TEST_TMPDIR/rows"
	[ -z "$(uniq -d "$BATS_TEST_TMPDIR/rows")" ]
	run comm -23 "$BATS_TEST_TMPDIR/rules" "$BATS_TEST_TMPDIR/rows"
	[ -z "$output" ]
}

@test "what a message calls a fix is printed as a command by the hooks too" {
	top=$BATS_TEST_DIRNAME/../..
	"$top/tests/messages" | grep -oE '; fix: [a-z-]+' | sort -u | sed 's/^.* //' >"$BATS_TEST_TMPDIR/fixes"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/fixes")" -ge 4 ]
	while read -r program; do
		grep -qF "\"$program\", " <(sed -n '/^bool finding_remedy_is_command/,/^}/p' "$top/helpers/conf/finding.c") ||
			{ echo "not known as a command: $program"; false; }
	done <"$BATS_TEST_TMPDIR/fixes"
}

@test "no command that is advised is forgotten: it was typed, or is on the list of those that need another machine" {
	top=$BATS_TEST_DIRNAME/../..
	# A literal of a printed command, with a hole for each %s.
	words='okv-luna (config|repair|pre-upgrade|post-upgrade|bundle)( [^"]*)?|(gpasswd|groupadd|mount|chown) [-r][^"]*'
	find "$top"/helpers/{okv,hsm,perms,upgrade} -name '*.c' ! -name 'guide*' -exec grep -hoE "\"($words)\"" {} + |
		grep -vE 'does it|repair journal' | tr -d '"' | sort -u >"$BATS_TEST_TMPDIR/advised"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/advised")" -ge 12 ]
	sed -n 's/^untyped //p' "$top/tests/remedies/table" >"$BATS_TEST_TMPDIR/untyped"
	while read -r command; do
		grep -qxF -- "$command" "$BATS_TEST_TMPDIR/untyped" && continue
		pattern=$(sed -E 's/[][().*^$+?{}|\\]/\\&/g; s/%[a-z]+/.*/g; s/ $//' <<<"$command")
		grep -qE -- "$pattern" "$BATS_FILE_TMPDIR/typed" || { echo "nobody typed: $command"; false; }
	done <"$BATS_TEST_TMPDIR/advised"
}
