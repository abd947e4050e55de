#!/usr/bin/env bats
# The manual: every example of every page is typed as it stands, in a scratch root that is wired and has a client.
#
# A comment in the page's source, just before an example, says what else it needs (.\" Needs the HSM.): there the
# answer may be no or that something is absent, but never that there is no such word.  What needs the HSM works where there
# is one: container/guide.bats types it.

bats_require_minimum_version 1.5.0

load config
load examples

setup() {
	config_setup
	pages=$BATS_TEST_DIRNAME/../../payload/man
	mkdir -p "$BATS_TEST_TMPDIR/bin" "$BATS_TEST_TMPDIR/here"
	# The front command, in the scratch root.
	printf '#!/bin/sh\ncommand=$1\nshift\nexec "%s" "$command" --root "%s" "$@"\n' "${config%/libexec/*}/bin/okv-luna" \
		"$root" >"$BATS_TEST_TMPDIR/bin/okv-luna"
	chmod 755 "$BATS_TEST_TMPDIR/bin/okv-luna"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
}
teardown() { config_teardown; }

policies() {
	mkdir -p "$root/opt/okv-luna/etc/policy.d" "$root/opt/okv-luna/share"
	cp -r "$BATS_TEST_DIRNAME/../../payload/policy" "$root/opt/okv-luna/share/"
}

@test "every page has examples, and those of commands are commands" {
	for page in "$pages"/*.[1-9]; do
		grep -q '^\.Sh EXAMPLES' "$page"
		[ "${page##*/}" = okv-luna-bundle.5 ] || [ -n "$(examples "$page")" ]
	done
}

@test "every example can be typed as it stands" {
	stock_root
	policies
	touch "$root/etc/Chrystoki.conf"
	"$config" --root "$root" wire -q
	cd "$BATS_TEST_TMPDIR/here"
	printf '%064d  archive\n' 0 >SHA256
	count=0
	while IFS="|" read -r needs line; do
		run bash -c "$line" </dev/null
		echo "$line: $status ($needs)"
		# 126, 127: no such command; 128 and more: it crashed.  2 may mean that something is not there yet.
		[ "$status" -lt 8 ]
		[ "$status" -le 1 ] || [ -n "$needs" ] || { echo "$output"; false; }
		[ "$status" -ne 2 ] || [[ $output != *'unknown '* && $output != *usage:* && $output != *' takes '* ]]
		count=$((count + 1))
	done < <(for page in "$pages"/*.[1-9]; do examples "$page"; done)
	[ "$count" -gt 40 ]
}

@test "the settings of an example are accepted, and every setting is on the page" {
	stock_root
	awk '/^\.Sh EXAMPLES/ { here = 1 } here && /^[A-Z_]+="/' "$pages/okv-luna.conf.5" >"$root/opt/okv-luna/etc/okv-luna.conf"
	[ "$(grep -c . "$root/opt/okv-luna/etc/okv-luna.conf")" -eq 2 ]
	run -0 okv-luna config show
	for name in $(sed -n 's/^#\([A-Z0-9_]*\)=".*/\1/p' "$BATS_TEST_DIRNAME/../../payload/etc/okv-luna.conf"); do
		grep -q "^\.It Li .*$name" "$pages/okv-luna.conf.5"
	done
}

@test "the rule of an example is a rule" {
	stock_root
	policies
	cp "$BATS_TEST_DIRNAME/../../payload/etc/okv-luna.conf" "$root/opt/okv-luna/etc/"
	for page in okv-luna-policy.5 okv-luna-repair.8; do
		awk '/^\.Sh EXAMPLES/ { here = 1 } here && /^[zZ]/' "$pages/$page" >"$root/opt/okv-luna/etc/policy.d/ours.post-upgrade.conf"
		[ "$(grep -c . "$root/opt/okv-luna/etc/policy.d/ours.post-upgrade.conf")" -eq 1 ]
		touch "$root/etc/Chrystoki.conf"
		run okv-luna repair --dry-run
		[ "$status" -lt 2 ]
		[[ $output == *"Chrystoki.conf"*"0640"* ]]
	done
}

@test "the figures of README are what their commands count" {
	cd "$BATS_TEST_DIRNAME/../.."
	rows=0
	while IFS='|' read -r _ least _ command _; do
		command=${command//\\#/|}
		[ "$(env -i PATH=/usr/bin:/bin sh -c "$(tr -d '`' <<<"$command")")" -ge "$least" ] || { echo "$least: $command"; false; }
		rows=$((rows + 1))
	done < <(sed 's/\\|/\\#/g' README.md | grep -E '^\| [0-9]+ \| .* \| `[^`]*` \| `make ')
	[ "$rows" -ge 8 ]
}
