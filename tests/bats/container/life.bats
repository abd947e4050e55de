#!/usr/bin/env bats
# The package's life on an appliance that is in use: adopted, reinstalled, upgraded, downgraded, erased; and what it
# does when another package puts OKV's stock files back.
# RPM=FILE takes a package, RPM_OLD=FILE one of an earlier version; without them both are built on the oldest base.
# shellcheck disable=SC2016 # single quotes: expanded in the node

load node.bash

GENERIC=/usr/local/okv/hsm/generic

setup_file() {
	package_for_file
	if [ -z "${RPM_OLD:-}" ]; then
		mkdir "$BATS_FILE_TMPDIR/src"
		tar -C "$BATS_TEST_DIRNAME/../../.." --exclude=./build -cf - . | tar -C "$BATS_FILE_TMPDIR/src" -xf -
		sed -i 's/^Version: .*/Version: 0.0.9/' "$BATS_FILE_TMPDIR/src/spec/okv-luna-hooks.spec"
		RPM_OLD=$(CHECK=no "$APPLIANCE_DIR/release-build" "$BATS_FILE_TMPDIR/src" "$BATS_FILE_TMPDIR/old" 2>/dev/null |
			grep -v -e '\.src\.rpm$' -e debuginfo)
	fi
	RPM_OLD=$(realpath "$RPM_OLD")
	export RPM_OLD
	node_file_up node-11 '' -v "$RPM:/root/new.rpm:ro" -v "$RPM_OLD:/root/old.rpm:ro"
	client_by_hand "$OLD"
	# What the guide has an administrator do by hand: group, membership, the environment.
	on "$OLD" 'gpasswd --add oracle hsmusers
		printf "\nChrystokiConfigurationPath=\"/etc\"\n" >>'"$GENERIC"'/okv_hsm_env
		cp -a '"$GENERIC"' /root/by-hand' >/dev/null 2>&1
}
teardown_file() { node_file_down; }
setup() { on "$OLD" 'rm -rf '"$GENERIC"' && cp -a /root/by-hand '"$GENERIC"; }
teardown() {
	os_back
	on "$OLD" 'rpm -e okv-luna-hooks 2>/dev/null || rpm -e --noscripts okv-luna-hooks 2>/dev/null || true
		rm -rf /opt/okv-luna' >/dev/null
}
UNITS=/usr/lib/systemd/system
SYSTEM=/etc/systemd/system
# Nothing of ours is left to systemd.
no_units() { on "$OLD" "[ -z \"\$(find $UNITS $SYSTEM -name '*okv-luna*')\" ]"; }

# What nobody may change but we, and we only while we are installed.
others() { on "$OLD" 'cd / && for d in usr/local/okv usr/safenet etc/Chrystoki.conf etc/group etc/passwd; do
	find $d -exec stat -c "%n %F %a %u %g" {} + ; find $d -type f -exec sha256sum {} +; done' | sort; }
version() { on "$OLD" 'rpm -q --qf "%{VERSION}" okv-luna-hooks'; }

@test "installed over an appliance wired by hand, it changes nothing; wired, used and erased, all is as it was" {
	before=$(others)
	on "$OLD" 'rpm -i /root/new.rpm' 2>/dev/null
	[ "$(others)" = "$before" ]
	on "$OLD" 'okv-luna config wire -q && rpm -V okv-luna-hooks'
	[ "$(others)" != "$before" ]
	on "$OLD" 'rpm -e okv-luna-hooks' 2>/dev/null
	[ "$(others)" = "$before" ]
	on "$OLD" '[ ! -e /opt/okv-luna ] && [ ! -L /usr/sbin/okv-luna ]'
}

@test "upgrade, reinstall and downgrade keep the wiring, the settings and var/, and rpm -V is clean after each" {
	on "$OLD" 'rpm -i /root/old.rpm && okv-luna config wire -q && echo kept >/opt/okv-luna/var/witness' 2>/dev/null
	[ "$(version)" = 0.0.9 ]
	on "$OLD" 'sed -i "s/^#* *MIN_SLOTS=.*/MIN_SLOTS=\"1\"/; \$a# mine" /opt/okv-luna/etc/okv-luna.conf'
	conf=$(on "$OLD" 'cat /opt/okv-luna/etc/okv-luna.conf')
	wired=$(others)
	for step in '-U /root/new.rpm' '-U --replacepkgs /root/new.rpm' '-U --oldpackage /root/old.rpm'; do
		on "$OLD" "rpm $step" 2>/dev/null
		[ "$(others)" = "$wired" ]
		[ "$(on "$OLD" 'cat /opt/okv-luna/etc/okv-luna.conf /opt/okv-luna/var/witness')" = "$conf"$'\nkept' ]
		[ -z "$(on "$OLD" 'rpm -V okv-luna-hooks | grep -v " c /opt/okv-luna/etc/okv-luna.conf" || true')" ]
	done
	[ "$(version)" = 0.0.9 ]
}

@test "rpm -V is clean after each of the three hooks" {
	on "$OLD" 'rpm -i /root/new.rpm && okv-luna config wire -q && okv-luna repair -q' 2>/dev/null
	for hook in pre mid post; do
		on "$OLD" "/opt/okv-luna/hooks/$hook-upgrade >/dev/null || [ $hook\$? = mid1 ]; rpm -V okv-luna-hooks"
	done
}

@test "another package that puts OKV's stock files back is followed by our wiring" {
	on "$OLD" 'rpm -i /root/new.rpm && okv-luna config wire -q' 2>/dev/null
	wired=$(others)
	on "$OLD" '
		cat >/tmp/stock.spec <<-S
			Name: okv-stock
			Version: 1
			Release: 1
			Summary: stock
			License: none
			BuildArch: noarch
			%description
			stock
			%install
			mkdir -p %{buildroot}'"$GENERIC"'
			cp /root/by-hand/* %{buildroot}'"$GENERIC"'/
			%files
			'"$GENERIC"'/*
		S
		rpmbuild --quiet -bb --define "_topdir /tmp/rb" /tmp/stock.spec >/dev/null 2>&1
		rpm -U --replacefiles /tmp/rb/RPMS/noarch/okv-stock-1-1.noarch.rpm
	' 2>/dev/null
	on "$OLD" "grep -q okv-luna $GENERIC/okv_hsm_mid_upgrade"
	[ "$(others | grep -v "usr/local/okv/hsm/generic")" = "$(grep -v "usr/local/okv/hsm/generic" <<<"$wired")" ]
	on "$OLD" 'rpm -e --justdb okv-stock'
}

@test "over files that came through an OS step without an rpm database, installing adopts them" {
	on "$OLD" 'rpm -i /root/old.rpm && okv-luna config wire -q && echo kept >/opt/okv-luna/var/witness' 2>/dev/null
	wired=$(others)
	on "$OLD" 'rpm -e --justdb --noscripts --notriggers okv-luna-hooks && rpm -i /root/new.rpm' 2>/dev/null
	[ "$(version)" = "$(rpm -qp --qf "%{VERSION}" "$RPM" 2>/dev/null)" ]
	[ "$(others)" = "$wired" ]
	on "$OLD" 'rpm -V okv-luna-hooks && [ "$(cat /opt/okv-luna/var/witness)" = kept ] && okv-luna config check -q'
}

@test "erased between pre-upgrade and upgrade, the upgrade is called off" {
	on "$OLD" 'rpm -i /root/new.rpm && okv-luna config wire -q && okv-luna repair -q' 2>/dev/null
	client() { others | grep -e usr/safenet -e etc/Chrystoki; }
	everyday=$(client)
	on "$OLD" 'okv-luna pre-upgrade -q'
	[ "$(client)" != "$everyday" ]
	on "$OLD" "[ -L $SYSTEM/multi-user.target.wants/okv-luna-post-upgrade.service ]"
	on "$OLD" 'rpm -e okv-luna-hooks' 2>/dev/null
	[ "$(client)" = "$everyday" ]
	no_units
}

# An upgrade as far as that: prepared, inside (another OS, mid-upgrade has run), after (post-upgrade has run).
upgrade_to() {
	on "$OLD" 'okv-luna pre-upgrade -q'
	[ "$1" != prepared ] || return 0
	on "$OLD" 'cp -a /usr/lib/os-release /root/os-release
		sed -i "s/^VERSION_ID=.*/VERSION_ID=\"99\"/" /usr/lib/os-release
		/opt/okv-luna/hooks/mid-upgrade >/dev/null || [ $? = 1 ]'
	[ "$1" != inside ] || return 0
	on "$OLD" '/opt/okv-luna/hooks/post-upgrade >/dev/null'
}
os_back() { on "$OLD" '[ ! -e /root/os-release ] || mv /root/os-release /usr/lib/os-release'; }

@test "updated and downgraded before, in and after an upgrade, the package loses nothing of it" {
	for state in prepared inside after; do
		on "$OLD" 'rpm -i /root/old.rpm && okv-luna config wire -q && okv-luna repair -q' 2>/dev/null
		upgrade_to "$state"
		kept() { others; on "$OLD" 'cd /opt/okv-luna/var && find . -type f ! -name lock -exec sha256sum {} + | sort
			find /etc/systemd/system -name "*okv-luna*" -printf "%p %l\n" | sort'; }
		before=$(kept)
		for step in '-U /root/new.rpm' '-U --oldpackage /root/old.rpm' '-U /root/new.rpm'; do
			on "$OLD" "rpm $step" 2>/dev/null
			diff <(echo "$before") <(kept)
		done
		# What is left of the upgrade goes on as if nothing had been.
		on "$OLD" '/opt/okv-luna/hooks/post-upgrade >/dev/null && okv-luna slots -q && rpm -V okv-luna-hooks'
		on "$OLD" 'rpm -e okv-luna-hooks' 2>/dev/null
		no_units
		os_back
		setup
	done
}

@test "inside an upgrade nothing is erased; after post-upgrade it is" {
	on "$OLD" 'rpm -i /root/new.rpm && okv-luna config wire -q && okv-luna repair -q' 2>/dev/null
	upgrade_to inside
	run on "$OLD" 'rpm -e okv-luna-hooks'
	[ "$status" -ne 0 ]
	[[ $output == *post-upgrade* ]]
	on "$OLD" 'rpm -V okv-luna-hooks && /opt/okv-luna/hooks/post-upgrade >/dev/null && rpm -e okv-luna-hooks' 2>/dev/null
	no_units
	on "$OLD" '[ ! -e /opt/okv-luna ]'
	os_back
}

@test "what cannot be called off is not erased" {
	on "$OLD" 'rpm -i /root/new.rpm && okv-luna config wire -q && okv-luna repair -q && okv-luna pre-upgrade -q' 2>/dev/null
	on "$OLD" 'mv /opt/okv-luna/var/journal /root/journal && mkdir /opt/okv-luna/var/journal'
	run on "$OLD" 'rpm -e okv-luna-hooks'
	[ "$status" -ne 0 ]
	on "$OLD" 'rmdir /opt/okv-luna/var/journal && mv /root/journal /opt/okv-luna/var/journal && rpm -V okv-luna-hooks'
	on "$OLD" 'mount --bind /usr/safenet /usr/safenet && mount -o remount,ro,bind /usr/safenet'
	run on "$OLD" 'rpm -e okv-luna-hooks'
	on "$OLD" 'umount /usr/safenet && rpm -V okv-luna-hooks'
	[ "$status" -ne 0 ]
	[[ $output == *"'/usr/safenet/lunaclient/cert' is on a read-only file system; mount it read-write first"* ]]
	on "$OLD" 'rpm -e okv-luna-hooks' 2>/dev/null
}

@test "on a node that only we wired, OKV has its HSM after erasing" {
	on "$OLD" "cp /usr/share/okv-appliance/stock/* $GENERIC/ && rpm -i /root/new.rpm && okv-luna config wire -q" 2>/dev/null
	on "$OLD" 'cp -a /opt/okv-luna/libexec /root/libexec && /root/libexec/okv-luna-slots -q'
	on "$OLD" 'rpm -e okv-luna-hooks' 2>/dev/null
	on "$OLD" '/root/libexec/okv-luna-slots -q'
	on "$OLD" "grep -q '^PRESERVED_FILES=\"/usr/safenet/lunaclient:/etc/Chrystoki.conf\"' $GENERIC/okv_hsm.conf"
	on "$OLD" "! grep -rq okv-luna $GENERIC"
}

@test "the units are switched on and off as any package's, and erasing switches them off" {
	on "$OLD" 'rpm -i /root/new.rpm' 2>/dev/null
	for turn in 1 2; do
		on "$OLD" 'systemctl enable --now okv-luna-slots.timer' 2>/dev/null
		on "$OLD" 'systemctl is-enabled okv-luna-slots.timer && systemctl is-active okv-luna-slots.timer'
		on "$OLD" 'systemctl disable --now okv-luna-slots.timer' 2>/dev/null
		on "$OLD" 'rpm -V okv-luna-hooks'
		run on "$OLD" 'systemctl is-enabled okv-luna-slots.timer'
		[ "$output" = disabled ]
	done
	on "$OLD" 'systemctl enable --now okv-luna-slots.timer && rpm -e okv-luna-hooks' 2>/dev/null
	no_units
	run on "$OLD" 'systemctl is-active okv-luna-slots.timer'
	[ "$status" -ne 0 ]
}

@test "the step from 0.1.0, whose units were links, leaves none, and what was switched on stays on" {
	on "$OLD" 'rpm -i /root/old.rpm && okv-luna config wire -q' 2>/dev/null
	on "$OLD" "
		for unit in okv-luna-slots.timer okv-luna-slots.service okv-luna-post-upgrade.service; do
			mv $UNITS/\$unit /root/\$unit
			ln -s /opt/okv-luna/share/systemd/\$unit $SYSTEM/\$unit
		done
		sed -i 's|$UNITS/okv|$SYSTEM/okv|g' $GENERIC/okv_hsm.conf
		systemctl daemon-reload
		systemctl enable okv-luna-slots.timer okv-luna-post-upgrade.service
		rpm -U /root/new.rpm" 2>/dev/null
	on "$OLD" "[ -z \"\$(find $SYSTEM -name 'okv-luna*' ! -path '*.wants/*')\" ] && rpm -V okv-luna-hooks"
	for wants in timers.target.wants/okv-luna-slots.timer multi-user.target.wants/okv-luna-post-upgrade.service; do
		[ "$(on "$OLD" "readlink $SYSTEM/$wants")" = "$UNITS/${wants#*/}" ]
	done
	on "$OLD" 'systemctl is-enabled okv-luna-slots.timer'
	on "$OLD" "grep -q '$UNITS/okv-luna-post' $GENERIC/okv_hsm.conf && ! grep -q '$SYSTEM/okv-luna' $GENERIC/okv_hsm.conf"
}
