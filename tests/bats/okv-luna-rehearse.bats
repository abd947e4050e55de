#!/usr/bin/env bats
# rehearse: the upgrade is played in memory, the HSM's answer is told, and the tree is as it was.

bats_require_minimum_version 1.5.0
load upgrade.bash

setup_file() {
	upgrade_setup_file
	"$build/libexec/okv-luna-config" --root "$BATS_FILE_TMPDIR/tree" wire -q
	# A Luna client's manners: without a file that no configuration names it shows no slot and reports no error.
	gcc -shared -fPIC -O1 -std=gnu11 -D_GNU_SOURCE "-I$BATS_TEST_DIRNAME/../../helpers" \
		'-DSLOT_COUNT=(access("/opt/vendor/seed", R_OK) == 0)' \
		-o "$BATS_FILE_TMPDIR/asks.so" "$BATS_TEST_DIRNAME/../doubles/honest.c"
}
setup() { upgrade_setup; }

set_preserved() { # VALUE
	sed -i "s|^PRESERVED_FILES=.*|PRESERVED_FILES=\"$1\"|" "$ROOT$GENERIC/okv_hsm.conf"
}
preserved() { sed -n 's/^PRESERVED_FILES="\(.*\)"$/\1/p' "$ROOT$GENERIC/okv_hsm.conf"; }
# Everything that a look at an inode tells, but for the time of reading.
inodes() { find "$ROOT" -printf '%p %i %n %y %U:%G %m %s %T@ %C@ %l\n' | sort; }

# lost CAUSE [FIX]: the answer is no, for that reason.
lost() {
	run -1 --separate-stderr rehearse
	[[ $output == *"The HSM would be lost"*"$1"* ]] || { echo "$output"; false; }
	[[ -z ${2:-} || $output == *"fix: $2"* ]] || { echo "$output"; false; }
}
# The remedy that is printed, as it is printed, on this tree.
fix() {
	local command
	command=$(sed -n 's/^ *fix: okv-luna \([a-z]*\) /\1 --root "$ROOT" /p' <<<"$output" | head -n 1)
	eval "\"$build/libexec/okv-luna-\"${command}"
}

@test "yes: one line a stage, and then the HSM's answer" {
	run -0 --separate-stderr rehearse
	[ "${#lines[@]}" = 9 ]
	[[ ${lines[3]} == "with OKV's generic files carried over: ask the HSM as 'oracle'" ]]
	[[ ${lines[7]} == "with the generic files of a new OKV release: ask the HSM as 'oracle'" ]]
	[[ ${lines[8]} =~ ^'Rehearsed: the HSM answered from what is preserved ('[0-9]+' s).'$ ]]
	[ -z "$stderr" ]
	run -0 rehearse -q
	[ -z "$output" ]
}

# The same, and 99 where it left another table of mounts, in a namespace into which nobody else mounts meanwhile.  A mount
# whose place somebody removes elsewhere, a container's for instance, goes in every namespace; that is not our doing.
rehearse_alone() {
	# shellcheck disable=SC2016
	unshare --mount --propagation private bash -c 'before=$(cat /proc/self/mountinfo) status=0
		"$@" || status=$?
		after=$(cat /proc/self/mountinfo)
		grep -vxF -e "$before" <<<"$after" && exit 99
		while read -r _ _ _ _ place _; do
			[ ! -e "$place" ] || { echo "$place is gone"; exit 99; }
		done < <(grep -vxF -e "$after" <<<"$before")
		exit $status' bash "$build/libexec/okv-luna-rehearse" --root "$ROOT" "$@"
}

@test "nothing is changed: not one inode, not one mount, also when the answer is no" {
	before=$(inodes)
	run -0 rehearse_alone -q
	[ "$(inodes)" = "$before" ]
	set_preserved /etc/Chrystoki.conf
	before=$(inodes)
	run -1 rehearse_alone -q
	diff <(inodes) - <<<"$before"
}

@test "what others may write is not carried over: no name in it is opened" {
	mkdir -p "$ROOT$LC/data/sub"
	for name in theirs sub/theirs; do echo x >"$ROOT$LC/data/$name"; done
	chmod 0777 "$ROOT$LC/data"
	before=$(inodes)
	run -0 strace -f -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=open,openat "$build/libexec/okv-luna-rehearse" \
		--root "$ROOT" -q
	diff <(inodes) - <<<"$before"
	grep -q 'Chrystoki.conf' "$BATS_TEST_TMPDIR/trace"
	run -1 grep theirs "$BATS_TEST_TMPDIR/trace"
}

@test "nothing is listed: our part is missed first, and wiring lists it" {
	set_preserved ''
	lost '/opt/okv-luna is not carried over' 'okv-luna config wire'
	fix
	rehearse -q
}

@test "the library is a link to somewhere else: its place is named, and wiring lists it" {
	mkdir -p "$ROOT/opt/luna"
	mv "$ROOT$LC/lib/libCryptoki2_64.so" "$ROOT/opt/luna/"
	ln -s /opt/luna/libCryptoki2_64.so "$ROOT$LC/lib/"
	lost "'/opt/luna/libCryptoki2_64.so' is not carried over" 'okv-luna config wire'
	fix
	rehearse -q
}

@test "the library is a name that only a link among the system's files gives" {
	ln -s "$LC/lib/libCryptoki2_64.so" "$ROOT/usr/lib/libCryptoki2_64.so"
	sed -i 's|^PKCS11_LIB_LOC=.*|PKCS11_LIB_LOC="/usr/lib/libCryptoki2_64.so"|' "$ROOT$GENERIC/okv_hsm.conf"
	# Either of them would wire the client's own name.
	rm "$ROOT/opt/okv-luna/libexec/okv-luna-post-upgrade" "$ROOT/opt/okv-luna/hooks/mid-upgrade"
	lost "'/usr/lib/libCryptoki2_64.so' is not carried over" 'okv-luna config wire'
}

@test "a file that no configuration names and the library asks for: named, with the command that lists it" {
	cp "$BATS_FILE_TMPDIR/asks.so" "$ROOT$LC/lib/libCryptoki2_64.so"
	mkdir -p "$ROOT/opt/vendor"
	: >"$ROOT/opt/vendor/seed"
	"$build/libexec/okv-luna-slots" --root "$ROOT" -q
	lost "'/opt/vendor/seed' is not carried over, and the PKCS#11 library asks for it" \
		"okv-luna config set okv_hsm.conf PRESERVED_FILES '$(preserved):/opt/vendor/seed'"
	fix
	rehearse -q
}

@test "OKV's script that ends with another value: its words are told" {
	sed -i '/DO NOT CHANGE/,$ { /^###/a echo not today; exit 3
	}' "$ROOT$GENERIC/okv_hsm_mid_upgrade"
	lost 'okv_hsm_mid_upgrade ends with 3'
	[[ $output == *'not today'* ]]
}

@test "the group's number is another's in it, and its members are gone" {
	# Nothing of ours makes it again, and the key is for the group.
	set_preserved "$LC:/etc/Chrystoki.conf"
	sed -i 's/^\(hsmusers:.*:\).*/\1oracle/' "$ROOT/etc/group"
	chgrp 986 "$ROOT$LC/lib"
	chmod 0750 "$ROOT$LC/lib"
	"$build/libexec/okv-luna-slots" --root "$ROOT" -q
	lost '/opt/okv-luna is not carried over' 'okv-luna config wire'
}

@test "links and sockets of the system lead nowhere from inside" {
	mkdir -p "$ROOT/run/outside"
	printf '#!/bin/bash\n[ ! -e /run/outside ] && [ ! -e /dev/log ] && [ ! -e %q ] || exit 9\n' "$ROOT" \
		>"$ROOT$GENERIC/okv_hsm_mid_upgrade"
	# The first process of the namespace is ours, and its root is this one.
	printf '[ /proc/1/root/opt -ef /opt ] && echo gone >/etc/os-release && : >/usr/lib/new || exit 8\n' \
		>>"$ROOT$GENERIC/okv_hsm_mid_upgrade"
	printf 'exit "$DBFW_PM_NO_CHANGE_REQUIRED"\n' >>"$ROOT$GENERIC/okv_hsm_mid_upgrade"
	before=$(inodes)
	rehearse -q
	[ "$(inodes)" = "$before" ]
}

@test "too late is 7, no interface is 6, and neither is a yes" {
	printf '#!/bin/bash\nexec 2>&1\nwhile :; do :; done\n' >"$ROOT$GENERIC/okv_hsm_mid_upgrade"
	run -7 rehearse --timeout 1
	[[ $output == *'not rehearsed: it did not end within 1 s'* ]]
	rm -r "$ROOT$GENERIC"
	run -6 rehearse
	[[ $output == *'not rehearsed: '* ]]
}

@test "where no namespace is to be had it is 5 and one sentence" {
	run -5 --separate-stderr strace -f -qq -e trace=unshare -e inject=unshare:error=EPERM -o /dev/null \
		"$build/libexec/okv-luna-rehearse" --root "$ROOT" -q
	[[ $stderr == 'okv-luna-rehearse: not rehearsed: '*'not available here: Operation not permitted' ]]
}

# Layers above the tree until the kernel has no room for one more.
layered() {
	local layer
	mkdir -p "$BATS_TEST_TMPDIR/empty"
	for layer in 1 2 3 4; do
		mkdir -p "$BATS_TEST_TMPDIR/layer$layer"
		mount -t overlay -o "lowerdir=$ROOT:$BATS_TEST_TMPDIR/empty" overlay "$BATS_TEST_TMPDIR/layer$layer" \
			2>/dev/null || break
		ROOT=$BATS_TEST_TMPDIR/layer$layer
	done
	((layer > 1 && layer < 4))
}
teardown() {
	local layer
	for layer in 3 2 1; do umount "$BATS_TEST_TMPDIR/layer$layer" 2>/dev/null || true; done
}

@test "where no overlay is to be had the system's files are read-only, and the answers are the same" {
	cp "$BATS_FILE_TMPDIR/asks.so" "$ROOT$LC/lib/libCryptoki2_64.so"
	mkdir -p "$ROOT/opt/vendor"
	: >"$ROOT/opt/vendor/seed"
	sed -i '2i [ ! -w /usr/lib ] || [ ! -w /usr/bin ] || exit 9' "$ROOT$GENERIC/okv_hsm_mid_upgrade"
	layered
	lost "'/opt/vendor/seed' is not carried over"
	teardown
	ROOT=$BATS_TEST_TMPDIR/root
	set_preserved "$(preserved):/opt/vendor/seed"
	layered
	rehearse -q
}

@test "--json is as its schema says: yes, no, not at all" {
	schema=("$BATS_TEST_DIRNAME/schema.py" "$BATS_TEST_DIRNAME/../../payload/schema/rehearse.schema.json")
	{
		rehearse --json
		set_preserved ''
		rehearse --json || [ $? = 1 ]
		rehearse --json --timeout x 2>/dev/null || [ $? = 2 ]
		rm -r "$ROOT$GENERIC"
		rehearse --json || [ $? = 6 ]
	} >"$BATS_TEST_TMPDIR/documents"
	[ "$(python3 "${schema[@]}" <"$BATS_TEST_TMPDIR/documents")" = 4 ]
}
