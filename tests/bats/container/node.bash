# shellcheck shell=bash disable=SC2016,SC2153
# node.bash: one appliance for a bats file, with the root of its next OS
# mounted.  Sets OLD, NEW and ROOT (where NEW's root lies); node_file_down takes
# them away.

# shellcheck source=tests/appliance/lib.sh disable=SC1091
. "$BATS_TEST_DIRNAME/../../appliance/lib.sh"

# node_file_up FROM [TO] [OPTION...]
node_file_up() {
	local from=$1 to=${2:-} images
	shift
	[ $# = 0 ] || shift
	appliance_runtime 2>/dev/null
	OLD='' NEW='' ROOT=''
	if [ -n "$to" ]; then
		mapfile -t images < <("$APPLIANCE_DIR/image" "$from" "$to" 2>/dev/null)
		node_new bats-new
		NEW=$NODE
		node_create "$NEW" "${images[1]}"
		ROOT=$(node_root "$NEW")
		set -- -v "$ROOT:/images/os" "$@"
	else
		mapfile -t images < <("$APPLIANCE_DIR/image" "$from" 2>/dev/null)
	fi
	node_new bats-old
	OLD=$NODE
	node_create "$OLD" "${images[0]}" "$@"
	node_start "$OLD"
	export OLD NEW ROOT
}

node_file_down() {
	APPLIANCE_NODES=()
	[ -z "${OLD:-}" ] || APPLIANCE_NODES+=("$OLD")
	[ -z "${NEW:-}" ] || APPLIANCE_NODES+=("$NEW")
	node_cleanup
}

# package_for_file: set RPM to the release package, built here unless RPM names
# one.
package_for_file() {
	appliance_runtime 2>/dev/null
	if [ -z "${RPM:-}" ]; then
		RPM=$("$APPLIANCE_DIR/release-build" "$BATS_TEST_DIRNAME/../../.." "$BATS_FILE_TMPDIR/rpm" \
			2>"$BATS_FILE_TMPDIR/log" | grep -v -e '\.src\.rpm$' -e debuginfo) || {
			cat "$BATS_FILE_TMPDIR/log" >&2
			return 1
		}
	fi
	RPM=$(realpath "$RPM")
	export RPM
}

# on NODE SCRIPT...: a script as root in the node, strict.
on() {
	local node=$1
	shift
	ctr exec "$node" bash -euo pipefail -c "$*"
}

# A minimal client put in place by hand, with its partition and root key.
client_by_hand() { # NODE
	on "$1" '
		lc=/usr/safenet/lunaclient
		getent group hsmusers >/dev/null || groupadd -r hsmusers
		/usr/share/okv-appliance/bin/client-archive minimal /tmp/client.tar.gz
		mkdir -p $lc
		tar -xzf /tmp/client.tar.gz -C $lc --strip-components=1
		mkdir -p $lc/lib
		ln -sf $lc/libs/64/libCryptoki2.so $lc/lib/libCryptoki2_64.so
		cp $lc/Chrystoki-template.conf /etc/Chrystoki.conf
		/usr/share/okv-appliance/bin/hsm-init
		chmod -R 0755 $lc/cert
		g=/usr/local/okv/hsm/generic
		sed -i -e "s|^VENDOR_NAME=.*|VENDOR_NAME=\"Thales_Luna\"|" \
			-e "s|^PKCS11_LIB_LOC=.*|PKCS11_LIB_LOC=\"$lc/lib/libCryptoki2_64.so\"|" \
			-e "s|^PRESERVED_FILES=.*|PRESERVED_FILES=\"$lc:/etc/Chrystoki.conf\"|" $g/okv_hsm.conf
	' >/dev/null
}
