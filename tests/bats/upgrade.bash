# shellcheck shell=bash disable=SC2034
# upgrade.bash: a small appliance in a directory, for tests of the upgrade: OKV's files, a Luna client with a real PKCS#11
# module, and the few programs that the tools start, so that --root needs nothing of this machine.

build=${BUILD:-$BATS_TEST_DIRNAME/../../build}
[[ $build == /* ]] || build=$BATS_TEST_DIRNAME/../../$build
LC=/usr/safenet/lunaclient
GENERIC=/usr/local/okv/hsm/generic
WANTED=/etc/systemd/system/multi-user.target.wants/okv-luna-post-upgrade.service

# tree_make DIR: not wired yet, and oracle is not in the group.
tree_make() {
	local root=$1 top=$BATS_TEST_DIRNAME/../.. program file
	mkdir -p "$root"/{etc/systemd/system,tmp,root,proc,dev,run,var,usr/sbin,usr/bin,usr/share,usr/lib/systemd/system,usr/lib64}
	mkdir -p "$root$LC"/{bin,lib,plugins,cert/client,cert/server,configData/token/001,data} "$root$GENERIC"
	chmod 0755 "$root"
	ln -s usr/bin "$root/bin"
	ln -s usr/sbin "$root/sbin"
	ln -s usr/lib "$root/lib"
	ln -s usr/lib64 "$root/lib64"
	for program in /usr/sbin/groupadd /usr/sbin/groupdel /usr/bin/gpasswd /usr/bin/timeout /bin/sh /bin/bash; do
		for file in "$program" $(ldd "$program" | grep -o '/[^ ]*'); do
			[ -e "$root$file" ] || { mkdir -p "$root${file%/*}" && cp -L "$file" "$root$file"; }
		done
	done
	# Our tools need libc only, but with sanitizers more.
	for file in $(ldd "$build/libexec/okv-luna-post-upgrade" | grep -o '/[^ ]*'); do
		[ -e "$root$file" ] || { mkdir -p "$root${file%/*}" && cp -L "$file" "$root$file"; }
	done
	: >"$root/dev/null"
	cat >"$root/etc/passwd" <<-'E'
		root:x:0:0:root:/root:/bin/bash
		oracle:x:54321:54321::/home/oracle:/bin/bash
	E
	cat >"$root/etc/group" <<-'E'
		root:x:0:
		oinstall:x:54321:
		hsmusers:x:986:
	E
	sed 's/:x:/:!:/; s/:[0-9]*:/::/' "$root/etc/group" >"$root/etc/gshadow"
	printf 'SYS_GID_MIN 100\nSYS_GID_MAX 999\n' >"$root/etc/login.defs"
	printf 'PRETTY_NAME="Test OS 8"\n' >"$root/etc/os-release"
	echo okv1 >"$root/etc/hostname"
	cp "$top"/tests/appliance/okv/okv_hsm* "$root$GENERIC/"
	chmod 0755 "$root$GENERIC/okv_hsm_mid_upgrade"

	for file in vtl lunacm; do printf '#!/bin/sh\n' >"$root$LC/bin/$file"; done
	chmod 0755 "$root$LC/bin"/*
	openssl req -x509 -newkey rsa:2048 -nodes -days 900 -subj /CN=okv1 -keyout "$root$LC/cert/client/okv1Key.pem" \
		-out "$root$LC/cert/client/okv1.pem" 2>/dev/null
	chmod 0644 "$root$LC/cert/client/okv1Key.pem"
	cp "$root$LC/cert/client/okv1.pem" "$root$LC/cert/server/CAFile.pem"
	: >"$root$LC/configData/token/001/token.db"
	"$top/tests/doubles/build" "$BATS_FILE_TMPDIR/doubles" honest >/dev/null
	cp "$BATS_FILE_TMPDIR/doubles/honest.so" "$root$LC/lib/libCryptoki2_64.so"
	cp "$root$LC/lib/libCryptoki2_64.so" "$root$LC/lib/libCryptoki2.so"
	cat >"$root/etc/Chrystoki.conf" <<-E
		Chrystoki2 = {
		   LibUNIX = $LC/lib/libCryptoki2.so;
		   LibUNIX64 = $LC/lib/libCryptoki2_64.so;
		}
		LunaSA Client = {
		   ClientPrivKeyFile = $LC/cert/client/okv1Key.pem;
		   ClientCertFile = $LC/cert/client/okv1.pem;
		   ServerCAFile = $LC/cert/server/CAFile.pem;
		   ServerName00 = 127.0.0.1;
		   ServerPort00 = 1792;
		}
	E

	mkdir -p "$root/opt/okv-luna"/{bin,libexec,hooks,share,etc/policy.d}
	mkdir -m 0700 "$root/opt/okv-luna/var"
	cp "$build"/bin/okv-luna "$root/opt/okv-luna/bin/"
	cp "$build"/libexec/okv-luna-{mid-upgrade,post-upgrade,pkcs11} "$root/opt/okv-luna/libexec/"
	cp "$top"/hooks/*-upgrade "$root/opt/okv-luna/hooks/"
	cp -r "$top"/payload/policy "$top"/payload/systemd "$root/opt/okv-luna/share/"
	cp "$top"/payload/etc/* "$root/opt/okv-luna/etc/"
}

# Once for each file; each test has its own copy, ROOT.
upgrade_setup_file() { tree_make "$BATS_FILE_TMPDIR/tree"; }
upgrade_setup() {
	ROOT=$BATS_TEST_TMPDIR/root
	cp -a "$BATS_FILE_TMPDIR/tree" "$ROOT"
}

rehearse() { "$build/libexec/okv-luna-rehearse" --root "$ROOT" "$@"; }
pre() { "$build/libexec/okv-luna-pre-upgrade" --root "$ROOT" "$@"; }
mid() { "$build/libexec/okv-luna-mid-upgrade" --root "$ROOT" "$@"; }
post() { "$build/libexec/okv-luna-post-upgrade" --root "$ROOT" "$@"; }
status_of() { "$build/libexec/okv-luna-status" --root "$ROOT" "$@"; }

# The tree's names, owners, modes, link targets and bytes, without our records and the backups of groupadd and gpasswd.
state() {
	(cd "$ROOT" && find . -path ./opt/okv-luna/var -prune -o -printf '%p %y %U:%G %m %l\n' &&
		find . -path ./opt/okv-luna/var -prune -o -type f -exec sha256sum {} +) |
		grep -v -e 'etc/g[a-z]*-' -e '\.pwd\.lock' | sort
}

# Until `umount "$ROOT/opt/okv-luna/var"`.
read_only() {
	mount --bind "$ROOT/opt/okv-luna/var" "$ROOT/opt/okv-luna/var"
	mount -o remount,ro,bind "$ROOT/opt/okv-luna/var"
}

# snapshot_age HOURS: makes the snapshot that old.
snapshot_age() {
	sed -i "s/^TAKEN=.*/TAKEN=\"$(date -u -d "$1 hours ago" +%Y-%m-%dT%H:%M:%SZ)\"/" \
		"$ROOT/opt/okv-luna/var/snapshot/system"
}

# new_os [GID]: the root of a new OS with the preserved files; another group has the id GID.
new_os() {
	local old=$ROOT new=$BATS_TEST_TMPDIR/new
	cp -a "$BATS_FILE_TMPDIR/tree" "$new"
	rm -rf "$new$LC" "$new/etc/Chrystoki.conf" "$new/opt/okv-luna"
	sed -i '/^hsmusers:/d' "$new/etc/group" "$new/etc/gshadow"
	[ -z "${1:-}" ] || printf 'others:x:%s:\n' "$1" >>"$new/etc/group"
	sed -i 's/54321/1102/g' "$new/etc/passwd" "$new/etc/group"
	printf 'PRETTY_NAME="Test OS 9"\n' >"$new/etc/os-release"
	cp -a "$old$LC" "$new$LC"
	cp -a "$old/etc/Chrystoki.conf" "$new/etc/"
	cp -a "$old/opt/okv-luna" "$new/opt/"
	cp -a "$old$GENERIC/." "$new$GENERIC/"
	ROOT=$new
}

# interrupted LEAST CASE HOW ARGUMENT...: tests/upgrade/interrupt must reach LEAST to 9 points and find no broken promise.
interrupted() {
	local least=$1
	shift
	run "$BATS_TEST_DIRNAME/../upgrade/interrupt" "$@"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ ${lines[0]} =~ ^"$1 $2: "[$least-9]' points '.*' 0 promises broken'$ ]]
}
