#!/usr/bin/env bats
# okv-luna extract as root on appliances of two OSes (Debian 11 with libarchive 3.4 and rpm 4.16, and Debian 12): what
# is refused, the swap, the identity, the way back, a kill in the middle, the vendor's packages; and OKV's user at the
# HSM.
# RPM=FILE takes a package; without it one is built on the oldest base.
# shellcheck disable=SC2016 # single quotes: expanded in the node

load node.bash

setup_file() {
	local hostile=$BATS_TEST_DIRNAME/../../hostile images
	package_for_file
	export SHARED=$BATS_FILE_TMPDIR/shared
	mkdir "$SHARED" "$SHARED/hostile"
	"$hostile/make" "$SHARED/hostile" &
	cp "$BATS_TEST_DIRNAME/extract-node.sh" "$SHARED/node.sh"
	node_file_up node-11 '' -v "$RPM:/root/okv-luna-hooks.rpm:ro" -v "$SHARED:/shared"
	mapfile -t images < <("$APPLIANCE_DIR/image" node-12 2>/dev/null)
	node_new bats-new
	export NEW=$NODE
	node_create "$NEW" "${images[0]}" -v "$RPM:/root/okv-luna-hooks.rpm:ro" -v "$SHARED:/shared"
	on "$OLD" '. /shared/node.sh; archives_make /shared' >/dev/null &
	node_start "$NEW"
	node_install_base "$NEW" 2>/dev/null
	wait
	for node in "$OLD" "$NEW"; do
		on "$node" 'rpm -i /root/okv-luna-hooks.rpm' 2>/dev/null
	done
}
teardown_file() { node_file_down; }

# each SCRIPT: on both appliances at once, with the words of extract-node.sh.
each() {
	local node pids=() bad=0
	for node in "$OLD" "$NEW"; do
		on "$node" '. /shared/node.sh; '"$1" >"$BATS_TEST_TMPDIR/$node" 2>&1 &
		pids+=($!)
	done
	for node in "$OLD" "$NEW"; do
		wait "${pids[0]}" || { echo "$node ended with $?:"; cat "$BATS_TEST_TMPDIR/$node"; bad=1; }
		pids=("${pids[@]:1}")
	done
	return $bad
}

@test "every packing gives the same client, with this system's libarchive" {
	each 'for packing in tar.gz tar tar.xz tar.bz2 tar.zst; do
			extract old.$packing
			client >/tmp/client.$packing
			cmp /tmp/client.tar.gz /tmp/client.$packing
			cmp $lc/lib/libCryptoki2_64.so /shared/old.so
			client_remove
		done'
}

@test "hostile and damaged archives: refused with one sentence that names them, and not one inode touched" {
	each 'extract old.tar.gz; identity_make
		refused=0
		touched >/tmp/touched.before
		everything >/tmp/everything.before
		for archive in $(hostile_some); do
			refuses /shared/hostile/$archive $(sed -n "s/^$archive //p" /shared/hostile/arguments)
			touched >/tmp/touched.after
			diff /tmp/touched.before /tmp/touched.after
			refused=$((refused + 1))
		done
		everything >/tmp/everything.after
		diff /tmp/everything.before /tmp/everything.after
		[ $refused -ge 38 ]'
}

@test "the swap: whoever looks without a pause finds a whole client every time" {
	each 'watch_start; for n in 1 2 3; do extract new.tar.gz; extract old.tar.gz; extract --rollback; done; watch_end
		[ $looked -gt 500 ] && [ $missed -eq 0 ]'
}

@test "where the kernel cannot exchange, there is a gap: the same look finds it, and what stands in the end is right" {
	each 'extract new.tar.gz; client >/tmp/client.new; extract old.tar.gz; watch_start
		traced -e inject=renameat2:error=ENOSYS -e inject=renameat:delay_exit=1000000 new.tar.gz; watch_end
		[ $missed -gt 0 ]
		client >/tmp/client.now; cmp /tmp/client.new /tmp/client.now; no_leftovers'
}

@test "a re-install carries the identity over bit for bit, and leaves Chrystoki.conf alone" {
	each 'client_remove; extract old.tar.gz; identity_make
		identity >/tmp/identity.before
		for archive in new.tar.gz cloud.zip old.tar.gz; do
			extract --replace-kind $archive
			identity >/tmp/identity.after
			diff /tmp/identity.before /tmp/identity.after
		done
		grep -q "cert/client/okv1Key.pem" /tmp/identity.before
		grep -q "data/client_identities" /tmp/identity.before
		grep -q "Chrystoki.conf" /tmp/identity.before'
}

@test "the roll-back brings the client before it back whole, and its own roll-back the newer one" {
	each 'extract old.tar.gz; client >/tmp/client.old; extract new.tar.gz; client >/tmp/client.new
		! cmp -s /tmp/client.old /tmp/client.new
		extract --rollback; client >/tmp/client.now; diff /tmp/client.old /tmp/client.now
		grep -q "put back" /opt/okv-luna/var/client.mtree
		extract --rollback; client >/tmp/client.now; diff /tmp/client.new /tmp/client.now'
}

@test "kill -9 in the middle: the old client or the new one, whole; the next run finishes and leaves nothing" {
	each 'extract new.tar.gz; client >/tmp/client.new; extract old.tar.gz; client >/tmp/client.old
		old=0 new=0
		for point in mkdirat:3 symlinkat:2 renameat:1 syncfs:1 renameat2:1 fsync:3 renameat:2 renameat:3; do
			extract old.tar.gz
			killed -e inject=${point%:*}:signal=KILL:when=${point#*:} new.tar.gz
			stands
			extract new.tar.gz; client >/tmp/client.now; diff /tmp/client.new /tmp/client.now; no_leftovers
		done
		for after in 0.02 0.08; do
			extract old.tar.gz
			timeout -s KILL $after $tool -q /shared/large.tar.gz || [ $? = 137 ]
			[ -f $lc/lib/libCryptoki2_64.so ] && [ -d $lc/cert/client ]
			extract new.tar.gz; client >/tmp/client.now; diff /tmp/client.new /tmp/client.now; no_leftovers
		done
		[ $old -ge 3 ] && [ $new -ge 2 ] || { echo "old $old, new $new"; exit 1; }'
}

@test "OKV's user reaches the HSM through the extracted library, before and after a re-install and a roll-back" {
	each 'client_remove; rm -f /etc/Chrystoki.conf
		extract old.tar.gz; hsm; reached; okv-luna repair -q
		extract new.tar.gz; okv-luna repair --check -q; reached
		extract --rollback; reached'
}

@test "full client: not without the licence, not elsewhere, and then by rpm -U of the vendor's network set" {
	each 'client_remove; rm -f /etc/Chrystoki.conf
		everything >/tmp/everything.before
		refuses /shared/full-old.tar; [[ $said == *--accept-licence* ]]
		refuses /shared/full-old.tar --accept-licence --to /opt/luna; [[ $said == *"cannot be moved"* ]]
		refuses /shared/full-mixed.tar --accept-licence; [[ $said == *"not of version"* ]]
		everything >/tmp/everything.after; diff /tmp/everything.before /tmp/everything.after
		! rpm -q libcryptoki >/dev/null
		extract --accept-licence full-old.tar
		installed 10.4.0-417
		rpm -V $network_set | grep -v " [cdg] " >/tmp/verified || true
		[ ! -s /tmp/verified ]
		hsm; reached'
}

@test "full client: the next version and the one before it again, each with the identity bit for bit" {
	each 'identity_make
		for version in new:10.9.4-122 old:10.4.0-417; do
			identity >/tmp/identity.before
			extract --accept-licence full-${version%:*}.tar
			installed ${version#*:}
			identity >/tmp/identity.after; diff /tmp/identity.before /tmp/identity.after
			reached
		done
		extract --accept-licence full-old.tar; [[ $said == *"nothing was changed"* ]]'
}

@test "full client: rpm killed in its transaction: the identity stays, the way on is said, and then it goes on" {
	each 'database_movable; identity_make; identity >/tmp/identity.before
		rpm_cut pwrite64:60 --accept-licence full-new.tar
		identity >/tmp/identity.after; diff /tmp/identity.before /tmp/identity.after
		# An rpm on Berkeley DB (Debian 11) does not come by itself over a death within it; SQLite rolls back.
		if [ -e /var/lib/rpm/Packages ]; then
			fails 5 "rpm --rebuilddb. repairs its database" /shared/full-new.tar --accept-licence
			[[ $said == *"rpm cannot tell what is installed: error: "* ]]
			rpm --rebuilddb
		fi
		extract --accept-licence full-new.tar
		installed 10.9.4-122
		identity >/tmp/identity.after; diff /tmp/identity.before /tmp/identity.after
		reached; no_leftovers'
}

@test "OKV's files put back by another package after all that are wired again, and the HSM is reached" {
	each 'stock_install
		said=$(okv-luna config wire -n)
		[ "$said" = "wired already: nothing to do" ] || { echo "$said"; exit 1; }
		okv-luna repair -q; reached; rpm -e --justdb okv-stock'
}
