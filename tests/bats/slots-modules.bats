#!/usr/bin/env bats
# okv-luna slots against `pkcs11-tool -T` (OpenSC): every PKCS#11 module that Debian packages and that loads without
# hardware must give the same slots and the same fields, or fail in the same call with the same error.  Both run as the
# same user with the same environment.
#
# Each test has mounts of its own (unshare), so that OKV's files can lie where they lie on an appliance.

bats_require_minimum_version 1.5.0

LIB=/usr/lib/x86_64-linux-gnu

setup_file() {
	SLOTS=$(realpath "${BUILD:-$BATS_TEST_DIRNAME/../../build}/libexec/okv-luna-slots")
	export SLOTS STORE=$BATS_FILE_TMPDIR/store DOUBLES_DIR=$BATS_TEST_DIRNAME/../doubles
	mkdir -p "$STORE/tokens"
	printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' "$STORE" >"$STORE/conf"
	for label in 'one' 'two words' 'drei-ünf'; do
		SOFTHSM2_CONF=$STORE/conf softhsm2-util --init-token --free --label "$label" --pin 1234 --so-pin 5678
	done
	SOFTHSM2_CONF=$STORE/conf pkcs11-tool --module $LIB/softhsm/libsofthsm2.so --token-label one --login --pin 1234 \
		--keygen --key-type AES:32 --label root --sensitive
	chown -R nobody "$STORE"
	# nobody must be able to come here.
	chmod 0755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$STORE"
}

# Runs the rest as a script with mounts of its own: OKV's files under /usr/local, none of the product's under /opt.
apart() {
	local script=$1
	shift
	unshare -m bash -euc '
		mount -t tmpfs -o mode=0755 none /usr/local
		mkdir -p /usr/local/okv/hsm/generic
		environment() { # NAME=VALUE...: for both
			: >/usr/local/okv/hsm/generic/okv_hsm_env
			for pair; do
				printf "%s=\"%s\"\n" "${pair%%=*}" "${pair#*=}" >>/usr/local/okv/hsm/generic/okv_hsm_env
			done
			given=("$@")
		}
		theirs() { # MODULE [OPTION...]
			local module=$1
			shift
			sudo -u nobody env -i "${given[@]}" pkcs11-tool --module "$module" "${@--T}"
		}
		ours() { "$SLOTS" --user nobody --module "$1" --json --timeout 10; }
		agree() { # MODULE: the same slots, or the same error in the same call
			local module=$1 status=0
			theirs "$module" >"$T/theirs" 2>"$T/theirs.err" </dev/null || status=$?
			ours "$module" >"$T/ours" 2>"$T/ours.err" || true
			# It calls an empty list a failure.
			if [ $status -eq 0 ] || grep -qx "No slots." "$T/theirs.err" "$T/theirs"; then
				LC_ALL=C awk -f "$DOUBLES_DIR/opensc.awk" "$T/theirs" >"$T/theirs.list"
				jq -e ".end == \"whole\"" "$T/ours" >/dev/null
				jq -r -f "$DOUBLES_DIR/opensc.jq" "$T/ours" >"$T/ours.list"
				diff "$T/theirs.list" "$T/ours.list"
				# It asks an interface of version 3 for its version, where there is one; OKV knows of none, and
				# is mostly told the last one before it.
				two=$(jq -r ".library.cryptoki" "$T/ours" | grep "^2[.]" || true)
				theirs "$module" -I 2>/dev/null | grep -E "^(Cryptoki|Manufacturer|Library) " |
					sed "${two:+s/^\(Cryptoki version \)3.*/\1$two/}" >"$T/theirs.info"
				jq -r ".library | \"Cryptoki version \(.cryptoki)\", \"Manufacturer     \(.manufacturer)\",
					\"Library          \(.description) (ver \(.version))\"" "$T/ours" |
					diff "$T/theirs.info" -
				echo "$module: $(jq ".slots | length" "$T/ours") slots, the same"
			else
				error=$(sed -n "s/.*function \(C_[A-Za-z]*\).* failed: rv = \(CKR_[A-Z_]*\) .*/\1 answered \2/p" \
					"$T/theirs.err")
				[ -n "$error" ]
				jq -r .error.text "$T/ours" | grep -F "$error"
				echo "$module: the same error"
			fi
		}
		environment HOME=/nonexistent
		T=$1
		shift
		'"$script" apart "$BATS_TEST_TMPDIR" "$@"
}

# How many slots `agree` must have seen, so that two empty answers are not taken for agreement where there should be more.
slots_seen() {
	[ "$(jq '.slots | length' "$BATS_TEST_TMPDIR/ours")" -eq "$1" ]
}

@test "nothing of root's is where the library runs: no memory, no environment, no descriptor" {
	[ "${OKV_SANITIZED-}" != 1 ] || skip "the memory of a sanitizer is too large to be looked through"
	"$DOUBLES_DIR/build" "$BATS_TEST_TMPDIR/doubles" mirror-memory
	# In the heap, in the environment, on the stack above it; and in what is the library's own, so that it is found.
	apart 'cp "$1/mirror-memory.so" /usr/local/lib.so
		chmod 0644 /usr/local/lib.so
		mkdir /usr/local/luna
		mount -t tmpfs -o mode=0755 none /opt
		mkdir -p /opt/okv-luna/etc
		printf "UPGRADE_COMMAND=\"/bin/true planted-in-heap\"\n" >/opt/okv-luna/etc/okv-luna.conf
		printf "REST = {\nAuthTokenClientSecret = planted-in-client;\n}\n" >/usr/local/luna/Chrystoki.conf
		environment ChrystokiConfigurationPath=/usr/local/luna OWN=planted-in-own
		OKV_BACKUP_PASSWORD=planted-in-root TZ=planted-in-zone "$SLOTS" --user nobody --module /usr/local/lib.so \
			--json >"$T/ours"' "$BATS_TEST_TMPDIR/doubles"
	echo "saw $(jq -r .slots[0].token.label "$BATS_TEST_TMPDIR/ours")"
	[ "$(jq -r '.slots[0].token.label' "$BATS_TEST_TMPDIR/ours")" = 'fd4 regions1 o' ]
}

@test "SoftHSM with three tokens and a free slot: the same table and fields" {
	apart 'environment SOFTHSM2_CONF=$1/conf; agree $2' "$STORE" /usr/lib/softhsm/libsofthsm2.so
	slots_seen 4
	jq -e '[.slots[] | select(.usable)] | length == 3' "$BATS_TEST_TMPDIR/ours"
	apart 'environment SOFTHSM2_CONF=$1/conf; "$SLOTS" --user nobody --module $2' "$STORE" \
		/usr/lib/softhsm/libsofthsm2.so >"$BATS_TEST_TMPDIR/table"
	# Cut by the rule, as vtl's table is: label and serial of each row.
	perl -CSD -ne 'if (/^(=+ =+ )=/) { $at = length $1; next }
		next unless $at; $label = substr $_, $at, 32; $serial = substr $_, $at + 33, 16;
		s/ *$// for $label, $serial; print "$label|$serial\n"' "$BATS_TEST_TMPDIR/table" |
		LC_ALL=C sort >"$BATS_TEST_TMPDIR/cut"
	jq -r '.slots[].token | .label + "|" + .serial' "$BATS_TEST_TMPDIR/ours" | LC_ALL=C sort |
		diff - "$BATS_TEST_TMPDIR/cut"
}

@test "SoftHSM: the key; one that can leave is told" {
	printf 1234 >"$BATS_TEST_TMPDIR/pin"
	chmod 0600 "$BATS_TEST_TMPDIR/pin"
	try='environment SOFTHSM2_CONF=$1/conf; pin=$2; shift 2
		"$SLOTS" --user nobody --module /usr/lib/softhsm/libsofthsm2.so --label one --pin-file $pin "$@"'
	apart "$try" "$STORE" "$BATS_TEST_TMPDIR/pin" --key root
	run -1 apart "$try" "$STORE" "$BATS_TEST_TMPDIR/pin" --key other
	[[ $output == *'holds no secret key with that label'*'compare the label'*'okv-luna guide'* ]]
	SOFTHSM2_CONF=$STORE/conf pkcs11-tool --module $LIB/softhsm/libsofthsm2.so --token-label one --login --pin 1234 \
		--keygen --key-type AES:32 --label loose --extractable
	chown -R nobody "$STORE"
	run -1 apart "$try" "$STORE" "$BATS_TEST_TMPDIR/pin" --key loose
	[[ $output == *'it can leave the HSM'* ]]
}

@test "a store that the user cannot read is told like OpenSC tells it, and becomes readable with the group" {
	cp -r "$STORE" "$BATS_TEST_TMPDIR/store"
	sed -i "s,$STORE,$BATS_TEST_TMPDIR/store," "$BATS_TEST_TMPDIR/store/conf"
	chown -R root:4242 "$BATS_TEST_TMPDIR/store/tokens"
	chmod -R u=rwX,g=rwX,o= "$BATS_TEST_TMPDIR/store/tokens"
	chmod 0755 "$BATS_TEST_TMPDIR"
	apart 'environment SOFTHSM2_CONF=$1/store/conf; agree $2' "$BATS_TEST_TMPDIR" /usr/lib/softhsm/libsofthsm2.so
	slots_seen 0
	apart 'environment SOFTHSM2_CONF=$1/store/conf
		cp /etc/group $1/group; echo "hsm:x:4242:nobody" >>$1/group; mount --bind $1/group /etc/group
		agree $2' "$BATS_TEST_TMPDIR" /usr/lib/softhsm/libsofthsm2.so
	slots_seen 4
}

@test "p11-kit: the proxy with SoftHSM behind it, the trust module, the client" {
	apart 'environment HOME=/nonexistent SOFTHSM2_CONF=$1/conf; agree $2' "$STORE" $LIB/p11-kit-proxy.so
	[ "$(jq '[.slots[] | select(.usable)] | length' "$BATS_TEST_TMPDIR/ours")" -eq 3 ]
	apart 'agree $1' $LIB/pkcs11/p11-kit-trust.so
	[ "$(jq '.slots | length' "$BATS_TEST_TMPDIR/ours")" -ge 1 ]
	apart 'agree $1' $LIB/pkcs11/p11-kit-client.so
}

@test "opencryptoki: without its daemon the same error; with it, its software token" {
	apart 'agree $1' $LIB/pkcs11/libopencryptoki.so
	# A daemon, its IPC and its state that end with the test.
	unshare -mipf --mount-proc bash -euc '
		mount -t tmpfs none /dev/shm
		mount -t tmpfs none /run && mkdir -p /run/lock/opencryptoki
		# From 3.21 on its daemon has an account and a directory for its socket.
		! id pkcsslotd >/dev/null 2>&1 || install -d -m 0710 -o pkcsslotd -g pkcs11 /run/opencryptoki
		cp -a /var/lib/opencryptoki "$1/state" && mount --bind "$1/state" /var/lib/opencryptoki
		for token in swtok tpm ccatok icsf; do mkdir -p /run/lock/opencryptoki/$token; done
		chgrp -R pkcs11 /run/lock/opencryptoki "$1/state" && chmod -R 0770 /run/lock/opencryptoki "$1/state"
		sed "s/^pkcs11:.*/pkcs11:x:$(getent group pkcs11 | cut -d: -f3):root,nobody/" /etc/group >"$1/group"
		mount --bind "$1/group" /etc/group
		pkcsslotd
		pkcs11-tool --module "$2" --slot 3 --init-token --label "soft token" --so-pin 87654321
		sudo -u nobody env -i pkcs11-tool --module "$2" -T >"$1/theirs"
		"$SLOTS" --user nobody --module "$2" --json >"$1/ours"
	' opencryptoki "$BATS_TEST_TMPDIR" $LIB/pkcs11/libopencryptoki.so
	LC_ALL=C awk -f "$DOUBLES_DIR/opensc.awk" "$BATS_TEST_TMPDIR/theirs" >"$BATS_TEST_TMPDIR/theirs.list"
	jq -r -f "$DOUBLES_DIR/opensc.jq" "$BATS_TEST_TMPDIR/ours" | diff "$BATS_TEST_TMPDIR/theirs.list" -
	jq -e '.slots[0].token.label == "soft token"' "$BATS_TEST_TMPDIR/ours"
}

@test "tpm2-pkcs11, gnome-keyring, coolkey, cackey, ykcs11; the clients of Caml Crush, where the release has them" {
	local crush=()
	[ ! -d $LIB/caml-crush ] || crush=("$LIB"/caml-crush/libp11client{tcp,unix}.so)
	apart 'for module; do agree $module; done' $LIB/pkcs11/libtpm2_pkcs11.so $LIB/pkcs11/gnome-keyring-pkcs11.so \
		/usr/lib/pkcs11/libcoolkeypk11.so /usr/lib/pkcs11/libcackey.so $LIB/libykcs11.so.2 "${crush[@]}"
}

@test "OpenSC's own modules; its spy with SoftHSM behind it" {
	apart 'for module; do agree $module; done' $LIB/pkcs11/opensc-pkcs11.so $LIB/pkcs11/onepin-opensc-pkcs11.so
	apart 'environment SOFTHSM2_CONF=$1/conf PKCS11SPY=$2 PKCS11SPY_OUTPUT=/dev/null; agree $3' "$STORE" \
		$LIB/softhsm/libsofthsm2.so $LIB/pkcs11/pkcs11-spy.so
	slots_seen 4
}

@test "NSS: its root certificates, and its software token, which wants arguments of its own" {
	apart 'for module; do agree $module; done' $LIB/libnssckbi.so $LIB/libsoftokn3.so
}
