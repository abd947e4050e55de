#!/usr/bin/env bats
# pre-upgrade: one answer, a snapshot that stock tools can check, and a way back.

bats_require_minimum_version 1.5.0
load upgrade.bash

setup_file() { upgrade_setup_file; }
setup() { upgrade_setup; }

@test "go: the answer is the first line, the steps follow with their times" {
	run -0 --separate-stderr pre
	[[ ${lines[0]} == "Go: "* ]]
	[[ ${lines[1]} == "Start OKV's upgrade now: okv-luna upgrade" ]]
	# What the run itself has wired is nothing to be fixed.
	[[ $output != *fix:* ]]
	[[ $output =~ done\ +owners\ and\ modes\ to\ the\ pre-upgrade\ policy\ +[0-9]+\ ms ]]
	[ -z "$stderr" ]
}

@test "go where OKV has no generic interface: the headline says that nothing is preserved" {
	rm -r "$ROOT${GENERIC:?}"
	run -0 pre --dry-run
	[[ ${lines[0]} == 'This would go, but this OKV (21.2 or earlier) has no generic HSM interface, and nothing of'* ]]
	run -0 pre
	[[ ${lines[0]} == 'Go, but this OKV (21.2 or earlier) has no generic HSM interface, and nothing of'* ]]
	[[ ${lines[1]} == *'okv-luna extract'* ]]
}

@test "a library that has no server to name: go where the HSM answers, and that is said" {
	sed -i '/Server[NP]/d' "$ROOT/etc/Chrystoki.conf"
	run -0 pre
	[[ ${lines[0]} == 'Go: '* && $output == *'no server is named: '*'; yet the HSM answers'* ]]
	run -0 pre --abort
	"$BATS_TEST_DIRNAME/../doubles/build" "$BATS_TEST_TMPDIR/doubles" session-refused
	cp "$BATS_TEST_TMPDIR/doubles/session-refused.so" "$ROOT$LC/lib/libCryptoki2_64.so"
	run -1 pre
	[[ $output == *'no server is named'* && $output != *'yet the HSM answers'* ]]
}

@test "go: everything is ready for the upgrade" {
	pre -q
	grep -q '^hsmusers:.*oracle' "$ROOT/etc/group"
	grep -q "PRESERVED_FILES=.*$LC.*:/opt/okv-luna" "$ROOT$GENERIC/okv_hsm.conf"
	[ "$(stat -c '%U:%G %a' "$ROOT$LC/cert/client/okv1Key.pem")" = 'root:root 755' ]
	[ "$(readlink "$ROOT$WANTED")" = /usr/lib/systemd/system/okv-luna-post-upgrade.service ]
	grep -q 'pre-upgrade end go$' "$ROOT/opt/okv-luna/var/journal"
}

@test "the snapshot is plain text that bsdtar and mtree agree with" {
	chmod 0777 "$ROOT$LC/data"
	printf 'x' >"$ROOT$LC/data/a b#c*\\d"
	pre -q
	cd "$ROOT/opt/okv-luna/var/snapshot"
	grep -qx 'GROUP_ID="986"' system
	grep -qx 'GROUP_MEMBERS="oracle"' system
	grep -qx 'OS="Test OS 8"' system
	grep -q '^slot=.* label=.* serial=.* model=' slots
	sha256=$(sha256sum "$ROOT$LC/cert/client/okv1.pem" | cut -d ' ' -f 1)
	grep -q "^./usr/safenet/lunaclient/cert/client/okv1.pem type=file .* sha256=$sha256\$" manifest.mtree
	bsdtar -tf manifest.mtree | grep -qx './usr/safenet/lunaclient/cert/client/okv1.pem'
	[ "$(bsdtar -tf manifest.mtree | wc -l)" -eq "$(grep -vc '^#' manifest.mtree)" ]
	# Owners and modes are as the pre-upgrade policy has them by now; bytes, types and targets must be the same.
	run mtree -e -p "$ROOT" -f <(sed 's/ mode=[0-7]*//' manifest.mtree)
	[ "$output" = "" ]
	printf 'y' >>"$ROOT$LC/cert/client/okv1.pem"
	run mtree -e -p "$ROOT" -f <(sed 's/ mode=[0-7]*//' manifest.mtree)
	[ "$status" -ne 0 ]
	[[ $output == *okv1.pem* ]]
}

@test "a manifest edited by hand is not believed" {
	pre -q
	sed -i 's/okv1.pem type=file/okv2.pem type=file/' "$ROOT/opt/okv-luna/var/snapshot/manifest.mtree"
	run -1 post
	[[ ${lines[0]} == "Not proven: "*"manifest was changed since it was taken"* ]]
}

@test "no slot: do not upgrade, why, and what fixes it" {
	rm "$ROOT$LC/lib/libCryptoki2_64.so"
	run --separate-stderr pre
	[ "$status" -ne 0 ]
	[[ ${lines[0]} == "Do not upgrade: "*libCryptoki2_64.so* ]]
	[ ! -e "$ROOT$WANTED" ]
	grep -q 'pre-upgrade end no ' "$ROOT/opt/okv-luna/var/journal"
}

@test "a missing client: do not upgrade" {
	rm -r "$ROOT${LC:?}"
	run ! pre
	[[ ${lines[0]} == "Do not upgrade: "*lunaclient* ]]
	[[ $output == *"okv-luna extract"* ]]
	[ ! -e "$ROOT$WANTED" ]
}

@test "OKV's user is not there: do not upgrade" {
	sed -i '/^oracle/d' "$ROOT/etc/passwd"
	run ! pre
	[[ ${lines[0]} == "Do not upgrade: "*oracle* ]]
}

@test "no file and no script is read byte by byte" {
	strace -f -qq -e trace=read -e signal=none -o "$BATS_TEST_TMPDIR/reads" \
		"$build/libexec/okv-luna-pre-upgrade" --root "$ROOT" -q --no-rehearsal
	reads=$(grep -c 'read(' "$BATS_TEST_TMPDIR/reads")
	echo "reads: $reads"
	((reads > 100 && reads < 1500))
}

@test "where the state to return to cannot be written down, nothing is changed" {
	before=$(state)
	mkdir "$ROOT/opt/okv-luna/var/before.new"
	mount -t tmpfs tmpfs "$ROOT/opt/okv-luna/var/before.new"
	run ! pre
	umount "$ROOT/opt/okv-luna/var/before.new"
	[[ ${lines[0]} == "Do not upgrade: "*before.new* ]]
	[ "$(state)" = "$before" ]
	pre -q
	pre --abort
	[ "$(state)" = "$before" ]
}

@test "a full disk is said in time" {
	mount -t tmpfs -o size=1M tmpfs "$ROOT/opt/okv-luna/var"
	run ! pre
	umount "$ROOT/opt/okv-luna/var"
	[[ ${lines[0]} == "Do not upgrade: '/opt/okv-luna/var' has 0 MiB free"* ]]
}

@test "where a member of the group makes room scarce, the file is named" {
	truncate -s "$(($(df --output=avail -B1M "$ROOT" | tail -1) + 100))M" "$ROOT$LC/cert/client/plant"
	run ! pre
	[[ ${lines[0]} == "Do not upgrade: '/' has "*" MiB free, at least "*" are needed"* ]]
	[[ $output == *"the largest file to be preserved: '$LC/cert/client/plant', "[1-9]*" MiB"* ]]
}

@test "the second run changes nothing but the snapshot's time" {
	pre -q
	before=$(state)
	run -0 pre
	[ "$(state)" = "$before" ]
	[[ $output != *"done    owners"* && $output != *"done    wire"* ]]
}

@test "--abort puts everything back as it was" {
	before=$(state)
	pre -q
	pre -q
	[ "$(state)" != "$before" ]
	run -0 pre --abort
	[[ ${lines[0]} == "Everything is as it was before pre-upgrade." ]]
	diff <(printf '%s\n' "$before") <(state)
	run -0 pre --abort
	[[ $output == "Nothing to put back: no pre-upgrade is open." ]]
}

@test "--abort takes away a group that was not there before, and only that one" {
	sed -i '/^hsmusers/d' "$ROOT/etc/group" "$ROOT/etc/gshadow"
	pre -q
	grep -q '^hsmusers:.*:oracle$' "$ROOT/etc/group"
	pre --abort -q
	run ! grep hsmusers "$ROOT/etc/group"
	grep -q '^oinstall:' "$ROOT/etc/group"
}

@test "--abort leaves a group that was not there before to the files that belong to it now" {
	sed -i '/^hsmusers/d' "$ROOT/etc/group" "$ROOT/etc/gshadow"
	rm "$ROOT$LC/lib/libCryptoki2_64.so"
	run -1 pre
	[[ $output == *'Do not upgrade'* ]]
	# As an installer or repair does it.
	chgrp "$(sed -n 's/^hsmusers:x:\([0-9]*\):.*/\1/p' "$ROOT/etc/group")" "$ROOT$LC/cert"
	run -0 pre --abort
	grep -q '^hsmusers:.*:oracle$' "$ROOT/etc/group"
}

@test "--abort leaves what was wired before" {
	"$build/libexec/okv-luna-config" --root "$ROOT" wire -q
	pre -q
	pre --abort -q
	grep -q "PRESERVED_FILES=.*$LC" "$ROOT$GENERIC/okv_hsm.conf"
}

unwire() { "$build/libexec/okv-luna-config" --root "$ROOT" unwire "$@"; }

@test "unwire calls off what is prepared, and leaves OKV its HSM" {
	"$build/libexec/okv-luna-config" --root "$ROOT" wire -q
	"$build/libexec/okv-luna-repair" --root "$ROOT" -q
	before=$(state | grep "$LC")
	pre -q
	[ "$(state | grep "$LC")" != "$before" ]
	run -0 unwire -n
	[[ $output == *"would call off"* ]]
	run -0 unwire
	[ "$(state | grep "$LC")" = "$before" ]
	[ ! -e "$ROOT/opt/okv-luna/var/before" ] && [ ! -L "$ROOT$WANTED" ]
	run -1 grep -rq okv-luna "$ROOT$GENERIC"
	run -0 "$build/libexec/okv-luna-slots" --root "$ROOT"
	# Nothing that is not called off is unwired.
	pre -q
	new_os
	mid -q
	run -4 unwire
	[[ $output == *"prepared or not proven yet"*"too late to call the upgrade off, since "*"; okv-luna post-upgrade"* ]]
	grep -q okv-luna "$ROOT$GENERIC/okv_hsm_mid_upgrade"
}

@test "unwire --all is refused while the HSM answers, unless told otherwise" {
	"$build/libexec/okv-luna-config" --root "$ROOT" wire -q
	pre -q
	before=$(state)
	for dry in '' -n; do
		run -3 unwire --all $dry
		[[ $output == *"--even-in-use"* ]]
		[ "$(state)" = "$before" ]
	done
	run -0 unwire --all --even-in-use
	cmp "$ROOT$GENERIC/okv_hsm.conf" "$BATS_TEST_DIRNAME/../appliance/okv/okv_hsm.conf"
	# One that does not answer loses nothing.
	"$build/libexec/okv-luna-config" --root "$ROOT" wire -q
	rm "$ROOT$LC"/lib/*.so
	run -0 unwire --all
	cmp "$ROOT$GENERIC/okv_hsm.conf" "$BATS_TEST_DIRNAME/../appliance/okv/okv_hsm.conf"
}

@test "--abort after the upgrade is refused" {
	pre -q
	new_os
	mid
	run -3 pre --abort
	[[ $output == *"too late to call the upgrade off"* ]]
}

@test "--abort by a damaged or open record: refused, and what it names leads to the everyday state" {
	"$build/libexec/okv-luna-config" --root "$ROOT" wire -q
	"$build/libexec/okv-luna-repair" --root "$ROOT" -q
	everyday=$(state | grep "$LC")
	kept=$ROOT/opt/okv-luna/var/before
	while IFS='|' read -r break words; do
		pre -q
		before=$(state | grep "$LC")
		eval "$break"
		run -3 pre --abort
		echo "$break: $output"
		[[ $output == *"cannot be put back: $words"*"instead: okv-luna post-upgrade --accept" ]]
		[ "${#lines[@]}" -eq 1 ]
		[ "$(state | grep "$LC")" = "$before" ]
		post --accept -q
		[ "$(state | grep "$LC")" = "$everyday" ]
		chmod 0700 "$ROOT/opt/okv-luna/var"
		run -0 pre --abort
		[[ $output == 'Nothing to put back: no pre-upgrade is open.' ]]
		[ ! -L "$ROOT$WANTED" ]
	done <<-'END'
	echo junk >"$kept/system"|
	: >"$kept/system"|
	echo junk >>"$kept/manifest.mtree"|the snapshot's manifest was changed
	rm "$kept/manifest.mtree"|
	chmod 0666 "$kept/manifest.mtree"|others can write
	chmod 0777 "$kept"|others can write
	chmod 0777 "$ROOT/opt/okv-luna/var"|others can write '/opt/okv-luna/var'
	END
}

@test "--abort on another operating system, where nothing of ours ran: refused, and nothing is given away" {
	chgrp 986 "$ROOT$LC/cert/client/okv1Key.pem"
	chmod 0640 "$ROOT$LC/cert/client/okv1Key.pem"
	pre -q
	new_os 986
	before=$(state)
	run -3 pre --abort
	[[ $output == *"too late to call the upgrade off, since "*"runs 'Test OS 9' now, and ran 'Test OS 8'"*"; okv-luna post-upgrade"* ]]
	[ "$(state)" = "$before" ]
	run -3 pre
	[[ $output == *"the last upgrade is not proven yet"*"fix: okv-luna post-upgrade"* ]]
	run status_of
	[[ $output == *"WARN  upgrade       an upgrade is not proven yet, and our part did not run inside it"* ]]
	[[ $output != *"--abort"* && $output != *"okv-luna upgrade"* ]]
	run -0 post
}

@test "--abort puts back by name, and only what is still as pre-upgrade made it" {
	for file in cert/client/okv1Key.pem cert/client/okv1.pem; do
		chgrp 986 "$ROOT$LC/$file"
		chmod 0640 "$ROOT$LC/$file"
	done
	printf 'x' >"$ROOT$LC/data/theirs"
	chmod 2777 "$ROOT$LC/data/theirs"
	pre -q
	# The group has another id now, and its old one is somebody else's.
	sed -i 's/^hsmusers:x:986:/hsmusers:x:985:/' "$ROOT/etc/group"
	echo 'backup:x:986:' >>"$ROOT/etc/group"
	chmod 0444 "$ROOT$LC/cert/client/okv1.pem"
	rm "$ROOT$LC/data/theirs"
	printf 'program' >"$ROOT$LC/data/theirs"
	chmod 0777 "$ROOT$LC/data/theirs"
	chown 65534 "$ROOT$LC/data/theirs"
	run pre --abort -v
	[ "$(stat -c '%a %g' "$ROOT$LC/cert/client/okv1Key.pem")" = '640 985' ]
	[ "$(stat -c '%a %g' "$ROOT$LC/cert/client/okv1.pem")" = '444 0' ]
	[ "$(stat -c '%a %u' "$ROOT$LC/data/theirs")" = '777 65534' ]
	[[ $output == *"were changed since pre-upgrade and stay as they are"* ]]
}

@test "while an upgrade is not proven no new snapshot is taken" {
	pre -q
	new_os
	mid
	rm "$ROOT$LC/cert/server/CAFile.pem"
	cp -a "$ROOT/opt/okv-luna/var/snapshot" "$BATS_TEST_TMPDIR/"
	run -3 pre
	[[ ${lines[0]} == "Do not upgrade: the last upgrade is not proven yet"* ]]
	diff -r "$BATS_TEST_TMPDIR/snapshot" "$ROOT/opt/okv-luna/var/snapshot"
}

@test "--dry-run says what would be done and changes nothing" {
	before=$(state)
	run -0 pre --dry-run
	[[ ${lines[0]} == "This would go: "* ]]
	[[ $output == *"to do   owners and modes"* ]]
	[ "$(state)" = "$before" ]
	[ -z "$(ls -A "$ROOT/opt/okv-luna/var")" ]
}

# single_cause WORD: the run says WORD, at most one step FAILED, and no remedy is printed twice.
single_cause() {
	[[ $output == *"$1"* ]] || { echo "$output" && false; }
	[ "$(grep -c '^  FAILED' <<<"$output")" -le 1 ]
	local twice
	twice=$(grep -E '^ {12}(fix: |to see why: |(install|put|set|write|remove|make|restore) )' <<<"$output" | sort | uniq -d)
	[ -z "$twice" ] || { echo "$twice" && false; }
}

@test "one cause is reported once, by pre-upgrade and by post-upgrade" {
	local name fault said
	while IFS='|' read -r name fault said; do
		rm -rf "${ROOT:?}"
		cp -a "$BATS_FILE_TMPDIR/tree" "$ROOT"
		eval "$fault"
		echo "# $name"
		run pre
		[ "$status" -ne 0 ]
		single_cause "$said"
		run post
		[ "$status" -ne 0 ]
		single_cause "$said"
		# pre-upgrade took none, so none is gone.
		[[ $output != *'snapshot that pre-upgrade took is gone'* ]]
	done <<-'E'
		library|rm "$ROOT$LC"/lib/*|okv-luna extract with its archive
		client|rm -r "$ROOT$LC"|okv-luna extract with its archive
		quotes|sed -i 's/^PKCS11_LIB_LOC=.*/PKCS11_LIB_LOC=x/' "$ROOT$GENERIC/okv_hsm.conf"|fix: okv-luna config check --fix
		script|sed -i '2i exit 0' "$ROOT$GENERIC/okv_hsm_mid_upgrade"|remove the line, or move it
		generic|rm "$ROOT$GENERIC/okv_hsm.conf"|put OKV's own file back
		user|sed -i '/^oracle/d' "$ROOT/etc/passwd"|set OKV_USER in /opt/okv-luna/etc/okv-luna.conf
		group|sed -i '/^hsmusers/d' "$ROOT"/etc/g{roup,shadow}; cp /bin/false "$ROOT/usr/sbin/groupadd"|to see why: groupadd -r
		member|cp /bin/false "$ROOT/usr/bin/gpasswd"|to see why: gpasswd --add oracle hsmusers
	E
}

@test "--json: one report with severity, title, detail and remediation, kept below var" {
	rm "$ROOT$LC/cert/client/okv1.pem"
	printf 'PKCS11_LIB_LOC=“wrong”\n' >>"$ROOT$GENERIC/okv_hsm.conf"
	run --separate-stderr pre --json
	python3 - "$output" "$ROOT/opt/okv-luna/var/pre-upgrade.json" <<-'E'
		import json, sys
		r = json.loads(sys.argv[1])
		assert r == json.load(open(sys.argv[2]))
		assert r["command"] == "okv-luna-pre-upgrade" and r["answer"] in ("go", "no")
		names = "records before config wiring space group member snapshot repair slots rehearsal arming go"
		assert [s["name"] for s in r["steps"]] == names.split()
		assert r["entries"]
		for e in r["entries"]:
		    assert e["severity"] in ("info", "low", "medium", "high") and e["title"] and "detail" in e
		remedies = [e["remediation"] for e in r["entries"] if "remediation" in e]
		# What no command fixes is no command.
		assert all(list(m) == ["type", m["type"]] and m["type"] in ("command", "hint") for m in remedies)
		assert all(m["command"].split()[0] in ("okv-luna", "journalctl", "df") for m in remedies if "command" in m)
		assert any("hint" in m for m in remedies)
	E
}

@test "used wrongly, or by somebody else than root" {
	run -2 pre --frob
	run -2 pre operand
	run -2 pre --profile lax
	run -5 setpriv --reuid 65534 --regid 65534 --clear-groups "$build/libexec/okv-luna-pre-upgrade" --root "$ROOT"
	[[ $output == *"must be run by root"* ]]
}

@test "killed in the middle of any step, the next run finishes" {
	# The act starts one child for each step, so the step's number is the number of its fork.
	for step in 1 2 3 4 5 8 9 10 11 12; do
		rm -rf "$ROOT"
		upgrade_setup
		strace -f -o "$BATS_TEST_TMPDIR/trace" -e trace=fork,vfork,clone \
			-e "inject=fork,vfork,clone:signal=KILL:when=$step" \
			"$build/libexec/okv-luna-pre-upgrade" --root "$ROOT" -q || true
		grep -q 'killed by SIGKILL' "$BATS_TEST_TMPDIR/trace"
		run -0 pre
		[[ ${lines[0]} == "Go: "* ]]
	done
}

@test "--abort killed with all its children at a sample of its system calls: the next --abort leads back" {
	interrupted 3 abort kill 0 7 30
	interrupted 2 leave kill 0 7 50
}

@test "a link that cannot be read decides nothing in data, and all outside of it" {
	link_unread() { strace -f -qq -o /dev/null -P "$1" -e trace=readlinkat -e inject=readlinkat:error=EINVAL \
		"$build/libexec/okv-luna-pre-upgrade" --root "$ROOT"; }
	ln -s /etc "$ROOT$LC/data/exchanged"
	run -0 link_unread exchanged
	[[ ${lines[0]} == Go:* ]]
	[[ $output == *"cannot read link '$LC/data/exchanged'"* ]]
	ln -s /etc "$ROOT$LC/bin/odd"
	run -5 link_unread odd
	[[ ${lines[0]} == *"cannot read link '$LC/bin/odd'"* ]]
}

@test "--abort clears what a run that was killed while it made a unit left beside it" {
	before=$(state)
	run -0 pre
	for unit in "$ROOT"/usr/lib/systemd/system/okv-luna-*; do
		cp "$unit" "${unit%/*}/.${unit##*/}.0123456789abcdef.okv-luna-new"
	done
	[ -e "$ROOT/usr/lib/systemd/system/.okv-luna-post-upgrade.service.0123456789abcdef.okv-luna-new" ]
	run -0 pre --abort
	diff <(state) - <<<"$before"
}

@test "--abort with a sample of its system calls failing: it says so or leads back, and the next one does" {
	interrupted 2 abort fail 0 7 80
}

@test "pre-upgrade killed at a sample of its system calls: --abort leads back" {
	interrupted 2 recall kill 0 7 240
}

@test "a read-only var is no go: the answer first, where and what to do, and nothing is changed" {
	before=$(state)
	for lock in missing there; do
		[ $lock = missing ] || : >"$ROOT/opt/okv-luna/var/lock"
		read_only
		run -5 --separate-stderr pre
		[[ ${lines[0]} == "Do not upgrade: '/opt/okv-luna/var' cannot be written (Read-only file system); make it writable." ]]
		[[ $output == *'fix: mount -o remount,rw "$(findmnt -n -o TARGET -T /opt/okv-luna/var)"'* ]]
		[[ $output == *"ok      the HSM as OKV's user sees it"* ]]
		[ "$stderr" = "okv-luna-pre-upgrade: ${lines[0]%.}" ]
		run -5 --separate-stderr pre --json
		[ "$(jq -r '.answer + " " + .sentence' <<<"$output")" = "no ${stderr#*: }" ]
		run -5 pre --dry-run
		[[ ${lines[0]} == "Do not upgrade: '/opt/okv-luna/var'"* ]]
		umount "$ROOT/opt/okv-luna/var"
		[ "$(state)" = "$before" ]
	done
	pre -q
	prepared=$(state)
	read_only
	run -5 --separate-stderr pre --abort
	umount "$ROOT/opt/okv-luna/var"
	[[ ${lines[0]} == "Not everything could be put back: '/opt/okv-luna/var' cannot be written "* ]]
	[ "$(state)" = "$prepared" ]
	pre --abort
	[ "$(state)" = "$before" ]
}

@test "OKV's generic files on a read-only mount, and to be wired: that is the cause, and the mount is what to change" {
	cp "$BATS_TEST_DIRNAME"/../appliance/okv/okv_hsm_mid_upgrade "$ROOT$GENERIC/"
	mount --bind "$ROOT$GENERIC" "$ROOT$GENERIC"
	mount -o remount,ro,bind "$ROOT$GENERIC"
	run -5 pre
	umount "$ROOT$GENERIC"
	[[ ${lines[0]} == "Do not upgrade: "*": Read-only file system." ]]
	[[ $output == *"fix: mount -o remount,rw \"\$(findmnt -n -o TARGET -T $GENERIC)\""* ]]
	[[ $output != *'okv-luna config check'* ]]
}

@test "a broken okv-luna.conf is no go" {
	printf 'NO_SUCH="x"\n' >>"$ROOT/opt/okv-luna/etc/okv-luna.conf"
	run -3 pre
	[[ $output == "okv-luna-pre-upgrade: do not upgrade: /opt/okv-luna/etc/okv-luna.conf:"*": unknown setting 'NO_SUCH'" ]]
	run -3 post
	[[ $output == "okv-luna-post-upgrade: do not restart this server: /opt/okv-luna/etc/okv-luna.conf:"* ]]
}

@test "a var without room is no go, and says so first" {
	mount -t tmpfs -o size=64k tmpfs "$ROOT/opt/okv-luna/var"
	cat /dev/zero >"$ROOT/opt/okv-luna/var/fill" 2>/dev/null || true
	run -5 --separate-stderr pre
	[[ ${lines[0]} == "Do not upgrade: '/opt/okv-luna/var' is on a full disk; make room." ]]
	[ "$stderr" = "okv-luna-pre-upgrade: ${lines[0]%.}" ]
	run -5 --separate-stderr post
	umount "$ROOT/opt/okv-luna/var"
	[[ ${lines[0]} == "'/opt/okv-luna/var' is on a full disk; make room: do not restart this server." ]]
}

@test "a lock that is no file is said in the answer" {
	mkdir "$ROOT/opt/okv-luna/var/lock"
	run -3 --separate-stderr pre
	[[ ${lines[0]} == "Do not upgrade: '/opt/okv-luna/var': the lock 'lock' is not a regular file." ]]
}

@test "--json is as its schema says, go or not or called wrongly; and the schema bites" {
	valid() { python3 "$BATS_TEST_DIRNAME/schema.py" "$BATS_TEST_DIRNAME/../../payload/schema/hooks.schema.json"; }
	documents() {
		pre --json --frob || true
		pre --json --dry-run
		pre --json --abort
		pre --json
		pre --json --abort --dry-run
		pre --json --abort
		printf 'PKCS11_LIB_LOC=“wrong”\n\xff\x01\n' >>"$ROOT$GENERIC/okv_hsm.conf"
		pre --json || true
		rm -r "$ROOT${LC:?}"
		pre --json || true
		printf 'NO_SUCH="x"\n' >>"$ROOT/opt/okv-luna/etc/okv-luna.conf"
		pre --json || true
	}
	documents >"$BATS_TEST_TMPDIR/all" 2>/dev/null
	[ "$(valid <"$BATS_TEST_TMPDIR/all")" = 9 ]
	[ "$(jq -r '.answer // .error.kind' "$BATS_TEST_TMPDIR/all" | tr '\n' ' ')" = \
		'usage go nothing go back back no no refused ' ]
	run ! valid <<<"$(jq -c 'select(.answer == "go") | .exit = 1' "$BATS_TEST_TMPDIR/all")"
	run ! valid <<<"$(jq -c 'select(.answer == "no") | .entries = []' "$BATS_TEST_TMPDIR/all")"
	run ! valid <<<"$(jq -c 'select(.error) | del(.error)' "$BATS_TEST_TMPDIR/all")"
}

@test "what an upgrade would lose though every check is well: do not upgrade, and by what" {
	gcc -shared -fPIC -O1 -std=gnu11 -D_GNU_SOURCE "-I$BATS_TEST_DIRNAME/../../helpers" \
		'-DSLOT_COUNT=(access("/opt/vendor/seed", R_OK) == 0)' \
		-o "$ROOT$LC/lib/libCryptoki2_64.so" "$BATS_TEST_DIRNAME/../doubles/honest.c"
	mkdir "$ROOT/opt/vendor"
	: >"$ROOT/opt/vendor/seed"
	run -1 pre
	[[ ${lines[0]} == "Do not upgrade: The HSM would be lost: '/opt/vendor/seed' is not carried over, "* ]]
	[[ $output == *"fix: okv-luna config set okv_hsm.conf PRESERVED_FILES '"*":/opt/vendor/seed'"* ]]
	[ ! -e "$ROOT$WANTED" ]
	run -0 pre --no-rehearsal -v
	[[ $output == *'not rehearsed: as requested'* ]]
}

@test "where it cannot be rehearsed that is said, and the checks decide" {
	run -0 strace -f -qq -e trace=unshare -e inject=unshare:error=EPERM -o /dev/null \
		"$build/libexec/okv-luna-pre-upgrade" --root "$ROOT"
	[[ ${lines[0]} == 'Go: '* ]]
	[[ $output == *'not rehearsed: '*'not available here'* ]]
}
