#!/usr/bin/env bats
# make deps: what is missing is installed by root and named to all others; nothing missing costs nothing.

bats_require_minimum_version 1.5.0

setup() {
	export DEPS_LOG=$BATS_TEST_TMPDIR/deps.log
	deps=$BATS_TEST_DIRNAME/../deps
	cd "$BATS_TEST_TMPDIR"
	mkdir bin list
	chmod 755 . list
	# A package manager that only writes down what it was asked: installing for real is no test's business.
	printf '#!/bin/sh\necho "$0 $*" | sed "s,.*/,," >>%s/asked\n' "$PWD" >bin/apt-get
	chmod +x bin/apt-get
	PATH=$PWD/bin:$PATH
}

@test "all that the project's own lists name is here, found out without the network in an instant" {
	# Its own time, whatever else the machine has to do: 0.3 s.
	TIMEFORMAT='%3U %3S'
	time { sh "$deps" demo check >said 2>&1; } 2>took
	[ ! -s said ]
	[ ! -e asked ]
	awk '{ print; exit $1 + $2 > 2 }' took
}

@test "each list is well formed" {
	run awk '{ sub(/#.*/, "") }
		NF && ($1 !~ /^[a-z0-9][a-z0-9.+-]*$/ || NF > 3 || ($2 != "" && $2 !~ /^\[(rpm=[^]]+|optional)\]$/)) {
			print FILENAME ":" FNR ": " $0; bad = 1 } END { exit bad }' "$BATS_TEST_DIRNAME"/../deps.d/*
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "root: the missing ones of all lists, once each, after an update" {
	printf 'coreutils\nno-such-package-a # why\n\n# no-such-package-c\n' >list/one
	printf 'no-such-package-b [rpm=other]\nno-such-package-a\n' >list/two
	run -5 sh "$deps" list
	[[ ${lines[-1]} == 'deps: still missing: no-such-package-a no-such-package-b' ]]
	[ "$(wc -l <asked)" -eq 2 ]
	[[ $(sed -n 1p asked) == apt-get*' update' ]]
	[[ $(sed -n 2p asked) == *'--no-install-recommends install no-such-package-a no-such-package-b' ]]
}

@test "not root: says what to run, and asks nothing of the network" {
	printf 'coreutils\nno-such-package-a\n' >list/one
	cp "$deps" deps
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test"
	chmod -R go=rX "$BATS_TEST_TMPDIR"
	run -5 setpriv --reuid 65534 --regid 65534 --clear-groups sh ./deps list
	[ "${lines[1]}" = 'deps: as root run: apt-get install --no-install-recommends no-such-package-a' ]
	[ ! -e asked ]
}

@test "only the sets that are asked for; what apt says goes to the log" {
	printf 'no-such-package-a\n' >list/one
	printf 'no-such-package-b\n' >list/two
	printf '#!/bin/sh\necho "Reading package lists..."\necho "$*" >>%s/asked\n' "$PWD" >bin/apt-get
	run -5 sh "$deps" list one
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[0]} == "deps: packages to install: 1;"*"$DEPS_LOG" ]]
	[[ ${lines[1]} == 'deps: still missing: no-such-package-a' ]]
	[[ $(cat asked) != *no-such-package-b* ]]
	grep -q 'Reading package lists' "$DEPS_LOG"
}

@test "a package that this release does not have any more, and is optional, is not asked for" {
	printf 'coreutils\nno-such-package-a [rpm=-] [optional]\n' >list/one
	run -0 sh "$deps" list
	[ -z "$output" ]
	[ ! -e asked ]
}

# deps_private POLICY: deps in a mount namespace of its own, in which the services of this machine are those of
# services/ and /usr/sbin/policy-rc.d is POLICY's text, or absent; what is left of both lies in services/ and policy.
deps_private() {
	mkdir -p services rc sbin
	# shellcheck disable=SC2016
	unshare -m sh -euc 'mount --make-rprivate /
		mount --bind /usr/sbin sbin
		mount -t tmpfs tmpfs /usr/sbin
		ln -s "$PWD"/sbin/* /usr/sbin/
		rm -f /usr/sbin/policy-rc.d
		[ -z "$2" ] || { printf "#!/bin/sh\n%s\n" "$2" >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; }
		mount --bind services /etc/systemd/system
		[ ! -d /etc/rc2.d ] || mount --bind rc /etc/rc2.d
		status=0
		sh "$1" list || status=$?
		[ ! -e /usr/sbin/policy-rc.d ] || cp /usr/sbin/policy-rc.d policy
		exit $status' - "$deps" "$1"
}

@test "no service is started, and none is left to start at the next boot" {
	printf 'no-such-package-a\n' >list/one
	# A package that asks whether it may start its service, and enables it.
	printf '#!/bin/sh\n[ "$*" = "${*%%%%install*}" ] || { /usr/sbin/policy-rc.d; echo "policy $?" >>%s/asked
		mkdir /etc/systemd/system/new.wants
		ln -s /dev/null /etc/systemd/system/new.wants/x.service
		ln -s /dev/null /etc/systemd/system/y.service
		ln -s /dev/null /etc/systemd/system/old.wants/x.service; }\n' "$PWD" >bin/apt-get
	mkdir -p services/old.wants
	ln -s /dev/null services/old.wants/kept.service
	run -5 deps_private ''
	[[ ${lines[-1]} == 'deps: still missing: no-such-package-a' ]]
	[ "$(cat asked)" = 'policy 101' ]
	[ ! -e policy ]
	[ "$(cd services && find . ! -type d)" = ./old.wants/kept.service ]
	[ ! -e services/new.wants ]
}

@test "a machine's own policy about services is asked and stays" {
	printf 'no-such-package-a\n' >list/one
	printf '#!/bin/sh\n[ "$*" = "${*%%%%install*}" ] || { /usr/sbin/policy-rc.d; echo "policy $?" >>%s/asked; }\n' \
		"$PWD" >bin/apt-get
	run -5 deps_private 'exit 104'
	[ "$(cat asked)" = 'policy 104' ]
	[ "$(cat policy)" = $'#!/bin/sh\nexit 104' ]
}

@test "an RPM system: its own names, and none where it has none" {
	printf 'libc6-dev [rpm=glibc-devel]\nmmdebstrap [rpm=-]\nmandoc\ngcc\n' >list/one
	mkdir rpm-bin
	for tool in sh awk tr rm mktemp id cat dirname wc tail; do
		ln -s "$(command -v $tool)" rpm-bin/
	done
	printf '#!/bin/sh\necho "dnf $*" >>%s/asked\n' "$PWD" >rpm-bin/dnf
	# gcc is here, nothing else is.
	printf '#!/bin/sh\n[ "$4" = gcc ]\n' >rpm-bin/rpm
	chmod +x rpm-bin/dnf rpm-bin/rpm
	PATH=$PWD/rpm-bin run -5 sh "$deps" list
	[[ $(cat asked) == 'dnf -q -y '*' install glibc-devel mandoc' ]]
}

@test "no package manager: one sentence" {
	mkdir bare
	for tool in sh dirname; do
		ln -s "$(command -v $tool)" bare/
	done
	PATH=$PWD/bare run -5 sh "$deps" list
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == 'deps: neither apt-get nor dnf is here'* ]]
}

@test "make without a compiler, and without rpmbuild: what is missing, and the command that installs it" {
	cd "$BATS_TEST_DIRNAME/../.."
	run -2 make CC=no-such-compiler BUILD="$BATS_TEST_TMPDIR/build" all
	[[ $output == *'no-such-compiler is not installed; run: make deps'* ]]
	run -0 make -n CC=no-such-compiler deps
	mkdir "$BATS_TEST_TMPDIR/tools"
	ln -s "$(command -v sh)" "$BATS_TEST_TMPDIR/tools/sh"
	PATH=$BATS_TEST_TMPDIR/tools run -6 sh spec/build.sh "$BATS_TEST_TMPDIR/out"
	[ "$output" = 'rpmbuild is not installed; run: make deps' ]
	[ ! -e "$BATS_TEST_TMPDIR/out" ]
}
