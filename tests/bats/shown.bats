#!/usr/bin/env bats
# What comes from outside reaches no terminal raw: names of files, values of configurations, a token's label, a member
# of an archive, with control bytes, bytes that are no text, invisible characters and marks of direction in them.  Each
# tool that speaks of them is asked, for people and with --json.

bats_require_minimum_version 1.5.0
load upgrade.bash

# Right-to-left override, zero width space, a tag, a C1 control, ESC, BEL, and a byte that is no UTF-8; as bytes, since
# in the C locale bash knows no others.
ODD=$'odd\xe2\x80\xaegnp\xe2\x80\x8b\xf3\xa0\x81\x81\xc2\x9b2J\e[31m\a\xff'

# The same for places where a control byte or a zero width space spoils the line.
QUIET=$'odd\xe2\x80\xaegnp\xf3\xa0\x81\x81'

setup_file() {
	upgrade_setup_file
	"$BATS_TEST_DIRNAME/../doubles/build" "$BATS_FILE_TMPDIR/doubles" label-odd
}

setup() {
	upgrade_setup
	heard=$BATS_TEST_TMPDIR/heard
	: >"$heard"
}

# Runs one tool; what it says is kept, and it must speak of the name.
hear() {
	local tool=$1
	shift
	printf '%s\n' "== $tool $*" | tr -d '\000-\011\013-\037\177-\377' >>"$heard"
	run --separate-stderr "$build/libexec/okv-luna-$tool" --root "$ROOT" "$@"
	[ "$status" -le 7 ]
	printf '%s\n%s\n' "$output" "$stderr" >"$BATS_TEST_TMPDIR/one"
	cat "$BATS_TEST_TMPDIR/one" >>"$heard"
	grep -aq odd "$BATS_TEST_TMPDIR/one" || {
		echo "$tool $* does not speak of it: $(cat -v "$BATS_TEST_TMPDIR/one")"
		return 1
	}
}

# As Python's own tables have the characters: no controls, no formats, no surrogates, no separators but the blank.
nothing_raw() {
	python3 - "$heard" <<-'END'
		import sys, unicodedata
		text = open(sys.argv[1], "rb").read().decode("utf-8", "surrogateescape")
		bad = [(line, hex(ord(c))) for line in text.split("\n") for c in line
		       if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
		for line, c in bad[:9]:
		    print(c, ascii(line))
		sys.exit(bool(bad))
	END
}

@test "a file of that name in the client, and a link to it" {
	pre -q && post -q || true
	printf x >"$ROOT$LC/cert/client/$ODD"
	chmod 0777 "$ROOT$LC/cert/client/$ODD"
	ln -s "/nowhere/$ODD" "$ROOT$LC/plugins/$ODD"
	for tool in 'repair --phase post-upgrade' 'repair --check' 'status -v' 'post-upgrade -v' 'pre-upgrade -v'; do
		for json in '' --json; do
			# shellcheck disable=SC2086
			hear $tool $json || [[ "$tool$json" != "repair --phase post-upgrade" ]]
		done
	done
	nothing_raw
}

@test "values of that kind in the files of OKV and of the client" {
	printf 'PKCS11_LIB_LOC="/opt/%s.so"\nVENDOR_NAME="%s"\n' "$QUIET" "$QUIET" >"$ROOT$GENERIC/okv_hsm.conf"
	printf 'ODD="%s"\nodd %s\n' "$QUIET" "$QUIET" >"$ROOT$GENERIC/okv_hsm_env"
	printf '%s = {\n  %s = /%s;\n}\nMisc = {\n  ToolsDir = /%s;\n}\n' "$QUIET" "$QUIET" "$QUIET" "$QUIET" \
		>>"$ROOT/etc/Chrystoki.conf"
	for tool in 'config check' 'config show' 'slots' 'config wire -n' 'status -v' 'network'; do
		for json in '' --json; do
			# shellcheck disable=SC2086
			hear $tool $json || [[ $tool == network || $tool == status* ]]
		done
	done
	hear slots --label "$QUIET"
	hear slots --user "$QUIET"
	hear slots --module "/$QUIET"
	nothing_raw
}

@test "a value that was asked for: byte for byte into a pipe, printable on a terminal" {
	printf 'VENDOR_NAME="%s"\n' "$QUIET" >"$ROOT$GENERIC/okv_hsm.conf"
	run -0 "$build/libexec/okv-luna-config" --root "$ROOT" get okv_hsm.conf VENDOR_NAME
	[ "$output" = "$QUIET" ]
	run -0 python3 "$BATS_TEST_DIRNAME/typist.py" -- "$build/libexec/okv-luna-config" --root "$ROOT" get okv_hsm.conf VENDOR_NAME
	[ "$output" = 'odd\xe2\x80\xaegnp\xf3\xa0\x81\x81'$'\r' ]
}

@test "settings, options, operands and commands of that kind" {
	hear repair "/$ODD"
	hear slots "--$ODD"
	hear config "$ODD"
	hear bundle verify "/$ODD"
	hear bundle send "$ODD"
	hear extract "/$ODD"
	run -127 "$build/bin/okv-luna" "$ODD"
	printf '%s\n' "$output" >>"$heard"
	printf 'PROFILE="%s"\n' "$QUIET" >"$ROOT/opt/okv-luna/etc/okv-luna.conf"
	hear slots
	hear status
	nothing_raw
}

@test "a token's label and all else that it tells" {
	cp "$BATS_FILE_TMPDIR/doubles/label-odd.so" "$ROOT$LC/lib/libCryptoki2_64.so"
	for json in '' --json; do
		hear slots -v --module "$LC/lib/libCryptoki2_64.so" $json
	done
	hear slots -v --module "$LC/lib/libCryptoki2_64.so" --label none || true
	nothing_raw
}

@test "a member of an archive, and a bundle beside OKV's" {
	mkdir -p "$BATS_TEST_TMPDIR/top"
	printf x >"$BATS_TEST_TMPDIR/top/$ODD"
	tar -C "$BATS_TEST_TMPDIR" -cf "$BATS_TEST_TMPDIR/client.tar" top
	cp "$BATS_TEST_TMPDIR/client.tar" "$BATS_TEST_TMPDIR/$ODD.tar"
	for json in '' --json; do
		hear extract --list "$BATS_TEST_TMPDIR/client.tar" $json
		hear extract --list "$BATS_TEST_TMPDIR/$ODD.tar" $json
	done
	printf bundle >"$ROOT/usr/local/okv/hsm/hsmbundle"
	cp "$ROOT/usr/local/okv/hsm/hsmbundle" "$ROOT/tmp/$ODD hsmbundle"
	for json in '' --json; do
		hear bundle status $json
		hear bundle clean -n $json
	done
	nothing_raw
}
