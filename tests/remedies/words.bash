# shellcheck shell=bash disable=SC2154
# Functions that break a node, for the tables of tests/remedies and tests/answers.  Source tests/bats/upgrade.bash first.

config() { "$build/libexec/okv-luna-config" --root "$ROOT" "$@"; }
strict() { printf 'PROFILE="strict"\n' >>"$ROOT/opt/okv-luna/etc/okv-luna.conf"; }
# value NAME [NEW]: of okv_hsm.conf
value() {
	local file=$ROOT$GENERIC/okv_hsm.conf
	[ $# = 1 ] && sed -n "s|^$1=\"\\(.*\\)\"|\\1|p" "$file" || sed -i "s|^$1=.*|$1=\"$2\"|" "$file"
}
# acl FILE TAG:ID:BITS...: the tags of acl(5) as hexadecimal numbers
acl() {
	python3 -c 'import os, struct, sys
entries = (e.split(":") for e in sys.argv[2:])
os.setxattr(sys.argv[1], "system.posix_acl_access", struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", int(t, 16), int(p), int(i or 0xffffffff)) for t, i, p in entries))' "$@"
}

# entry LINE: in section LunaSA Client of Chrystoki.conf
entry() { sed -i "/ClientCertFile/a\\   $1" "$ROOT/etc/Chrystoki.conf"; }

# ha SERIAL MEMBERS SYNCHRONIZED ATTEMPTS MODE: a group g in Chrystoki.conf
ha() {
	cat >>"$ROOT/etc/Chrystoki.conf" <<-E
		VirtualToken = {
		   VirtualToken00Label = g;
		   VirtualToken00SN = $1;
		   VirtualToken00Members = $2;
		   VirtualTokenActiveRecovery = $5;
		}
		HASynchronize = {
		   $3 = 1;
		}
		HAConfiguration = {
		   HAOnly = 1;
		   reconnAtt = $4;
		}
	E
}

# A module that, as Luna's, shows no slots and no error if the caller cannot read the configuration or the key.
reader() {
	[ -e "$BATS_FILE_TMPDIR/reader.so" ] || cc -shared -fPIC -O1 -std=gnu11 -D_GNU_SOURCE -I"$top/helpers" \
		"-DSLOT_COUNT=(access(\"$LC/cert/client/okv1Key.pem\",4)==0&&access(\"/etc/Chrystoki.conf\",4)==0)" \
		-o "$BATS_FILE_TMPDIR/reader.so" -include unistd.h "$top/tests/doubles/honest.c"
	cp "$BATS_FILE_TMPDIR/reader.so" "$ROOT$LC/lib/libCryptoki2_64.so"
}

# outside ENTRY FILE: what the entry of Chrystoki.conf names is moved to /etc/lunakeys/FILE, for OKV's user to read, and preserved
outside() {
	local from
	from=$(sed -n "s/^ *$1 = \(.*\);/\1/p" "$ROOT/etc/Chrystoki.conf")
	mkdir -p "$ROOT/etc/lunakeys"
	mv "$ROOT$from" "$ROOT/etc/lunakeys/$2"
	chown 0:986 "$ROOT/etc/lunakeys/$2"
	chmod 0640 "$ROOT/etc/lunakeys/$2"
	sed -i "s|$from|/etc/lunakeys/$2|" "$ROOT/etc/Chrystoki.conf"
	config wire -q
	okv-luna repair -q
}

# expired KEY CERTIFICATE: one of the key's that ran out; OpenSSL 3.5 takes no negative number of days.
expired() {
	openssl req -new -key "$1" -subj /CN=okv1 >"$BATS_TEST_TMPDIR/csr"
	openssl x509 -req -in "$BATS_TEST_TMPDIR/csr" -signkey "$1" -days -1 -out "$BATS_TEST_TMPDIR/pem" 2>/dev/null ||
		openssl x509 -req -in "$BATS_TEST_TMPDIR/csr" -signkey "$1" -not_before 20190101000000Z \
			-not_after 20200101000000Z -out "$BATS_TEST_TMPDIR/pem"
	cat "$BATS_TEST_TMPDIR/pem" >"$2"
}
