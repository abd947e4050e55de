#!/usr/bin/env bats
# --dry-run of every tool: it says what would be, each thing once, and changes nothing.

bats_require_minimum_version 1.5.0
load upgrade.bash

setup_file() {
	upgrade_setup_file
	"$BATS_TEST_DIRNAME/../appliance/client-archive" --library "$BATS_FILE_TMPDIR/doubles/honest.so" minimal \
		"$BATS_FILE_TMPDIR/minimal.tar.gz" >/dev/null
}
setup() {
	upgrade_setup
	bundle=$ROOT/usr/local/okv/hsm/hsmbundle
	printf 'a bundle of okv1\n' >"$bundle"
	chown 54321:54321 "$bundle"
	cp "$bundle" "$ROOT/root/hsmbundle.copy"
	printf 'long enough\n' >"$BATS_TEST_TMPDIR/pass"
	chmod 0600 "$BATS_TEST_TMPDIR/pass"
	secret=(--passphrase-file "$BATS_TEST_TMPDIR/pass")
}

# Every name, owner, mode, time and byte of the tree, our own records too, and of what lies beside it.
all_of() {
	(cd "$BATS_TEST_TMPDIR" && find . -printf '%p %y %U:%G %m %T@ %l\n' && find . -type f -exec sha256sum {} +) | sort
}

# dry STATUS TOOL ARGUMENT...: ends so, says no line twice (two steps may have one reason or one remedy), and everything
# is as it was.
dry() {
	local status=$1 tool=$2 before twice
	shift 2
	before=$(all_of)
	run "-$status" "$build/libexec/okv-luna-$tool" --root "$ROOT" --dry-run "$@"
	printf '%s\n' "$tool $*: $output"
	twice=$(grep -vE '^$|^ +(fix: |not needed|Cloud HSM)' <<<"$output" | sort | uniq -d)
	[ -z "$twice" ] || { echo "twice: $twice" && false; }
	diff <(echo "$before") <(all_of)
	dried+=" $tool"
}
# would STATUS TOOL ARGUMENT...: and it has something to do, which it does not say as if it were done.
would() {
	dry "$@"
	[[ $output == *[Ww]ould* && $output != *" is done"* && $output != *"something was changed"* && $output != *"' applied to "* ]]
}

@test "every tool: it says what would be, each thing once, and changes nothing" {
	dried=
	would 0 extract --replace-kind "$BATS_FILE_TMPDIR/minimal.tar.gz"
	would 0 config wire
	would 0 config set okv_hsm.conf VENDOR_NAME Luna
	would 0 config chrystoki set Misc ToolsDir "$LC/bin"
	would 0 config chrystoki ha group 1,2
	would 0 config chrystoki server-add hsm2
	would 0 repair
	would 0 setup --kind network
	would 0 pre-upgrade
	would 0 mid-upgrade
	would 1 post-upgrade
	would 0 upgrade --yes -- /bin/sh
	would 0 bundle seal --out "$BATS_TEST_TMPDIR/sealed" "${secret[@]}"
	would 0 bundle send okv9 "${secret[@]}"
	would 0 bundle clean
	would 0 network
	# These only look.
	dry 1 guide install --kind network --done certificate
	dry 1 status
	dry 1 slots
	dry 1 rehearse
	for tool in "$BATS_TEST_DIRNAME"/../../payload/man/okv-luna-*.8; do
		tool=${tool##*/okv-luna-}
		[[ " $dried " == *" ${tool%.8} "* ]] || { echo "not tried: $tool" && false; }
	done
}

@test "the ways back: each says what would be put back or taken away, and does not" {
	dried=
	"$build/libexec/okv-luna-extract" -q --root "$ROOT" --replace-kind "$BATS_FILE_TMPDIR/minimal.tar.gz"
	"$build/libexec/okv-luna-repair" -q --root "$ROOT"
	would 0 extract --rollback
	would 0 repair --undo
	pre -q
	would 0 pre-upgrade --abort
	would 0 config unwire
	dry 0 slots
	dry 0 rehearse
	would 0 post-upgrade
	would 0 post-upgrade --collect "$BATS_TEST_TMPDIR/support"
	"$build/libexec/okv-luna-bundle" -q --root "$ROOT" seal --out "$BATS_TEST_TMPDIR/sealed" "${secret[@]}"
	printf 'okv2\n' >"$ROOT/etc/hostname"
	rm "$bundle"
	would 0 bundle apply "${secret[@]}" "$BATS_TEST_TMPDIR/sealed"
}
