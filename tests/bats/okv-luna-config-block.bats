#!/usr/bin/env bats
# The managed block of okv_hsm_mid_upgrade, run by every shell that may run it, with every helper that may be there.
#
# The wired script runs at its real path in small roots of their own (chroot): one for each helper, each with and
# without timeout(1).  Every case says how it must end, and whether OKV's own end of the script is reached.
# shellcheck disable=SC2016 # single quotes: the scripts' own variables

bats_require_minimum_version 1.5.0
load config
load eventually

HELPERS='changed unchanged failed missing plain folder broken crash noisy hang stubborn'

# The body of each helper.
helper_put() {
	local at=$1/opt/okv-luna/hooks/mid-upgrade
	mkdir -p "${at%/*}"
	case $2 in
	changed) echo 'exit 0' ;;
	unchanged) echo 'exit 1' ;;
	failed) echo 'exit 5' ;;
	crash) echo 'kill -SEGV $$' ;;
	noisy) echo 'echo noise; echo noise >&2; exit 1' ;;
	hang) echo 'exec sleep 300' ;;
	stubborn) echo 'trap "" TERM HUP INT; while :; do sleep 0.05; done' ;;
	*) echo 'exit 0' ;;
	esac | sed '1i #!/bin/sh' >"$at"
	chmod 0755 "$at"
	case $2 in
	missing) rm "$at" ;;
	plain) chmod 0644 "$at" ;;
	folder) rm "$at" && mkdir "$at" ;;
	broken) sed -i '1s|.*|#!/not/there|' "$at" ;;
	esac
}

# A root with the shells, /dev/null, and what the block may call.
shells_root() {
	local top=$1 program library
	mkdir -p "$top"/bin "$top"/usr/bin "$top"/dev "$top"/tmp "$top$G" "$top"/root
	chmod 1777 "$top/tmp"
	for program in dash bash busybox sleep mkdir rmdir; do
		cp "$(command -v $program)" "$top/bin/$program"
		for library in $(ldd "$(command -v $program)" | grep -o '/[^ ]*'); do
			[ -e "$top$library" ] || install -D "$library" "$top$library"
		done
	done
	ln -s dash "$top/bin/sh"
	cp -a /dev/null "$top/dev/null"
	# What is logged, one line each; appending is one write.
	printf '#!/bin/sh\necho "$*" >>/tmp/log\n' >"$top/usr/bin/logger"
	chmod 0755 "$top/usr/bin/logger"
}

setup_file() {
	config_setup
	stock_root
	"$config" --root "$root" -q wire
	roots=$(mktemp -d "${memory:-$BATS_FILE_TMPDIR}/roots-XXXXXX")
	export roots memory

	# The script as wired, but that OKV's end tells descriptor 9 that it was reached; and for the helpers that do not
	# end by themselves one with a bound of 1 second instead of 90.
	sed -e '/^logger/d' -e 's/^exit .*/echo reached >\&9\nexit ${DBFW_PM_NO_CHANGE_REQUIRED:-0}/' \
		"$gen/okv_hsm_mid_upgrade" | sed 1,2d >"$roots/wired"
	[ "$(grep -c '90' "$roots/wired")" -eq 2 ]
	sed -e 's/-k 5 90 /-k 1 1 /; s/-ge 90 /-ge 1 /' "$roots/wired" >"$roots/wired.short"
	grep -q -- '-k 1 1 ' "$roots/wired.short"
	grep -q -- '-ge 1 ' "$roots/wired.short"

	shells_root "$roots/base"
	local helper
	for helper in $HELPERS; do
		for bound in timeout none; do
			cp -al "$roots/base" "$roots/$helper-$bound"
			# Not shared by hard links: each has its own log and its own helper.
			[ $bound = none ] || install "$(command -v timeout)" "$roots/$helper-$bound/usr/bin/timeout"
			helper_put "$roots/$helper-$bound" "$helper"
		done
	done
}

teardown_file() { config_teardown; }

# What may stand above the block in OKV's part of the script.
surroundings() {
	case $1 in
	nothing) ;;
	e) echo 'set -e' ;;
	eu) echo 'set -eu' ;;
	odd) printf '%s\n' 'set -efuC' 'IFS=/' 'umask 777' 'trap "" HUP TERM' ;;
	gone) printf '%s\n' 'mkdir /tmp/gone.$$' 'cd /tmp/gone.$$' 'rmdir /tmp/gone.$$' ;;
	closed) echo 'exec <&- >&- 2>&-' ;;
	trap) printf '%s\n' 'set -eE' 'trap "exit 99" ERR' ;;
	esac
}

variables() {
	case $1 in
	set) echo 'DBFW_PM_CHANGED=71 DBFW_PM_NO_CHANGE_REQUIRED=73 LOGTAG=x LOGDEBUG=local0.debug' ;;
	unset) echo '' ;;
	empty) echo 'DBFW_PM_CHANGED= DBFW_PM_NO_CHANGE_REQUIRED= LOGTAG= LOGDEBUG=' ;;
	odd) echo 'DBFW_PM_CHANGED=7x DBFW_PM_NO_CHANGE_REQUIRED=73' ;;
	big) echo 'DBFW_PM_CHANGED=99999999999999999999 DBFW_PM_NO_CHANGE_REQUIRED=73' ;;
	esac
}

# case_run SHELL HELPER BOUND VARIABLES SURROUNDINGS USER: one line of complaint, or nothing.
case_run() {
	local name="$*" shell=${1//_/ } helper=$2 top=$roots/$2-$3 status=0 wanted reached=yes file said told bound=
	file=/tmp/${name//[ :]/-}
	# A second is too short on a busy machine for what must not be cut off.
	case $helper in
	hang | stubborn) bound=.short ;;
	esac
	{ surroundings "$5"; cat "$roots/wired${bound-}"; } >"$top$file"
	said=$top$file.said told=$top$file.told
	# shellcheck disable=SC2046,SC2086
	env -i $(variables "$4") /usr/sbin/chroot --userspec="$6" "$top" /bin/$shell "$file" \
		</dev/null >"$said" 2>&1 9>"$told" || status=$?

	case $4 in
	set) wanted=73 ;;
	odd | big) wanted=73 ;;
	*) wanted=0 ;;
	esac
	if [ "$helper" = changed ]; then
		case $4 in
		set) wanted=71 reached=no ;;
		unset | empty) wanted=0 reached=no ;;
		esac
	fi
	[ "$status" -eq $wanted ] || echo "$name: ended with $status, not $wanted: $(head -c 200 "$said")"
	[ ! -s "$said" ] || echo "$name: said $(head -c 200 "$said")"
	[ $reached = "$(grep -qx reached "$told" && echo yes || echo no)" ] || echo "$name: OKV's end: not $reached"
	rm -f "$top$file" "$said" "$told"
}

# Cases on standard input, one a line; all of them are run, many at a time, since some only wait.
cases_run() {
	export -f case_run surroundings variables
	local count
	cat >"$BATS_TEST_TMPDIR/cases"
	count=$(wc -l <"$BATS_TEST_TMPDIR/cases")
	echo "$count cases"
	[ "$count" -eq "$1" ]
	run xargs -P 48 -I CASE bash -c 'case_run CASE; echo done' <"$BATS_TEST_TMPDIR/cases"
	grep -v '^done$' <<<"$output" || true
	[ "$(grep -c '^done$' <<<"$output")" -eq "$count" ]
	[ -z "$(grep -v '^done$' <<<"$output")" ]
}

@test "every shell, every helper, timeout there or not, variables set, unset, empty, odd" {
	for shell in dash bash bash_--posix busybox_sh; do
		for helper in $HELPERS; do
			for bound in timeout none; do
				for variables in set unset empty odd big; do
					# A number that is none matters only where it would be used.
					case $helper-$variables in
					changed-*) ;;
					*-odd | *-big) continue ;;
					esac
					echo $shell $helper $bound $variables nothing 0:0
				done
			done
		done
	done | cases_run 280
}

@test "set -e, set -u, odd options, no working directory, closed descriptors, an ERR trap, another user" {
	for shell in dash bash bash_--posix busybox_sh; do
		for helper in $HELPERS; do
			for around in e eu odd gone closed trap; do
				case $shell-$around in
				dash-trap | busybox*-trap) continue ;;
				esac
				echo $shell $helper timeout set $around 0:0
			done
			echo $shell $helper none set eu 0:0
			echo $shell $helper timeout set nothing 65534:65534
		done
	done | cases_run 330
}

@test "what failed is logged with its status; what went well is not" {
	: >"$roots/failed-timeout/tmp/log"
	for helper in changed unchanged failed missing hang; do
		: >"$roots/$helper-timeout/tmp/log"
		run case_run dash $helper timeout set nothing 0:0
		[ -z "$output" ]
		case $helper in
		failed | missing | hang) eventually test -s "$roots/$helper-timeout/tmp/log" ;;
		esac
	done
	[ ! -s "$roots/changed-timeout/tmp/log" ]
	[ ! -s "$roots/unchanged-timeout/tmp/log" ]
	grep -q 'daemon.err .*ended with status 5: .*okv-luna post-upgrade' "$roots/failed-timeout/tmp/log"
	grep -q 'status 127' "$roots/missing-timeout/tmp/log"
	grep -q 'status 124' "$roots/hang-timeout/tmp/log"
}

@test "a helper that hangs is ended at the bound, with its children, and nothing of it is left" {
	for bound in timeout none; do
		started=$(date +%s)
		run case_run bash hang $bound set nothing 0:0
		[ -z "$output" ]
		run case_run dash stubborn $bound set nothing 0:0
		[ -z "$output" ]
		# They would take 5 minutes and for ever.
		[ $(($(date +%s) - started)) -lt 60 ]
	done
	# The last sleep of a shell that was killed ends by itself.
	eventually nobody_there
}

# No process has its root below ours.
nobody_there() {
	local process root_of
	for process in /proc/[0-9]*; do
		root_of=$(readlink "$process/root" 2>/dev/null) || continue
		[[ $root_of != "$roots"/* ]] || return 1
	done
}

@test "without /dev/null and without any tool the script still comes to OKV's end" {
	top=$roots/failed-none
	mv "$top/dev/null" "$top/dev/elsewhere"
	cp "$roots/wired" "$top/tmp/bare"
	for shell in dash bash 'busybox sh'; do
		# shellcheck disable=SC2046,SC2086
		run -73 env -i $(variables set) /usr/sbin/chroot "$top" /bin/$shell /tmp/bare 9>"$BATS_TEST_TMPDIR/told"
		grep -qx reached "$BATS_TEST_TMPDIR/told"
	done
	mv "$top/dev/elsewhere" "$top/dev/null"
}
