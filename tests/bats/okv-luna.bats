#!/usr/bin/env bats
# The front command: finds a command's program beside itself and becomes it; and what the one main does for every tool.

bats_require_minimum_version 1.5.0

load eventually

setup() {
	build=${BUILD:-$BATS_TEST_DIRNAME/../../build}
	[[ $build == /* ]] || build=$BATS_TEST_DIRNAME/../../$build
	front=$build/bin/okv-luna
	root=$BATS_TEST_TMPDIR/root
	mkdir -p "$root/etc"
	printf 'root:x:0:0::/:/bin/sh\noracle:x:54321:54321::/:/bin/sh\n' >"$root/etc/passwd"
	printf 'root:x:0:\noinstall:x:54321:\n' >"$root/etc/group"
}

# prefix SCRIPT: a place like /opt/okv-luna whose `status` is that script; `front` is the program there.
prefix() {
	mkdir -p "$BATS_TEST_TMPDIR/prefix/bin" "$BATS_TEST_TMPDIR/prefix/libexec"
	cp "$build/bin/okv-luna" "$BATS_TEST_TMPDIR/prefix/bin/"
	front=$BATS_TEST_TMPDIR/prefix/bin/okv-luna
	printf '#!/bin/sh\n%s\n' "$1" >"$BATS_TEST_TMPDIR/prefix/libexec/okv-luna-status"
	chmod +x "$BATS_TEST_TMPDIR/prefix/libexec/okv-luna-status"
}

# --- what people type ----------------------------------------------------------------------------------------------

@test "without a command: usage, in one line" {
	run -2 "$front"
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == 'okv-luna: which command?'* ]]
}

@test "an unknown command is 127 and one line" {
	run -127 "$front" frobnicate
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == "okv-luna: unknown command 'frobnicate'"* ]]
	run -127 "$front" ''
}

@test "an unknown option is a usage error in one line" {
	run -2 "$front" --frobnicate
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == "okv-luna: unknown option '--frobnicate'"* ]]
}

@test "an unknown command is made printable" {
	run -127 "$front" $'a\x1b[2Jb'
	[[ $output == *"'a\\x1b[2Jb'"* ]]
}

@test "a mistyped word is answered with the one that was meant: command, sub-command, option, setting" {
	run -127 "$front" stauts
	[ "$output" = "okv-luna: unknown command 'stauts'; did you mean 'status'?" ]
	run -127 "$front" help pre_upgrade
	[ "$output" = "okv-luna: unknown command 'pre_upgrade'; did you mean 'pre-upgrade'?" ]
	for word in config bundle 'config chrystoki'; do
		# shellcheck disable=SC2086
		run -2 "$front" $word frobnicate
		[[ $output == *": $word takes one of "*", not 'frobnicate'" ]]
	done
	run -2 "$front" config wrie
	[[ $output == *"not 'wrie'; did you mean 'wire'?" ]]
	run -2 "$front" config chrystoki mrege
	[[ $output == *"not 'mrege'; did you mean 'merge'?" ]]
	run -2 "$front" bundle vrify
	[[ $output == *"not 'vrify'; did you mean 'verify'?" ]]
	for name in $("$front" --complete); do
		run -2 "$front" "$name" --dryrun
		[ "$output" = "okv-luna-$name: unknown option '--dryrun'; did you mean '--dry-run'?" ]
	done
	mkdir -p "$root/opt/okv-luna/etc"
	printf 'TOKEN_LABLE="x"\n' >"$root/opt/okv-luna/etc/okv-luna.conf"
	run -3 "$front" config check --root "$root"
	[[ $output == *"okv-luna.conf:1: unknown setting 'TOKEN_LABLE'; did you mean 'TOKEN_LABEL'?" ]]
}

@test "--help fits 80 columns, of every tool, and help COMMAND is the same" {
	run -0 "$front" help
	[ "$output" = "$("$front" --help)" ]
	run -1 grep -E '^.{81}' <<<"$output"
	for name in $("$front" --complete); do
		run -0 "$front" help "$name"
		[ "$output" = "$("$front" "$name" --help)" ]
		run -1 grep -nE '^.{81}' <<<"$output"
	done
	run -2 "$front" help config wire
	[ "$output" = "okv-luna: help takes one command, as in 'okv-luna help config'" ]
	# What config takes, down to the sub-commands of a sub-command.
	run -0 "$front" help config
	for words in check wire 'get FILE' 'chrystoki get' 'chrystoki set' 'chrystoki unset' 'chrystoki merge' 'chrystoki ha'; do
		grep -q "^  $words" <<<"$output"
	done
}

@test "--help lists every command, on standard output" {
	run -0 --separate-stderr "$front" --help
	[ -z "$stderr" ]
	for name in $("$front" --complete); do
		grep -q "^  $name  " <<<"$output"
	done
	run -0 "$front" -h
	[ "${lines[0]}" = 'Usage: okv-luna COMMAND [OPTION]...' ]
}

@test "--version says the version of the spec" {
	run -0 "$front" --version
	[ "$output" = "okv-luna $(rpmspec -q --srpm --qf '%{VERSION}' "$BATS_TEST_DIRNAME/../../spec/okv-luna-hooks.spec")" ]
}

@test "every command of the table is there and helps" {
	for name in $("$front" --complete); do
		run -0 "$front" "$name" --help
		[[ ${lines[0]} == "Usage: okv-luna-$name [OPTION]..."* ]]
		[[ $output == *"The manual is in okv-luna-$name(8)."* ]]
		run -0 "$front" "$name" --version
		[[ $output == "okv-luna-$name "* ]]
	done
}

@test "every command refuses a bad call with 2 and one line" {
	for name in $("$front" --complete); do
		run -2 "$front" "$name" --no-such-option
		[ "${#lines[@]}" -eq 1 ]
		[ "$output" = "okv-luna-$name: unknown option '--no-such-option'; see --help" ]
	done
}

@test "a bad call with --json is still one JSON object" {
	for name in $("$front" --complete); do
		run -2 --separate-stderr "$front" "$name" --json --no-such-option
		[ "$(jq -r '.error.kind' <<<"$output")" = usage ]
	done
}

# --- becoming the command --------------------------------------------------------------------------------------------

@test "arguments go through as they are" {
	prefix 'printf "<%s>" "$0" "$@"'
	run -0 "$front" status --json '' 'two words' $'line\nfeed' '*'
	[ "$output" = "<${front%/bin/*}/libexec/okv-luna-status><--json><><two words><line"$'\n'"feed><*>" ]
}

@test "the exit status goes through, also of a signal" {
	for code in 0 1 3 7 42; do
		prefix "exit $code"
		run "-$code" "$front" status
	done
	prefix 'kill -TERM $$'
	run "-$((128 + 15))" "$front" status
}

@test "it is found beside the real program, whatever link leads there" {
	prefix 'echo beside'
	ln -s "$front" "$BATS_TEST_TMPDIR/okv-luna"
	run -0 "$BATS_TEST_TMPDIR/okv-luna" status
	[ "$output" = beside ]
	cd "$BATS_TEST_TMPDIR/prefix"
	run -0 bin/okv-luna status
	[ "$output" = beside ]
}

@test "a name cannot lead out of its folder" {
	prefix 'exit 0'
	mkdir "$BATS_TEST_TMPDIR/prefix/libexec/okv-luna-x"
	cp "$BATS_TEST_TMPDIR/prefix/libexec/okv-luna-status" "$BATS_TEST_TMPDIR/prefix/libexec/okv-luna-x/status"
	run -127 "$front" x/status
	run -127 "$front" ../libexec/okv-luna-status
}

@test "a command whose program is missing: 6, and what to do" {
	prefix 'exit 0'
	rm "$BATS_TEST_TMPDIR/prefix/libexec/okv-luna-status"
	run -6 "$front" status
	[[ $output == *'reinstall the package okv-luna-hooks'* ]]
}

# --- what every tool starts with ---------------------------------------------------------------------------------------

# The tool is the program, and has set its umask.
begun() { [[ $(readlink "/proc/$tool/exe") == */okv-luna-pre-upgrade ]] && grep -q '^Umask:.*0077$' "/proc/$tool/status"; }

@test "umask, core dumps and signals of a tool do not come from its caller" {
	mkdir -p "$root/opt/okv-luna/var"
	exec 9>"$root/opt/okv-luna/var/lock"
	flock 9
	# It waits for the lock: time to look at it.
	(
		trap '' CHLD PIPE
		umask 000
		ulimit -c unlimited
		exec "$build/libexec/okv-luna-pre-upgrade" --root "$root" 9>&- 3>&-
	) >/dev/null 2>&1 &
	tool=$!
	eventually begun
	status_of_it=$(cat "/proc/$tool/status")
	limits_of_it=$(cat "/proc/$tool/limits")
	kill "$tool"
	wait "$tool" || true
	grep -q '^Umask:.*0077$' <<<"$status_of_it"
	grep -qE '^Max core file size +0 ' <<<"$limits_of_it"
	# SIGPIPE is 13, SIGCHLD is 17: bits 0x1000 and 0x10000.
	[ $((0x$(awk '/^SigIgn/ { print $2 }' <<<"$status_of_it") & 0x11000)) -eq 0 ]
}

@test "standard output that cannot be written is said, whatever the answer was" {
	mkdir -p "$root/opt"
	for arguments in "status --root $root" "config check --root $root" "pre-upgrade -n --root $root" \
		"--json status --frobnicate" "--json stauts" "slots --json --root $root"; do
		# shellcheck disable=SC2086
		run -5 --separate-stderr bash -c '"$@" >/dev/full' - "$front" $arguments
		[[ $stderr == *': cannot write to standard output: No space left on device' ]]
	done
	for arguments in --help --version --complete 'config --help' 'repair --version' 'slots --complete'; do
		# shellcheck disable=SC2086
		run -5 --separate-stderr bash -c '"$@" >/dev/full' - "$front" $arguments
		[[ $stderr == *': cannot write to standard output: No space left on device' ]]
	done
}

@test "closed descriptors are no obstacle, and nothing of ours becomes standard error" {
	(exec 0<&- 1>&- 2>&-; exec "$front" --version)
	run -127 bash -c 'exec 0<&- 1>&- 2>&-; exec "$0" frobnicate' "$front"
	# There is no client under this root: a complaint, after the lock and the journal were opened.
	run -1 bash -c 'exec 0<&- 1>&- 2>&-; exec "$0" pre-upgrade --root "$1"' "$front" "$root"
	[ -e "$root/opt/okv-luna/var/lock" ]
	run -1 grep -r okv-luna-pre-upgrade: "$root"
}

# holder: a process, $holder, that has the lock as another command would.
holder() {
	mkdir -p "$root/opt/okv-luna/var"
	: >"$root/opt/okv-luna/var/lock"
	flock --no-fork "$root/opt/okv-luna/var/lock" sleep 600 3>&- &
	holder=$!
	eventually held
}
held() { ! flock --nonblock "$root/opt/okv-luna/var/lock" true; }

@test "a command that changes things waits for the other one, and says who it is" {
	holder
	# Where the kernel names it: not on every file system, and in a process namespace only one of its own.
	who=
	lock=$root/opt/okv-luna/var/lock dev=0x$(stat -c %D "$root/opt/okv-luna/var/lock")
	lock=$(printf '%02x:%02x:%s' $((dev >> 8 & 0xfff)) $((dev & 0xff | dev >> 12 & 0xfff00)) "$(stat -c %i "$lock")")
	! grep -q " $holder $lock " /proc/locks || who=" (process $holder)"
	run -7 "$front" pre-upgrade --root "$root"
	[ "$output" = "okv-luna-pre-upgrade: do not upgrade: another okv-luna command is running$who; wait for it to end" ]
	kill "$holder"
	wait "$holder" || true
	run -1 "$front" pre-upgrade --root "$root"
}

@test "a holder outside this process namespace has no number that would mean somebody else" {
	holder
	run -7 unshare --pid --fork --mount-proc "$front" pre-upgrade --root "$root"
	kill "$holder"
	[ "$output" = "okv-luna-pre-upgrade: do not upgrade: another okv-luna command is running; wait for it to end" ]
}

@test "not root where root is needed: 5 with a sentence" {
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test"
	cp -r "$build/bin" "$build/libexec" "$BATS_TEST_TMPDIR/"
	chmod -R go=rX "$BATS_TEST_TMPDIR"
	for command in repair 'config check' slots pre-upgrade mid-upgrade post-upgrade status; do
		# shellcheck disable=SC2086
		run -5 setpriv --reuid 65534 --regid 65534 --clear-groups "$BATS_TEST_TMPDIR/bin/okv-luna" $command
		[ "$output" = "okv-luna-${command%% *}: this must be run by root; use su or sudo" ]
	done
}

@test "settings that break a rule are refused with file and line by every tool that reads them" {
	mkdir -p "$root/opt/okv-luna/etc"
	printf '# ours\nPROFILE="lax"\n' >"$root/opt/okv-luna/etc/okv-luna.conf"
	for command in 'repair --check' 'config check' slots; do
		# shellcheck disable=SC2086
		run -3 "$front" $command --root "$root"
		[[ $output == *"/opt/okv-luna/etc/okv-luna.conf:2: PROFILE must be one of guide|strict, not 'lax'" ]]
	done
}
