#!/usr/bin/env bats
# okv-luna extract: honest clients of every kind installed whole, everything else refused whole.  Needs root.

bats_require_minimum_version 1.5.0
load eventually
load without

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
		find cert -print0 | sort -z | xargs -0 getfattr -d)
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
	# The packages tell the version, so that guide need not assume one.
	run -1 "$build/libexec/okv-luna-guide" --root "$root" install
	[[ $output == *', Luna client 10.4 (detected), '* ]]
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
		refuses 5 "rpm --root $root --rebuilddb' repairs its database" $option --accept-licence "$BATS_TEST_TMPDIR/full.tar"
		[[ $stderr == *'rpm cannot tell what is installed: error: '* ]]
	done
	diff <(echo "$before") <(content)
}

@test "full client: a plan shows the packages' own places, finds a damaged one, and a refusal leaves no rpm database" {
	"$BATS_TEST_DIRNAME/../appliance/client-archive" --library library.so full "$BATS_TEST_TMPDIR/full.tar"
	extracts --list "$BATS_TEST_TMPDIR/full.tar"
	[[ $output == *'rpm  /usr/safenet/lunaclient/lib/libCryptoki2_64.so'* ]]
	[[ $output != */usr/safenet/lunaclient/64/* ]]
	[ -z "$(find /var/tmp -maxdepth 1 -name 'okv-luna-*')" ]
	mkdir "$BATS_TEST_TMPDIR/damaged"
	tar -C "$BATS_TEST_TMPDIR/damaged" -xf "$BATS_TEST_TMPDIR/full.tar"
	package=$(find "$BATS_TEST_TMPDIR/damaged" -name 'vtl-*.x86_64.rpm')
	size=$(stat -c %s "$package")
	printf '\377\376\375' | dd of="$package" bs=1 seek=$((size - 40)) conv=notrunc status=none
	tar -C "$BATS_TEST_TMPDIR/damaged" -cf "$BATS_TEST_TMPDIR/damaged.tar" .
	before=$(everything)
	for option in --dry-run --list -q; do
		refuses 3 'rpm reports a damaged package' --accept-licence $option "$BATS_TEST_TMPDIR/damaged.tar"
		unchanged
		[ -z "$(find "$root" -name 'rpmdb*' -o -name Packages)" ]
	done
	# A client of another kind in its place is no reason to make one either.
	extracts minimal.tar.gz
	refuses 3 'rpm reports a damaged package' --accept-licence --replace-kind "$BATS_TEST_TMPDIR/damaged.tar"
	[ -z "$(find "$root" -name 'rpmdb*' -o -name Packages)" ]
}

@test "full client: installed already is what rpm finds as it was packed, the identity aside" {
	"$BATS_TEST_DIRNAME/../appliance/client-archive" --library library.so full "$BATS_TEST_TMPDIR/full.tar"
	extracts --accept-licence "$BATS_TEST_TMPDIR/full.tar"
	local change
	for change in 'chmod 0700 bin/vtl' 'chgrp 986 bin/lunacm' 'echo own >cert/server/CAFile.pem' 'rm configData/token/001/token.db' \
		'echo "# own" >>../../../etc/Chrystoki.conf'; do
		(cd "$client" && eval "$change")
		extracts --accept-licence "$BATS_TEST_TMPDIR/full.tar"
		[[ $output == *'installed already; nothing was changed' ]] || { echo "$change"; return 1; }
	done
	for change in 'rm bin/vtl' 'echo x >>bin/lunacm' 'echo x >lib/libshim.so' 'rm lib/libCryptoki2_64.so' \
		'rm ../../../etc/Chrystoki.conf' 'ln -sf ../bin/vtl lib/libCryptoki2_64.so'; do
		(cd "$client" && eval "$change")
		extracts --dry-run --accept-licence "$BATS_TEST_TMPDIR/full.tar"
		[[ $output == *'would be installed; nothing was changed' ]] || { echo "$change"; return 1; }
		extracts --accept-licence "$BATS_TEST_TMPDIR/full.tar"
		cmp library.so "$client/lib/libCryptoki2_64.so"
		[ ! -L "$client/lib/libCryptoki2_64.so" ]
		[ -x "$client/bin/vtl" ]
		[ -f "$conf" ]
	done
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
		codes+="$rc"
		[[ $(<"$BATS_TEST_TMPDIR/said") == *"cannot look at 'lunaclient': Input/output error" ]]
	done
	[[ $codes =~ ^5+4$ ]] || { echo "$codes"; return 1; }
}

@test "what stays refused says what to do" {
	local top=LunaClient-Minimal-10.4.0-417.x86_64
	mkdir "$BATS_TEST_TMPDIR/odd"
	cp -a $top "$BATS_TEST_TMPDIR/odd/"
	cd "$BATS_TEST_TMPDIR/odd"
	chmod u+s $top/bin/64/vtl
	tar -cf setid.tar $top
	refuses 3 "set-id bits on a file; take them off ('chmod ug-s') and pack it again" setid.tar
	chmod u-s $top/bin/64/vtl
	truncate -s 1M $top/hole
	tar -S -cf sparse.tar $top
	refuses 3 'a sparse file; pack it again without holes (tar without --sparse)' sparse.tar
	rm $top/hole
	ln -s /etc/passwd $top/link
	tar -cf link.tar $top
	refuses 3 "outside the client's directory '/usr/safenet/lunaclient'; make it relative" link.tar
	rm $top/link
	ln -s ../../elsewhere $top/link
	tar -cf out.tar $top
	refuses 3 'a link that leads out of the tree; pack it again with what it leads to (tar -h)' out.tar
	ln -sf nowhere $top/link
	tar -cf dangling.tar $top
	refuses 3 "/nowhere', which the archive does not hold; pack it again with what it leads to (tar -h)" dangling.tar
	rm $top/link
	mkfifo $top/fifo
	tar -cf fifo.tar $top
	refuses 3 'a FIFO; leave it out, and pack the rest again' fifo.tar
	rm $top/fifo
	tar -cPf absolute.tar "$PWD/$top"
	refuses 3 'an absolute name; pack it again with relative ones (tar without -P)' absolute.tar
	(cd $top && tar -cPf ../above.tar "../$top")
	refuses 3 "'..' in the name; pack it again from the directory that holds it" above.tar
	touch $top/$'Schl\xfcssel'
	for format in gnu pax; do
		tar --format=$format -cf latin1.tar $top
		refuses 3 'name' latin1.tar
		[[ $stderr == *'is not UTF-8; rename it, and pack it again' ]] || { echo "$stderr"; return 1; }
	done
	rm $top/Schl*
	python3 -c 'if True:
		import os, zipfile
		with zipfile.ZipFile("back.zip", "w") as z:
			for where, _, files in os.walk("LunaClient-Minimal-10.4.0-417.x86_64"):
				for name in files:
					info = zipfile.ZipInfo("x")
					info.filename, info.create_system = os.path.join(where, name).replace("/", chr(92)), 0
					z.writestr(info, open(os.path.join(where, name), "rb").read())
	'
	refuses 3 "a backslash in the name, as some Windows programs write between directories; pack it again with '/'" back.zip
	[ ! -e "$root/usr" ]
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

@test "honest archives by the packers that are here: every one taken whole" {
	local packers=$BATS_TEST_DIRNAME/../packers
	"$packers/make" "$BATS_TEST_TMPDIR/packed" gnutar bsdtar infozip 7z python windows mac git cpio busybox
	[ "$(wc -l <"$BATS_TEST_TMPDIR/packed/expected")" -gt 60 ]
	says_last ' taken whole, 0 not' "$packers/take" "$extract" "$BATS_TEST_TMPDIR/packed" 4
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

@test "a secret is for root and the HSM group only, whatever its file is called; certificates are readable" {
	local name group
	for group in with without; do
		[ $group = with ] || sed -i '/hsmusers/d' "$root/etc/group"
		rm -rf "${root:?}/usr" "$conf" "$BATS_TEST_TMPDIR/secret"
		mkdir "$BATS_TEST_TMPDIR/secret"
		(cd "$BATS_TEST_TMPDIR/secret" && unzip -q "$ARCHIVES/cloud.zip")
		for name in Chrystoki.conf.tmp Chrystoki.conf.bak Chrystoki.conf.rpmsave Chrystoki-base.conf notes.txt; do
			cp "$BATS_TEST_TMPDIR/secret/Chrystoki.conf" "$BATS_TEST_TMPDIR/secret/$name"
		done
		printf -- '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nx\n' \
			>"$BATS_TEST_TMPDIR/secret/both.pem"
		(cd "$BATS_TEST_TMPDIR/secret" && zip -qr ../secret.zip .)
		extracts "$BATS_TEST_TMPDIR/secret.zip"
		for name in Chrystoki.conf Chrystoki.conf.tmp Chrystoki.conf.bak Chrystoki.conf.rpmsave Chrystoki-base.conf notes.txt \
			both.pem; do
			case $group in
			with) [ "$(stat -c '%u:%g %a' "$client/$name")" = '0:986 640' ] ;;
			*) [ "$(stat -c '%u:%g %a' "$client/$name")" = '0:0 600' ] ;;
			esac || { stat -c '%n %u:%g %a' "$client/$name"; return 1; }
		done
		[ -z "$(grep -lr 'AuthTokenClientSecret\|PRIVATE KEY' "$client" "$conf" | xargs -r stat -c '%a %n' | awk '$1 % 10 != 0')" ]
		# OKV's user reads them, whether the group was there or not.
		[ "$(stat -c %a "$client" "$client"/{server,partition-ca,partition}-certificate.pem | xargs)" = '755 644 644 644' ]
	done
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

@test "Chrystoki.conf names files that are there, or it is said which are not" {
	local top=LunaClient-Minimal-10.4.0-417.x86_64
	mkdir "$BATS_TEST_TMPDIR/used"
	cp -a $top "$BATS_TEST_TMPDIR/used/"
	cd "$BATS_TEST_TMPDIR/used/$top"
	# Configured elsewhere, by hand.
	mkdir -p config/certs
	touch config/certs/node1.pem config/certs/node1Key.pem
	printf 'Chrystoki2 = {\n   LibUNIX64 = /opt/x.so;\n}\nLunaSA Client = {\n   SSLConfigFile = %s;\n   %s\n}\n' \
		/opt/luna/openssl.cnf 'ClientPrivKeyFile = /opt/luna/config/certs/node1Key.pem;
   ClientCertFile = ./config/certs/node1.pem;
   ServerCAFile = ./config/certs/CAFile.pem;' >Chrystoki-template.conf
	tar -C .. -czf ../../used.tar.gz $top
	run --separate-stderr -0 "$extract" --root "$root" ../../used.tar.gz
	grep -qF 'ClientPrivKeyFile = /usr/safenet/lunaclient/config/certs/node1Key.pem;' "$conf"
	grep -qF 'ClientCertFile = /usr/safenet/lunaclient/config/certs/node1.pem;' "$conf"
	[[ $stderr == *"names 'cert/server/CAFile.pem' (ServerCAFile), which the new client does not have"* ]]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
}

@test "Chrystoki.conf of the cloud client: built from Chrystoki-base.conf as setenv does it, where that is there" {
	mkdir "$BATS_TEST_TMPDIR/base"
	cd "$BATS_TEST_TMPDIR/base"
	unzip -q "$ARCHIVES/cloud.zip"
	sed 's/^ *ServerName.*//; s/^ *AuthTokenClientSecret/   PartitionData00 = 1334054170, eu.example.net, 443;\n&/' Chrystoki.conf \
		>Chrystoki-base.conf
	printf 'Chrystoki2 = {\n}\n' >Chrystoki.conf
	zip -qr ../base.zip .
	extracts ../base.zip
	grep -qF 'ServerName = eu.example.net;' "$conf"
	grep -qF 'ServerPort = 443;' "$conf"
	run ! grep -q PartitionData00 "$conf"
	grep -qF 'AuthTokenClientSecret = not-a-secret;' "$conf"
	grep -qF 'LibUNIX64 = /usr/safenet/lunaclient/lib/libCryptoki2_64.so;' "$conf"
}

@test "the cloud client's own Chrystoki.conf is the one of /etc, whichever of the two the archive brings" {
	local archive file
	mkdir "$BATS_TEST_TMPDIR/both"
	cd "$BATS_TEST_TMPDIR/both"
	unzip -q "$ARCHIVES/cloud.zip"
	cp Chrystoki.conf Chrystoki-base.conf
	zip -qr ../both.zip .
	zip -qr ../base.zip . -x Chrystoki.conf
	for archive in "$ARCHIVES/cloud.zip" ../both.zip ../base.zip; do
		rm -rf "${root:?}/usr" "$conf"
		run --separate-stderr -0 "$extract" --root "$root" --list "$archive"
		file=$(grep -c ' /usr/safenet/lunaclient/Chrystoki.conf$' <<<"$output")
		[ "$file" -eq 1 ]
		extracts "$archive"
		cmp "$client/Chrystoki.conf" "$conf"
		[ "$(stat -c '%u:%g %a' "$client/Chrystoki.conf")" = '0:986 640' ]
		run "$build/libexec/okv-luna-config" --root "$root" check
		[[ $output != *'it differs from'* ]]
		# The archive's is compared as it would be written: the same one again is not another one.
		rm "$client/setenv"
		extracts "$archive"
		[ ! -e "$client/Chrystoki.conf.okv-luna-new" ]
		# Elsewhere, it is what is merged.
		extracts --to /opt/cloud --replace-kind "$archive"
		grep -qF 'PartitionCAPath = /opt/cloud/partition-ca-certificate.pem;' "$root/opt/cloud/Chrystoki.conf"
	done
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

@test "the archive is read only by a program of its own that has given up root and whatever leads back to it" {
	local archive
	for archive in minimal.zip minimal.tar.gz minimal.tar.xz; do
		rm -rf "${root:?}/usr"
		strace -f -y -o "$BATS_TEST_TMPDIR/trace" -e trace=execve,read,pread64,openat,prctl,setresuid,setgroups,prlimit64 \
			"$extract" --root "$root" -q "$archive"
		awk -v archive="$archive" '
			/execve\(".*okv-luna-unarchive", / { new[$1] = 1 }
			/setgroups\(0, NULL/ { groups[$1] = new[$1] }
			/setresuid\(65533, 65533, 65533/ { user[$1] = groups[$1] }
			/PR_SET_NO_NEW_PRIVS, 1/ { none[$1] = user[$1] }
			/prlimit64\(0, RLIMIT_(NPROC|CORE|FSIZE), {rlim_cur=0, rlim_max=0}/ { limits[$1]++ }
			/PR_SET_SECCOMP, SECCOMP_MODE_FILTER/ { shut[$1] = none[$1] && limits[$1] >= 3 }
			/openat\(/ && ($1 in shut) && !/EPERM/ { print "opened: " $0; bad = 1 }
			/(read|pread64)\(/ && index($0, archive ">") { reads++; if (!shut[$1]) { print "too early: " $0; bad = 1 } }
			END { for (p in shut) processes++; exit bad || reads < 2 || processes != 1 }
		' "$BATS_TEST_TMPDIR/trace"
	done
}

@test "the reading program has the archive and its pipes, and no other descriptor of ours or of the caller" {
	strace -f -s 500 -o "$BATS_TEST_TMPDIR/trace" -e trace=execve "$extract" --root "$root" -q --dry-run minimal.tar.gz
	grep -q 'okv-luna-unarchive", "65533"\], 0x[0-9a-f]* /\* 0 vars \*/) = 0' "$BATS_TEST_TMPDIR/trace"
	# It is stopped after its first read, and /proc shows what it has.
	local fds pid trace=$BATS_TEST_TMPDIR/stopped
	strace -f -qq -o "$trace" -P "$ARCHIVES/minimal.tar.gz" -e inject=read,pread64:signal=STOP:when=1 "$extract" \
		--root "$root" -q --dry-run minimal.tar.gz 8<"$root/etc/group" 3>&- 2>/dev/null &
	eventually grep -q 'stopped by SIGSTOP' "$trace"
	pid=$(awk '/stopped by SIGSTOP/ { print $1; exit }' "$trace")
	[ "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")" = 2 ]
	fds=$(find "/proc/$pid/fd" -printf '%f %l\n' | sort)
	kill -KILL "$pid"
	wait $! || true
	[ "$(grep -c '^[0-9]' <<<"$fds")" -eq 4 ] || { echo "$fds"; return 1; }
	[[ $fds == *"0 $ARCHIVES/minimal.tar.gz"*'1 pipe:'*'2 pipe:'*'3 socket:'* ]] || { echo "$fds"; return 1; }
}

@test "the swap: the file system is synced before the one exchange, and the directories synced after it" {
	extracts minimal.tar.gz
	strace -f -y -o "$BATS_TEST_TMPDIR/trace" -e trace=syncfs,rename,renameat,renameat2,fsync \
		"$extract" --root "$root" -q newer.tar.gz
	awk '
		/syncfs\(/ { syncs++; if (exchanges) late = 1 }
		/RENAME_EXCHANGE/ { exchanges++; if (syncs < 1) early = 1 }
		/fsync\([0-9]+<[^>]*\/usr\/safenet>/ && exchanges { parent++ }
		END { exit syncs < 1 || exchanges != 1 || parent < 1 || early || late }
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

@test "installed already is equal both ways: what the archive does not have is named, and stays with the client before" {
	local top=LunaClient-Minimal-10.4.0-417.x86_64
	mkdir "$BATS_TEST_TMPDIR/more"
	cp -a $top "$BATS_TEST_TMPDIR/more/"
	cp library.so "$BATS_TEST_TMPDIR/more/$top/libs/64/plugins/libcloud.plugin"
	tar -C "$BATS_TEST_TMPDIR/more" -czf "$BATS_TEST_TMPDIR/more.tar.gz" $top
	extracts "$BATS_TEST_TMPDIR/more.tar.gz"
	[ -f "$client/plugins/libcloud.plugin" ]
	extracts --dry-run minimal.tar.gz
	[[ $output == *'plugins/libcloud.plugin: not in the archive; would stay'*'would be installed'* ]]
	extracts minimal.tar.gz
	[[ $output == *'plugins/libcloud.plugin: not in the archive; stays with the previous client'* ]]
	[ ! -e "$client/plugins/libcloud.plugin" ]
	[ -f "$root/usr/safenet/.lunaclient.okv-luna/previous/plugins/libcloud.plugin" ]
	extracts minimal.tar.gz
	[[ $output == *'installed already; nothing was changed'* ]]
	# An administrator's own files, in the vendor's directories; what Chrystoki.conf names goes on living.
	echo own >"$client/bin/own.sh"
	mkdir "$client/own"
	echo kept >"$client/own/place.bin"
	printf 'Own = {\n   Place = /usr/safenet/lunaclient/own/place.bin;\n}\n' >>"$conf"
	run --separate-stderr -0 "$extract" --root "$root" --json --dry-run minimal.tar.gz
	jq -e '.changed and .not_in_archive == ["bin/own.sh"]' <<<"$output"
	extracts minimal.tar.gz
	[[ $output == *'bin/own.sh: not in the archive'* ]]
	[ "$(cat "$client/own/place.bin")" = kept ]
	extracts minimal.tar.gz
	[[ $output == *'installed already; nothing was changed'* ]]
}

@test "an archive is of the kind that it is when it is installed, whatever somebody has added to it" {
	local top=LunaClient-Minimal-10.4.0-417.x86_64 signs sign kind taken number=0
	# Of what is named behind the kind, the first one is what Chrystoki.conf is written from.
	for signs in minimal 'minimal Chrystoki-template.conf' 'minimal Chrystoki.conf Chrystoki-template.conf' \
		'cloud Chrystoki.conf' 'cloud Chrystoki-base.conf Chrystoki-template.conf' \
		'cloud Chrystoki-template.conf setenv' 'cloud Chrystoki.conf Chrystoki-template.conf setenv'; do
		cp -a $top "$BATS_TEST_TMPDIR/$((++number))"
		rm "$BATS_TEST_TMPDIR/$number/Chrystoki-template.conf"
		read -r kind taken _ <<<"$signs"
		for sign in ${signs#"$kind"}; do
			printf 'Misc = {\n   ToolsDir = ./bin/64;\n}\n' >"$BATS_TEST_TMPDIR/$number/$sign"
		done
		tar -czf "$BATS_TEST_TMPDIR/$number.tar.gz" -C "$BATS_TEST_TMPDIR" $number
		rm -rf "${root:?}/usr" "$root/opt" "$conf"
		extracts "$BATS_TEST_TMPDIR/$number.tar.gz"
		[[ $output == *"$kind client"* ]] || { echo "$signs: $output"; return 1; }
		[[ -z $taken || $output == *"/etc/Chrystoki.conf: written from the archive's $taken"$'\n'* ]] ||
			{ echo "$signs: $output"; return 1; }
		extracts "$BATS_TEST_TMPDIR/$number.tar.gz"
		[[ $output == *'installed already; nothing was changed' ]] || { echo "$signs: $output"; return 1; }
		extracts --list
		[[ ${lines[-1]} == *": $kind client, "* ]] || { echo "$signs: $output"; return 1; }
	done
}

@test "a client of another kind is replaced only when that is asked for" {
	"$BATS_TEST_DIRNAME/../appliance/client-archive" --library library.so full "$BATS_TEST_TMPDIR/full.tar"
	extracts --accept-licence "$BATS_TEST_TMPDIR/full.tar"
	before=$(content)
	for option in '' --dry-run --list; do
		refuses 3 "a full client is installed at '/usr/safenet/lunaclient', and this is a cloud one" $option cloud.zip
		[[ $stderr == *"--to DIR"*"okv-luna config chrystoki merge DIR/Chrystoki.conf --section XTC --section REST"* ]]
		[[ $stderr == *--replace-kind* ]]
	done
	diff <(echo "$before") <(content)
	# What the sentence says: elsewhere, and then the guide's next step.
	extracts --to /opt/cloud cloud.zip
	diff <(echo "$before") <(content)
	local archive merge='okv-luna config chrystoki merge /opt/cloud/Chrystoki.conf --section XTC --section REST'
	merge+=' --plugin-dir /usr/safenet/lunaclient/plugins'
	[ "${lines[-1]}" = "next: '$merge', then 'okv-luna slots'" ] || { echo "${lines[-1]}"; return 1; }
	run -0 "$build/bin/okv-luna" config --root "$root" chrystoki merge "$root/opt/cloud/Chrystoki.conf" --section XTC \
		--section REST --plugin-dir /usr/safenet/lunaclient/plugins
	extracts --replace-kind cloud.zip
	[ -f "$client/setenv" ]
	# Only a cloud client has what a merge takes, and packages go nowhere else.
	for archive in "$BATS_TEST_TMPDIR/full.tar" minimal.tar.gz; do
		refuses 3 'a cloud client is installed' --accept-licence "$archive"
		[[ $stderr == *'to replace it, give --replace-kind' && $stderr != *--to* ]]
	done
	extracts --accept-licence --replace-kind "$BATS_TEST_TMPDIR/full.tar"
	extracts --accept-licence "$BATS_TEST_TMPDIR/full.tar"
	[[ $output == *'installed already; nothing was changed' ]]
	extracts --list
	[ "${lines[-1]}" = '/usr/safenet/lunaclient: full client, not counting its identity' ]
	for archive in cloud.zip minimal.tar.gz; do
		refuses 3 'a full client is installed' "$archive"
	done
}

@test "a full client over another kind: that lives on as the previous client, and rollback leads there and back" {
	"$BATS_TEST_DIRNAME/../appliance/client-archive" --library library.so full "$BATS_TEST_TMPDIR/full.tar"
	local full=(--accept-licence --replace-kind "$BATS_TEST_TMPDIR/full.tar") archive new option
	for archive in minimal.tar.gz cloud.zip; do
		rm -rf "${root:?}/usr" "$conf"
		extracts "$archive"
		identity_make
		mkdir "$client/own"
		echo place >"$client/own/place.bin"
		old=$(content) before=$(everything) kept=$(identity)
		for option in --dry-run --list; do
			run --separate-stderr -0 "$extract" --root "$root" --json $option "${full[@]}"
			jq -e '.previous_kept and (.carried | contains(["cert", "own/place.bin"]))' <<<"$output"
			unchanged
		done
		extracts "${full[@]}"
		[[ $output == *'own/place.bin: carried over'*"'okv-luna extract --rollback' puts it back"* ]]
		# What is there is the packages' and what lives on, and nothing of the other kind.
		[ "$(identity)" = "$kept" ]
		[ "$(cat "$client/own/place.bin")" = place ]
		[ ! -e "$client/libs/64" ]
		[ "$(ls -A "$root/usr/safenet/.lunaclient.okv-luna")" = previous ]
		new=$(content)
		extracts --accept-licence "$BATS_TEST_TMPDIR/full.tar"
		[[ $output == *'installed already; nothing was changed' ]]
		extracts --rollback
		diff <(echo "$old") <(content)
		extracts --rollback
		diff <(echo "$new") <(content)
		extracts --rollback
		extracts "${full[@]}"
		diff <(echo "$new") <(content)
	done
}

@test "a full client over another kind: refused by rpm nothing is changed, and cut off it is finished or rolled back" {
	"$BATS_TEST_DIRNAME/../appliance/client-archive" --library library.so full "$BATS_TEST_TMPDIR/full.tar"
	local full=(--accept-licence --replace-kind "$BATS_TEST_TMPDIR/full.tar")
	extracts minimal.tar.gz
	identity_make
	old=$(content) before=$(everything) kept=$(identity)
	# The test of the transaction is refused, as where the database cannot be written.
	mkdir -p "$root/$(rpm --eval '%{_dbpath}')"
	touch "$root/$(rpm --eval '%{_dbpath}')/rpmdb.sqlite"
	printf 'no database' >"$root/$(rpm --eval '%{_dbpath}')/rpmdb.sqlite"
	run "$extract" --root "$root" "${full[@]}"
	[ "$status" -eq 3 ] || [ "$status" -eq 5 ] || { echo "$status $output"; return 1; }
	diff <(echo "$old") <(content)
	[ ! -e "$root/usr/safenet/.lunaclient.okv-luna" ]
	rm -r "${root:?}/$(rpm --eval '%{_dbpath}')"
	# Killed at each of its renames, it is finished by the next run, or the client before it comes back.
	local call when rc killed=0
	for call in renameat renameat2; do
		for when in $(seq 20); do
			rc=0
			strace -qq -o /dev/null -e inject=$call:signal=KILL:when="$when" "$extract" --root "$root" "${full[@]}" \
				>/dev/null 2>&1 || rc=$?
			[ "$(identity)" = "$kept" ]
			[ $rc -eq 137 ] || break
			killed=$((killed + 1))
			if ((when % 2)); then
				extracts "${full[@]}"
				[ -x "$client/bin/lunacm" ]
				[ "$(identity)" = "$kept" ]
			fi
			[ -f "$client/libs/64/libCryptoki2.so" ] || extracts --rollback
			diff <(echo "$old") <(content)
		done
		[ $rc -eq 0 ]
		extracts --rollback
	done
	[ $killed -ge 4 ]
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
	extracts --replace-kind cloud.zip
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
	extracts --replace-kind cloud.zip
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

# --- what it needs, and what the caller allows ------------------------------------------------------------------------

@test "libarchive or zlib absent: exit 6 and the package; --help, --rollback and a listing of what is installed work" {
	local library package
	extracts minimal.tar.gz
	extracts newer.tar.gz
	for library in libarchive.so.13:libarchive libz.so.1:zlib; do
		package=${library#*:} library=${library%:*}
		run --separate-stderr -6 without "$library" "$extract" --root "$root" minimal.tar.gz
		[ "${#stderr_lines[@]}" -eq 1 ]
		[[ $stderr == *"no archive can be read without $library; install the package '$package'" ]] || { echo "$stderr"; false; }
		run -6 without "$library" "$extract" --root "$root" --list minimal.tar.gz
		for arguments in --help --list --rollback --version; do
			# Where libcrypto needs zlib itself, as on Debian 13, no sum can be computed.
			case $arguments:$(ldd "$(ldconfig -p | awk '$1 == "libcrypto.so.3" { print $NF; exit }')") in
			--list:*"$library "*) run -6 without "$library" "$extract" --root "$root" $arguments ;;
			--rollback:*"$library "*) run -4 without "$library" "$extract" --root "$root" $arguments ;;
			*) run -0 without "$library" "$extract" --root "$root" $arguments ;;
			esac
		done
	done
	cmp newer.so "$client/lib/libCryptoki2_64.so"
	run ldd "$extract"
	[[ $output != *libarchive* ]]
}

@test "--list without an archive: what is installed" {
	refuses 6 "no client is installed at '/usr/safenet/lunaclient'" --list
	extracts minimal.tar.gz
	run --separate-stderr -0 "$extract" --root "$root" --list
	[[ $output == *'link  /usr/safenet/lunaclient/bin/vtl -> 64/vtl'* ]]
	[ "${lines[-1]}" = '/usr/safenet/lunaclient: minimal client, not counting its identity' ]
	run --separate-stderr -0 "$extract" --root "$root" --list --json
	jq -e '.kind == "minimal" and (.entries | map(.path) | index("libs/64/libCryptoki2.so"))' <<<"$output"
}

@test "lower limits of the caller are kept: a sentence or a success, and nothing half" {
	local limit rc deep memory
	mkdir "$BATS_TEST_TMPDIR/large"
	cp -a LunaClient-Minimal-10.4.0-417.x86_64 "$BATS_TEST_TMPDIR/large/"
	head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/large/LunaClient-Minimal-10.4.0-417.x86_64/jsp/x.jar"
	tar -C "$BATS_TEST_TMPDIR/large" -czf "$BATS_TEST_TMPDIR/large.tar.gz" LunaClient-Minimal-10.4.0-417.x86_64
	extracts minimal.tar.gz
	# As deep as a client's identity may lie: a descriptor or two for each, when it is copied and when it is removed.
	deep=$(printf 'd/%.0s' $(seq 60))
	mkdir -p "$client/data/$deep"
	echo kept >"$client/data/$deep/kept"
	cp -a "$root" "$root.kept"
	before=$(everything)
	# A sanitizer reserves more memory than these leave.
	[ "${OKV_SANITIZED-}" = 1 ] && memory='' || memory='-v:30000 -v:60000 -v:2000000'
	# shellcheck disable=SC2086
	for limit in -f:100 -f:10 $memory -n:6 -n:9 -n:12 -n:16 -n:18 -n:20 -n:64 -n:255 -n:256 -u:1 -t:30 \
		-c:0 -s:48 -s:64 -s:100 -s:200 -s:400 -s:1023 -s:1024 -Ss:100; do
		rc=0
		(ulimit "${limit%:*}" "${limit#*:}" && exec "$extract" --root "$root" -q "$BATS_TEST_TMPDIR/large.tar.gz") \
			2>"$BATS_TEST_TMPDIR/said" || rc=$?
		case $rc in
		0)
			[ "$(cat "$client/data/$deep/kept")" = kept ]
			rm -rf "${root:?}"
			cp -a "$root.kept" "$root"
			before=$(everything) ;;
		5) [ "$(wc -l <"$BATS_TEST_TMPDIR/said")" -eq 1 ] && unchanged ;;
		*) false ;;
		esac || { echo "$limit: $rc"; cat "$BATS_TEST_TMPDIR/said"; return 1; }
		run ! grep 'cannot limit' "$BATS_TEST_TMPDIR/said"
	done
	# What the sentence says can be typed.
	(ulimit -Sn 16 && exec "$extract" --root "$root" -q newer.tar.gz) 2>"$BATS_TEST_TMPDIR/said" || [ $? -eq 5 ]
	limit=$(sed -n "s/.*run '\(ulimit -n [0-9]*\)'.*/\1/p" "$BATS_TEST_TMPDIR/said")
	bash -c "ulimit -Sn 16; $limit && exec '$extract' --root '$root' -q newer.tar.gz"
	cmp newer.so "$client/lib/libCryptoki2_64.so"
}

@test "SIGINT, SIGTERM and SIGHUP: what was staged is gone, one line, and the end by that signal" {
	local name number point rc
	extracts minimal.tar.gz
	before=$(everything)
	for name in INT:2 TERM:15 HUP:1; do
		number=${name#*:} name=${name%:*}
		# Once the directory for the new client is there, and between two of its files; sent by the kernel at that call.
		for point in mkdirat:3 write:5; do
			rc=0
			env --default-signal="$name" strace -qq -o /dev/null -e "inject=${point%:*}:signal=$name:when=${point#*:}" \
				"$extract" --root "$root" -q newer.tar.gz 2>"$BATS_TEST_TMPDIR/said" &
			wait $! || rc=$?
			[ $rc -eq $((128 + number)) ] || { echo "$name at $point: $rc"; cat "$BATS_TEST_TMPDIR/said"; return 1; }
			[ "$(wc -l <"$BATS_TEST_TMPDIR/said")" -eq 1 ]
			grep -q "interrupted by signal $number; what was begun has been undone" "$BATS_TEST_TMPDIR/said"
			unchanged
			[ ! -e "$root/usr/safenet/.lunaclient.okv-luna" ]
		done
	done
}

@test "a mount point or a read-only place is said at once, by --dry-run too" {
	extracts minimal.tar.gz
	for options in '' --dry-run --list; do
		# shellcheck disable=SC2016
		run unshare -m sh -c 'mount --bind "$1" "$1" && exec "$2" --root "$3" $4 newer.tar.gz' sh "$client" "$extract" \
			"$root" "$options"
		[ "$status" -eq 3 ]
		[[ $output == *"'/usr/safenet/lunaclient' is a mount point"*'--to DIR' ]] || { echo "$output"; return 1; }
		# shellcheck disable=SC2016
		run unshare -m sh -c 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" --root "$3" $4 newer.tar.gz' \
			sh "$root/usr" "$extract" "$root" "$options"
		[ "$status" -eq 5 ]
		[[ $output == *'Read-only file system' ]] || { echo "$output"; return 1; }
	done
	cmp library.so "$client/lib/libCryptoki2_64.so"
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
	run --separate-stderr -0 "$extract" --root "$root" --json --list --replace-kind minimal.tar.gz
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
	grep -q $'\r\033\[K\[[ #]*\] [0-9]* files, [0-9]* MB' "$BATS_TEST_TMPDIR/shown"
	# The bar's line is empty before the first word of the receipt.
	[[ $(tr -d '\n' <"$BATS_TEST_TMPDIR/shown") == *$'\r\033[Kminimal client 10.4.0-417'* ]]
	local option
	for option in -q --json; do
		on_terminal "$BATS_TEST_TMPDIR/shown" $option newer.tar.gz
		run ! grep -q $'\r\033\[K\[' "$BATS_TEST_TMPDIR/shown"
	done
	on_terminal "$BATS_TEST_TMPDIR/shown" --dry-run --replace-kind cloud.zip
	grep -q $'\r\033\[K\[[ #]*\] ' "$BATS_TEST_TMPDIR/shown"
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
	extracts --kind cloud --replace-kind cloud.zip
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
	refuses 3 'exists and is not a directory' --to /usr/file minimal.tar.gz
	[ "$(cat "$root/usr/file")" = file ]
}

@test "a link that a user could have planted in the client's place, or on the way there" {
	mkdir -p "$root/usr/safenet" "$BATS_TEST_TMPDIR/outside"
	ln -s "$BATS_TEST_TMPDIR/outside" "$client"
	refuses 3 'is not a directory' minimal.tar.gz
	rm "$client"
	mkdir "$root/usr/safenet/.lunaclient.okv-luna"
	chown 54321 "$root/usr/safenet/.lunaclient.okv-luna"
	refuses 3 "can be changed by users other than root" minimal.tar.gz
	[ -z "$(ls -A "$BATS_TEST_TMPDIR/outside")" ]
}

# --- hostile, damaged, interrupted -------------------------------------------------------------------------------------

# says_last WORDS COMMAND...: it succeeds, and its last line has the words.
says_last() {
	run "${@:2}"
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	[[ ${lines[-1]} == *"$1"* ]] || { echo "$output"; return 1; }
}

@test "hostile archives: each refused with one sentence and nothing changed anywhere, or taken exactly as judged" {
	"$hostile/make" "$BATS_TEST_TMPDIR/hostile"
	[ "$(find "$BATS_TEST_TMPDIR/hostile" -type f | wc -l)" -gt 450 ]
	says_last ' taken as judged, 0 neither' "$hostile/refuse" "$extract" "$BATS_TEST_TMPDIR/hostile"
}

@test "cuts and flipped bits: refused, or without any effect" {
	says_last '60 flipped bits: ' "$hostile/damage" "$extract" 60 7
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
		[ $room -ne 30 ] ||
			[[ $output == *'large.tar: the archive is larger than '*' may be used beside '*'(16 MB stay free for others)'* ]]
	done
}
