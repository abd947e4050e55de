# Shared by the tests of okv-luna config: a root with OKV's generic files as a fresh appliance has them.

G=/usr/local/okv/hsm/generic
LC=/usr/safenet/lunaclient

config_setup() {
	local build=${BUILD:-$BATS_TEST_DIRNAME/../../build}
	[[ $build == /* ]] || build=$BATS_TEST_DIRNAME/../../$build
	config=$build/libexec/okv-luna-config
	# In memory where that can be: the tools sync every file that they write, and disks are slow at that.
	root=$BATS_TEST_TMPDIR/root
	if [ -w /dev/shm ]; then
		memory=$(mktemp -d /dev/shm/okv-config-XXXXXX)
		root=$memory/root
	fi
	gen=$root$G
}

# library_make FILE: one that a loader maps.
library_make() {
	: "${CC:=cc}"
	$CC -shared -nostdlib -x c -o "$1" - </dev/null
}

# A client's key and its certificate, and a second pair; made once for all tests.
pair_make() {
	pair=${BATS_RUN_TMPDIR:-$BATS_TEST_TMPDIR}/pair
	[ ! -d "$pair" ] || return 0
	local mine
	mine=$(mktemp -d "${BATS_RUN_TMPDIR:-$BATS_TEST_TMPDIR}/pair-XXXXXX")
	for name in node other; do
		openssl req -x509 -newkey rsa:2048 -nodes -days 900 -subj "/CN=$name" -keyout "$mine/${name}Key.pem" \
			-out "$mine/$name.pem" 2>/dev/null
	done
	mv -T "$mine" "$pair" 2>/dev/null || rm -r "$mine"
}

config_teardown() {
	[ -z "${memory-}" ] || rm -rf "$memory"
}

# A stock OKV with this product and a Luna client beside it.
stock_root() {
	mkdir -p "$gen" "$root"/{etc,usr/lib}/systemd/system "$root"/usr/sbin "$root"/usr/share/man/man8 "$root"/usr/bin \
		"$root"/opt/okv-luna/{bin,hooks,libexec,share/systemd,share/man/man8,etc} \
		"$root$LC"/{bin,lib,libs/64,plugins,cert/client,cert/server,configData,data}
	printf 'root:x:0:0::/root:/bin/sh\noracle:x:501:502::/home/oracle:/bin/sh\n' >"$root/etc/passwd"
	printf 'root:x:0:\noinstall:x:502:\n' >"$root/etc/group"
	cat >"$gen/okv_hsm.conf" <<-'END'
		# The HSM vendor's settings.
		VENDOR_NAME=""
		PKCS11_LIB_LOC=""

		# Kept over upgrades.
		PRESERVED_FILES=""
	END
	printf '#EXAMPLE_ENV_VAR_NAME="EXAMPLE_ENV_VAR_VALUE"\n' >"$gen/okv_hsm_env"
	cat >"$gen/okv_hsm_mid_upgrade" <<-'END'
		#!/bin/bash
		: "${LOGTAG=okv_hsm_mid_upgrade}" "${LOGDEBUG=local0.debug}"
		#########################################
		# DO NOT CHANGE ANYTHING ABOVE THIS LINE #
		#########################################
		logger -t "${LOGTAG}" -p "${LOGDEBUG}" "nothing to do"
		exit ${DBFW_PM_NO_CHANGE_REQUIRED}
	END
	chmod 0640 "$gen"/*
	chown 501:502 "$gen"/*
	for file in bin/okv-luna hooks/{pre,mid,post}-upgrade libexec/okv-luna-mid-upgrade \
		share/systemd/okv-luna-post-upgrade.service share/man/man8/okv-luna{,-config}.8; do
		printf '#!/bin/sh\nexit 1\n' >"$root/opt/okv-luna/$file"
		chmod 0755 "$root/opt/okv-luna/$file"
	done
	library_make "$root$LC/libs/64/libCryptoki2.so"
	ln -s ../libs/64/libCryptoki2.so "$root$LC/lib/libCryptoki2_64.so"
	pair_make
	cp "$pair/node.pem" "$pair/nodeKey.pem" "$root$LC/cert/client"
	cp "$pair/other.pem" "$root$LC/cert/server/CAFile.pem"
	echo bin/openssl.cnf >"$root$LC/bin/openssl.cnf"
	cat >"$root/etc/Chrystoki.conf" <<-END
		Chrystoki2 = {
		   LibUNIX64 = $LC/lib/libCryptoki2_64.so;
		}

		LunaSA Client = {
		   SSLConfigFile = $LC/bin/openssl.cnf;
		   ClientPrivKeyFile = $LC/cert/client/nodeKey.pem;
		   ClientCertFile = $LC/cert/client/node.pem;
		   ServerCAFile = $LC/cert/server/CAFile.pem;
		   ServerName00 = 10.0.0.1;
		   ServerPort00 = 1792;
		}

		Misc = {
		   PE1746Enabled = 0;
		}
	END
	chmod 0640 "$root/etc/Chrystoki.conf"
}

# Same words on both streams; the exit status that is wanted comes first.
okv_config() {
	local wanted=$1
	shift
	run "-$wanted" "$config" --root "$root" "$@"
}
