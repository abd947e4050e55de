#!/usr/bin/env bats
# config: wiring, getting, setting, Chrystoki.conf.  See okv-luna-config-check and -block for the rest.
# shellcheck disable=SC2016,SC2034 # single quotes are meant; the tests' variables are the helper's

bats_require_minimum_version 1.5.0
load config

setup() {
	config_setup
	stock_root
}

teardown() { config_teardown; }

@test "wire makes the three files right, and the second run writes nothing" {
	okv_config 0 wire
	[ "${#lines[@]}" -eq 13 ]
	[[ $output == *'VENDOR_NAME: "" -> "Thales_Luna"'* ]]
	[[ $output == *"PKCS11_LIB_LOC: \"\" -> \"$LC/lib/libCryptoki2_64.so\""* ]]
	[[ $output == *'ChrystokiConfigurationPath: (not set) -> "/etc"'* ]]
	[ "$(grep -c . "$gen/okv_hsm_env")" -eq 2 ]
	grep -qxF 'VENDOR_NAME="Thales_Luna"' "$gen/okv_hsm.conf"
	grep -qxF "PKCS11_LIB_LOC=\"$LC/lib/libCryptoki2_64.so\"" "$gen/okv_hsm.conf"
	links=/usr/sbin/okv-luna:/usr/lib/systemd/system/okv-luna-post-upgrade.service
	links+=:/etc/systemd/system/multi-user.target.wants/okv-luna-post-upgrade.service
	grep -qxF "PRESERVED_FILES=\"$LC:/etc/Chrystoki.conf:/opt/okv-luna:$links\"" "$gen/okv_hsm.conf"
	grep -qxF 'ChrystokiConfigurationPath="/etc"' "$gen/okv_hsm_env"
	bash -n "$gen/okv_hsm_mid_upgrade"
	[ "$(readlink "$gen/okv_hsm_pre_upgrade")" = /opt/okv-luna/hooks/pre-upgrade ]
	[ "$(readlink "$root/usr/sbin/okv-luna")" = /opt/okv-luna/bin/okv-luna ]
	[ "$(readlink "$root/usr/share/man/man8/okv-luna-config.8")" = /opt/okv-luna/share/man/man8/okv-luna-config.8 ]

	find "$root" -type f ! -name lock -printf '%p %i %T@ %C@\n' | sort >"$BATS_TEST_TMPDIR/before"
	okv_config 0 wire
	[ "$output" = 'wired already: nothing to do' ]
	find "$root" -type f ! -name lock -printf '%p %i %T@ %C@\n' | sort | diff "$BATS_TEST_TMPDIR/before" -
}

@test "a second wire makes no system call that changes a file" {
	okv_config 0 wire
	calls=rename,renameat,renameat2,unlink,unlinkat,symlink,symlinkat,link,linkat,mkdir,mkdirat,openat,open
	calls=$calls,chmod,fchmod,fchmodat,chown,fchown,fchownat,fsync,ftruncate
	strace -f -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=$calls "$config" --root "$root" wire
	run -1 grep -vE 'O_RDONLY|lock"|/dev/null|ftruncate\(|SIG|exited|attached|strace' "$BATS_TEST_TMPDIR/trace"
}

@test "unwire --all gives back every byte, owner and mode" {
	cp -a "$gen" "$BATS_TEST_TMPDIR/stock"
	okv_config 0 wire
	okv_config 0 unwire --all
	diff -r "$gen" "$BATS_TEST_TMPDIR/stock"
	[ "$(stat -c '%a %u %g' "$gen/okv_hsm.conf")" = '640 501 502' ]
	[ ! -e "$root/usr/sbin/okv-luna" ]
	[ -z "$(find "$root/usr/share" "$root/etc/systemd" "$root/usr/lib/systemd" ! -type d)" ]
	okv_config 0 unwire --all
	[ "$output" = 'not wired: nothing to do' ]
}

@test "unwire where no library is there gives back every byte, unless told to keep" {
	cp -a "$gen" "$BATS_TEST_TMPDIR/stock"
	echo text >"$root$LC/libs/64/libCryptoki2.so"
	okv_config 0 -q wire
	okv_config 0 -q unwire --keep
	grep -q '^VENDOR_NAME="Thales_Luna"' "$gen/okv_hsm.conf"
	okv_config 0 -q unwire
	diff -r "$gen" "$BATS_TEST_TMPDIR/stock"
	run -2 "$config" --root "$root" unwire --keep --all
}

@test "unwire --all keeps what others edited since" {
	okv_config 0 wire
	sed -i 's|:/opt/okv-luna:|:/home/oracle/keep:/opt/okv-luna:|; 1s|.*|# mine|' "$gen/okv_hsm.conf"
	sed -i 's|^logger|echo mine; logger|' "$gen/okv_hsm_mid_upgrade"
	okv_config 0 unwire --all
	grep -qxF 'PRESERVED_FILES="/home/oracle/keep"' "$gen/okv_hsm.conf"
	grep -qxF '# mine' "$gen/okv_hsm.conf"
	grep -q '^echo mine' "$gen/okv_hsm_mid_upgrade"
	run -1 grep -q okv-luna "$gen"/okv_hsm*
}

@test "unwire leaves what OKV reaches its HSM by, and takes all that only we need" {
	cp -a "$gen" "$BATS_TEST_TMPDIR/stock"
	okv_config 0 wire
	for key in VENDOR_NAME PKCS11_LIB_LOC; do grep "^$key=" "$gen/okv_hsm.conf"; done >"$BATS_TEST_TMPDIR/keys"
	cp "$gen/okv_hsm_env" "$BATS_TEST_TMPDIR/env"
	okv_config 0 unwire -n
	[[ $output == *"okv_hsm.conf: okv-luna's part removed; OKV still finds its HSM"* ]]
	okv_config 0 unwire
	grep -xFf "$BATS_TEST_TMPDIR/keys" "$gen/okv_hsm.conf" | cmp - "$BATS_TEST_TMPDIR/keys"
	grep -qxF "PRESERVED_FILES=\"$LC:/etc/Chrystoki.conf\"" "$gen/okv_hsm.conf"
	cmp "$gen/okv_hsm_env" "$BATS_TEST_TMPDIR/env"
	cmp "$gen/okv_hsm_mid_upgrade" "$BATS_TEST_TMPDIR/stock/okv_hsm_mid_upgrade"
	[ -z "$(find "$root/usr/share" "$root/usr/sbin" "$root/usr/lib/systemd" "$gen" -name '*okv-luna*' -o -type l)" ]
	okv_config 0 unwire
	[ "$output" = 'not wired: nothing to do' ]
	okv_config 0 wire --again -q
	run -1 grep -rq okv-luna "$gen"

	# There and back from here; and all the way.
	okv_config 0 -q wire
	okv_config 0 -q unwire
	okv_config 0 -q unwire --all
	diff -r "$gen" "$BATS_TEST_TMPDIR/stock"
	run -2 "$config" --root "$root" unwire --even-in-use
}

@test "our own entries of PRESERVED_FILES go where an administrator's stay" {
	sed -i 's|^PRESERVED_FILES=.*|PRESERVED_FILES="/opt/okv-luna:/srv/okv-luna-notes"|' "$gen/okv_hsm.conf"
	okv_config 0 -q wire
	okv_config 0 -q unwire --keep
	grep -qxF "PRESERVED_FILES=\"/opt/okv-luna:/srv/okv-luna-notes:$LC:/etc/Chrystoki.conf\"" "$gen/okv_hsm.conf"
}

@test "the timer of the slots stays on over an OS major where it was on, and off where it was off" {
	timer=/etc/systemd/system/timers.target.wants/okv-luna-slots.timer
	okv_config 0 -q wire
	run -1 grep -q "$timer" "$gen/okv_hsm.conf"
	mkdir "$root${timer%/*}"
	ln -s /usr/lib/systemd/system/okv-luna-slots.timer "$root$timer"
	okv_config 0 -q wire
	grep -q "^PRESERVED_FILES=.*:$timer\"" "$gen/okv_hsm.conf"
	# What is not there is not listed, whichever version listed it.
	rm "$root$timer"
	sed -i 's|^\(PRESERVED_FILES=.*\)"$|\1:/etc/systemd/system/okv-luna-post-upgrade.service"|' "$gen/okv_hsm.conf"
	okv_config 0 -q wire
	run -1 grep -q -e timers.target.wants -e :/etc/systemd/system/okv-luna-post-upgrade.service "$gen/okv_hsm.conf"
}

@test "wire --again, as a package's trigger runs it: nothing and not a word where it was never wired" {
	grep -qF 'okv-luna-config wire --again -q' "$BATS_TEST_DIRNAME/../../spec/okv-luna-hooks.spec"
	find "$root" -printf '%p %i %C@ %l\n' | sort >"$BATS_TEST_TMPDIR/before"
	okv_config 0 wire --again -q
	[ -z "$output" ]
	okv_config 0 wire --again
	[ "$output" = 'not wired before: nothing to do' ]
	find "$root" -printf '%p %i %C@ %l\n' | sort | diff "$BATS_TEST_TMPDIR/before" -

	# OKV puts its files anew: what was wired is wired again.
	cp -a "$gen" "$BATS_TEST_TMPDIR/stock"
	okv_config 0 -q wire
	cp -a "$gen" "$BATS_TEST_TMPDIR/wired"
	rm -r "$gen"
	cp -a "$BATS_TEST_TMPDIR/stock" "$gen"
	okv_config 0 wire --again -q
	[ -z "$output" ]
	diff -r --no-dereference "$BATS_TEST_TMPDIR/wired" "$gen"

	# Who took it out does not get it back.
	okv_config 0 -q unwire --all
	okv_config 0 wire --again -q
	diff -r --no-dereference "$BATS_TEST_TMPDIR/stock" "$gen"
}

@test "killed between the exchange and its end, nothing of it lies beside OKV's files after the next run" {
	# unlinkat: the old bytes, which the exchange has put beside.
	cp -a "$root" "$root.twin"
	strace -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=unlinkat "$config" --root "$root.twin" -q wire
	last=$(grep ^unlinkat "$BATS_TEST_TMPDIR/trace" |
		grep -n "okv_hsm_mid_upgrade[.0-9a-f]*okv-luna-new.* = 0" | tail -n 1 | cut -d: -f1)
	run strace -qq -o /dev/null -e inject=unlinkat:signal=KILL:when="$last" "$config" --root "$root" -q wire
	[ -n "$(find "$gen" -name '.okv_hsm_mid_upgrade.*.okv-luna-new')" ]
	okv_config 0 -q wire
	[ -z "$(find "$gen" -name '.*')" ]
}

@test "names that OKV's user takes beside OKV's files stop neither wire nor unwire" {
	cp -a "$gen" "$BATS_TEST_TMPDIR/stock.mine"
	for name in okv_hsm.conf okv_hsm_env okv_hsm_mid_upgrade okv_hsm_pre_upgrade okv_hsm_post_upgrade; do
		mkdir "$gen/.$name.okv-luna-new" "$gen/.$name.0123456789abcdef.okv-luna-new"
		mkfifo "$gen/.$name.fedcba9876543210.okv-luna-new"
	done
	chown 1001:1001 "$gen" "$gen"/.okv*
	okv_config 0 -q wire
	okv_config 0 -q unwire --all
	for name in okv_hsm.conf okv_hsm_env okv_hsm_mid_upgrade; do
		cmp "$BATS_TEST_TMPDIR/stock.mine/$name" "$gen/$name"
	done
	[ "$(find "$gen" -name '.*okv-luna-new' | wc -l)" -eq 15 ]
}

# without_exchange WORD...: config in the second tree, where the kernel refuses to exchange two names.
without_exchange() {
	run -0 strace -f -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=renameat2 -e inject=renameat2:error=EPERM \
		"$config" --root "$root.twin" -q "$@"
	[ -z "$output" ]
	grep -q 'EPERM.*INJECTED' "$BATS_TEST_TMPDIR/trace"
}

@test "where a filter of system calls forbids to exchange two names, files are written all the same" {
	cp -a "$root" "$root.twin"
	okv_config 0 -q wire
	okv_config 0 -q set okv_hsm_env MINE "a value"
	without_exchange wire
	without_exchange set okv_hsm_env MINE "a value"
	diff -r --no-dereference "$gen" "$root.twin/usr/local/okv/hsm/generic"
	[ "$(stat -c '%a %u %g' "$root.twin/usr/local/okv/hsm/generic/okv_hsm.conf")" = '640 501 502' ]
}

@test "the old files are kept once, dated, for root only" {
	cp -a "$gen" "$BATS_TEST_TMPDIR/stock"
	okv_config 0 wire
	okv_config 0 unwire --all
	okv_config 0 wire
	backups=$root/opt/okv-luna/var/backup
	[ "$(stat -c %a "$backups")" = 700 ]
	[ "$(find "$backups" -name 'okv_hsm.conf.2*Z*' | wc -l)" -eq 2 ]
	oldest=$(find "$backups" -name 'okv_hsm.conf.2*' | sort | head -n 1)
	cmp "$oldest" "$BATS_TEST_TMPDIR/stock/okv_hsm.conf"
	[ "$(stat -c %a "$oldest")" = 600 ]
}

@test "while the old files that are kept cannot be listed, nothing is changed" {
	okv_config 0 -q set okv_hsm_env MINE first
	cp "$gen/okv_hsm_env" "$BATS_TEST_TMPDIR/before"
	run -5 strace -f -qq -o /dev/null -P "$root/opt/okv-luna/var/backup" -e trace=getdents64 \
		-e inject=getdents64:error=EIO "$config" --root "$root" set okv_hsm_env MINE second
	[[ $output == *"cannot read directory '/opt/okv-luna/var/backup' to its end"* ]]
	cmp "$BATS_TEST_TMPDIR/before" "$gen/okv_hsm_env"
}

@test "--dry-run shows the plan and changes nothing" {
	find "$root" -printf '%p %i %C@ %l\n' | sort >"$BATS_TEST_TMPDIR/before"
	okv_config 0 --dry-run wire
	[[ $output == *"okv_hsm.conf: wired"* ]]
	find "$root" -printf '%p %i %C@ %l\n' | sort | diff "$BATS_TEST_TMPDIR/before" -
}

@test "the block in the file is hooks/mid-upgrade.block, byte for byte" {
	okv_config 0 wire
	sed -n '/^# >>> okv-luna/,/^# <<< okv-luna/p' "$gen/okv_hsm_mid_upgrade" |
		cmp - "$BATS_TEST_DIRNAME/../../hooks/mid-upgrade.block"
}

@test "--json tells what was done" {
	okv_config 0 --json wire
	[ "$(jq -r '.action, .scope, .files, .links, .left, .exit, (.lines | length)' <<<"$output" | xargs)" = \
		'wire generic 3 6 0 0 13' ]
}

@test "without a generic directory nothing is created, and it is said why" {
	rm -r "${root:?}/usr/local"
	okv_config 0 wire
	[[ $output == *'OKV 21.2 and earlier have no generic HSM interface'* ]]
	[ ! -e "$root/usr/local" ]
}

@test "where this OKV has the interface and its files are gone, wire says that once, and what to do" {
	printf 'OKV_RELEASE="21.10"\n' >>"$root/opt/okv-luna/etc/okv-luna.conf"
	rm -r "${gen:?}"
	run "$config" --root "$root" wire
	[ "$status" -ne 0 ]
	wanted="okv-luna-config: there is no directory '/usr/local/okv/hsm/generic'; put OKV's own files back, as another node \
of this release has them"
	[ "$(grep -cxF -- "$wanted" <<<"$output")" -eq 1 ]
	[ "$(grep -c okv-luna-config: <<<"$output")" -eq 1 ]
	[ ! -e "$gen" ]
	mkdir "$gen"
	run "$config" --root "$root" wire
	[ "$(grep -c "none of OKV's three files is in '/usr/local/okv/hsm/generic'; put OKV's own files back" <<<"$output")" -eq 1 ]
	[[ $output != *'cannot open'* ]]
}

@test "a script that no shell can read is refused, the rest is wired: 4, then 3" {
	printf '#!/bin/bash\n# do not edit above\nlogger "x\xe2\x80\x9d\nexit 1\n' >"$gen/okv_hsm_mid_upgrade"
	cp "$gen/okv_hsm_mid_upgrade" "$BATS_TEST_TMPDIR/script"
	okv_config 4 wire
	[[ $output == *'okv_hsm_mid_upgrade: no shell can read it '* ]]
	cmp "$gen/okv_hsm_mid_upgrade" "$BATS_TEST_TMPDIR/script"
	okv_config 3 wire
}

@test "a PRESERVED_FILES that would reach 4096 characters is refused" {
	printf 'PRESERVED_FILES="/%04000d"\n' 0 >"$gen/okv_hsm.conf"
	cp "$gen/okv_hsm.conf" "$BATS_TEST_TMPDIR/long"
	okv_config 4 wire
	[[ $output == *'fewer than 4096'* ]]
	cmp "$gen/okv_hsm.conf" "$BATS_TEST_TMPDIR/long"
}

@test "a file of OKV's that is missing is not made: 4" {
	rm "$gen/okv_hsm_env"
	okv_config 4 wire
	[ ! -e "$gen/okv_hsm_env" ]
}

@test "two at once are one after the other" {
	local pids=()
	for i in 1 2 3 4 5 6; do
		"$config" --root "$root" set okv_hsm_env "NAME_$i" "value $i" 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	[ "$(grep -c '^NAME_' "$gen/okv_hsm_env")" -eq 6 ]
}

@test "get and set, losslessly" {
	okv_config 0 set okv_hsm.conf VENDOR_NAME Other
	okv_config 0 get okv_hsm.conf VENDOR_NAME
	[ "$output" = Other ]
	okv_config 0 -q get $G/okv_hsm.conf VENDOR_NAME
	[ "$output" = Other ]
	[ "$(sed -n 1p "$gen/okv_hsm.conf")" = '# The HSM vendor'\''s settings.' ]
	okv_config 0 set okv_hsm.conf VENDOR_NAME Other
	[[ $output == *'already has this value' ]]
	okv_config 1 get okv_hsm_env NOTHING
	okv_config 0 set okv_hsm_env NEW 'two words'
	[ "$(tail -n 1 "$gen/okv_hsm_env")" = 'NEW="two words"' ]
	[ "$(jq -r .value <<<"$("$config" --root "$root" --json get okv_hsm_env NEW)")" = 'two words' ]
}

@test "what the template cannot hold is refused" {
	okv_config 3 set okv_hsm_env 'A=B' x
	okv_config 3 set okv_hsm_env A 'x"y'
	okv_config 3 set okv_hsm_env A $'x\ny'
	okv_config 3 set okv_hsm_env A "$(printf '%04096d' 0)"
	okv_config 2 set okv_hsm_mid_upgrade A x
	okv_config 2 get /etc/passwd root
}

# another_vendor NAME LIBRARY: OKV is set up for that one.
another_vendor() {
	sed -i "s|^VENDOR_NAME=.*|VENDOR_NAME=\"$1\"|; s|^PKCS11_LIB_LOC=.*|PKCS11_LIB_LOC=\"$2\"|" "$gen/okv_hsm.conf"
}

@test "another vendor's working library is not replaced unasked; what is replaced is told, and would be" {
	mkdir -p "$root/opt/other"
	library_make "$root/opt/other/libother.so"
	library_make "$root/opt/other/libCryptoki2_64.so"
	for other in 'Other_HSM /opt/other/libother.so' ' /opt/other/libother.so' 'Other_HSM /opt/other/libCryptoki2_64.so'; do
		another_vendor "${other% *}" "${other##* }"
		cp "$gen/okv_hsm.conf" "$BATS_TEST_TMPDIR/other"
		okv_config 3 wire
		[[ $output == *'wire --replace-vendor'* ]]
		okv_config 3 -n wire
		cmp "$gen/okv_hsm.conf" "$BATS_TEST_TMPDIR/other"
		[ ! -e "$root/usr/sbin/okv-luna" ]
	done
	# What we cannot follow, and OKV's loader can, is not gone either.
	mkdir -m 0777 "$root/opt/open"
	ln -s ../other/libother.so "$root/opt/open/libother.so"
	for library in /opt/other/./libother.so "$LC/lib/../../../../opt/other/libother.so" /opt/open/libother.so libother.so; do
		another_vendor Other_HSM "$library"
		okv_config 3 wire
		[[ $output == *'wire --replace-vendor'* ]]
		grep -qxF "PKCS11_LIB_LOC=\"$library\"" "$gen/okv_hsm.conf"
	done
	another_vendor Other_HSM /opt/other/libCryptoki2_64.so

	okv_config 0 -n wire --replace-vendor
	[[ $output == *'would: VENDOR_NAME: "Other_HSM" -> "Thales_Luna"'* ]]
	cmp "$gen/okv_hsm.conf" "$BATS_TEST_TMPDIR/other"
	okv_config 0 wire --replace-vendor
	[[ $output == *$'\nVENDOR_NAME: "Other_HSM" -> "Thales_Luna"'* ]]
	[[ $output == *$'\n'"PKCS11_LIB_LOC: \"/opt/other/libCryptoki2_64.so\" -> \"$LC/lib/libCryptoki2_64.so\""* ]]
	okv_config 0 wire

	# No library, the same one by another name, a Luna client that moved: nobody loses anything.
	another_vendor Other_HSM /opt/other/gone.so
	okv_config 0 wire
	another_vendor Luna "$LC/libs/64/libCryptoki2.so"
	okv_config 0 wire
	another_vendor Thales_Luna /opt/other/libCryptoki2_64.so
	okv_config 0 wire
}

@test "what would be done says would, and changes nothing" {
	find "$root" -printf '%p %i %C@ %l\n' | sort >"$BATS_TEST_TMPDIR/before"
	for words in wire 'set okv_hsm_env A x' 'chrystoki set Misc A x' 'chrystoki server-add b' 'chrystoki ha a 1,2'; do
		# shellcheck disable=SC2086 # words
		okv_config 0 -n $words
		run -1 grep -v '^would: ' <<<"$output"
	done
	find "$root" -printf '%p %i %C@ %l\n' | sort | diff "$BATS_TEST_TMPDIR/before" -
	okv_config 0 chrystoki set Misc PE1746Enabled 1
	[ "$output" = '/etc/Chrystoki.conf: PE1746Enabled: "0" -> "1"' ]
	okv_config 0 set okv_hsm.conf VENDOR_NAME x
	[ "$output" = "$G/okv_hsm.conf: VENDOR_NAME: \"\" -> \"x\"" ]
}

@test "nothing is set beside a line that seems to set it and cannot be read" {
	refused() { # FILE LINE COMMAND...
		cp -a "$1" "$BATS_TEST_TMPDIR/file"
		printf '%b\n' "$2" >>"$1"
		cp "$1" "$BATS_TEST_TMPDIR/before"
		okv_config 3 "${@:3}"
		[[ $output == *'line '* ]]
		cmp "$1" "$BATS_TEST_TMPDIR/before"
		cp -a "$BATS_TEST_TMPDIR/file" "$1"
	}
	luna=$root/etc/Chrystoki.conf
	refused "$gen/okv_hsm_env" 'MINE=x' set okv_hsm_env MINE y
	refused "$gen/okv_hsm_env" '  export MINE = "x"' set okv_hsm_env MINE y
	refused "$gen/okv_hsm_env" 'MINE="x' set okv_hsm_env MINE y
	refused "$gen/okv_hsm.conf" 'VENDOR_NAME=\xe2\x80\x9cx\xe2\x80\x9d' set okv_hsm.conf VENDOR_NAME y
	for line in 'MINE: "x"' 'MINE "x"' 'set MINE="x"' '\xc2\xa0MINE="x"' 'MINE\xe2\x80\x8b="x"' '\xef\xbb\xbfMINE="x"' '"MINE"="x"'; do
		refused "$gen/okv_hsm_env" "$line" set okv_hsm_env MINE y
	done
	# Another name is another line, and may stand anywhere.
	for line in 'MINE2: "x"' 'NOT_MINE "x"' 'about MINE "x"'; do
		cp -a "$gen/okv_hsm_env" "$BATS_TEST_TMPDIR/file"
		printf '%s\n' "$line" >>"$gen/okv_hsm_env"
		okv_config 0 set okv_hsm_env MINE y
		cp -a "$BATS_TEST_TMPDIR/file" "$gen/okv_hsm_env"
	done
	refused "$luna" 'Presentation =\n{\n}' chrystoki set Presentation Mine 2
	refused "$luna" '\xc2\xa0Presentation: {\n}' chrystoki set Presentation Mine 2
	sed -i '$d' "$luna"
	refused "$luna" '   Mine: 1;\n}' chrystoki set Misc Mine 2
	refused "$luna" '   Mine 1;\n}' chrystoki set Misc Mine 2
	refused "$luna" '   pe1746enableD = 1;\n   mine = 1;\n}' chrystoki set Misc Mine 2
	echo '}' >>"$luna"
	refused "$luna" 'presentation = {\n}' chrystoki set Presentation Mine 2
}

@test "a negative number is a value" {
	okv_config 0 chrystoki set HAConfiguration reconnAtt -1
	okv_config 0 chrystoki get HAConfiguration reconnAtt
	[ "$output" = -1 ]
	okv_config 0 set okv_hsm_env A -1.5 -q
	okv_config 2 chrystoki set HAConfiguration reconnAtt -x
}

@test "unwire of a node that was never wired takes nothing of an administrator's" {
	sed -i 's|^PRESERVED_FILES=.*|PRESERVED_FILES="/opt/okv-luna:/srv/x"|' "$gen/okv_hsm.conf"
	cp -a "$gen" "$BATS_TEST_TMPDIR/mine"
	for how in '' --keep '--all --even-in-use'; do
		# shellcheck disable=SC2086 # words
		okv_config 0 unwire $how
		[ "$output" = 'not wired: nothing to do' ]
		diff -r "$gen" "$BATS_TEST_TMPDIR/mine"
	done
}

@test "after OKV put its stock files back, unwire puts no old value in" {
	cp -a "$gen" "$BATS_TEST_TMPDIR/stock"
	sed -i 's|^PRESERVED_FILES=.*|PRESERVED_FILES="/srv/x/y:/srv/x"|' "$gen/okv_hsm.conf"
	sed -i 's|^VENDOR_NAME=.*|VENDOR_NAME="Mine"|' "$gen/okv_hsm.conf"
	okv_config 0 -q wire
	cp -a "$BATS_TEST_TMPDIR/stock/." "$gen"
	okv_config 0 unwire
	for file in okv_hsm.conf okv_hsm_env okv_hsm_mid_upgrade; do cmp "$gen/$file" "$BATS_TEST_TMPDIR/stock/$file"; done
}

@test "used wrongly: 2 and how it goes" {
	okv_config 2
	okv_config 2 frobnicate
	okv_config 2 get okv_hsm.conf
	[[ $output == *'usage: okv-luna config get FILE NAME'* ]]
	okv_config 2 wire now
	okv_config 2 chrystoki frobnicate
	okv_config 2 chrystoki merge /etc/Chrystoki.conf
	okv_config 2 check --drop-handmade
}

@test "chrystoki get, set, unset, remove" {
	okv_config 0 chrystoki get Misc PE1746Enabled
	[ "$output" = 0 ]
	okv_config 0 chrystoki set Misc PE1746Enabled 1
	okv_config 0 chrystoki set Misc ToolsDir "$LC/bin/"
	okv_config 0 chrystoki set CardReader RemoteCommand 1
	[ "$(tail -n 8 "$root/etc/Chrystoki.conf")" = "$(printf '%s\n' 'Misc = {' '   PE1746Enabled = 1;' \
		"   ToolsDir = $LC/bin/;" '}' '' 'CardReader = {' '   RemoteCommand = 1;' '}')" ]
	okv_config 0 chrystoki unset Misc ToolsDir
	okv_config 1 chrystoki get Misc ToolsDir
	okv_config 0 chrystoki remove CardReader
	run -1 grep -q CardReader "$root/etc/Chrystoki.conf"
	[ "$(stat -c %a "$root/etc/Chrystoki.conf")" = 640 ]
}

@test "chrystoki set does not edit the Windows client's file" {
	printf '[Misc]\nToolsDir=/x\n' >"$root/etc/Chrystoki.conf"
	cp "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
	okv_config 3 chrystoki set Misc ToolsDir /y
	[[ $output == *"this is the Windows client's file, crystoki.ini"* ]]
	cmp "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
}

@test "values that Chrystoki.conf cannot hold are refused" {
	cp "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
	for value in 'a;b' 'a{' '}' $'a\nb' $'a\tb'; do
		okv_config 3 chrystoki set Misc X "$value"
	done
	cmp "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
}

@test "the secret of the cloud service: never an argument, never shown" {
	okv_config 2 chrystoki set REST AuthTokenClientSecret s3cr3t
	run -0 "$config" --root "$root" chrystoki set REST AuthTokenClientSecret - <<<s3cr3t
	grep -qF 'AuthTokenClientSecret = s3cr3t;' "$root/etc/Chrystoki.conf"
	okv_config 0 show
	[[ $output != *s3cr3t* ]]
	[[ $output == *'AuthTokenClientSecret = (a secret, not shown)'* ]]
	okv_config 0 --json show
	[[ $output != *s3cr3t* ]]
	okv_config 0 chrystoki get REST AuthTokenClientSecret
	[ "$output" = s3cr3t ]
}

@test "servers and HA groups" {
	okv_config 0 chrystoki server-add 10.0.0.2
	okv_config 0 chrystoki server-add host.example 1793
	okv_config 0 chrystoki get 'LunaSA Client' ServerPort02
	[ "$output" = 1793 ]
	okv_config 0 chrystoki server-remove 10.0.0.1
	okv_config 0 chrystoki get 'LunaSA Client' ServerName00
	[ "$output" = 10.0.0.2 ]
	okv_config 1 chrystoki get 'LunaSA Client' ServerName02
	okv_config 3 chrystoki server-add x 70000
	okv_config 0 chrystoki ha okv_ha 111,222
	okv_config 0 chrystoki get VirtualToken VirtualToken00SN
	[ "$output" = 1111 ]
	okv_config 0 chrystoki ha-only on
	okv_config 0 chrystoki get HAConfiguration HAOnly
	[ "$output" = 1 ]
	okv_config 3 chrystoki ha okv_ha 111,111
	okv_config 2 chrystoki ha-only maybe
	# A slip in the label would make a second group of the same members.
	cp "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
	for members in 111,222 333,222 222; do
		okv_config 3 chrystoki ha okv-ha $members
		[[ $output == *"is a member of HA group 'okv_ha' already"*': okv-luna config chrystoki remove VirtualToken' ]]
	done
	cmp "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
	okv_config 0 chrystoki remove VirtualToken
	okv_config 0 chrystoki ha okv-ha 111,222
}

@test "a name that is not there is not said to be set, or removed" {
	cp "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
	okv_config 0 chrystoki remove Miscc
	[[ $output == *"there is no section 'Miscc'; nothing to do" ]]
	okv_config 0 chrystoki unset Misc ToolDir
	[[ $output == *"there is no key 'ToolDir'; nothing to do" ]]
	okv_config 0 chrystoki server-remove 10.0.0.11
	[[ $output == *"there is no server '10.0.0.11'; nothing to do" ]]
	okv_config 1 chrystoki get 'Lunasa' ServerName00
	[[ $output == *"there is no section 'Lunasa' in /etc/Chrystoki.conf" ]]
	cmp "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
	rm -r "${gen:?}"
	for words in 'get okv_hsm.conf VENDOR_NAME' 'set okv_hsm_env A b'; do
		okv_config 6 $words
		[[ $output == *'OKV 21.2 and earlier have no generic HSM interface'* ]]
	done
}

# A service client as its zip is unpacked, with the paths that setenv writes.
service_client() {
	cloud=$BATS_TEST_TMPDIR/cloud
	mkdir -p "$cloud"
	for name in server-certificate partition-ca-certificate partition-certificate; do
		{ echo "$name" && cat "$pair/node.pem"; } >"$cloud/$name.pem"
	done
	cat >"$cloud/Chrystoki.conf" <<-END
		Chrystoki2 = {
		   LibUNIX64 = $cloud/libs/64/libCryptoki2.so;
		}
		XTC = {
		   Enabled = 1;
		   PartitionCAPath = $cloud/partition-ca-certificate.pem;
		   PartitionCertPath00 = ./partition-certificate.pem;
		   TimeoutSec = 600;
		}
		REST = {
		   AuthTokenClientSecret = s3cr3t;
		   SSLClientSideVerifyFile = $cloud/server-certificate.pem;
		   ServerName = host.example;
		   ServerPort = 443
		}
	END
}

@test "the hybrid step before setenv has run: Chrystoki-base.conf beside it, and PartitionData00 taken apart" {
	service_client
	sed 's/^ *ServerName.*/   PartitionData00 = 1334054170, eu.example.net, 1443;/; /ServerPort/d' "$cloud/Chrystoki.conf" \
		>"$cloud/Chrystoki-base.conf"
	printf 'Chrystoki2 = {\n}\n' >"$cloud/Chrystoki.conf"
	okv_config 0 chrystoki merge "$cloud/Chrystoki.conf" --section XTC --section REST
	grep -qF 'ServerName = eu.example.net;' "$root/etc/Chrystoki.conf"
	grep -qF 'ServerPort = 1443;' "$root/etc/Chrystoki.conf"
	grep -qF 'AuthTokenClientSecret = s3cr3t;' "$root/etc/Chrystoki.conf"
	run ! grep -q PartitionData00 "$root/etc/Chrystoki.conf"
	# What the file has itself is not looked for elsewhere.
	cp "$cloud/Chrystoki-base.conf" "$cloud/Chrystoki.conf"
	sed -i 's/eu.example.net/us.example.net/' "$cloud/Chrystoki.conf"
	okv_config 0 chrystoki merge "$cloud/Chrystoki.conf" --section REST
	grep -qF 'ServerName = us.example.net;' "$root/etc/Chrystoki.conf"
}

@test "the hybrid step: sections merged, three certificates copied, exactly three keys repointed" {
	service_client
	cp -a "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
	okv_config 0 chrystoki merge "$cloud/Chrystoki.conf" --section XTC --section REST --plugin-dir "$LC/plugins/"
	cmp "$cloud/server-certificate.pem" "$root$LC/cert/server-certificate.pem"
	cmp "$cloud/partition-ca-certificate.pem" "$root$LC/cert/partition-ca-certificate.pem"
	cmp "$cloud/partition-certificate.pem" "$root$LC/cert/partition-certificate.pem"
	[ "$(stat -c %a "$root$LC/cert/server-certificate.pem")" = 644 ]
	diff "$BATS_TEST_TMPDIR/conf" "$root/etc/Chrystoki.conf" >"$BATS_TEST_TMPDIR/diff" || true
	cat >"$BATS_TEST_TMPDIR/wanted" <<-END
		> XTC = {
		>    Enabled = 1;
		>    PartitionCAPath = $LC/cert/partition-ca-certificate.pem;
		>    PartitionCertPath00 = $LC/cert/partition-certificate.pem;
		>    TimeoutSec = 600;
		> }
		> REST = {
		>    AuthTokenClientSecret = s3cr3t;
		>    SSLClientSideVerifyFile = $LC/cert/server-certificate.pem;
		>    ServerName = host.example;
		>    ServerPort = 443;
		> }
		>    PluginModuleDir = $LC/plugins/;
	END
	grep '^[<>] .' "$BATS_TEST_TMPDIR/diff" | sort | diff <(sort "$BATS_TEST_TMPDIR/wanted") -
	okv_config 0 chrystoki merge "$cloud/Chrystoki.conf" --section XTC --section REST --plugin-dir "$LC/plugins/"
	[[ $output == *'merged already' ]]
	# Now the service client's directory may go.
	rm -r "$cloud"
	okv_config 0 wire
	run -0 --separate-stderr "$config" --root "$root" --json check
	[ "$(jq '.findings | length' <<<"$output")" -eq 0 ]
}

@test "the hybrid step refuses whole: a missing section, file or certificate, a key instead of a certificate" {
	service_client
	cp -a "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
	okv_config 6 chrystoki merge "$cloud/Chrystoki.conf" --section CardReader
	okv_config 6 chrystoki merge "$cloud/nothing.conf" --section XTC
	printf -- '-----BEGIN PRIVATE KEY-----\n' >"$cloud/partition-certificate.pem"
	okv_config 3 chrystoki merge "$cloud/Chrystoki.conf" --section XTC
	rm "$cloud/partition-certificate.pem"
	okv_config 6 chrystoki merge "$cloud/Chrystoki.conf" --section XTC
	cmp "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
	okv_config 0 -n chrystoki merge "$cloud/Chrystoki.conf" --section REST
	cmp "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
	[ ! -e "$root$LC/cert/server-certificate.pem" ]
}

@test "the hybrid step is done whole or not at all" {
	service_client
	whole() { # nothing came over
		cmp "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
		[ -z "$(find "$root$LC/cert" -maxdepth 1 -name '*.pem')" ]
	}
	cp -a "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
	cp -a "$cloud" "$BATS_TEST_TMPDIR/sound"
	merge() { okv_config "$1" chrystoki merge "$cloud/Chrystoki.conf" --section XTC --section REST; }
	rm "$cloud/server-certificate.pem" # the third of them
	merge 6
	[[ $output == *server-certificate.pem* ]]
	whole
	cp "$pair/nodeKey.pem" "$cloud/server-certificate.pem"
	merge 3
	whole
	head -n 5 "$pair/node.pem" >"$cloud/server-certificate.pem"
	merge 3
	whole
	# Cut off inside REST, and inside a section that nobody asked for.
	cp -a "$BATS_TEST_TMPDIR/sound/." "$cloud"
	sed -i '$d' "$cloud/Chrystoki.conf"
	merge 3
	[[ $output == *'cut off'* ]]
	whole
	printf '}\nMisc = {\n   Tools' >>"$cloud/Chrystoki.conf"
	merge 3
	whole
	# Ours does not take it.
	cp -a "$BATS_TEST_TMPDIR/sound/." "$cloud"
	printf 'XTC = {\n}\nXTC = {\n}\n' >>"$root/etc/Chrystoki.conf"
	cp "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
	merge 3
	whole
}

@test "paths of another machine are named, and the files beside taken in their place where they are" {
	service_client
	cp -a "$root/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/conf"
	sed -i "s|PartitionCAPath = .*|PartitionCAPath = /root/elsewhere/partition-ca-certificate.pem;|" "$cloud/Chrystoki.conf"
	sed -i "s|TimeoutSec = .*|&\n   Extra = /root/elsewhere/extra;|" "$cloud/Chrystoki.conf"
	okv_config 0 chrystoki merge "$cloud/Chrystoki.conf" --section XTC
	[[ $output == *"PartitionCAPath of section XTC leads to '/root/elsewhere/"*"not on this machine"*"is used instead"* ]]
	[[ $output == *"Extra of section XTC leads to '/root/elsewhere/extra', which is not on this machine"* ]]
	okv_config 0 chrystoki get XTC PartitionCAPath
	[ "$output" = "$LC/cert/partition-ca-certificate.pem" ]
	cmp "$cloud/partition-ca-certificate.pem" "$root$LC/cert/partition-ca-certificate.pem"
	cp "$BATS_TEST_TMPDIR/conf" "$root/etc/Chrystoki.conf"
	rm "$cloud/partition-ca-certificate.pem" "$root$LC"/cert/*.pem
	okv_config 6 chrystoki merge "$cloud/Chrystoki.conf" --section XTC
	[[ $output == *"PartitionCAPath of section XTC leads to '/root/elsewhere/"*'nothing is merged'* ]]
	cmp "$BATS_TEST_TMPDIR/conf" "$root/etc/Chrystoki.conf"
	[ -z "$(find "$root$LC/cert" -maxdepth 1 -name '*.pem')" ]
}

@test "show tells the state" {
	okv_config 0 wire
	okv_config 0 show
	[[ $output == *'the okv-luna block is in it'* ]]
	[[ $output == *'VENDOR_NAME = Thales_Luna'* ]]
	okv_config 0 --json show
	[ "$(jq -r '."/usr/local/okv/hsm/generic/okv_hsm.conf".VENDOR_NAME' <<<"$output")" = Thales_Luna ]
}

@test "a Chrystoki.conf that is not there: 6" {
	rm "$root/etc/Chrystoki.conf"
	okv_config 6 chrystoki get A B
	okv_config 6 chrystoki set A B c
	okv_config 6 show
}

@test "a Chrystoki.conf that is a link is refused, not followed" {
	mv "$root/etc/Chrystoki.conf" "$root/etc/real"
	ln -s real "$root/etc/Chrystoki.conf"
	okv_config 3 chrystoki set Misc A b
	[ -L "$root/etc/Chrystoki.conf" ]
}

# --- broken off -----------------------------------------------------------------------------------------------------

@test "wire and unwire, killed or failing at any call, leave whole files and are finished by the next run (a sample)" {
	STRIDE=97 ERRORS=EIO run -0 "$BATS_TEST_DIRNAME/../faults.d/config-kill"
	[[ $output == *' 0 broke a promise' ]]
}
