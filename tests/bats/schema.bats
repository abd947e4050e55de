#!/usr/bin/env bats
# --json of every command: one object, by the command's schema, with "command" and "exit", whatever the answer is.

bats_require_minimum_version 1.5.0

load config

setup() {
	config_setup
	build=${config%/libexec/*}
	front=$build/bin/okv-luna
	schemas=$BATS_TEST_DIRNAME/../../payload/schema
}
teardown() { config_teardown; }

schema_of() {
	case $1 in
	pre-upgrade | mid-upgrade | post-upgrade) echo "$schemas/hooks.schema.json" ;;
	*) echo "$schemas/$1.schema.json" ;;
	esac
}

# valid SCHEMA: standard output of a run, $output, is one object by the schema whose exit is $status.
valid() {
	[ "$(/usr/bin/python3 "$BATS_TEST_DIRNAME/schema.py" "$1" <<<"$output")" = 1 ]
	[ "$(jq -r .exit <<<"$output")" = "$status" ]
	[[ $(jq -r .command <<<"$output") == okv-luna* ]]
}

@test "every command has a schema, every schema a name of its own that is fetched from nowhere" {
	for name in $("$front" --complete); do [ -s "$(schema_of "$name")" ]; done
	[ "$(jq -r '.["$id"]' "$schemas"/*.json | grep -c '^urn:okv-luna:schema:')" -eq "$(find "$schemas" -type f | wc -l)" ]
	[ -z "$(jq -r '.["$id"]' "$schemas"/*.json | sort | uniq -d)" ]
}

@test "called wrongly, and under a root with nothing in it: an object with command, exit and error" {
	mkdir -p "$root/etc"
	for name in $("$front" --complete); do
		run -2 --separate-stderr "$front" --json "$name" --no-such-option
		valid "$(schema_of "$name")"
		[ "$(jq -r '.error.kind, .command' <<<"$output" | xargs)" = "usage okv-luna-$name" ]
		operands=
		case $name in
		extract | setup) operands="$root/no-such-archive" ;;
		bundle) operands=status ;;
		config) operands=check ;;
		esac
		# shellcheck disable=SC2086
		run --separate-stderr "$front" --json "$name" --root "$root" --dry-run $operands
		[ "$status" -ne 0 ] || [[ $name =~ ^(guide|config|setup)$ ]] || { echo "$name: $output"; false; }
		valid "$(schema_of "$name")"
	done
}

@test "the front command: the commands, and a word that is none of them" {
	for words in '--json' '--json help' '--json --help'; do
		# shellcheck disable=SC2086
		run -0 --separate-stderr "$front" $words
		valid "$schemas/front.schema.json"
		[ "$(jq -r '.commands[].name' <<<"$output")" = "$("$front" --complete)" ]
	done
	run -127 --separate-stderr "$front" --json stauts
	valid "$schemas/front.schema.json"
	[ "$(jq -r .error.text <<<"$output")" = "unknown command 'stauts'; did you mean 'status'?" ]
	[ "$stderr" = "okv-luna: unknown command 'stauts'; did you mean 'status'?" ]
	run -2 --separate-stderr "$front" --json --frobnicate
	valid "$schemas/front.schema.json"
}

@test "config: each of its answers" {
	stock_root
	for words in check show 'wire -n' 'get okv_hsm.conf VENDOR_NAME' wire wire 'unwire -n' 'set okv_hsm.conf VENDOR_NAME x' \
		'get okv_hsm.conf NOTHING' 'chrystoki get Chrystoki2 LibUNIX64' 'chrystoki mrege x' nothing; do
		# shellcheck disable=SC2086
		run --separate-stderr "$config" --root "$root" --json $words
		valid "$schemas/config.schema.json"
	done
}

@test "bundle: each of its answers that need no passphrase" {
	stock_root
	for words in status 'clean -n' 'apply --plain nothing' 'seal -n' nothing; do
		# shellcheck disable=SC2086
		run --separate-stderr "$build/libexec/okv-luna-bundle" --root "$root" --json $words
		valid "$schemas/bundle.schema.json"
	done
	printf x >"$root/usr/local/okv/hsm/hsmbundle"
	chown 501:502 "$root/usr/local/okv/hsm/hsmbundle"
	run --separate-stderr "$build/libexec/okv-luna-bundle" --root "$root" --json status
	valid "$schemas/bundle.schema.json"
}
