#!/usr/bin/env bats
# guide: the integration guide's procedures as a checklist for this server.

bats_require_minimum_version 1.5.0
load upgrade.bash

setup_file() { upgrade_setup_file; }
setup() { upgrade_setup; }

guide() { "$build/libexec/okv-luna-guide" --root "$ROOT" "$@"; }
valid() { python3 "$BATS_TEST_DIRNAME/schema.py" "$BATS_TEST_DIRNAME/../../payload/schema/guide.schema.json"; }
# As 'bare' as a server is before all of this.
bare() {
	rm -r "$ROOT$LC" "$ROOT/etc/Chrystoki.conf"
	sed -i '/^hsmusers:/d' "$ROOT/etc/group" "$ROOT/etc/gshadow"
}
next_step() { guide "$@" --json | jq -r .next; }
# ask ARGUMENT...: the JSON in $output, and of each step its state and text in state_of and text_of.
declare -gA state_of text_of
ask() {
	local id state text rc=0
	output=$(guide "$@" --json) || rc=$?
	state_of=() text_of=()
	while IFS=$'\t' read -r id state text; do
		state_of[$id]=$state text_of[$id]=$text last=$id
	done < <(jq -r '.steps[] | [.id, .state, .text // ""] | @tsv' <<<"$output")
	return "$rc"
}

# --- the table --------------------------------------------------------------------------------------------------------

# What the integration guide and Oracle's guides say of each release and system: vendor entry, token label, the HSM page,
# group and first reboot, generic files, second reboot, the states around an upgrade.
expectations() {
	cat <<'TABLE'
12.2.0.8 network    SafeNet     -     old group -    -      -
12.2.0.8 ha         SafeNet     -     old group -    -      -
12.2.0.8 v6         SafeNet     -     old -     -    -      -
12.2.0.8 cloud-min  SafeNet     -     old -     -    -      -
12.2.0.8 cloud-full SafeNet     -     old group -    -      -
12.2.0.8 hybrid     SafeNet     -     old group -    -      -
18.1     network    SafeNet     -     old group -    -      -
18.1     ha         SafeNet     -     old group -    -      -
18.1     v6         SafeNet     -     old -     -    -      -
18.1     cloud-min  SafeNet     -     old -     -    -      -
18.1     cloud-full SafeNet     -     old group -    -      -
18.1     hybrid     SafeNet     -     old group -    -      -
18.3     network    SafeNet     -     old group -    -      -
18.3     ha         SafeNet     -     old group -    -      -
18.3     v6         SafeNet     -     old -     -    -      -
18.3     cloud-min  SafeNet     -     old -     -    -      -
18.3     cloud-full SafeNet     -     old group -    -      -
18.3     hybrid     SafeNet     -     old group -    -      -
18.4     network    SafeNet     label old group -    -      -
18.4     ha         SafeNet     label old group -    -      -
18.4     v6         SafeNet     label old -     -    -      -
18.4     cloud-min  SafeNet     label old -     -    -      -
18.4     cloud-full SafeNet     label old group -    -      -
18.4     hybrid     SafeNet     label old group -    -      -
18.5     network    Thales      label old group -    -      -
18.5     ha         Thales      label old group -    -      -
18.5     v6         Thales      label old -     -    -      -
18.5     cloud-min  Thales      label old -     -    -      -
18.5     cloud-full Thales      label old group -    -      -
18.5     hybrid     Thales      label old group -    -      -
21.1     network    Thales      label new group -    -      -
21.1     ha         Thales      label new group -    -      -
21.1     v6         Thales      label new -     -    -      -
21.1     cloud-min  Thales      label new -     -    -      -
21.1     cloud-full Thales      label new group -    -      -
21.1     hybrid     Thales      label new group -    -      -
21.2     network    Thales      label new group -    -      -
21.2     ha         Thales      label new group -    -      -
21.2     v6         Thales      label new -     -    -      -
21.2     cloud-min  Thales      label new -     -    -      -
21.2     cloud-full Thales      label new group -    -      -
21.2     hybrid     Thales      label new group -    -      -
21.3     network    Thales_Luna label new group wire reboot states
21.3     ha         Thales_Luna label new group wire reboot states
21.3     v6         unknown     label new -     -    -      -
21.3     cloud-min  Thales_Luna label new -     wire -      states
21.3     cloud-full Thales_Luna label new group wire reboot states
21.3     hybrid     Thales_Luna label new group wire reboot states
21.5     network    Thales_Luna label new group wire reboot states
21.5     ha         Thales_Luna label new group wire reboot states
21.5     v6         unknown     label new -     -    -      -
21.5     cloud-min  Thales_Luna label new -     wire -      states
21.5     cloud-full Thales_Luna label new group wire reboot states
21.5     hybrid     Thales_Luna label new group wire reboot states
21.10    network    Thales_Luna label new group wire reboot states
21.10    ha         Thales_Luna label new group wire reboot states
21.10    v6         unknown     label new -     -    -      -
21.10    cloud-min  Thales_Luna label new -     wire -      states
21.10    cloud-full Thales_Luna label new group wire reboot states
21.10    hybrid     Thales_Luna label new group wire reboot states
TABLE
}

@test "each line of ten releases and six systems is what the guides say, in all four procedures" {
	local new='System, Settings, Network Services, HSM' old='System, Hardware Security Module'
	local new_backup='System, Settings, System Configuration, Backup and Restore' old_backup='System, System Backup'
	bare
	rows=0
	while read -r okv system vendor label page group wire reboot states; do
		case $system in
		network) said=(--kind network --client 10.4) ;;
		ha) said=(--kind network --client 10.4 --ha) ;;
		v6) said=(--kind network --client 6.3) ;;
		*) said=(--kind "$system" --client 10.4) ;;
		esac
		say() { echo "$okv $system: $1"; printf '%s\n' "$output"; return 1; }
		# has STEP WORD: it is needed where the word is no dash.
		has() { [[ $2 == - && ${state_of[$1]} == skip || $2 != - && ${state_of[$1]} != skip ]] || say "$1"; }

		ask install --okv "$okv" "${said[@]}" && say 'nothing is next' || [ $? = 1 ]
		has group "$group"
		has reboot-group "$group"
		has wire "$wire"
		has reboot-files "$reboot"
		text=${text_of[initialize]}
		case $vendor in
		unknown) [[ $text == *'Vendor: the guide names no vendor for a v6.x client'* ]] ;;
		*) [[ $text == *"Vendor: $vendor"[.\ ]* ]] ;;
		esac || say "$vendor"
		[[ $label == label && $text == *'Use Token Label'* || $label == - && $text == *'Token label: none'* ]] || say label
		[[ $page == new && $text == *"$new:"* || $page == old && $text == *"$old:"* ]] || say "$page"

		ask upgrade --okv "$okv" "${said[@]}" || [ $? = 1 ]
		has pre-upgrade "$states"
		has upgrade "$states"
		has post-upgrade "$states"
		backup=$([ "$page" = new ] && echo "$new_backup" || echo "$old_backup")
		[[ ${text_of[backup]} == "$backup."* ]] || say backup

		ask restore --okv "$okv" "${said[@]}" || [ $? = 1 ]
		has wire "$wire"
		[[ ${text_of[restore]} == "$backup, Restore"* && ${text_of[credential]} == *'Set Credential'* ]] || say restore

		ask cluster --bundle --okv "$okv" "${said[@]}" || [ $? = 1 ]
		[[ $last == clean && ${state_of[clean]} != skip ]] || say clean
		rows=$((rows + 1))
	done < <(expectations)
	[ "$rows" -eq 60 ]
}

# --- where this server stands -----------------------------------------------------------------------------------------

@test "a bare server: the first step comes first, with what to do, 1; and nothing is written" {
	bare
	before=$(state)
	run -1 guide --kind network
	[ "${lines[0]}" = 'next: partition: Prepare the HSM and its partition' ]
	[[ $output == *'when done: okv-luna guide install --kind network --done partition'* ]]
	[ "$(state)" = "$before" ]
	[ ! -e "$ROOT/opt/okv-luna/var/guide" ]
}

@test "the kind that cannot be detected is said to be unknown, and taken from okv-luna.conf" {
	bare
	run -1 guide
	[[ $output == *'note: the kind of system is not known: give --kind'* ]]
	printf 'CLIENT_KIND="cloud-min"\nOKV_RELEASE="21.4"\n' >>"$ROOT/opt/okv-luna/etc/okv-luna.conf"
	run -1 guide
	[[ $output == *'OKV 21.4 (okv-luna.conf)'*'cloud-min (okv-luna.conf)'* ]]
	run -1 guide --okv 21.5
	[[ $output == *'OKV 21.5 (--okv)'* ]]
}

@test "release, client and kind are detected" {
	: >"$ROOT$LC/lib/libCryptoki2_64.so.10.4.0"
	printf 'Oracle Key Vault Server 21.9\n' >"$ROOT/etc/okv-release"
	run -1 guide
	[[ $output == *'OKV 21.9 (detected), Luna client 10.4 (detected), network (detected)'* ]]
	printf 'XTC = {\n   x = 1;\n}\nREST = {\n   x = 1;\n}\n' >>"$ROOT/etc/Chrystoki.conf"
	run -1 guide
	[[ $output == *', hybrid (detected)'* ]]
	sed -i '/Server[NP]/d' "$ROOT/etc/Chrystoki.conf"
	run -1 guide
	[[ $output == *', cloud-full (detected)'* ]]
	mkdir -p "$ROOT$LC/libs/64"
	run -1 guide
	[[ $output == *', cloud-min (detected)'* && $output != *'looks like'* ]]
	# A kind that what is there cannot become.
	run -1 guide --kind network
	[[ $output == *'note: this is said to be network, but its client looks like cloud-min; if the kind is wrong, give '* ]]
	run -1 guide --kind hybrid
	[[ $output == *'note: this is said to be hybrid, but its client looks like cloud-min;'* ]]
	# Cut off, or lost: what the service's archive has put there tells; without that, nothing does.
	cp "$ROOT/etc/Chrystoki.conf" "$BATS_TEST_TMPDIR/whole"
	: >"$ROOT$LC/partition-certificate.pem"
	sed -i '/REST/,$d' "$ROOT/etc/Chrystoki.conf"
	run -1 guide
	[[ $output == *', cloud-min (detected)'* ]]
	rm "$ROOT/etc/Chrystoki.conf"
	run -1 guide
	[[ $output == *', cloud-min (detected)'* ]]
	rm "$ROOT$LC/partition-certificate.pem"
	run -1 guide
	[[ $output == *'note: the kind of system is not known'* ]]
	mv "$BATS_TEST_TMPDIR/whole" "$ROOT/etc/Chrystoki.conf"
	rm "$ROOT$LC"/lib/*.10.4.0
	printf '#mtree\n# full client 10.2.0-111, as okv-luna extract installed it\n' >"$ROOT/opt/okv-luna/var/client.mtree"
	run -1 guide
	[[ $output == *'Luna client 10.2 (detected)'* ]]
}

@test "from the client on, each command that guide names is typed until all is done" {
	typed=
	for _ in {1..20}; do
		output=$(guide --okv 21.5 --json) && break
		IFS=$'\t' read -r id command said < <(jq -r '.next as $id | .steps[] | select(.id == $id) |
			[.id, .command // "-", .when_done // "-"] | @tsv' <<<"$output")
		[[ " $typed " != *" $id "* ]] || { echo "$id is next again"; guide; false; }
		typed+=" $id"
		case $id in
		initialize)
			mkdir -p "$ROOT/var/okv/log/hsm"
			printf 'x: Retrieved 1 keys\nx: Finished successfully\n' >"$ROOT/var/okv/log/hsm/t.trc"
			continue ;;
		reboot-files) command=$said ;;
		esac
		read -ra words <<<"$command"
		[ "${words[0]}" = okv-luna ]
		run "$build/libexec/okv-luna-${words[1]}" --root "$ROOT" "${words[@]:2}"
		[[ $status == 0 || ${words[1]} == guide && $status == 1 ]] || { echo "$command: $status $output"; false; }
	done
	output=$(guide --okv 21.5 --json) || true
	[ "$(jq .exit <<<"$output")" = 0 ] || { echo "$typed"; guide; false; }
	[ "$typed" = ' group wire reboot-files initialize' ]
	[[ $(guide --okv 21.5) == 'All steps of install are done'* ]]
}

@test "a step that is another procedure names it with what was said of this server, and each procedure keeps its own" {
	run -1 guide cluster --okv 21.5 --ha --bundle
	[[ $output == *$'\n      okv-luna guide install --okv 21.5 --ha\n'* ]]
	[[ $output == *'when done: okv-luna guide cluster --okv 21.5 --ha --bundle --done enable-first'* ]]
	run -1 guide upgrade --okv 21.5 --cluster --bundle
	[[ $output == *'okv-luna guide upgrade --okv 21.5 --cluster --done backup'* ]]
}

@test "said to be done: with its date, once; what is looked at or not needed cannot be said; --again forgets" {
	pre -q && post -q
	run -1 guide upgrade --done backup
	[[ $output == *'done  backup '*'(marked on '* ]]
	[ "$(next_step upgrade)" = disk ]
	run -3 guide upgrade --done post-upgrade
	[[ $output == *'itself checks'* ]]
	run -3 guide upgrade --done order
	[[ $output == *'not needed here'* ]]
	run -2 guide upgrade --done tea
	[[ $output == *"upgrade has no step 'tea'" ]]
	run -2 guide upgrade --done bakcup
	[[ $output == *"; did you mean 'backup'?" ]]
	run -2 guide upgrade --done backup --again
	run -2 guide dance
	run -2 guide --okv twenty
	run -1 guide upgrade -n --again
	[ "$(next_step upgrade)" = disk ]
	run -1 guide upgrade --again
	[ "$(next_step upgrade)" = backup ]
}

@test "an upgrade is followed through, and the next one begins anew" {
	pre -q && post -q
	mkdir -p "$ROOT/images"
	: >"$ROOT/images/upgrade.rb"
	guide upgrade --again -q || true
	sleep 1
	for step in backup disk; do guide upgrade --done $step -q || true; done
	[ "$(next_step upgrade)" = pre-upgrade ]
	pre -q
	[ "$(next_step upgrade)" = upgrade ]
	new_os
	mid -q || true
	[ "$(next_step upgrade)" = page ]
	guide upgrade --done page -q || true
	[ "$(next_step upgrade)" = post-upgrade ]
	post -q
	for step in oracle-steps backup-after; do guide upgrade --done $step -q || true; done
	run -0 guide upgrade
	[[ ${lines[0]} == *'before the next time: okv-luna guide upgrade --again' ]]
	sleep 1
	guide upgrade --again -q || true
	[ "$(next_step upgrade)" = backup ]
}

@test "an HSM that is in use is never to be initialised, nor its client registered anew, because it does not answer" {
	pre -q && post -q
	rm "$ROOT$LC/lib/libCryptoki2_64.so"
	ask || true
	[[ ${state_of[partition]} == 'done' && $output == *'initialise it if it is new (this erases every key on it)'* ]]
	# Nor where the client's files are lost and only OKV knows of its key.
	sed -i "/Server[NP]/d" "$ROOT/etc/Chrystoki.conf"
	ask || true
	[[ ${state_of[partition]} != 'done' && ${state_of[assign]} != 'done' ]]
	mkdir -p "$ROOT/var/okv/log/hsm"
	printf 'Retrieved 1 keys\nFinished successfully\n' >"$ROOT/var/okv/log/hsm/trace"
	ask || true
	[[ ${state_of[partition]} == 'done' && ${state_of[assign]} == 'done' ]]
}

@test "while an upgrade is prepared, install does not undo its modes" {
	pre -q && post -q && pre -q
	"$build/libexec/okv-luna-repair" --root "$ROOT" -q
	ask || true
	[[ ${state_of[group]} == 'done' ]]
}

@test "while the HSM does not answer no restart is next, and status on a bare server names guide" {
	pre -q && post -q
	sed -i "/ServerName00/d" "$ROOT/etc/Chrystoki.conf"
	rm "$ROOT$LC/lib/libCryptoki2_64.so"
	run -1 guide
	[[ ${lines[0]} != *[Rr]eboot* ]]
	bare
	run -1 status_of
	[[ $output == *'step by step: okv-luna guide'* ]]
}

@test "where OKV's generic files are missing they are not wired, whoever names the release" {
	pre -q && post -q
	ask || true
	[ "${state_of[wire]}" = "done" ]
	rm -r "$ROOT$GENERIC"
	ask --okv 21.10 || true
	[[ ${state_of[wire]} == @(next|later) && $output == *'if the release is wrong, give --okv'* ]]
	mkdir "$ROOT$GENERIC"
	rm -f "$ROOT$WANTED"
	ask || true
	[[ ${state_of[wire]} == @(next|later) ]]
	sed -i 's/^#*OKV_RELEASE=.*/OKV_RELEASE="21.10"/' "$ROOT/opt/okv-luna/etc/okv-luna.conf"
	rmdir "$ROOT$GENERIC"
	ask || true
	[[ ${state_of[wire]} == @(next|later) ]]
}

@test "--json follows its schema, failures too" {
	count=$({ guide --json; guide upgrade --cluster --json; guide restore --json; guide cluster --bundle --json
		guide --okv x --json 2>/dev/null; } | valid)
	[ "$count" -eq 5 ]
}
