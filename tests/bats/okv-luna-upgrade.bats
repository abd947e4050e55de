#!/usr/bin/env bats
# upgrade: OKV's own command runs only after a go, and as if it had been typed at the prompt.

bats_require_minimum_version 1.5.0
load upgrade.bash

setup_file() { upgrade_setup_file; }
setup() {
	upgrade_setup
	cat >"$ROOT/root/upgrade" <<-'E'
		#!/bin/bash
		printf '%s\n' "$@" >/root/called
		umask >>/root/called
		printf '%s\n' "LANG=$LANG" "SECRET=$SECRET" >>/root/called
		exit "${WITH:-0}"
	E
	chmod 0755 "$ROOT/root/upgrade"
	unset SSH_CONNECTION SSH_TTY TMUX STY
}

upgrade() { "$build/libexec/okv-luna-upgrade" --root "$ROOT" "$@"; }

@test "after a go the command runs with its words, and the caller's umask and environment" {
	umask 0027
	LANG=C.UTF-8 SECRET=kept run -0 upgrade -- /root/upgrade --confirm 'two words'
	[ "$(cat "$ROOT/root/called")" = $'--confirm\ntwo words\n0027\nLANG=C.UTF-8\nSECRET=kept' ]
	[[ $output == *"Go: "*"Starting OKV's upgrade: /root/upgrade"*"OKV's upgrade succeeded"* ]]
}

@test "UPGRADE_COMMAND is words, read by no shell" {
	printf 'UPGRADE_COMMAND="/root/upgrade --confirm $(id) ;x"\n' >>"$ROOT/opt/okv-luna/etc/okv-luna.conf"
	run -0 upgrade
	[ "$(head -n 3 "$ROOT/root/called")" = $'--confirm\n$(id)\n;x' ]
}

@test "without a go nothing runs" {
	rm "$ROOT$LC/lib/libCryptoki2_64.so"
	run -1 upgrade -- /root/upgrade
	[ ! -e "$ROOT/root/called" ]
	[[ $output == *"Do not upgrade: "*"the upgrade was not started: pre-upgrade did not say go"* ]]
}

@test "what comes next is said once: nobody is told to start what is running" {
	run -0 upgrade -- /bin/sh -c true
	[[ $output == *"Go:"* && $output != *"okv-luna upgrade"* ]]
	rm "$ROOT$LC/lib/libCryptoki2_64.so"
	run -1 upgrade -- /bin/sh -c true
	[[ $output == *"Fix it and run okv-luna upgrade again"* ]]
}

@test "an upgrade that has run is not started again, nor called off: it is to be proven" {
	local status_of="$build/libexec/okv-luna-status --root $ROOT" pre="$build/libexec/okv-luna-pre-upgrade --root $ROOT"
	run -0 upgrade -- /root/upgrade
	rm "$ROOT/root/called"
	run $status_of
	[[ $output == *"OKV's upgrade has run, and is not proven yet"*'fix: okv-luna post-upgrade'* ]]
	[[ $output != *'start it with okv-luna upgrade'* ]]
	[ "$("$build/libexec/okv-luna-guide" --root "$ROOT" upgrade --json | jq -r '.steps[] | select(.id == "upgrade").state')" = 'done' ]
	# Neither that, nor asking again, changes what is known of the upgrade.
	run -1 upgrade -- /root/upgrade
	[[ $output == *"Do not upgrade: the last upgrade is not proven yet: OKV's upgrade has run"* ]]
	[[ $output == *'Fix it and run okv-luna upgrade again.'* && $output != *'everything back'* ]]
	[ ! -e "$ROOT/root/called" ]
	run -3 $pre
	run -3 $pre --abort
	run $status_of
	[[ $output == *"OKV's upgrade has run, and is not proven yet"* ]]
	run -0 "$build/libexec/okv-luna-post-upgrade" --root "$ROOT"
	run -0 $status_of
	[[ $output == *'OK    upgrade       the last one is proven'* ]]
}

@test "its failure is ours, with what to do next" {
	WITH=3 run -5 upgrade -- /root/upgrade
	[[ $output == *"ended with status 3"*"pre-upgrade --abort"* ]]
}

@test "--json: one object on standard output, all else on standard error" {
	sed -i 's/^exit/echo from OKV\n&/' "$ROOT/root/upgrade"
	WITH=0 run -0 --separate-stderr upgrade --json -- /root/upgrade
	[ "$(jq -c . <<<"$output")" = '{"command":"okv-luna-upgrade","exit":0}' ]
	[[ $stderr == *"Go: "*"from OKV"* ]]
	post -q
	WITH=3 run -5 --separate-stderr upgrade --json -- /root/upgrade
	[ "$(jq -r '.exit, .error.kind' <<<"$output" | tr '\n' ' ')" = '5 system ' ]
	[[ $stderr == *"from OKV"*"ended with status 3"* ]]
}

@test "the lock is free while it runs" {
	printf '#!/bin/bash\nexec 8<>/opt/okv-luna/var/lock\nread -r x </proc/nothing || true\n' >"$ROOT/root/upgrade"
	cp -L "$(type -P flock)" "$ROOT/usr/bin/flock"
	printf 'flock -n 8\n' >>"$ROOT/root/upgrade"
	run -0 upgrade -- /root/upgrade
}

@test "over SSH and outside tmux and screen it warns, and asks or refuses" {
	SSH_CONNECTION=x run -3 upgrade -- /root/upgrade </dev/null
	[[ $output == *"SSH session outside tmux and screen"*"--yes"* ]]
	[ ! -e "$ROOT/root/called" ]
	SSH_CONNECTION=x run -0 upgrade --yes -- /root/upgrade
	[[ $output == *"SSH session outside tmux and screen"* ]]
	for held in TMUX STY; do
		post -q
		run -0 env SSH_CONNECTION=x $held=x "$build/libexec/okv-luna-upgrade" --root "$ROOT" -- /root/upgrade
		[[ $output != *"SSH session"* ]]
	done
}

@test "on a terminal it asks, and takes no for an answer" {
	SSH_TTY=x run script -qec "'$build/libexec/okv-luna-upgrade' --root '$ROOT' -- /root/upgrade" /dev/null <<<'n'
	[[ $output == *"Continue anyway? [y/N]"*"nothing was started"* ]]
	[ ! -e "$ROOT/root/called" ]
	SSH_TTY=x run script -qec "'$build/libexec/okv-luna-upgrade' --root '$ROOT' -- /root/upgrade" /dev/null <<<'y'
	[ -e "$ROOT/root/called" ]
}

@test "a printed dash and a name without a path are refused before anything is prepared" {
	run -3 upgrade -- /root/upgrade –confirm
	[[ $output == *"write ASCII hyphens"* ]]
	run -2 upgrade -- upgrade
	[ -z "$(ls -A "$ROOT/opt/okv-luna/var")" ]
}

@test "--dry-run runs nothing" {
	run -0 upgrade --dry-run -- /root/upgrade --confirm 'two words'
	[[ $output == *"This would go: "*"then would run: /root/upgrade --confirm 'two words'" ]]
	[ ! -e "$ROOT/root/called" ]
}
