#!/usr/bin/env bats
# okv-luna bundle on one node: seal, apply, verify, status, clean; what they refuse and what they leave.

bats_require_minimum_version 1.5.0
load without
load eventually

setup_file() {
	build=${BUILD:-$BATS_TEST_DIRNAME/../../build}
	[[ $build == /* ]] || build=$BATS_TEST_DIRNAME/../../$build
	export bundle=$build/libexec/okv-luna-bundle
	cd "$BATS_FILE_TMPDIR"
	printf 'correct horse battery staple\n' >pass
	printf 'correct horse battery stable\n' >wrong
	chmod 600 pass wrong
	node_make okv1
	head -c 300000 /dev/urandom >okv1/usr/local/okv/hsm/hsmbundle
	chown 1001:1001 okv1/usr/local/okv/hsm/hsmbundle
	chmod 600 okv1/usr/local/okv/hsm/hsmbundle
	"$bundle" -q --root okv1 seal --out sealed --passphrase-file pass
}

# A tree with what makes a node OKV's.
node_make() {
	mkdir -p "$1"/{etc,tmp,opt,usr/local/okv/hsm/generic,home/support,var/tmp}
	printf '%s\n' root:x:0:0::/root:/bin/sh oracle:x:1001:1001::/home/oracle:/bin/sh \
		support:x:1002:1002::/home/support:/bin/sh >"$1/etc/passwd"
	printf '%s\n' root:x:0: oinstall:x:1001: hsmusers:x:990:oracle >"$1/etc/group"
	echo "$1" >"$1/etc/hostname"
}

# Each test applies to a node of its own, which has an older bundle.
setup() {
	cd "$BATS_TEST_TMPDIR"
	pass=$BATS_FILE_TMPDIR/pass wrong=$BATS_FILE_TMPDIR/wrong
	first=$BATS_FILE_TMPDIR/okv1/usr/local/okv/hsm/hsmbundle
	node_make okv2
	place=okv2/usr/local/okv/hsm/hsmbundle
	echo old >$place
	touch -d '3 days ago' $place
	chown 1001:1001 $place
	chmod 600 $place
	cp "$BATS_FILE_TMPDIR/sealed" okv2/tmp/x
	before=$(state)
}

# A directory that others can come to is not below the test's own.
teardown() { [ -z "${elsewhere-}" ] || rm -rf "$elsewhere"; }

state() { (cd okv2/usr/local/okv/hsm && stat -c '%n %i %u:%g %a %z' hsmbundle && ls -A . ../../../../tmp && sha256sum hsmbundle); }
apply() { "$bundle" --root okv2 apply --passphrase-file "$pass" "$@"; }

refused() {
	run -3 "$@"
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == "okv-luna-bundle: "* ]]
	[ "$(state)" = "$before" ]
}

# --- seal and apply ---------------------------------------------------------------------------------------------------

@test "a sealed bundle arrives whole, with owner and mode, and its carrier goes" {
	run -0 apply okv2/tmp/x
	cmp "$first" $place
	[ "$(stat -c %u:%g:%a $place)" = 1001:1001:600 ]
	[ ! -e okv2/tmp/x ]
	[ "$(ls -A okv2/usr/local/okv/hsm)" = $'generic\nhsmbundle' ]
	[[ $output == *"HSM page, Apply Bundle"*"on all nodes before the first node is reverse-migrated"* ]]
	[[ $output == *"origin   okv1"*"sha256   $(sha256sum <"$first" | cut -c1-64)"* ]]
}

@test "applying the same bundle again changes nothing and says so" {
	cp okv2/tmp/x again
	apply -q okv2/tmp/x
	before=$(state)
	run -0 apply again
	[[ $output == *"nothing to change"* ]]
	[ ! -e again ]
	[ "$(state)" = "$before" ]
	# With a wrong owner it is not the same.
	cp "$BATS_FILE_TMPDIR/sealed" again
	chown 0:0 $place
	run -0 apply again
	[[ $output == *"applied to"* ]]
	[ "$(stat -c %u:%g:%a $place)" = 1001:1001:600 ]
}

@test "settings decide the owner and the mode" {
	mkdir -p okv2/opt/okv-luna/etc
	printf 'OKV_USER="support"\nOKV_GROUP="hsmusers"\nBUNDLE_MODE="0640"\n' >okv2/opt/okv-luna/etc/okv-luna.conf
	apply -q okv2/tmp/x
	[ "$(stat -c %u:%g:%a $place)" = 1002:990:640 ]
}

@test "a dry run verifies everything and writes nothing" {
	run -0 apply -n okv2/tmp/x
	[[ $output == *"would be put at"* ]]
	[ "$(state)" = "$before" ]
	run -3 "$bundle" --root okv2 apply -n --passphrase-file "$wrong" okv2/tmp/x
	run -0 "$bundle" --root "$BATS_FILE_TMPDIR/okv1" seal -n --out never
	[ ! -e never ]
}

@test "the sealed file is root's alone from its first byte, and replaces an older one whole" {
	cp "$BATS_FILE_TMPDIR/sealed" s
	chmod 666 s
	strace -f -o trace -e trace=openat,fchmod,renameat "$bundle" -q --root "$BATS_FILE_TMPDIR/okv1" seal --out s \
		--passphrase-file "$pass"
	[ "$(stat -c %a s)" = 600 ]
	grep -qE 'openat[(].*"[.]s[.][0-9a-f]{16}[.]okv-luna-new", O_WRONLY[|]O_CREAT[|]O_EXCL[|]O_NOFOLLOW[|]O_CLOEXEC, 0600[)]' trace
	run -1 grep -v 0600 <(grep 'fchmod(' trace)
	"$bundle" -q verify --passphrase-file "$pass" s
}

@test "two seals of one bundle share neither salt nor nonce" {
	for i in 1 2; do
		"$bundle" -q --root "$BATS_FILE_TMPDIR/okv1" seal --out "s$i" --passphrase-file "$pass"
		sed -n 2p "s$i" | jq -r '.salt, .nonce' >>values
	done
	[ "$(sort -u values | wc -l)" -eq 4 ]
}

@test "sealing warns of an old bundle and of a wrong owner" {
	cp -a "$BATS_FILE_TMPDIR/okv1" .
	touch -d '2 days ago' okv1/usr/local/okv/hsm/hsmbundle
	chown 0:0 okv1/usr/local/okv/hsm/hsmbundle
	run -0 --separate-stderr "$bundle" -q --root okv1 seal --out s --passphrase-file "$pass"
	[[ $stderr == *"belongs to user id 0, not to oracle"* ]]
	[[ $stderr == *"was made at "*"more than a day ago"*"Create Bundle"* ]]
}

@test "what is far longer than any bundle is not sealed: nothing of it is read" {
	node_make okv3
	truncate -s 40G okv3/usr/local/okv/hsm/hsmbundle
	run -3 "$bundle" --root okv3 seal --out s --passphrase-file "$pass"
	[[ $output == *"'/usr/local/okv/hsm/hsmbundle' has more than 4 GiB, so it is not an OKV bundle"* ]]
	[ ! -e s ]
}

@test "an empty bundle, or none, is not sealed" {
	node_make okv3
	run -6 "$bundle" --root okv3 seal --out s --passphrase-file "$pass"
	[[ $output == *"Create Bundle"* ]]
	: >okv3/usr/local/okv/hsm/hsmbundle
	run -3 "$bundle" --root okv3 seal --out s --passphrase-file "$pass"
	run -0 find . -mindepth 1 -maxdepth 1 ! -name "okv*"
	[ -z "$output" ]
}

@test "the bundle itself is no place for the sealed one, by whatever name" {
	cp -a "$BATS_FILE_TMPDIR/okv1" .
	own=$PWD/okv1/usr/local/okv/hsm/hsmbundle
	before=$(stat -c '%i %Y' "$own"; sha256sum <"$own")
	ln -s "$own" link
	ln "$own" hard
	ln -s okv1/usr/local/okv/hsm folder
	ln -s "$PWD/hard" link2
	for out in "$own" okv1/usr/local/../local/okv/hsm/hsmbundle link hard folder/hsmbundle link2; do
		for dry in '' -n; do
			run -3 "$bundle" --root okv1 seal $dry --out "$out" --passphrase-file "$pass"
			[[ $output == *"'$out' is the bundle itself"* ]]
		done
	done
	[ "$(stat -c '%i %Y' "$own"; sha256sum <"$own")" = "$before" ]
	[ -L link ] && [ -L link2 ] && [ "$(ls -A okv1/usr/local/okv/hsm)" = $'generic\nhsmbundle' ]
}

@test "somebody's file is no place for the sealed one; an empty file and an older sealed one are" {
	printf 'an administrator wrote this\n' >notes
	printf OKVB >short
	for out in notes short "$BATS_FILE_TMPDIR/okv1/etc/passwd"; do
		before=$(sha256sum <"$out")
		for dry in '' -n; do
			run -3 "$bundle" --root "$BATS_FILE_TMPDIR/okv1" seal $dry --out "$out" --passphrase-file "$pass"
			[[ $output == *"'$out' exists and is not a sealed bundle, so it was not replaced"* ]]
		done
		[ "$(sha256sum <"$out")" = "$before" ]
	done
	: >new
	for _ in 1 2; do
		run -0 "$bundle" --root "$BATS_FILE_TMPDIR/okv1" seal --out new --passphrase-file "$pass"
	done
	[ "$(head -1 new)" = OKVB1 ]
}

@test "a seal that is refused half way leaves no stage" {
	run -3 "$bundle" --root "$BATS_FILE_TMPDIR/okv1" seal --out okv2/var/tmp/s --passphrase-file <(printf short)
	[[ $output == *"passphrase"* ]]
	run -0 ls -A okv2/var/tmp
	[ -z "$output" ]
}

@test "names that neighbours take beside the file stop neither seal nor apply" {
	# The carriers' directory is anybody's, the bundle's is OKV's user's.
	mkdir out
	chmod 1777 out
	chmod 755 "$PWD" # for nobody
	chown 1001:1001 okv2/usr/local/okv/hsm
	taken() { # UID PATH
		setpriv --reuid "$1" --regid "$1" --clear-groups mkdir "$2.okv-luna-new" "$2.0123456789abcdef.okv-luna-new"
		setpriv --reuid "$1" --regid "$1" --clear-groups mkfifo "$2.fedcba9876543210.okv-luna-new"
	}
	cd out && taken 65534 .s && cd ../okv2/usr/local/okv/hsm && taken 1001 .hsmbundle && cd "$BATS_TEST_TMPDIR"
	run -0 "$bundle" -q --root "$BATS_FILE_TMPDIR/okv1" seal --out out/s --passphrase-file "$pass"
	run -0 apply out/s
	cmp "$first" $place
	# Nothing of ours, and all of theirs.
	[ "$(ls -A out | wc -l)" -eq 3 ] && [ "$(ls -A okv2/usr/local/okv/hsm | wc -l)" -eq 5 ]
}

# --- the format -------------------------------------------------------------------------------------------------------

@test "a reader in JavaScript opens ours, and we open what its writer made" {
	node "$BATS_TEST_DIRNAME/okvb.js" open okv2/tmp/x "$pass" >opened 2>header
	cmp opened "$first"
	[ "$(jq -r .origin header)" = okv1 ]
	[ "$(jq -r .sha256 header)" = "$(sha256sum <"$first" | cut -c1-64)" ]
	# About the block of the cipher and that of our reader.
	for size in 1 16 17 131072 131073; do
		head -c $size /dev/urandom >content
		node "$BATS_TEST_DIRNAME/okvb.js" seal content "$pass" okv2/tmp/y
		apply -q okv2/tmp/y
		cmp content $place
	done
}

@test "each freedom that the page leaves is taken" {
	node "$BATS_TEST_DIRNAME/okvb.js" seal "$first" "$pass" y 'origin="x.example.com"' "salt=\"$(head -c 64 /dev/zero | base64 -w0)\"" \
		iterations=600001 "created=\"$(date -u +%FT%T.123456789Z)\""
	run -0 apply y
	[[ $output == *"x.example.com"* ]]
}

@test "the passphrase is all bytes without one line feed at the end" {
	printf 'p\303\244ss phrase \001\n\n' >odd
	chmod 600 odd
	"$bundle" -q --root "$BATS_FILE_TMPDIR/okv1" seal --out s --passphrase-file odd
	node "$BATS_TEST_DIRNAME/okvb.js" open s odd >opened 2>/dev/null
	cmp opened "$first"
	printf 'p\303\244ss phrase \001\n' >shorter
	run -3 "$bundle" verify --passphrase-file shorter s
}

@test "the manual's own reader opens ours" {
	mandoc -T utf8 "$BATS_TEST_DIRNAME/../../payload/man/okv-luna-bundle.5" 2>/dev/null | sed 's/.\x08//g' |
		sed -n '/^[[:blank:]]*const crypto/,/process.stdout/p' >reader.js
	printf 'correct horse battery staple' | node reader.js okv2/tmp/x >opened
	cmp opened "$first"
}

# --- refusals ---------------------------------------------------------------------------------------------------------

@test "a wrong passphrase is refused and the carrier stays" {
	pass=$wrong
	refused apply okv2/tmp/x
	[[ $output == *"passphrase is wrong, or the file was changed"* ]]
	[ -e okv2/tmp/x ]
}

@test "tampered files are refused (a sample; all of them: make faults)" {
	BUILD=$(dirname "$(dirname "$bundle")") EVERY=32 run -0 "$BATS_TEST_DIRNAME/../faults.d/bundle-tamper"
	[[ $output == *" tampered files"*" 0 not refused"* ]]
}

@test "a bundle older than --max-age is refused, and one from the future" {
	node "$BATS_TEST_DIRNAME/okvb.js" seal "$first" "$pass" okv2/tmp/x "created=\"$(date -u -d '-25 hours' +%FT%TZ)\""
	refused apply okv2/tmp/x
	[[ $output == *"too old"* ]]
	run -0 apply -n --max-age 2d okv2/tmp/x
	refused apply --max-age 1h okv2/tmp/x
	run -0 "$bundle" verify --passphrase-file "$pass" okv2/tmp/x
	run -3 "$bundle" verify --max-age 24h --passphrase-file "$pass" okv2/tmp/x
	node "$BATS_TEST_DIRNAME/okvb.js" seal "$first" "$pass" okv2/tmp/x "created=\"$(date -u -d '+10 minutes' +%FT%TZ)\""
	refused apply okv2/tmp/x
	[[ $output == *"compare the clocks"* ]]
	node "$BATS_TEST_DIRNAME/okvb.js" seal "$first" "$pass" okv2/tmp/x "created=\"$(date -u -d '+2 minutes' +%FT%TZ)\""
	run -0 apply okv2/tmp/x
}

@test "a bundle of this very node is refused" {
	echo okv1 >okv2/etc/hostname
	refused apply okv2/tmp/x
	[[ $output == *"on this very node, 'okv1'"* ]]
	echo OKV1 >okv2/etc/hostname
	refused apply okv2/tmp/x
}

@test "a carrier that is a link, has two names or is no file is refused" {
	ln -s x okv2/tmp/link
	ln okv2/tmp/x okv2/tmp/second
	mkfifo okv2/tmp/fifo
	before=$(state)
	refused apply okv2/tmp/link
	refused apply okv2/tmp/x
	refused apply okv2/tmp/fifo
	refused apply okv2/tmp
	[[ $output == *"'okv2/tmp' is not a regular file" ]]
	run -6 apply okv2/tmp/none
	[[ $output == *"cannot open 'okv2/tmp/none': No such file"* ]]
}

@test "a place that is a link, or no OKV tree, is refused" {
	rm $place
	ln -s /etc/passwd $place
	before=$(state)
	refused apply okv2/tmp/x
	[[ $output == *"not a regular file"*"move it away"* ]]
	rm $place
	mkdir $place
	refused_kept() { run -3 apply okv2/tmp/x; [ -e okv2/tmp/x ]; }
	refused_kept
	rm -r okv2/usr/local/okv/hsm
	refused_kept
	[[ $output == *"this is not an OKV node"* ]]
	mkdir okv2/usr/local/okv/hsm
	sed -i /oracle/d okv2/etc/passwd
	refused_kept
	[[ $output == *"no user 'oracle'"* ]]
	# A link that somebody else could have made leads nowhere.
	rm -r okv2/usr/local/okv
	mkdir evil evil/hsm
	chmod 777 okv2/usr/local
	ln -s "$PWD/evil" okv2/usr/local/okv
	refused_kept
	[ -z "$(ls -A evil/hsm)" ]
}

@test "too little free space is refused before anything is written" {
	mkdir keep
	mv okv2/usr/local/okv/hsm/* keep
	mount -t tmpfs -o size=320k,mode=755 tmpfs okv2/usr/local/okv/hsm
	cp -a keep/* okv2/usr/local/okv/hsm
	before=$(state)
	run -3 apply okv2/tmp/x
	[ "$(state)" = "$before" ]
	umount okv2/usr/local/okv/hsm
	[[ $output == *"bytes free and the bundle needs"* ]]
}

@test "a full disk that the look did not show leaves the old bundle and no stage" {
	for call in write:ENOSPC:1 write:EIO:2 fchown:EPERM:1 fchmod:EPERM:1 fsync:EIO:1 renameat:EIO:1; do
		IFS=: read -r name error when <<<"$call"
		run -5 strace -o /dev/null -e trace="$name" -e inject="$name:error=$error:when=$when" \
			"$bundle" --root okv2 apply --passphrase-file "$pass" okv2/tmp/x
		[ "$(state)" = "$before" ]
	done
}

@test "a carrier that cannot be removed is 4, and the bundle is in place" {
	run -4 strace -o /dev/null -e trace=unlinkat -e inject=unlinkat:error=EPERM:when=1 \
		"$bundle" --root okv2 apply --passphrase-file "$pass" okv2/tmp/x
	[[ $output == *"cannot remove"*"remove it by hand"* ]]
	cmp "$first" $place
}

@test "an older bundle is refused where a newer one is, unless --older is given" {
	cp okv2/tmp/x okv2/tmp/y
	node "$BATS_TEST_DIRNAME/okvb.js" seal <(echo older) "$pass" okv2/tmp/z "created=\"$(date -u -d '-1 hour' +%FT%TZ)\""
	# Newer than the one from the console, and now there with its own date.
	run -0 apply okv2/tmp/y
	[ "$(date -u -d @"$(stat -c %Y $place)" +%FT%TZ)" = "$(sed -n 2p okv2/tmp/x | jq -r .created)" ]
	before=$(state)
	refused apply okv2/tmp/z
	[[ $output == *"older"*"--older"* ]]
	refused apply -n okv2/tmp/z
	echo older >okv2/tmp/plain
	chmod 600 okv2/tmp/plain
	touch -d '1 hour ago' okv2/tmp/plain
	before=$(state)
	refused "$bundle" --root okv2 apply --plain okv2/tmp/plain
	# The same one is no older one.
	run -0 apply okv2/tmp/x
	[[ $output == *"nothing to change"* ]]
	run -0 apply --older okv2/tmp/z
	[ "$(cat $place)" = older ]
	run -0 "$bundle" --root okv2 apply --plain okv2/tmp/plain
	# Newer than the sealed one is what this node's console makes afterwards, by more than clocks may differ.
	echo console >$place
	cp "$BATS_FILE_TMPDIR/sealed" okv2/tmp/x
	touch -r "$BATS_FILE_TMPDIR/sealed" -d '10 minutes' $place
	before=$(state)
	refused apply okv2/tmp/x
	touch -r "$BATS_FILE_TMPDIR/sealed" -d '2 minutes' $place
	run -0 apply okv2/tmp/x
}

# --- unsealed ---------------------------------------------------------------------------------------------------------

@test "--plain installs an unsealed bundle with owner and mode before its first byte" {
	cp "$first" okv2/tmp/hsmbundle
	chown 1002:1002 okv2/tmp/hsmbundle
	chmod 644 okv2/tmp/hsmbundle
	run -0 strace -o trace "$bundle" --root okv2 apply --plain okv2/tmp/hsmbundle
	cmp "$first" $place
	[ "$(stat -c %u:%g:%a $place)" = 1001:1001:600 ]
	[ ! -e okv2/tmp/hsmbundle ]
	[[ $output == *"unsealed: compare the SHA-256"* ]]
	# stage, owner, mode, first byte, in this order
	fd=$(sed -n 's/^openat(.*hsmbundle[.0-9a-f]*okv-luna-new", .*O_EXCL.*) = //p' trace)
	[ "$(grep -oE "^(fchown|fchmod|write)\($fd," trace | head -3)" = "fchown($fd,"$'\n'"fchmod($fd,"$'\n'"write($fd," ]
}

@test "--plain refuses what others may have written" {
	cp "$first" okv2/tmp/hsmbundle
	chmod 600 okv2/tmp/hsmbundle
	before=$(state)
	chown 1003 okv2/tmp/hsmbundle
	refused "$bundle" --root okv2 apply --plain okv2/tmp/hsmbundle
	[[ $output == *"belongs to user id 1003"* ]]
	chown 1002 okv2/tmp/hsmbundle
	chmod 620 okv2/tmp/hsmbundle
	refused "$bundle" --root okv2 apply --plain okv2/tmp/hsmbundle
	chmod 600 okv2/tmp/hsmbundle
	touch -d '2 days ago' okv2/tmp/hsmbundle
	refused "$bundle" --root okv2 apply --plain okv2/tmp/hsmbundle
	refused "$bundle" --root okv2 apply --plain okv2/tmp/x
	[[ $output == *"without --plain"* ]]
	: >okv2/tmp/hsmbundle
	refused "$bundle" --root okv2 apply --plain okv2/tmp/hsmbundle
	refused "$bundle" --root okv2 apply --plain $place
	rm okv2/tmp/hsmbundle
	echo not sealed >okv2/tmp/hsmbundle
	refused apply okv2/tmp/hsmbundle
}

# --- interruption -----------------------------------------------------------------------------------------------------

@test "killed anywhere: the old bundle or the new one, and no stage after the next run (a sample)" {
	BUILD=$(dirname "$(dirname "$bundle")") EVERY=90 run -0 "$BATS_TEST_DIRNAME/../faults.d/bundle-kill"
	[[ $output == *" 0 broke a promise" ]]
}

@test "256 MiB pass through at most 8 MB of memory" {
	node_make okv3
	truncate -s 256M okv3/usr/local/okv/hsm/hsmbundle
	chown 1001:1001 okv3/usr/local/okv/hsm/hsmbundle
	peak() {
		command time -f %M -o size "${@:2}"
		echo "$1: $(cat size) KiB"
		# Sanitizers have memory of their own.
		[ "${OKV_SANITIZED-}" = 1 ] || [ "$(cat size)" -le $((8 * 1024)) ]
	}
	peak seal "$bundle" -q --root okv3 seal --out s --passphrase-file "$pass"
	peak verify "$bundle" -q verify --passphrase-file "$pass" s
	peak apply "$bundle" -q --root okv2 apply --passphrase-file "$pass" s
	[ "$(stat -c %s $place)" -eq $((256 * 1024 * 1024)) ]
}

# --- secrets ----------------------------------------------------------------------------------------------------------

@test "the passphrase may come from a descriptor or the terminal, without echo" {
	"$bundle" -q --root okv2 apply -n --passphrase-fd 5 okv2/tmp/x 5<"$pass"
	typist=$BATS_TEST_DIRNAME/typist.py first='passphrase: ' again='passphrase again: '
	run -0 "$typist" "$first" 'a phrase typed' "$again" 'a phrase typed' -- \
		"$bundle" --root "$BATS_FILE_TMPDIR/okv1" seal --out s
	[[ $output != *typed* ]]
	[[ $output == *"passphrase again: "* ]]
	run -0 "$typist" "$first" 'a phrase typed' -- "$bundle" verify s
	run -3 "$typist" "$first" 'a phrase typed' "$again" another -- "$bundle" --root "$BATS_FILE_TMPDIR/okv1" seal --out t
	[[ $output == *"the two passphrases differ"* ]]
	[ ! -e t ]
}

@test "without a terminal the passphrase has to be given, once and not too short" {
	run -2 setsid -w "$bundle" --root okv2 apply okv2/tmp/x
	[[ $output == *"--passphrase-file or --passphrase-fd"* ]]
	run -2 "$bundle" --root okv2 apply --passphrase-file "$pass" --passphrase-fd 5 okv2/tmp/x 5<"$pass"
	run -2 "$bundle" --root okv2 apply --passphrase-fd 55 okv2/tmp/x
	: >empty
	run -3 "$bundle" --root okv2 apply --passphrase-file empty okv2/tmp/x
	head -c 1025 /dev/zero >long
	run -3 "$bundle" --root okv2 apply --passphrase-file long okv2/tmp/x
	printf 'seven77\n' >short
	chmod 600 empty long short
	run -3 "$bundle" --root "$BATS_FILE_TMPDIR/okv1" seal --out s --passphrase-file short
	cp "$pass" open
	chmod 644 open
	run -0 "$bundle" --root okv2 apply -n --passphrase-file open okv2/tmp/x
	[[ $output == *"is open to others (mode 0644)"* ]]
}

@test "neither passphrase nor key is in memory when the bundle takes its name" {
	BUILD=$(dirname "$(dirname "$bundle")") run -0 node "$BATS_TEST_DIRNAME/memory.js" "$bundle" okv2 "$pass" okv2/tmp/x
	[[ $output == *"while it is open: key seen"*"when it takes its name: nothing seen"* ]]
}

@test "no process shows the passphrase in its arguments or environment, and nothing that is written has it" {
	secrets=$BATS_TEST_DIRNAME/secrets.py
	# Not the one of the tests that may run beside this.
	pass=$PWD/pass
	printf 'a horse of its own %s\n' $RANDOM$RANDOM >"$pass"
	chmod 600 "$pass"
	"$bundle" -q --root "$BATS_FILE_TMPDIR/okv1" seal --out okv2/tmp/x --passphrase-file "$pass"
	# That it would be seen:
	X=$(cat "$pass") run -99 "$secrets" "$pass" sleep 600
	[[ $output == *"LEAK sleep environ"* ]]
	run -99 "$secrets" "$pass" sh -c ": $(cat "$pass"); while :; do :; done"
	[[ $output == *"LEAK sh cmdline"* ]]
	run -0 "$secrets" "$pass" "$bundle" --root "$BATS_FILE_TMPDIR/okv1" -v seal --out s --passphrase-file "$pass"
	[[ $output == *"okv-luna-bundle 1"* ]] && [[ $output != *"$(cat "$pass")"* ]]
	run -0 "$secrets" "$pass" "$bundle" --root okv2 -v apply --passphrase-file "$pass" s
	[[ $output == *"okv-luna-bundle 1"* ]] && [[ $output != *"$(cat "$pass")"* ]]
	run -0 "$secrets" "$pass" "$bundle" --json verify --passphrase-file "$pass" okv2/tmp/x
	[[ $output == *"okv-luna-bundle 1"* ]] && [[ $output != *"$(cat "$pass")"* ]]
	run -0 grep -rlF "$(cat "$pass")" . "$BATS_FILE_TMPDIR/okv1"
	[ "$output" = ./pass ]
}

# Starts a command and holds it while it has the passphrase and waits for more: sets $pid; descriptor 8 lets it go.  All that
# protects the passphrase is done by then, for it comes before the file is opened.
held_with_passphrase() {
	mkfifo line
	"$@" --passphrase-file line 3>&- &
	pid=$!
	exec 8<>line
	eventually opened $pid line
	cat "$pass" >&8
}

# opened PID FILE: it has that open.
opened() { [[ $(readlink /proc/"$1"/fd/*) == *"/$2"* ]]; }

@test "libcrypto absent: exit 6 and the package, where it is needed; help and status work" {
	local library
	library=$(ldconfig -p | awk '$1 ~ /^libcrypto[.]so[.][0-9.]+$/ { print $1; exit }')
	for act in "verify --passphrase-file $pass okv2/tmp/x" "--root okv2 seal --out new --passphrase-file $pass"; do
		# shellcheck disable=SC2086
		run --separate-stderr without "$library" "$bundle" $act
		[ "$status" -eq 6 ] || { echo "$act: $status $stderr"; return 1; }
		[[ ${stderr_lines[-1]} == *libcrypto*install*openssl-libs* ]] || { echo "$stderr"; return 1; }
	done
	run -0 without "$library" "$bundle" --help
	run without "$library" "$bundle" --root okv2 status
	[ "$status" -le 1 ]
	run ldd "$bundle"
	[[ $output != *libcrypto* ]]
}

@test "one libcrypto does all of it, the digest as well" {
	run -0 strace -f -o trace -e trace=openat "$bundle" -q verify --passphrase-file "$pass" okv2/tmp/x
	[ "$(grep -c '/libcrypto[^"]*".* = [0-9]' trace)" -eq 1 ]
}

@test "the page of the passphrase is locked, left out of dumps and wiped in children" {
	# Sanitizers take locks back.
	[ "${OKV_SANITIZED-}" = 1 ] && locked= || locked='.* lo'
	held_with_passphrase "$bundle" -q --root okv2 apply -n okv2/tmp/x
	[ "$(awk '/^Max core/ { print $5, $6 }' /proc/$pid/limits)" = "0 0" ]
	[ -z "$locked" ] || [ "$(awk '/^VmLck/ { print $2 }' /proc/$pid/status)" -gt 0 ]
	grep -q "VmFlags:$locked.* wf .*dd" /proc/$pid/smaps
	exec 8>&-
	wait $pid
}

@test "it cannot be looked into by its own user, and dumps no core" {
	# Whoever runs it: a process that may not be dumped belongs to root, as far as /proc can see.
	dir=$(mktemp -d)
	elsewhere=$dir
	chmod 755 "$dir"
	cp "$bundle" "$dir/okv-luna-bundle"
	install -m 644 okv2/tmp/x "$dir/x"
	cd "$dir"
	ulimit -c unlimited
	held_with_passphrase setpriv --reuid 65534 --regid 65534 --clear-groups "$dir/okv-luna-bundle" -q verify x
	[ -z "$(cat /proc/$pid/task/$pid/children)" ]
	owner=$(stat -c %u /proc/$pid/mem)
	kill -ABRT $pid
	code=0
	wait $pid || code=$?
	exec 8>&-
	cd /
	left=$(ls "$dir")
	[ "$owner" = 0 ]
	[ $code -eq 134 ]
	[ "$left" = $'line\nokv-luna-bundle\nx' ]
}

# Waits until it has ended, at most a minute: what sleeps through a signal is killed, and its status is 137.
bounded_wait() {
	( sleep 60; exec kill -KILL $1 ) 3>&- 8>&- 2>/dev/null &
	guard=$!
	code=0
	wait $1 || code=$?
	kill $guard 2>/dev/null || true
}

@test "an interrupt takes back the stage, gives the terminal its echo and dies by the signal" {
	held_with_passphrase "$bundle" -q --root okv2 apply okv2/tmp/x
	[ -n "$(find okv2/usr/local/okv/hsm -name '.hsmbundle.*.okv-luna-new')" ]
	kill -TERM $pid
	bounded_wait $pid
	exec 8>&-
	[ $code -eq 143 ]
	[ "$(state)" = "$before" ]
}

@test "an interrupt just before the wait for the passphrase is not slept through" {
	mkfifo line
	exec 8<>line
	strace -f -qq -o trace -P line -e trace='?fstat,?newfstatat' -e inject='?fstat,?newfstatat:delay_exit=1000000' \
		"$bundle" -q --root okv2 apply --passphrase-file line okv2/tmp/x 3>&- 8>&- 2>/dev/null &
	pid=$!
	eventually test -s trace
	# It is held at the end of its last call before the wait.
	kill -TERM "$(awk 'NR == 1 { print $1 }' trace)"
	bounded_wait $pid
	exec 8>&-
	[ $code -eq 143 ]
	[ "$(state)" = "$before" ]
}

# --- status and clean -------------------------------------------------------------------------------------------------

@test "status is 0 for a bundle in order, 1 for copies and a wrong owner" {
	rm okv2/tmp/x
	run -0 "$bundle" --root okv2 status
	[[ $output == "OK "*"/usr/local/okv/hsm/hsmbundle: the bundle in its place"* ]]
	cp "$BATS_FILE_TMPDIR/sealed" okv2/home/support/anything
	run -1 "$bundle" --root okv2 status
	[[ $output == *"WARN  /home/support/anything: a sealed copy from okv1"* ]]
	run -1 --separate-stderr "$bundle" --root okv2 --json status
	[ "$(jq -r '.copies | length, .[1].kind, .[1].origin' <<<"$output")" = $'2\nsealed\nokv1' ]
	rm okv2/home/support/anything
	chmod 644 $place
	run -1 "$bundle" --root okv2 status
	chown 0:0 $place
	run -1 "$bundle" --root okv2 status
	[[ $output == *"wrong owner or mode; fix: chown oracle:oinstall /usr/local/okv/hsm/hsmbundle && chmod 0600 /"* ]]
	# The node's names stand for numbers that this machine need not know.
	fix=${output#*fix: }
	fix=${fix%%$'\n'*}
	fix=${fix//oracle:oinstall/1001:1001}
	eval "${fix//\/usr\/local/okv2\/usr\/local}"
	run -0 "$bundle" --root okv2 status
	rm $place
	run -0 "$bundle" --root okv2 status
	[[ $output == *"not there"* ]]
}

@test "clean names and removes every copy, follows no link, and tells the guide's rule" {
	cp "$BATS_FILE_TMPDIR/sealed" okv2/var/tmp/some.name
	echo plain >okv2/tmp/hsmbundle
	echo stage >okv2/usr/local/okv/hsm/.hsmbundle.okv-luna-new
	echo stage >okv2/tmp/.x.okv-luna-new
	echo mine >okv2/tmp/other
	ln -s ../../etc/passwd okv2/home/support/hsmbundle
	cp -a okv2 okv2.before
	run -0 "$bundle" --root okv2 clean -n
	diff -r --no-dereference okv2 okv2.before
	run -0 "$bundle" --root okv2 clean
	for name in /usr/local/okv/hsm/hsmbundle /usr/local/okv/hsm/.hsmbundle.okv-luna-new /tmp/hsmbundle /tmp/x \
		/tmp/.x.okv-luna-new /var/tmp/some.name; do
		[[ $output == *"removed $name: "* ]]
		[ ! -e "okv2$name" ]
	done
	[[ $output == *"every node HSM-enabled and replication"* ]]
	[ -e okv2/tmp/other ] && [ -L okv2/home/support/hsmbundle ] && [ -s okv2/etc/passwd ]
	run -0 "$bundle" --root okv2 clean
	[[ $output == "nothing to remove"* ]]
}

@test "copies are known by their content, whatever they are called" {
	rm okv2/tmp/x
	cp $place okv2/var/tmp/notes
	cp "$BATS_FILE_TMPDIR/sealed" okv2/tmp/notes
	run -1 "$bundle" --root okv2 status
	[[ $output == *"WARN  /var/tmp/notes: an unsealed copy"* ]]
	[[ $output == *"WARN  /tmp/notes: a sealed copy from okv1"* ]]
	run -0 "$bundle" --root okv2 clean
	[[ $output == *"removed /var/tmp/notes: an unsealed copy"* ]]
	[ ! -e okv2/var/tmp/notes ] && [ ! -e okv2/tmp/notes ] && [ ! -e $place ]
	run -0 "$bundle" --root okv2 clean
}

@test "a copy that has a name elsewhere is not gone" {
	rm okv2/tmp/x
	ln $place second
	run -1 "$bundle" --root okv2 status
	[[ $output == *"WARN  /usr/local/okv/hsm/hsmbundle: has more hard links elsewhere"* ]]
	run -4 "$bundle" --root okv2 clean
	[[ $output == *"hsmbundle' has more hard links elsewhere"* ]]
	[ ! -e $place ]
}

@test "a neighbour's link makes no bundle of somebody else's file: clean leaves its other names, seal refuses it" {
	rm okv2/tmp/x
	echo secret >okv2/etc/shadow
	for name in tmp/hsmbundle tmp/.x.okv-luna-new home/support/hsmbundle.bak; do
		ln okv2/etc/shadow okv2/$name
		run -4 "$bundle" --root okv2 clean --keep-bundle
		[[ $output == *"'/etc/shadow' is the same file as '/$name', which looks like a bundle only by that name"* ]]
		[ ! -e "okv2/$name" ] && [ "$(<okv2/etc/shadow)" = secret ]
	done
	ln -f okv2/etc/shadow $place
	run -3 "$bundle" --root okv2 seal --out s --passphrase-file "$pass"
	[[ $output == *"belongs to user id 0 and has 2 names"*"Create Bundle"* ]] && [ ! -e s ]
	cp okv2/etc/shadow okv2/tmp/copy
	run -4 "$bundle" --root okv2 clean
	[ ! -e $place ] && [ "$(<okv2/etc/shadow)" = secret ] && [ -e okv2/tmp/copy ]
	run -0 "$bundle" --root okv2 clean
}

@test "clean finds a copy below a folder, under what copying makes of the name, and by any further name" {
	rm okv2/tmp/x
	mkdir -p okv2/tmp/a/b/c okv2/var/spool okv2/home/support/.ssh okv2/opt/node okv2/images okv2/srv/x okv2/dev/shm
	cp $place okv2/opt/node/hsmbundle
	cp $place okv2/images/carried
	cp $place okv2/srv/x/1
	cp $place okv2/dev/shm/2
	cp $place okv2/tmp/a/b/c/notes
	cp "$BATS_FILE_TMPDIR/sealed" okv2/home/support/.ssh/id
	echo 'last week' | tee okv2/home/support/hsmbundle.bak "okv2/home/support/hsmbundle (1)" >okv2/var/tmp/hsmbundle.old
	ln $place okv2/var/spool/second
	ln okv2/home/support/.ssh/id okv2/etc/third
	echo 'made on Monday' >okv2/home/support/hsmbundle.txt
	run -1 "$bundle" --root okv2 status
	[[ $output == *"WARN  /home/support/hsmbundle.bak: an unsealed copy (by its name)"* ]]
	run -0 "$bundle" --root okv2 clean --keep-bundle
	[ "$(grep -c ^removed <<<"$output")" -eq 11 ]
	[ -z "$(find okv2/opt/node okv2/{images,srv,dev} okv2/tmp okv2/var okv2/home okv2/etc/third -type f ! -name '*.txt')" ]
	run -0 "$bundle" --root okv2 status
}

@test "status never says OK to a user who may not look" {
	elsewhere=$(mktemp -d)
	cp -a okv2 "$bundle" "$elsewhere"
	chmod -R go+rX "$elsewhere" # but for what is looked for
	rm "$elsewhere/okv2/tmp/x" "$elsewhere/okv2/usr/local/okv/hsm/hsmbundle"
	anybody() {
		run -"$1" setpriv --reuid 65534 --regid 65534 --clear-groups \
			"$elsewhere/okv-luna-bundle" --root "$elsewhere/okv2" status
	}
	anybody 0
	for hidden in usr/local/okv/hsm/hsmbundle tmp/notes home/support/.ssh/notes root/notes; do
		mkdir -p "$elsewhere/okv2/${hidden%/*}"
		cp "$first" "$elsewhere/okv2/$hidden"
		[[ $hidden != root/* ]] || chmod 700 "$elsewhere/okv2/root"
		chmod 600 "$elsewhere/okv2/$hidden"
		anybody 1
		[[ $output == *"WARN  /${hidden%/notes}"*"could not be looked at: Permission denied"* ]]
		rm "$elsewhere/okv2/$hidden"
	done
}

@test "a bundle in its place that is sealed or empty is not in order, and apply opens the sealed one there" {
	mv okv2/tmp/x $place
	chown 1001:1001 $place
	run -1 "$bundle" --root okv2 status
	[[ $output == *"(still sealed)"*"okv-luna bundle apply /usr/local/okv/hsm/hsmbundle"* ]]
	run -0 apply $place
	cmp "$first" $place
	run -0 "$bundle" --root okv2 status
	: >$place
	run -1 "$bundle" --root okv2 status
	[[ $output == *"(empty)"*"Create Bundle"* ]]
}

# What is not seen is never a yes: a directory that cannot be opened or read, a file that cannot be opened.
@test "status and clean say no where they could not look" {
	rm okv2/tmp/x
	mkdir okv2/home/kept
	echo olh >okv2/home/support/"as long"
	for fault in openat:EIO:okv2/home/kept openat:EACCES:okv2/home/kept getdents64:EIO:okv2/tmp \
		openat:EACCES:"okv2/home/support/as long"; do
		IFS=: read -r call error path <<<"$fault"
		# By the path of a descriptor, or by the one component that is opened.
		traced=(strace -o trace -P "$path" -P "${path##*/}" -e trace="$call" -e inject="$call:error=$error" "$bundle" --root okv2)
		run -1 "${traced[@]}" status
		[[ $output == *"WARN  ${path#okv2}: could not be looked at: "* ]]
		run -1 --separate-stderr "${traced[@]}" --json status
		[ "$(jq -r '.copies[] | select(.kind == "unseen") | .path' <<<"$output")" = "${path#okv2}" ]
		run -4 "${traced[@]}" clean --keep-bundle
		[[ $output == *"'${path#okv2}' could not be looked at: "* ]]
		[[ $output != *"nothing to remove"* ]]
		run -4 "${traced[@]}" clean -n
		grep -q "$error.*INJECTED" trace
	done
	run -0 "$bundle" --root okv2 status
	run -0 "$bundle" --root okv2 clean --keep-bundle
}

# A link there may lead to a bundle that OKV reads, and that nobody would remove.
@test "status and clean say no where the bundle's place holds something else, and look at the rest" {
	for make in "ln -s /srv/kept" mkdir mkfifo; do
		rm -rf $place
		$make $place
		run -1 "$bundle" --root okv2 status
		[[ $output == *"WARN  /usr/local/okv/hsm/hsmbundle: could not be looked at: "* ]]
		[[ $output == *"WARN  /tmp/x: a sealed copy from okv1"* && $output != *"not there"* ]]
		run -4 "$bundle" --root okv2 clean -n
		[[ $output == *"'/usr/local/okv/hsm/hsmbundle' could not be looked at: "* ]]
		[[ $output == *"would remove /tmp/x"* ]]
		run -3 "$bundle" --root okv2 seal --out sealed
		[[ $output == *"is not a regular file"* && ! -e sealed ]]
	done
}

@test "clean --keep-bundle leaves the bundle in its place" {
	run -0 "$bundle" --root okv2 clean --keep-bundle
	[ -e $place ] && [ ! -e okv2/tmp/x ]
	run -0 "$bundle" --root okv2 clean --keep-bundle
	[[ $output == "nothing to remove"* ]]
}

# --- the command line -------------------------------------------------------------------------------------------------

@test "what an act does not take is told, not passed over" {
	run -2 "$bundle"
	run -2 "$bundle" fold
	[[ $output == *"seal, apply, verify, send, status, clean"* ]]
	run -2 "$bundle" seal
	run -2 "$bundle" apply
	run -2 "$bundle" apply a b
	run -2 "$bundle" status --passphrase-file x
	[[ $output == *"does not take --passphrase-file"* ]]
	run -2 "$bundle" clean --plain
	run -2 "$bundle" verify --jobs 2 x
	run -2 "$bundle" apply --max-age never x
	run -2 "$bundle" seal --out x --iterations 599999
	run -2 "$bundle" --root okv2 apply --plain --passphrase-file "$pass" okv2/tmp/x
}

@test "JSON tells the same as the words" {
	run -0 --separate-stderr apply --json okv2/tmp/x
	[ "$(jq -r '.act, .changed, .origin, .size, .target' <<<"$output" | xargs)" = \
		"apply true okv1 300000 /usr/local/okv/hsm/hsmbundle" ]
	run -3 --separate-stderr "$bundle" --json verify --passphrase-file "$wrong" "$BATS_FILE_TMPDIR/sealed"
	[ "$(jq -r '.exit, .error.kind' <<<"$output" | xargs)" = "3 refused" ]
}

@test "one at a time: a second one waits, then says who is running" {
	mkfifo line
	"$bundle" -q --root okv2 apply -n --passphrase-file line okv2/tmp/x 3>&- &
	pid=$!
	"$bundle" -q --root okv2 apply --passphrase-file line okv2/tmp/x 3>&- &
	holder=$!
	exec 8<>line
	# The first takes no lock, since it will change nothing; the second has it by the time that it asks.
	eventually opened $pid line
	eventually opened $holder line
	run -7 "$bundle" --root okv2 clean
	[[ $output == *"process $holder"* ]]
	kill $pid $holder
	exec 8>&-
	wait $pid || true
	wait $holder || true
}
