#!/usr/bin/env bats
# okv-luna extract: honest clients of every kind installed whole, everything else refused whole.  Needs root.

bats_require_minimum_version 1.5.0

# A library of this machine, and the vendor's archives around it, in every packing.
setup_file() {
	export ARCHIVES=$BATS_FILE_TMPDIR
	local maker=$BATS_TEST_DIRNAME/../appliance/client-archive
	cd "$ARCHIVES"
	echo 'int C_GetFunctionList(void) { return 0; }' | gcc -shared -fPIC -o library.so -x c -
	"$maker" --library library.so minimal minimal.tar.gz
	echo 'int C_GetFunctionList(void) { return 1; }' | gcc -shared -fPIC -o newer.so -x c -
	"$maker" --library newer.so --version 10.9.4-122 minimal newer.tar.gz
	"$maker" --library library.so cloud cloud.zip
	gzip -dc minimal.tar.gz >minimal.tar
	xz -0 -k minimal.tar
	bzip2 -k minimal.tar
	zstd -q minimal.tar
	tar -xf minimal.tar
	(cd LunaClient-Minimal-* && zip -q -r -y ../minimal.zip .)
}

setup() {
	build=${BUILD:-$BATS_TEST_DIRNAME/../../build}
	[[ $build == /* ]] || build=$(cd "$BATS_TEST_DIRNAME/../.." && cd "$build" && pwd)
	extract=$build/libexec/okv-luna-extract
	hostile=$BATS_TEST_DIRNAME/../hostile
	root=$BATS_TEST_TMPDIR/root
	client=$root/usr/safenet/lunaclient
	conf=$root/etc/Chrystoki.conf
	mkdir -p "$root/etc"
	printf 'root:x:0:0::/root:/bin/sh\noracle:x:54321:54321::/home/oracle:/bin/sh\n' >"$root/etc/passwd"
	printf 'root:x:0:\noinstall:x:54321:\nhsmusers:x:986:oracle\n' >"$root/etc/group"
	cd "$ARCHIVES"
}

extracts() { run -0 "$extract" --root "$root" "$@"; }
# refuses STATUS WORDS ARGUMENT...: with this status, one sentence that holds the words, and nothing on standard output.
refuses() {
	run --separate-stderr "-$1" "$extract" --root "$root" "${@:3}"
	[ -z "$output" ]
	[ "${#stderr_lines[@]}" -eq 1 ] || { echo "$stderr"; return 1; }
	[[ $stderr == *"$2"* ]] || { echo "'$stderr' does not say '$2'"; return 1; }
}

# All of it but our own lock and the times of directories.
everything() {
	(cd "$root" && find . -path ./opt -prune -o -type d -printf '%p %U:%G %m\n' -o \
		-printf '%p %U:%G %m %n %s %T@ %l\n' | sort
		find . -path ./opt -prune -o -type f -exec sha256sum {} + | sort)
}
# The client's content, whatever its times.
content() {
	(cd "$client" && find . -printf '%p %U:%G %m %l\n' | sort && find . -type f -exec sha256sum {} + | sort)
}
unchanged() { diff <(echo "$before") <(everything); }

# What an administrator and the HSM leave in a client; attributes and times included.
identity_make() {
	local file
	for file in cert/client/okv1Key.pem cert/client/okv1.pem cert/server/CAFile.pem configData/token/001/token.db \
		data/deep/er/state stc/token.bin; do
		mkdir -p "$client/$(dirname "$file")"
		head -c 3000 /dev/urandom >"$client/$file"
		chown 54321:986 "$client/$file"
		chmod 0640 "$client/$file"
		touch -d '2021-02-03 04:05:06.789' "$client/$file"
	done
	setfattr -n user.note -v kept "$client/cert/client/okv1.pem"
	ln -s okv1.pem "$client/cert/client/current.pem"
	printf 'Own = {\n   Place = /usr/safenet/lunaclient/own/place.bin;\n}\n' >>"$conf"
}
identity() {
	(cd "$client" && find cert configData data -type l -printf '%p %U:%G %l\n' -o -printf '%p %U:%G %m %T@\n' | sort
		find cert configData data -type f -exec sha256sum {} + | sort
		getfattr -d -R cert)
}

# --- every kind of input ----------------------------------------------------------------------------------------------

@test "minimal client: the layout that OKV's settings expect, the vendor's names kept" {
	extracts minimal.tar.gz
	[ "${lines[0]%%:*}" = 'minimal client 10.4.0-417 (tar.gz)' ]
	cmp library.so "$client/lib/libCryptoki2_64.so"
	[ "$(readlink "$client/lib/libCryptoki2_64.so")" = ../libs/64/libCryptoki2.so ]
	[ "$(readlink "$client/bin/vtl")" = 64/vtl ]
	[ -f "$client/plugins/libdpod.plugin" ]
	[ ! -L "$client/plugins/libdpod.plugin" ]
	[ -f "$client/libs/64/plugins/libdpod.plugin" ]
	for dir in cert/client cert/server configData/token/001 data; do
		[ "$(stat -c '%u:%g %a' "$client/$dir")" = '0:986 2770' ]
	done
	[ -z "$(find "$root/usr/safenet" -name '.lunaclient*')" ]
}

@test "whichever of the library's two names is the file" {
	mkdir "$BATS_TEST_TMPDIR/other"
	cp -a LunaClient-Minimal-10.4.0-417.x86_64 "$BATS_TEST_TMPDIR/other/"
	(cd "$BATS_TEST_TMPDIR/other"/*/libs/64 && mv libCryptoki2.so libCryptoki2_64.so &&
		ln -s libCryptoki2_64.so libCryptoki2.so)
	tar -C "$BATS_TEST_TMPDIR/other" -czf "$BATS_TEST_TMPDIR/other.tar.gz" LunaClient-Minimal-10.4.0-417.x86_64
	extracts "$BATS_TEST_TMPDIR/other.tar.gz"
	[ "$(readlink "$client/lib/libCryptoki2_64.so")" = ../libs/64/libCryptoki2_64.so ]
	cmp library.so "$client/lib/libCryptoki2_64.so"
}

@test "tar, and tar by gzip, xz, bzip2 and zstd, give the same client" {
	local ending first=
	for ending in tar tar.gz tar.xz tar.bz2 tar.zst; do
		rm -rf "${root:?}/usr" "$conf"
		extracts "minimal.$ending"
		[[ $output == *"($ending)"* ]]
		[ -n "$first" ] || first=$(content)
		diff <(echo "$first") <(content)
	done
}

@test "zip without a top directory gives the same client" {
	extracts minimal.tar.gz
	first=$(content)
	rm -rf "${root:?}/usr"
	extracts minimal.zip
	diff <(echo "$first") <(content)
}

@test "cloud service client: the tar within the zip, over the zip's own content" {
	extracts cloud.zip
	[[ ${lines[0]} == 'cloud client '* ]]
	cmp library.so "$client/lib/libCryptoki2_64.so"
	[ -f "$client/libs/64/plugins/libdpod.plugin" ]
	[ -f "$client/server-certificate.pem" ]
	[ ! -e "$client/cvclient-min.zip" ]
	[ ! -e "$client/cvclient-min.tar" ]
	# No path of the settings is relative any more, and each leads to a file.
	run ! grep -q '= *\./' "$conf"
	grep -o '/usr/safenet/lunaclient/[^;]*' "$conf" >"$BATS_TEST_TMPDIR/paths"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/paths")" -ge 4 ]
	while read -r path; do [ -e "$root$path" ]; done <"$BATS_TEST_TMPDIR/paths"
	grep -q 'AuthTokenClientSecret = not-a-secret;' "$conf"
	[ "$(stat -c '%u:%g %a' "$conf")" = '0:986 660' ]
}

@test "full client: by rpm, into --root, with the licence accepted" {
	"$BATS_TEST_DIRNAME/../appliance/client-archive" --library library.so full "$BATS_TEST_TMPDIR/full.tar"
	before=$(everything)
	refuses 3 --accept-licence "$BATS_TEST_TMPDIR/full.tar"
	refuses 3 --accept-licence --dry-run "$BATS_TEST_TMPDIR/full.tar"
	extracts --list "$BATS_TEST_TMPDIR/full.tar"
	[[ $output == *'lunacm-10.4.0-417: would be installed by rpm'* ]]
	unchanged
	extracts --accept-licence "$BATS_TEST_TMPDIR/full.tar"
	for name in libcryptoki libshim cklog lunacm vtl ckdemo lunacmu salogin configurator multitoken; do
		[[ $output == *"$name-10.4.0-417: installed by rpm"* ]]
		rpm --root "$root" -q "$name" >/dev/null
	done
	cmp library.so "$client/lib/libCryptoki2_64.so"
	extracts --dry-run --accept-licence "$BATS_TEST_TMPDIR/full.tar"
	[[ $output == *'lunacm-10.4.0-417: installed'*'installed already; nothing was changed'* ]]
	extracts --accept-licence "$BATS_TEST_TMPDIR/full.tar"
	[[ $output == *'installed already; nothing was changed'* ]]
}

@test "full client: an rpm that was killed or cannot read its database has not said no, and nothing is changed" {
	"$BATS_TEST_DIRNAME/../appliance/client-archive" --library library.so full "$BATS_TEST_TMPDIR/full.tar"
	extracts --accept-licence "$BATS_TEST_TMPDIR/full.tar"
	before=$(content)
	rc=0
	strace -f -qq -o "$BATS_TEST_TMPDIR/log" -P /usr/lib/rpm/rpmrc -e inject=openat:signal=KILL "$extract" --root "$root" \
		--accept-licence "$BATS_TEST_TMPDIR/full.tar" 2>"$BATS_TEST_TMPDIR/said" || rc=$?
	[ $rc -eq 5 ]
	[[ $(<"$BATS_TEST_TMPDIR/said") == *'rpm was killed by signal 9 before it answered' ]]
	diff <(echo "$before") <(content)
	database=$(find "$root" -name rpmdb.sqlite)
	head -c 4096 /dev/urandom >"$database"
	for option in -q -n; do
		refuses 5 "rpm --root $root --rebuilddb' mends its database" $option --accept-licence "$BATS_TEST_TMPDIR/full.tar"
		[[ $stderr == *'rpm cannot tell what is installed: error: '* ]]
	done
	diff <(echo "$before") <(content)
}

@test "full client: what could not be done after rpm is done by the next run" {
	"$BATS_TEST_DIRNAME/../appliance/client-archive" --library library.so full "$BATS_TEST_TMPDIR/full.tar"
	mtree=$root/opt/okv-luna/var/client.mtree
	mkdir -p "$mtree"
	refuses 4 "the packages are installed, but: " --accept-licence "$BATS_TEST_TMPDIR/full.tar"
	rmdir "$mtree"
	extracts --accept-licence "$BATS_TEST_TMPDIR/full.tar"
	grep -q lib/libCryptoki2_64.so "$mtree"
	# Packages whose files are gone are not an installed client.
	mv "$client" "$client.gone"
	extracts --accept-licence "$BATS_TEST_TMPDIR/full.tar"
	[[ $output != *'installed already'* ]]
	cmp library.so "$client/lib/libCryptoki2_64.so"
	# A client that cannot be looked at is that, and not absent; after rpm's part it is 4, before it 5.
	local when codes=
	for when in 1 2 3 4 5 6 7 8; do
		rc=0
		strace -qq -o /dev/null -P lunaclient -e inject=newfstatat:error=EIO:when=$when "$extract" --root "$root" \
			--accept-licence "$BATS_TEST_TMPDIR/full.tar" >/dev/null 2>"$BATS_TEST_TMPDIR/said" || rc=$?
		[ $rc -ne 0 ] || break
		codes+=$rc
		[[ $(<"$BATS_TEST_TMPDIR/said") == *"cannot look at 'lunaclient': Input/output error" ]]
	done
	[[ $codes =~ ^5+4$ ]] || { echo "$codes"; return 1; }
}

@test "several archives are one client" {
	tar --delete -f - LunaClient-Minimal-10.4.0-417.x86_64/bin <minimal.tar >"$BATS_TEST_TMPDIR/one.tar"
	tar -cf "$BATS_TEST_TMPDIR/two.tar" LunaClient-Minimal-10.4.0-417.x86_64/bin
	extracts minimal.tar
	first=$(content)
	rm -rf "${root:?}/usr"
	extracts "$BATS_TEST_TMPDIR/one.tar" "$BATS_TEST_TMPDIR/two.tar"
	diff <(echo "$first") <(content)
}

# --- what comes from the archive, and what never does -----------------------------------------------------------------

@test "owner, mode and attributes come from policy, never from the archive" {
	local top=LunaClient-Minimal-10.4.0-417.x86_64
	mkdir "$BATS_TEST_TMPDIR/odd"
	cp -a $top "$BATS_TEST_TMPDIR/odd/"
	cd "$BATS_TEST_TMPDIR/odd"
	chmod -R 0777 $top
	chown -R 1234:1234 $top
	setfattr -n user.evil -v 1 $top/bin/64/vtl
	setfattr -n security.capability -v 0x0100000200000000000000000000000000000000 $top/bin/64/ckdemo
	tar --xattrs --xattrs-include='*' -czf ../odd.tar.gz $top
	tar --xattrs --xattrs-include='*' -tvf ../odd.tar.gz | grep -q '\*'
	extracts ../odd.tar.gz
	[ -z "$(find "$client" ! -user 0)" ]
	[ -z "$(find "$client" ! -type l -perm /002)" ]
	[ -z "$(getfattr -d -m - -R "$client" 2>/dev/null)" ]
	[ "$(stat -c '%a' "$client/bin/64/vtl" "$client/openssl.cnf" | xargs)" = '755 644' ]
}

@test "no HSM group yet: what would be its is root's alone" {
	sed -i '/hsmusers/d' "$root/etc/group"
	extracts minimal.tar.gz
	[ "$(stat -c '%u:%g' "$client/cert/client" "$conf" | uniq)" = 0:0 ]
	[ -z "$(find "$client/cert" "$conf" -perm /007)" ]
}

@test "Chrystoki.conf is made from the template, and one that is there is never overwritten" {
	extracts minimal.tar.gz
	grep -q 'LibUNIX64 = /usr/safenet/lunaclient/lib/libCryptoki2_64.so;' "$conf"
	grep -q 'CommandTimeOutPedSet = 720000;' "$conf"
	rm -rf "${root:?}/usr"
	echo '# the administrator wrote this' >"$conf"
	sum=$(stat -c '%i %Y %a' "$conf")
	extracts minimal.tar.gz
	[[ $output == *'/etc/Chrystoki.conf: kept as it is'* ]]
	[ "$(cat "$conf")" = '# the administrator wrote this' ]
	[ "$(stat -c '%i %Y %a' "$conf")" = "$sum" ]
}

@test "the manifest names everything that was placed, with size, digest and mode" {
	extracts minimal.tar.gz
	record=$root/opt/okv-luna/var/client.mtree
	[ "$(stat -c %a "$record")" = 600 ]
	sum=$(sha256sum <library.so)
	grep -F "/libs/64/libCryptoki2.so type=file uid=0 gid=0 mode=0755 size=$(stat -c %s library.so)" "$record" |
		grep -F " sha256=${sum%% *}"
	# Each file and link there is, and no other.
	diff <(cd "$root" && find ./usr -type f -o -type l | sort) \
		<(awk '/type=(file|link)/ { print $1 }' "$record" | sort)
}

@test "the archive is read only by processes that have given up root and whatever leads back to it" {
	strace -f -y -o "$BATS_TEST_TMPDIR/trace" -e trace=read,pread64,prctl,setresuid,setgroups,chroot,prlimit64 \
		"$extract" --root "$root" -q minimal.zip
	awk '
		/setgroups\(0, NULL/ { groups[$1] = 1 }
		/setresuid\(65533, 65533, 65533/ { user[$1] = groups[$1] }
		/chroot\(/ { jail[$1] = 1 }
		/PR_SET_NO_NEW_PRIVS, 1/ { none[$1] = user[$1] }
		/prlimit64\(0, RLIMIT_(NPROC|CORE), {rlim_cur=0, rlim_max=0}/ { limits[$1]++ }
		/PR_SET_SECCOMP, SECCOMP_MODE_FILTER/ { shut[$1] = jail[$1] && none[$1] && limits[$1] >= 2 }
		/(read|pread64)\([0-9]+<[^>]*minimal[.]zip>/ { reads++; if (!shut[$1]) { print "too early: " $0; bad = 1 } }
		END { for (p in shut) processes++; exit bad || reads < 3 || processes != 3 }
	' "$BATS_TEST_TMPDIR/trace"
}

@test "the swap: one sync of the file system, one exchange, and the directories synced after it" {
	extracts minimal.tar.gz
	strace -f -y -o "$BATS_TEST_TMPDIR/trace" -e trace=syncfs,rename,renameat,renameat2,fsync \
		"$extract" --root "$root" -q newer.tar.gz
	awk '
		/syncfs\(/ { syncs++; if (exchanges) late = 1 }
		/RENAME_EXCHANGE/ { exchanges++; if (syncs != 1) early = 1 }
		/fsync\([0-9]+<[^>]*\/usr\/safenet>/ && exchanges { parent++ }
		END { exit syncs != 1 || exchanges != 1 || parent < 1 || early || late }
	' "$BATS_TEST_TMPDIR/trace"
}

# --- again, and back --------------------------------------------------------------------------------------------------

@test "the same archive again changes nothing" {
	extracts minimal.tar.gz
	identity_make
	mkdir "$client/own"
	echo place >"$client/own/place.bin"
	before=$(everything)
	extracts minimal.tar.gz
	[[ $output == *'installed already; nothing was changed'* ]]
	[[ $output != *'own/place.bin'* ]]
	unchanged
}

@test "where a filter of system calls forbids to exchange two names, another client is installed all the same" {
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	extracts minimal.tar.gz
	identity_make
	before=$(identity)
	run -0 strace -f -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=renameat2 -e inject=renameat2:error=EPERM \
		"$extract" --root "$root" newer.tar.gz
	grep -q 'EPERM.*INJECTED' "$BATS_TEST_TMPDIR/trace"
	cmp newer.so "$client/lib/libCryptoki2_64.so"
	after=$(identity)
	diff <(echo "$before") <(echo "$after")
	[ "$(ls -A "$root/usr/safenet/.lunaclient.okv-luna")" = previous ]
	extracts --rollback
	cmp library.so "$client/lib/libCryptoki2_64.so"
}

@test "the identity is carried to the new client bit for bit" {
	extracts minimal.tar.gz
	identity_make
	mkdir "$client/own"
	echo place >"$client/own/place.bin"
	before=$(identity) settings=$(sha256sum "$conf")
	extracts newer.tar.gz
	[[ $output == *'minimal client 10.9.4-122'* ]]
	[[ $output == *'cert: carried over from the old client'* ]]
	after=$(identity)
	diff <(echo "$before") <(echo "$after")
	[ "$(sha256sum "$conf")" = "$settings" ]
	[ "$(cat "$client/own/place.bin")" = place ]
	extracts cloud.zip
	after=$(identity)
	diff <(echo "$before") <(echo "$after")
}

@test "rollback puts the previous client back, and rollback of that the newer one" {
	extracts minimal.tar.gz
	identity_make
	echo old >"$client/libs/64/old"
	old=$(content)
	extracts newer.tar.gz
	[[ $output == *"'okv-luna extract --rollback' puts it back"* ]]
	new=$(content)
	[ "$old" != "$new" ]
	extracts --rollback --dry-run
	diff <(echo "$new") <(content)
	extracts --rollback
	diff <(echo "$old") <(content)
	grep -q libs/64/old "$root/opt/okv-luna/var/client.mtree"
	extracts --rollback
	diff <(echo "$new") <(content)
}

@test "a rollback whose record cannot be written is finished by the next run, not undone" {
	extracts minimal.tar.gz
	old=$(content)
	extracts newer.tar.gz
	mtree=$root/opt/okv-luna/var/client.mtree
	rm "$mtree"
	mkdir "$mtree"
	local again
	for again in 1 2; do
		refuses 4 'the previous client is back, but: ' --rollback
		diff <(echo "$old") <(content)
	done
	refuses 3 'an earlier --rollback cannot be completed: ' newer.tar.gz
	rmdir "$mtree"
	extracts --rollback --dry-run
	[[ $output == *'is back already'* ]]
	[ ! -e "$mtree" ]
	extracts --rollback
	[[ $output == *'an earlier --rollback was cut off'*'completed'* ]]
	diff <(echo "$old") <(content)
	grep -q 'put back' "$mtree"
	# What comes after it is a roll-back of its own again.
	new=$(cd "$root/usr/safenet/.lunaclient.okv-luna/previous" && find . -type f -exec sha256sum {} + | sort)
	extracts --rollback
	[ "$new" = "$(cd "$client" && find . -type f -exec sha256sum {} + | sort)" ]
}

@test "an installation after a rollback that was cut off finishes that first" {
	extracts minimal.tar.gz
	extracts newer.tar.gz
	mtree=$root/opt/okv-luna/var/client.mtree
	rm "$mtree"
	mkdir "$mtree"
	refuses 4 'the previous client is back, but: ' --rollback
	rmdir "$mtree"
	extracts newer.tar.gz
	[[ $output == *'an earlier --rollback was cut off'*'completed'* ]]
	cmp newer.so "$client/lib/libCryptoki2_64.so"
	[ "$(find "$root/usr/safenet/.lunaclient.okv-luna" -mindepth 1 -maxdepth 1 -printf '%f ')" = 'previous ' ]
	extracts --rollback
	cmp library.so "$client/lib/libCryptoki2_64.so"
}

@test "one generation is kept" {
	extracts minimal.tar.gz
	extracts newer.tar.gz
	extracts cloud.zip
	extracts --rollback
	[ -d "$client/jsp" ]
	[ "$(find "$root/usr/safenet/.lunaclient.okv-luna" -mindepth 1 -maxdepth 1 -printf '%f ')" = 'previous ' ]
	[ "$(stat -c '%u %a' "$root/usr/safenet/.lunaclient.okv-luna")" = '0 700' ]
}

@test "--rollback without a previous client: absent" {
	refuses 6 'no previous client' --rollback
	extracts minimal.tar.gz
	refuses 6 'no previous client' --rollback
	refuses 6 'no previous client' --rollback --dry-run
}

# --- looking only -----------------------------------------------------------------------------------------------------

@test "--list and --dry-run change nothing and say what would be placed where" {
	before=$(everything)
	extracts --list cloud.zip
	[[ $output == *' /usr/safenet/lunaclient/libs/64/libCryptoki2.so'* ]]
	[[ $output == *'link  /usr/safenet/lunaclient/lib/libCryptoki2_64.so -> ../libs/64/libCryptoki2.so'* ]]
	[[ $output == *'not placed   cvclient-min.zip'* ]]
	[[ $output == *'nothing was changed'* ]]
	unchanged
	extracts --dry-run minimal.tar.gz
	[[ $output == *'/usr/safenet/lunaclient: would be installed; nothing was changed'* ]]
	unchanged
	[ ! -e "$root/opt" ]
	extracts minimal.tar.gz
	before=$(everything)
	extracts --dry-run newer.tar.gz
	[[ $output == *'cert: would be carried over from the old client'* ]]
	unchanged
}

@test "--list names every path that an installation places" {
	run --separate-stderr -0 "$extract" --root "$root" --list minimal.tar.gz
	listed=$(grep -o ' /usr/safenet/[^ ]*' <<<"$output" | sort -u)
	"$extract" --root "$root" -q minimal.tar.gz
	while read -r path; do [ -e "$root$path" ] || [ -L "$root$path" ]; done <<<"$listed"
	diff <(cd "$root" && find usr -type f -printf '/%p\n' | sort) \
		<(while read -r path; do [ -L "$root$path" ] || echo "$path"; done <<<"$listed" | sort)
}

@test "--json: one object, the receipt" {
	sum=$(sha256sum <cloud.zip | cut -c1-64)
	run --separate-stderr -0 "$extract" --root "$root" --json --sha256 "$sum" cloud.zip
	jq -se 'length == 1' <<<"$output"
	jq -e --arg sum "$sum" '.command == "okv-luna-extract" and .exit == 0 and .changed and (.dry_run | not) and
		.kind == "cloud" and .sha256 == $sum and .client_dir == "/usr/safenet/lunaclient" and
		.library == "libs/64/libCryptoki2.so" and .chrystoki_conf == "written"' <<<"$output"
	run --separate-stderr -0 "$extract" --root "$root" --json --list minimal.tar.gz
	jq -e '.dry_run and (.entries | map(.path) | index("bin/64/vtl")) and (.carried | index("cert"))' <<<"$output"
	run --separate-stderr -3 "$extract" --root "$root" --json --kind full minimal.tar.gz
	jq -e '.exit == 3 and (.error | length > 0)' <<<"$output"
}

@test "--json tells what would change, and then what has" {
	says() { # WHAT JQ-FILTER ARGUMENT...
		run --separate-stderr -0 "$extract" --root "$root" --json "${@:3}"
		[ "$(jq -c "$2" <<<"$output")" = "$1" ] || { echo "$output"; return 1; }
	}
	says '[true,true,"written"]' '[.dry_run, .changed, .chrystoki_conf]' --dry-run minimal.tar.gz
	says '[false,true,"written"]' '[.dry_run, .changed, .chrystoki_conf]' minimal.tar.gz
	says '[true,false,"kept",[]]' '[.dry_run, .changed, .chrystoki_conf, .carried]' --dry-run minimal.tar.gz
	says '[false,false,"kept"]' '[.dry_run, .changed, .chrystoki_conf]' minimal.tar.gz
	says true .changed --list newer.tar.gz
	# One byte, or one mode, of what is installed is another.
	echo more >>"$client/libs/64/libcklog2.so"
	says true .changed --dry-run minimal.tar.gz
	says true .changed minimal.tar.gz
	chmod 0700 "$client/bin"
	says true .changed --dry-run minimal.tar.gz
	says true .changed minimal.tar.gz
	# The client is there, and Chrystoki.conf is not.
	rm "$conf"
	says '[true,"written"]' '[.changed, .chrystoki_conf]' --dry-run minimal.tar.gz
	says '[true,"written"]' '[.changed, .chrystoki_conf]' minimal.tar.gz
	says '[false,"kept"]' '[.changed, .chrystoki_conf]' minimal.tar.gz
	says true .changed --rollback --dry-run
}

# on_terminal FILE ARGUMENT...: what it shows on a terminal, into FILE.
on_terminal() {
	local words
	words=$(printf '%q ' "$extract" --root "$root" "${@:2}")
	TERM=xterm script -qec "$words" /dev/null </dev/null >"$1"
}

@test "a bar is drawn on a terminal, taken away at the end, and drawn nowhere else" {
	on_terminal "$BATS_TEST_TMPDIR/shown" minimal.tar.gz
	grep -q $'\r\[[ #]*\] [0-9]* files, [0-9]* MB' "$BATS_TEST_TMPDIR/shown"
	# The bar's line is empty before the first word of the receipt.
	[[ $(tr -d '\n' <"$BATS_TEST_TMPDIR/shown") == *$'\r\033[Kminimal client 10.4.0-417'* ]]
	local option
	for option in -q --json; do
		on_terminal "$BATS_TEST_TMPDIR/shown" $option newer.tar.gz
		run ! grep -q $'\r\[' "$BATS_TEST_TMPDIR/shown"
	done
	on_terminal "$BATS_TEST_TMPDIR/shown" --dry-run cloud.zip
	grep -q $'\r\[[ #]*\] ' "$BATS_TEST_TMPDIR/shown"
	run -0 "$extract" --root "$root" minimal.tar.gz
	[[ $output != *$'\r'* ]]
	run -0 "$extract" --root "$root" -q newer.tar.gz
	[ -z "$output" ]
}

@test "one run at a time: another one is late, looking is allowed" {
	extracts minimal.tar.gz
	before=$(everything)
	exec 8>>"$root/opt/okv-luna/var/lock"
	flock -x 8
	"$extract" --root "$root" --rollback 8>&- 2>"$BATS_TEST_TMPDIR/late" &
	refuses 7 'another' newer.tar.gz 8>&-
	wait $! || [ $? -eq 7 ]
	grep -q another "$BATS_TEST_TMPDIR/late"
	unchanged
	extracts --dry-run newer.tar.gz 8>&-
	exec 8>&-
	extracts newer.tar.gz
}

# --- refused ----------------------------------------------------------------------------------------------------------

@test "--sha256: the right one, another one, and none at all" {
	before=$(everything)
	refuses 3 SHA-256 --sha256 "$(printf '%064d' 0)" minimal.tar.gz
	unchanged
	refuses 2 '64 hexadecimal digits' --sha256 abc minimal.tar.gz
	extracts --sha256 "$(sha256sum <minimal.tar.gz | cut -c1-64 | tr a-f A-F)" minimal.tar.gz
}

@test "used wrongly" {
	refuses 2 'which archive?'
	refuses 2 'takes no archive' --rollback minimal.tar.gz
	refuses 2 'full path' --to relative minimal.tar.gz
	refuses 2 'full path' --to /usr/ minimal.tar.gz
	run -2 "$extract" --root "$root" --kind tiny minimal.tar.gz
	run -2 "$extract" --root "$root" --max-entries 0 minimal.tar.gz
	run -2 "$extract" --root "$root" --max-bytes lots minimal.tar.gz
	[ ! -e "$root/usr" ]
}

@test "no such archive, and what is no archive" {
	refuses 6 nowhere.tar nowhere.tar
	refuses 3 library.so library.so
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	refuses 3 fifo "$BATS_TEST_TMPDIR/fifo"
	refuses 3 "$(basename "$BATS_TEST_TMPDIR")" "$BATS_TEST_TMPDIR"
	[ ! -e "$root/usr" ]
}

@test "another kind than the one that was asked for" {
	refuses 3 minimal --kind cloud minimal.tar.gz
	refuses 3 cloud --kind minimal cloud.zip
	extracts --kind minimal minimal.tar.gz
	extracts --kind cloud cloud.zip
}

@test "--max-bytes and --max-entries" {
	refuses 3 bytes --max-bytes 1K minimal.tar.gz
	refuses 3 '10' --max-entries 10 minimal.tar.gz
	[ ! -e "$root/usr" ]
	extracts --max-bytes 1M --max-entries 100 minimal.tar.gz
}

@test "--to: elsewhere, and not over a file" {
	extracts --to /opt/luna minimal.tar.gz
	cmp library.so "$root/opt/luna/lib/libCryptoki2_64.so"
	grep -q 'LibUNIX64 = /opt/luna/lib/libCryptoki2_64.so;' "$conf"
	[ ! -e "$root/usr" ]
	mkdir -p "$root/usr"
	echo file >"$root/usr/file"
	refuses 3 'is there and is no directory' --to /usr/file minimal.tar.gz
	[ "$(cat "$root/usr/file")" = file ]
}

@test "a link that a user could have planted in the client's place, or on the way there" {
	mkdir -p "$root/usr/safenet" "$BATS_TEST_TMPDIR/outside"
	ln -s "$BATS_TEST_TMPDIR/outside" "$client"
	refuses 3 'is no directory' minimal.tar.gz
	rm "$client"
	mkdir "$root/usr/safenet/.lunaclient.okv-luna"
	chown 54321 "$root/usr/safenet/.lunaclient.okv-luna"
	refuses 3 "not root's alone" minimal.tar.gz
	[ -z "$(ls -A "$BATS_TEST_TMPDIR/outside")" ]
}

# --- hostile, damaged, interrupted -------------------------------------------------------------------------------------

# says_last WORDS COMMAND...: it succeeds, and its last line has the words.
says_last() {
	run "${@:2}"
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	[[ ${lines[-1]} == *"$1"* ]] || { echo "$output"; return 1; }
}

@test "hostile archives: every one refused with one sentence, and nothing changed anywhere" {
	"$hostile/make" "$BATS_TEST_TMPDIR/hostile"
	[ "$(find "$BATS_TEST_TMPDIR/hostile" -type f | wc -l)" -gt 450 ]
	says_last ' refused with nothing changed, 0 not' "$hostile/refuse" "$extract" "$BATS_TEST_TMPDIR/hostile"
}

@test "cuts and flipped bits: refused, or without any effect" {
	says_last '60 flipped bits: ' "$hostile/damage" "$extract" 60 "$RANDOM"
	[[ ${lines[0]} == '60 cuts: '*' 0 accepted silently or not undone' ]]
	[[ ${lines[1]} == *' 0 accepted silently or not undone' ]]
}

@test "killed: the old client or the new one, whole, and the next run finishes" {
	ONLY='renameat renameat2 syncfs fsync' says_last '; 0 broke a promise' "$hostile/interrupt" "$extract" kill
	# Between the swap and the end it is the new one.
	[[ ${lines[-1]} != *'after 0'* ]]
	says_last '; 0 broke a promise' "$hostile/interrupt" "$extract" kill 60
}

@test "a rollback killed, or with failing calls: the next one finishes it and never undoes it" {
	local what
	for what in kill fail; do
		ONLY='renameat renameat2 fsync unlinkat' says_last '; 0 broke a promise' "$hostile/interrupt" "$extract" \
			$what-rollback 1 EIO
		[[ ${lines[-1]} != *'after 0'* ]]
	done
}

@test "failing calls: the old client or the new one, whole, and the next run finishes" {
	ONLY='getdents64 renameat2 syncfs' says_last '; 0 broke a promise' "$hostile/interrupt" "$extract" fail 1 EIO
	says_last '; 0 broke a promise' "$hostile/interrupt" "$extract" fail 40 ENOSPC
}

@test "a user of the HSM group who exchanges directories and links meanwhile" {
	gcc -O2 -D_GNU_SOURCE -o "$BATS_TEST_TMPDIR/attacker" "$hostile/attacker.c"
	says_last ': 0 with anything outside changed or read' "$hostile/attack" "$extract" "$BATS_TEST_TMPDIR/attacker" 20
}

@test "a full file system: said before anything is unpacked, and met by surprise" {
	extracts minimal.tar.gz
	head -c 40000000 /dev/urandom >"$BATS_TEST_TMPDIR/large"
	cp -a LunaClient-Minimal-10.4.0-417.x86_64 "$BATS_TEST_TMPDIR/"
	mv "$BATS_TEST_TMPDIR/large" "$BATS_TEST_TMPDIR/LunaClient-Minimal-10.4.0-417.x86_64/jsp/large.jar"
	tar -C "$BATS_TEST_TMPDIR" -cf "$BATS_TEST_TMPDIR/large.tar" LunaClient-Minimal-10.4.0-417.x86_64
	# 30 MB of room: less than the archive.  50 MB: the archive passes, what stays free for others does not.
	for room in 30 50; do
		# shellcheck disable=SC2016
		run unshare -m sh -euc 'mount -t tmpfs -o size=$1m tmpfs /mnt && cp -a "$2/." /mnt/
			before=$(cd /mnt/usr && find . -printf "%p %m %s\n" | sort | sha256sum)
			said=0; "$3" --root /mnt "$4" || said=$?
			[ "$(cd /mnt/usr && find . -printf "%p %m %s\n" | sort | sha256sum)" = "$before" ]
			exit $said' sh $room "$root" "$extract" "$BATS_TEST_TMPDIR/large.tar"
		[ "$status" -eq 5 ] || [ "$status" -eq 3 ] || { echo "$status $output"; return 1; }
		[[ $output == *bytes* || $output == *space* ]]
	done
}
