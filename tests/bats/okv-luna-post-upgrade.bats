#!/usr/bin/env bats
# post-upgrade: proves by the snapshot that nothing was lost, says what was, and disarms itself only then.

bats_require_minimum_version 1.5.0
load upgrade.bash
load eventually

setup_file() { upgrade_setup_file; }
setup() { upgrade_setup; }
teardown() { [ -z "${process-}" ] || kill "$process" 2>/dev/null || true; }

# An upgrade up to the first boot of the new OS.
upgraded() {
	pre -q
	new_os "$@"
	mid
}

@test "proven: the answer is the first line, and it does not run again" {
	upgraded
	run -0 --separate-stderr post
	[[ ${lines[0]} == "Proven: "* ]]
	[ -z "$stderr" ]
	[ ! -e "$ROOT$WANTED" ]
	[ "$(stat -c '%U:%g %a' "$ROOT$LC/cert/client/okv1Key.pem")" = 'root:986 664' ]
	grep -q 'post-upgrade end proven$' "$ROOT/opt/okv-luna/var/journal"
	[ ! -e "$ROOT/opt/okv-luna/var/before" ]
}

@test "the second run changes nothing and starts no shell, and reads what it vouches for" {
	upgraded
	post -q
	before=$(state)
	strace -f -y -o "$BATS_TEST_TMPDIR/trace" \
		-e trace=execve,openat,chmod,fchmod,fchmodat,chown,fchown,fchownat,lchown \
		"$build/libexec/okv-luna-post-upgrade" --root "$ROOT" -q
	[ "$(state)" = "$before" ]
	# Itself, and the program that loads the library.
	[ "$(grep -c 'execve(.*= 0' "$BATS_TEST_TMPDIR/trace")" -eq 2 ]
	run ! grep -qE 'execve\("[^"]*/(ba|da)?sh"' "$BATS_TEST_TMPDIR/trace"
	grep -q 'openat.*okv1Key.pem.*O_RDONLY' "$BATS_TEST_TMPDIR/trace"
	run ! grep -E 'f?ch(mod|own)[a-z]*\(.*' <(grep -v /opt/okv-luna/var/ "$BATS_TEST_TMPDIR/trace")
}

@test "a lost file: the reason first, do not restart, what to collect, and it stays armed" {
	upgraded
	rm "$ROOT$LC/cert/server/CAFile.pem"
	run -1 --separate-stderr post
	[[ ${lines[0]} == *"/cert/server/CAFile.pem' is missing (a file before): do not restart this server." ]]
	[[ $output == *"okv-luna post-upgrade --collect"* ]]
	[ -L "$ROOT$WANTED" ]
	grep -q 'post-upgrade end failed ' "$ROOT/opt/okv-luna/var/journal"
}

@test "changed bytes: which file and how" {
	upgraded
	file=$ROOT$LC/cert/client/okv1.pem
	cp -a "$file" "$BATS_TEST_TMPDIR/before"
	size=$(stat -c %s "$file")
	printf 'more' >>"$file"
	run -1 post
	[[ ${lines[0]} =~ okv1.pem.*different\ content:\ $((size + 4))\ bytes\ with\ SHA-256\ [0-9a-f]{12}...,\ and\ before\ $size\ bytes ]]
	touch -r "$file" "$BATS_TEST_TMPDIR/time"
	tr A B <"$BATS_TEST_TMPDIR/before" >"$file"
	touch -r "$BATS_TEST_TMPDIR/time" "$file"
	run -1 post
	[[ ${lines[0]} == *okv1.pem*"different content: $size bytes"* ]]
	cat "$BATS_TEST_TMPDIR/before" >"$file"
	run -0 post
}

@test "a changed link and a changed type are told" {
	ln -s lib "$ROOT$LC/libs"
	upgraded
	ln -sfn bin "$ROOT$LC/libs"
	run -1 post
	[[ ${lines[0]} == *"'/usr/safenet/lunaclient/libs' leads to 'bin', and led to 'lib' before"* ]]
	rm "$ROOT$LC/libs"
	mkdir "$ROOT$LC/libs"
	run -1 post
	[[ ${lines[0]} == *"is a directory, and was a link before"* ]]
}

@test "what was proven is caught when it changes afterwards, whatever its size and time" {
	upgraded
	post -q
	touch -r "$ROOT$LC/cert/client/okv1.pem" "$BATS_TEST_TMPDIR/time"
	printf 'certificatE\n' >"$ROOT$LC/cert/client/okv1.pem"
	touch -r "$BATS_TEST_TMPDIR/time" "$ROOT$LC/cert/client/okv1.pem"
	# The upgrade is proven, so it is told and not held against it.
	run -0 post -v
	[[ $output == *"okv1.pem' has different content"* ]]
}

@test "data, token.db and our own programs may change" {
	printf 'lock' >"$ROOT$LC/data/x"
	upgraded
	rm "$ROOT$LC/data/x"
	printf 'z' >>"$ROOT$LC/configData/token/001/token.db"
	printf '#' >>"$ROOT/opt/okv-luna/hooks/pre-upgrade"
	run -0 post
	[[ $output == *"3 entries differ from the snapshot where that is harmless"* ]]
}

@test "--accept takes differences as meant" {
	upgraded
	rm "$ROOT$LC/cert/server/CAFile.pem"
	run -1 post
	run -0 post --accept
	[[ ${lines[0]} == "Proven: "* ]]
	[ ! -e "$ROOT$WANTED" ]
}

@test "a slot that is gone is named, though another one is there" {
	upgraded
	sed -i '/^#/d; s/serial=[^ ]*/serial=424242/' "$ROOT/opt/okv-luna/var/snapshot/slots"
	sum=$(sha256sum <"$ROOT/opt/okv-luna/var/snapshot/slots" | cut -d ' ' -f 1)
	sed -i "1i # SHA-256 of what follows: $sum" "$ROOT/opt/okv-luna/var/snapshot/slots"
	run -1 post
	[[ ${lines[0]} == "slot "*"serial number 424242 was there before the upgrade and is gone: do not restart"* ]]
	run -0 post --accept
}

@test "no library: do not restart" {
	upgraded
	rm "$ROOT$LC/lib/libCryptoki2_64.so"
	run ! post
	[[ $output == *"do not restart this server"* ]]
	[ -L "$ROOT$WANTED" ]
}

@test "without the helper of the next upgrade it proves this one, and says what to reinstall" {
	upgraded
	chmod a-x "$ROOT/opt/okv-luna/libexec/okv-luna-mid-upgrade"
	rm "$ROOT$GENERIC/okv_hsm_post_upgrade"
	run -0 post
	[[ $output == *"! /opt/okv-luna/libexec/okv-luna-mid-upgrade: it is not there, or not executable"* ]]
	[ ! -L "$ROOT$WANTED" ]
}

@test "what wiring cannot fix fails every run until somebody has" {
	upgraded
	printf 'if\n' >>"$ROOT$GENERIC/okv_hsm_mid_upgrade"
	for time in first second; do
		run -1 post
		[[ ${lines[0]} == *"okv_hsm_mid_upgrade"*"do not restart this server"* ]]
		[ -L "$ROOT$WANTED" ]
	done
	sed -i '$d' "$ROOT$GENERIC/okv_hsm_mid_upgrade"
	run -0 post
	[ ! -L "$ROOT$WANTED" ]
}

@test "a read-only var costs the proof, not the answer: the reason first, and all that can be done is done" {
	upgraded
	chmod 0600 "$ROOT$LC/cert/client/okv1.pem"
	for lock in there missing; do
		[ $lock = there ] || rm "$ROOT/opt/okv-luna/var/lock"
		read_only
		run -5 --separate-stderr post
		[[ ${lines[0]} == "'/opt/okv-luna/var' cannot be written (Read-only file system); make it writable: "* ]]
		[[ ${lines[0]} == *": do not restart this server." ]]
		[[ $output == *"ok      the HSM as OKV's user sees it"*"ok      preserved files are as they were"* ]]
		[ "$stderr" = "okv-luna-post-upgrade: ${lines[0]%.}" ]
		run -5 --separate-stderr post --json
		[ "$(jq -r '.answer + " " + .sentence' <<<"$output")" = "failed ${stderr#*: }" ]
		umount "$ROOT/opt/okv-luna/var"
		[ -L "$ROOT$WANTED" ]
	done
	run -0 post
	[ ! -L "$ROOT$WANTED" ]
}

@test "--json of mid- and post-upgrade is as its schema says, proven or not" {
	valid() { python3 "$BATS_TEST_DIRNAME/schema.py" "$BATS_TEST_DIRNAME/../../payload/schema/hooks.schema.json"; }
	documents() {
		mid --json --dry-run
		mid --json || [ $? = 1 ]
		post --json --dry-run
		rm "$ROOT$LC/cert/server/CAFile.pem"
		post --json || true
		post --json --accept
		mid --json || [ $? = 1 ]
		mid --json || [ $? = 1 ]
		printf '#!/bin/sh\nexit 10\n' >"$ROOT/usr/bin/gpasswd"
		sed -i 's/^\(hsmusers:.*:\).*/\1/' "$ROOT/etc/group"
		mid --json || true
		post --json || true
		post --json --collect "$BATS_TEST_TMPDIR/support"
		post --json --collect "$BATS_TEST_TMPDIR/support" || true
	}
	pre -q
	new_os
	documents >"$BATS_TEST_TMPDIR/all" 2>/dev/null
	[ "$(valid <"$BATS_TEST_TMPDIR/all")" = 11 ]
	[ "$(jq -r '.answer // .exit' "$BATS_TEST_TMPDIR/all" | tr '\n' ' ')" = \
		'changed changed proven failed proven changed unchanged failed failed 0 3 ' ]
}

@test "a mid-upgrade that failed is shouted, then everything is done here" {
	pre -q
	new_os
	printf '#!/bin/sh\nexit 10\n' >"$ROOT/usr/sbin/groupadd"
	mid || true
	cp "$BATS_FILE_TMPDIR/tree/usr/sbin/groupadd" "$ROOT/usr/sbin/"
	run -0 post
	[[ $output == *"OKV's mid-upgrade step FAILED: failed "*groupadd* ]]
	grep -q '^hsmusers:x:986:oracle$' "$ROOT/etc/group"
}

@test "a mid-upgrade that was killed or never ran is told" {
	pre -q
	new_os
	run post --dry-run
	[[ $output == *"! OKV's mid-upgrade step has left no record since pre-upgrade"* ]]
	strace -f -o /dev/null -e trace=fork,vfork,clone -e inject=fork,vfork,clone:signal=KILL:when=2 \
		"$build/libexec/okv-luna-mid-upgrade" --root "$ROOT" || true
	run -0 post
	[[ $output == *"began and did not end: it was killed"* ]]
}

@test "what others made of data while they could decides nothing: it is named, left, and the status says so" {
	pre -q
	gcc -x c -o "$ROOT$LC/data/helper" - <<<'int main(void) { return 0; }'
	chmod 0777 "$ROOT$LC/data/helper"
	chown 65534:65534 "$ROOT$LC/data/helper"
	ln "$ROOT/etc/passwd" "$ROOT$LC/data/second"
	ln "$ROOT$LC/cert/client/okv1.pem" "$ROOT$LC/data/third"
	mkfifo "$ROOT$LC/data/fifo"
	truncate -s 40G "$ROOT$LC/data/sparse"
	chown 54321:54321 "$ROOT$LC/data/sparse"
	deep=$ROOT$LC/data
	for _ in $(seq 300); do deep+=/d; done
	mkdir -p "$deep"
	# A second pre-upgrade sees them, too.
	run -0 pre
	[[ ${lines[0]} == Go:* ]]
	run -4 post
	[[ ${lines[0]} == "Proven: "* ]]
	[[ $output == *"'$LC/data/helper' belongs to user id 65534, neither root nor 'oracle'"* ]]
	[[ $output == *"'$LC/data/second' has 2 names"* ]]
	[[ $output == *"'$LC/cert/client/okv1.pem' has 2 names"* ]]
	[ "$(stat -c '%a %u' "$ROOT$LC/data/helper")" = '777 65534' ]
	[ "$(jq -c '[.answer, .exit, (.steps[] | select(.name == "repair") | .outcome)]' \
		"$ROOT/opt/okv-luna/var/post-upgrade.json")" = '["proven",4,"partial"]' ]
	[ ! -e "$ROOT$WANTED" ]
	run -0 status_of
	[[ $output == *"WARN  policy"* ]]
	rm "$ROOT$LC"/data/{helper,second,third,sparse}
	rm -r "$ROOT$LC/data/d"
	run -0 post
}

@test "files that came back after mid-upgrade are re-owned here" {
	mkdir "$ROOT$LC/rbs"
	chgrp 986 "$ROOT$LC/rbs"
	pre -q
	new_os 986
	mv "$ROOT$LC/rbs" "$BATS_TEST_TMPDIR/"
	mid
	mv "$BATS_TEST_TMPDIR/rbs" "$ROOT$LC/"
	post -q
	[ "$(stat -c %g "$ROOT$LC/rbs")" = "$(sed -n 's/^hsmusers:[^:]*:\([0-9]*\):.*/\1/p' "$ROOT/etc/group")" ]
}

@test "the id that everything carries now is the one that the next upgrade knows" {
	upgraded 986
	post -q
	new=$(sed -n 's/^hsmusers:[^:]*:\([0-9]*\):.*/\1/p' "$ROOT/etc/group")
	grep -q "post-upgrade group $new hsmusers" "$ROOT/opt/okv-luna/var/journal"
	pre -q
	grep -qx "GROUP_ID=\"$new\"" "$ROOT/opt/okv-luna/var/snapshot/system"
}

# What could not be compared is said, and is no yes: not by the word, not by the status, and nothing is called over.
unproven() {
	run -1 --separate-stderr post
	[[ ${lines[0]} == "Not proven: OKV's user reaches the HSM, but ${1%.}." ]]
	[[ $output != *Proven:* && $output != *restart* && $output != *"okv-luna pre-upgrade"* ]]
	[ "$(jq -r '.answer, .exit' "$ROOT/opt/okv-luna/var/post-upgrade.json" | paste -sd' ')" = 'unproven 1' ]
	run -0 status_of
	[[ $output == *"the last upgrade is not proven: nothing to compare with"*"fix: okv-luna post-upgrade --accept"* ]]
}

@test "a server that was never prepared is not proven" {
	unproven "pre-upgrade was never run on this server, so it is not known what was there before"
	run -0 post --accept
	[[ ${lines[0]} == "Accepted: "* ]]
	run -0 status_of
	[[ $output != *"not proven"* && $output == *"OK    upgrade       "* ]]
}

@test "a snapshot that is gone: not proven, and armed as before" {
	upgraded
	rm -r "$ROOT/opt/okv-luna/var/snapshot"
	unproven "the snapshot that pre-upgrade took is gone, so it is not known what was there before"
	[ -L "$ROOT$WANTED" ]
	run -3 pre
	[[ $output == *"fix: okv-luna post-upgrade --accept"* ]]
	run -0 post --accept
	[ ! -e "$ROOT$WANTED" ]
	run -0 pre
}

@test "a snapshot of which a file is gone: not proven, and it is not called another machine's" {
	upgraded
	mv "$ROOT/opt/okv-luna/var/snapshot/slots" "$BATS_TEST_TMPDIR/"
	unproven "the snapshot has no slots, so it is not known which slots showed before"
	mv "$BATS_TEST_TMPDIR/slots" "$ROOT/opt/okv-luna/var/snapshot/"
	rm "$ROOT/opt/okv-luna/var/snapshot/manifest.mtree"
	unproven "the snapshot is incomplete (cannot open 'manifest.mtree': No such file or directory), so it is not \
known what was there before"
	[ -L "$ROOT$WANTED" ]
}

@test "a snapshot that is empty, cut off or changed: not proven, with what is wrong with it" {
	upgraded
	snapshot=$ROOT/opt/okv-luna/var/snapshot
	cp -a "$snapshot" "$BATS_TEST_TMPDIR/whole"
	for fault in ': >system' 'head -n 3 system >s; mv s system' 'head -c 300 /dev/zero >system' \
		'sed -i s/^GROUP_ID=.*/GROUP_ID=\"x\"/ system' ': >manifest.mtree' 'echo x >>slots'; do
		(cd "$snapshot" && eval "$fault")
		run -1 --separate-stderr post
		[[ ${lines[0]} == "Not proven: OKV's user reaches the HSM, but the snapshot cannot be trusted ("*"), so it is not \
known what was there before." ]]
		unproven "${lines[0]#*, but }"
		[ -L "$ROOT$WANTED" ]
		rm -r "$snapshot"
		cp -a "$BATS_TEST_TMPDIR/whole" "$snapshot"
	done
	run -0 post
	[[ ${lines[0]} == "Proven: "* ]]
}

@test "a snapshot that others can write proves nothing" {
	upgraded
	for record in '' /snapshot /snapshot/{system,slots,manifest.mtree}; do
		path=$ROOT/opt/okv-luna/var$record
		mode=$(stat -c %a "$path")
		chmod o+w "$path"
		run -1 post
		[[ ${lines[0]} == "Not proven: OKV's user reaches the HSM, but the snapshot cannot be trusted ("* ]]
		[[ ${lines[0]} == *"others can write '"*"${record##*/}'), "* ]]
		chmod "$mode" "$path"
		chown 500 "$path"
		run -1 post
		[[ ${lines[0]} == *"others can write '"* ]]
		chown 0 "$path"
	done
	run -0 post
	[[ ${lines[0]} == "Proven: "* ]]
}

@test "a snapshot is this server's only where nothing differs: what only one side has is no match" {
	dmi=$ROOT/sys/class/dmi/id
	rm "$ROOT/etc/hostname"
	pre -q
	run -0 post
	mkdir -p "$dmi"
	printf '4C4C4544-0033-1039-8046-B7C04F4D3833\n' >"$dmi/product_uuid"
	pre -q
	run -0 post
	pre -q
	rm "$dmi/product_uuid"
	unproven "the snapshot is perhaps another server's, since this server has no host name to compare, so it is not \
known what was there before"
	echo okv1 >"$ROOT/etc/hostname"
	unproven "the snapshot is perhaps another server's, since it has no host name to compare, so it is not known what \
was there before"
}

@test "a copy's snapshot is another machine's, by its UUID or its name" {
	mkdir -p "$ROOT/sys/class/dmi/id" "$ROOT/etc"
	printf '4C4C4544-0033-1039-8046-B7C04F4D3833\n' >"$ROOT/sys/class/dmi/id/product_uuid"
	echo okv1 >"$ROOT/etc/hostname"
	pre -q
	run -0 post
	# A name alone makes no other machine, and a new OS neither.
	pre -q
	echo okv-other >"$ROOT/etc/hostname"
	echo 0123 >"$ROOT/etc/machine-id"
	run -0 post
	pre -q
	printf '4c4c4544-0033-1039-8046-b7c04f4d3834\n' >"$ROOT/sys/class/dmi/id/product_uuid"
	unproven "the snapshot is of another machine ('okv-other'), of which this one may be a copy, so it is not \
known what was there before"
	run -0 post --accept
	# What boards give that have none is none.
	printf '00000000-0000-0000-0000-000000000000\n' >"$ROOT/sys/class/dmi/id/product_uuid"
	pre -q
	echo okv2 >"$ROOT/etc/hostname"
	unproven "the snapshot is of another machine ('okv-other'), of which this one may be a copy, so it is not \
known what was there before"
}

@test "a snapshot older than 24 hours is called stale" {
	upgraded
	snapshot_age 30
	run -0 post
	[[ $output == *"the snapshot is stale: 30 h old; a change since it was taken may be your own"* ]]
}

# The process has become OKV's user, and is the program that waits.
holds_it() { [ "$(stat -c %u /proc/"$process")" = 1102 ] && [ "$(readlink /proc/"$process"/exe)" = "$ROOT/usr/bin/bash" ]; }

@test "a process of OKV's user without the group is told" {
	upgraded
	mkfifo -m 666 "$ROOT/tmp/hold"
	# It lives in that tree, as OKV's processes do.
	chroot --userspec=1102:1102 --groups=1102 "$ROOT" /bin/bash -c 'read -r x <>/tmp/hold' 3>&- &
	process=$!
	eventually holds_it
	run -0 post
	[[ $output == *"still lacks group 'hsmusers'"* ]]
}

@test "--collect makes a directory without secrets, and only a new one, and says how to pack it" {
	secret=Zq8vXw2LkPsecretvalue
	cat >>"$ROOT/etc/Chrystoki.conf" <<-E2
		Misc = {
		   PluginModuleDir = $LC/plugins;
		}
		REST = {
		   AuthTokenClientSecret = $secret;
		   AuthTokenClientId = ${secret}id;
		   # AuthTokenClientSecret = ${secret}old;
		   ServerName = hsm.example.com;
		   Presentation = ${secret}x;
		}
	E2
	printf 'HSM_PASSWORD="%s"\n' "$secret" >>"$ROOT$GENERIC/okv_hsm_env"
	printf '%s\n' "$secret" >"$ROOT$LC/cert/client/okv1Key.pem"
	upgraded
	run -0 post --dry-run --collect "$BATS_TEST_TMPDIR/support"
	[ ! -e "$BATS_TEST_TMPDIR/support" ]
	run -0 post --collect "$BATS_TEST_TMPDIR/support"
	[ "$(find "$BATS_TEST_TMPDIR/support" -type d ! -perm 700 -o -type f ! -perm 600 -o ! -user root)" = '' ]
	# What it says to type makes one file to attach.
	bash -c "${output#*for support: }"
	mkdir "$BATS_TEST_TMPDIR/x"
	tar -C "$BATS_TEST_TMPDIR/x" -xf "$BATS_TEST_TMPDIR/support.tar.gz"
	run ! grep -r "$secret" "$BATS_TEST_TMPDIR/x"
	diff -r "$BATS_TEST_TMPDIR/support" "$BATS_TEST_TMPDIR/x$BATS_TEST_TMPDIR/support"
	cd "$BATS_TEST_TMPDIR/support"
	for part in journal pre-upgrade.json snapshot/system snapshot/manifest.mtree now.mtree \
		okv_hsm.conf Chrystoki.conf accounts; do
		[ -s "$part" ]
	done
	grep -q 'ServerName = hsm.example.com;' Chrystoki.conf
	grep -q 'AuthTokenClientSecret = (21 bytes not shown);' Chrystoki.conf
	run -3 post --collect "$BATS_TEST_TMPDIR/support"
	[[ $output == *"is there already"* ]]
	# Where one file cannot be written, nothing stays.
	mount -t tmpfs -o size=16k tmpfs "$ROOT/root"
	run -5 post --collect "$ROOT/root/support"
	[ -z "$(ls -A "$ROOT/root")" ]
	umount "$ROOT/root"
	ln -s /nowhere/else "$BATS_TEST_TMPDIR/planted"
	run ! post --collect "$BATS_TEST_TMPDIR/planted"
}

@test "--dry-run changes nothing" {
	upgraded
	before=$(state)
	run -0 post --dry-run
	[[ ${lines[0]} == "This would be proven: "* ]]
	[ "$(state)" = "$before" ]
	[ -L "$ROOT$WANTED" ]
}

@test "--json: one report, kept below var" {
	upgraded
	post --json >"$BATS_TEST_TMPDIR/report"
	cmp <(head -c -1 "$BATS_TEST_TMPDIR/report") "$ROOT/opt/okv-luna/var/post-upgrade.json"
	[ "$(jq -r .answer "$BATS_TEST_TMPDIR/report")" = proven ]
	[ "$(jq -r '.steps[] | select(.name == "disarming") | .outcome' "$BATS_TEST_TMPDIR/report")" = changed ]
}

@test "a library that hangs costs its bound" {
	upgraded
	"$BATS_TEST_DIRNAME/../doubles/build" "$BATS_TEST_TMPDIR/doubles" hang-initialize
	cp "$BATS_TEST_TMPDIR/doubles/hang-initialize.so" "$ROOT$LC/lib/libCryptoki2_64.so"
	printf 'SLOT_TIMEOUT="2"\n' >>"$ROOT/opt/okv-luna/etc/okv-luna.conf"
	run -7 post
	[[ $output == *"within 2.000 s"* ]]
	[[ ${lines[0]} == *"do not restart this server." ]]
	[ -L "$ROOT$WANTED" ]
}

@test "used wrongly" {
	run -2 post --frob
	run -2 post operand
}
