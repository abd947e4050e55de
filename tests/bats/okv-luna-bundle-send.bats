#!/usr/bin/env bats
# okv-luna bundle send: to real sshds, one node down, one with a full disk, one that is not who it was.

bats_require_minimum_version 1.5.0

load eventually

load nodes

setup_file() {
	build=${BUILD:-$BATS_TEST_DIRNAME/../../build}
	[[ $build == /* ]] || build=$BATS_TEST_DIRNAME/../../$build
	export BUILD=$build bundle=$build/libexec/okv-luna-bundle
	nodes_setup "$BATS_FILE_TMPDIR/nodes"
	export NODES_DIR NODES_NET NODES_PORT
	node_start six
	node_start okv2
	node_start full 64k
	node_absent down
	cd "$BATS_FILE_TMPDIR"
	printf 'correct horse battery staple\n' >pass
	chmod 600 pass
	mkdir -p okv1/etc okv1/opt okv1/usr/local/okv/hsm
	printf '%s\n' root:x:0:0::/root:/bin/sh oracle:x:1001:1001::/home/oracle:/bin/sh >okv1/etc/passwd
	printf '%s\n' root:x:0: oinstall:x:1001: >okv1/etc/group
	echo okv1 >okv1/etc/hostname
	head -c 300000 /dev/urandom >okv1/usr/local/okv/hsm/hsmbundle
	chown 1001:1001 okv1/usr/local/okv/hsm/hsmbundle
	chmod 600 okv1/usr/local/okv/hsm/hsmbundle
	"$bundle" -q --root okv1 seal --out sealed --passphrase-file pass
}

teardown_file() { nodes_teardown; }

setup() {
	cd "$BATS_FILE_TMPDIR"
	for name in six okv2 full; do
		find "$(node_root $name)/tmp" -mindepth 1 -delete
	done
}

# What a test that failed half way would leave behind.
teardown() {
	[ -z "${watcher-}" ] || kill "$watcher" 2>/dev/null || true
	rm -f "$(node_root okv2)/usr/local/bin/cat"
}

at() { printf '%s:%s\n' "$(node_address "$1")" "$NODES_PORT"; }
send() {
	"$bundle" --root okv1 send -i "$NODES_DIR/user_key" -o "UserKnownHostsFile=$NODES_DIR/known_hosts" \
		-o GlobalKnownHostsFile=/dev/null "$@"
}
# What lies in the /tmp of a node.
there() { ls -A "$(node_root "$1")/tmp"; }

@test "a fresh sealed copy reaches its node, and apply there ends the journey" {
	run -0 send --passphrase-file pass "$(at okv2)"
	path=$(sed -n 's/^ *okv-luna bundle apply //p' <<<"$output")
	[[ $path =~ ^/tmp/hsmbundle-[0-9a-f]{32}\.okvb$ ]]
	[ "$(there okv2)" = "${path#/tmp/}" ]
	root=$(node_root okv2)
	[ "$(stat -c %u:%a "$root$path")" = 1002:600 ]
	[[ $output == *"$(sha256sum <"$root$path" | cut -c1-16)  sent"* ]]
	# On the node itself, by its own program: root through su, as the guide goes.
	ssh -i "$NODES_DIR/user_key" -o "UserKnownHostsFile=$NODES_DIR/known_hosts" -p "$NODES_PORT" \
		"support@$(node_address okv2)" "{ echo rootsecret; cat; } | su -c \
		'/opt/okv-luna/bin/okv-luna bundle apply --passphrase-fd 0 $path'" <pass
	cmp okv1/usr/local/okv/hsm/hsmbundle "$root/usr/local/okv/hsm/hsmbundle"
	[ "$(stat -c %u:%g:%a "$root/usr/local/okv/hsm/hsmbundle")" = 1001:1001:600 ]
	[ -z "$(there okv2)" ]
	# Nothing stays here either.
	[ "$(ls -A okv1/opt/okv-luna/var)" = lock ]
}

@test "one node down and one with a full disk: 4, the others have it, and nothing stays on the full one" {
	run -4 --separate-stderr send --file sealed "$(at six)" "$(at down)" "$(at full)" "$(at okv2)"
	[ "$(grep -c '  sent$' <<<"$output")" -eq 2 ]
	[[ $output == *"$(at down) "*"FAILED: "*"Connection refused"* ]]
	grep -q "$(at full) .*FAILED: .*/tmp/hsmbundle-" <<<"$output"
	[[ $stderr == *"2 of 4 nodes did not get the bundle"* ]]
	[ -z "$(there full)" ]
	cmp sealed "$(node_root six)/tmp/$(there six)"
	cmp sealed "$(node_root okv2)/tmp/$(there okv2)"
}

@test "JSON has node, bytes, whole digest and verdict" {
	run -4 --separate-stderr send --json --file sealed "$(at okv2)" "$(at down)"
	[ "$(jq -r '.nodes[0] | [.node, .sent, .bytes, .sha256, .verdict] | @csv' <<<"$output")" = \
		"\"$(at okv2)\",true,$(stat -c %s sealed),\"$(sha256sum <sealed | cut -c1-64)\",\"sent\"" ]
	[ "$(jq -r '.nodes[1] | .sent, .sha256' <<<"$output" | xargs)" = "false null" ]
}

@test "an IPv6 address, the options for user and port, and a user of the node's own" {
	run -0 send --file sealed "[::1]:$NODES_PORT"
	cmp sealed "$(node_root six)/tmp/$(there six)"
	setup
	run -0 send --file sealed -p "$NODES_PORT" --user nobody-here "support@::1"
	cmp sealed "$(node_root six)/tmp/$(there six)"
	run -4 send --file sealed -p "$NODES_PORT" --user nobody-here "$(node_address okv2)"
	[[ $output == *"Permission denied"* ]]
}

@test "a host key that is not known, or not the same, ends it before a byte is sent" {
	: >nobody
	run -4 "$bundle" --root okv1 send -i "$NODES_DIR/user_key" -o "UserKnownHostsFile=nobody" \
		-o GlobalKnownHostsFile=/dev/null --file sealed "$(at okv2)"
	[[ $output == *"Host key verification failed"*"; with --ask, ssh can ask for passwords and host keys" ]]
	ssh-keygen -q -t ed25519 -N '' -f other
	printf '[%s]:%s %s\n' "$(node_address okv2)" "$NODES_PORT" "$(cat other.pub)" >nobody
	run -4 "$bundle" --root okv1 send -i "$NODES_DIR/user_key" -o "UserKnownHostsFile=nobody" \
		-o GlobalKnownHostsFile=/dev/null --file sealed "$(at okv2)"
	[[ $output == *FAILED* ]]
	[ -z "$(there okv2)" ]
	for option in StrictHostKeyChecking=no stricthostkeychecking=off 'StrictHostKeyChecking no=x' BatchMode=no \
		NoHostAuthenticationForLocalhost=yes; do
		run -2 send -o "$option" --file sealed "$(at okv2)"
		[[ $output == *"host keys are always checked"* ]]
	done
}

@test "with --ask, ssh itself asks about an unknown host key on the terminal" {
	: >asked
	question='(yes/no/[fingerprint])? '
	run -0 "$BATS_TEST_DIRNAME/typist.py" "$question" yes "$question" yes -- "$bundle" --root okv1 send --ask \
		-i "$NODES_DIR/user_key" -o "UserKnownHostsFile=asked" -o GlobalKnownHostsFile=/dev/null \
		--file sealed "$(at okv2)" "$(at six)"
	[ "$(grep -c '  sent' <<<"$output")" -eq 2 ]
	[ "$(grep -c 'fingerprint\])? yes' <<<"$output")" -eq 2 ]
	grep -q ' ssh-ed25519 ' asked
}

@test "the far side's file is 0600 whenever one looks, and an interrupt leaves nothing there" {
	node_make_big
	root=$(node_root okv2)
	: >modes
	(
		while sleep 0.01; do
			stat -c %a "$root"/tmp/* 2>/dev/null || true
		done >>modes
	) 3>&- &
	watcher=$!
	# The far side stops in the middle, until it is let go on: otherwise all may have arrived before we interrupt it.
	mkfifo -m 666 "$root/home/support/gate"
	exec 8<>"$root/home/support/gate"
	printf '#!/bin/sh\nhead -c 200000\nread -r go </home/support/gate\nexec /bin/cat\n' >"$root/usr/local/bin/cat"
	chmod 755 "$root/usr/local/bin/cat"
	# Not by way of a function: the signal is for the program, not for a shell around it.
	"$bundle" -q send -i "$NODES_DIR/user_key" -o "UserKnownHostsFile=$NODES_DIR/known_hosts" --file big "$(at okv2)" 3>&- 8>&- &
	sender=$!
	eventually arrived 200000
	eventually test -s modes
	kill -TERM $sender
	code=0
	wait $sender || code=$?
	[ $code -eq 143 ]
	arrived 200000
	echo go >&8
	eventually nothing_at_work
	[ -z "$(there okv2)" ]
	rm "$root/usr/local/bin/cat" "$root/home/support/gate"
	: >modes
	run -0 send --file big "$(at okv2)"
	eventually test -s modes
	kill $watcher
	[ "$(sort -u modes)" = 600 ]
	cmp big "$root/tmp/$(there okv2)"
}

# arrived BYTES: there is one file in the /tmp of okv2, with that many of them.
arrived() { [ "$(stat -c %s "$root"/tmp/* 2>/dev/null)" = "$1" ]; }
# Our command does not run on okv2 any more, in whatever shell.
nothing_at_work() { ! pgrep -f --ns "$(cat "$NODES_DIR/okv2/init")" --nslist pid 'umask 077.*hsmbundle-' >/dev/null; }

# A sealed file that takes its time.
node_make_big() {
	mkdir -p big.d
	cp -a okv1 big.d
	truncate -s 100M big.d/okv1/usr/local/okv/hsm/hsmbundle
	"$bundle" -q --root big.d/okv1 seal --out big --passphrase-file pass
}

@test "a node that does not answer in time is given up, and the far side has nothing" {
	root=$(node_root okv2)
	# Its sh is slow to begin with.
	printf '#!/bin/bash\nsleep 30\n' >"$root/home/support/.bashrc"
	printf '#!/bin/bash\nsleep 30\n' >"$root/etc/ssh/sshrc"
	chmod 644 "$root/home/support/.bashrc" "$root/etc/ssh/sshrc"
	run -4 send --timeout 2 --file sealed "$(at okv2)"
	rm "$root/home/support/.bashrc" "$root/etc/ssh/sshrc"
	[[ $output == *"FAILED: no answer in time"* ]]
	[ -z "$(there okv2)" ]
}

@test "a far side that answers with other bytes than were sent is not believed, and cleaned" {
	root=$(node_root okv2)
	# A disk that forgets, as far as the far side's own digest can see it.
	printf '#!/bin/sh\nprintf "%%064d *stdin\\n" 0\n' >"$root/usr/local/bin/openssl"
	chmod 755 "$root/usr/local/bin/openssl"
	run -4 send --file sealed "$(at okv2)"
	rm "$root/usr/local/bin/openssl"
	[[ $output == *"FAILED: the bytes that arrived are not the ones that were sent"* ]]
	[ -z "$(there okv2)" ]
}

@test "a far side without openssl answers by sha256sum" {
	root=$(node_root okv2)
	chmod 000 "$root/usr/bin/openssl"
	run -0 send --file sealed "$(at okv2)"
	chmod 755 "$root/usr/bin/openssl"
	[[ $output == *"$(sha256sum <sealed | cut -c1-16)  sent"* ]]
}

@test "what cannot be a node, and what is no sealed file, is not tried" {
	for node in '' -oProxyCommand=x 'a;b' 'a b' '@host' 'user@' 'user@-x' '[::1' '[::1]x' host:0 host:65536 host:22x "\$(id)"; do
		run -2 send --file sealed -- "$node"
		[[ $output == *"node '"* ]]
	done
	run -2 send --file sealed okv2 okv2
	[[ $output == *"named twice"* ]]
	run -3 send --file pass "$(at okv2)"
	run -6 send --file none "$(at okv2)"
	run -2 send --file sealed --passphrase-file pass "$(at okv2)"
	run -0 send -n --file sealed okv2 oracle@[2001:db8::1]:22
	[[ $output == *"would send to support@okv2:/tmp"*"would send to oracle@2001:db8::1:/tmp"* ]]
	[ -z "$(there okv2)" ]
}
