# tests/doubles/doubles.bash: the list, the tree and the verdict of the doubles, for tests and campaigns.
# shellcheck shell=bash

DOUBLES_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Nobody else's, so that what is left of a double can be found; not another test's beside this one either, so it comes
# from the process that asks first, and its children have the same.
export DOUBLES_USER=${DOUBLES_USER:-$((100000 + $$ % 100000 * 8))}
DOUBLES_LANES=4    # mostly they wait for deadlines; each lane has a tree and a user of its own

# Every call that is made of a module.
DOUBLES_CALLS='C_GetFunctionList C_Initialize C_GetInfo C_GetSlotList C_GetSlotInfo C_GetTokenInfo C_OpenSession C_Login
	C_FindObjectsInit C_FindObjects C_FindObjectsFinal C_GetAttributeValue C_Logout C_CloseSession C_Finalize'

# One record a line, "group name source flags options exit ere call" with the unit separator between; the call is that
# which stands for EACH.
doubles_list() {
	sed -e ':more' -e '/\\$/{N;s/\\\n[ \t]*//;b more' -e '}' "$DOUBLES_HERE/LIST" |
		CALLS=$DOUBLES_CALLS awk -F ' *[|] *' '
		BEGIN { calls = split(ENVIRON["CALLS"], call, /[ \t\n]+/) }
		function record(name, ere, call) {
			printf "%s\037%s\037%s\037%s\037%s\037%s\037%s\037%s\n", group, name, $2, $3, $4, $5, ere, call
		}
		/^#/ || NF == 0 || /^$/ { next }
		/^\[/ { group = substr($0, 2, length($0) - 2); next }
		$1 !~ /EACH/ { record($1, $6, ""); next }
		{
			for (i = 1; i <= calls; i++) {
				name = $1
				ere = $6
				sub(/EACH/, tolower(substr(call[i], 3)), name)
				sub(/EACH/, call[i], ere)
				record(name, ere, call[i])
			}
		}'
}

# A tree with accounts, OKV's files and the doubles in it: doubles_tree DIR DOUBLES
doubles_tree() {
	mkdir -p "$1/etc" "$1/doubles/lib" "$1/usr/local/okv/hsm/generic" "$1/opt/okv-luna/etc"
	printf 'root:x:0:0::/root:/bin/sh\noracle:x:%d:%d::/home/oracle:/bin/bash\n' $DOUBLES_USER $DOUBLES_USER \
		>"$1/etc/passwd"
	printf 'root:x:0:\noinstall:x:%d:\nhsmusers:x:990:root,oracle\nsupport:x:991:oracle\n' $DOUBLES_USER \
		>"$1/etc/group"
	printf 'Chrystoki2 = {\n}\n' >"$1/etc/Chrystoki.conf"
	printf '1234\n' >"$1/pin"
	chmod 0600 "$1/pin"
	cp "$2"/*.so "$1/doubles/"
	cp "$2"/lib/* "$1/doubles/lib/"
	mkfifo "$1/doubles/lib/pipe"
	chmod -R go-w "$1"
	chmod 0755 "$1"
}

# What is left of the doubles' processes; ten seconds of grace, since a busy machine takes its time to end what was killed.
# The dead that nobody has buried yet do not count.
doubles_left() {
	for _ in $(seq 100); do
		left=$(ps -u $DOUBLES_USER -o stat=,pid=,args= | grep -v ^Z || true)
		[ -n "$left" ] || return 1
		sleep 0.1
	done
	printf '%s\n' "$left"
}

# One double's verdict against what LIST says; prints what is wrong: doubles_judge TREE NAME OPTIONS EXIT ERE
doubles_judge() {
	local tree=$1 name=$2 options=$3 expected=$4 ere=$5 status=0 began ended out err
	out=$tree/out.$name err=$tree/err.$name
	options=${options//PIN/$tree/pin}
	# What does not end at its deadline needs none that is short.
	case " $options :$expected" in
	*' --timeout '*) ;;
	*:7) options="--timeout 1 $options" ;;
	*) options="--timeout 20 $options" ;;
	esac
	if [ "${OKV_SANITIZED-}" = 1 ]; then
		# The memory limit and the sanitizers' own memory do not go together; and exit(3) looks for leaks, which
		# it may not in a process that cannot be traced.
		[ "$name" != allocate-1g ] || expected=0 ere=''
		ere=${ere/with status 0/with status [0-9]+}
	fi
	began=$(date +%s%N)
	# shellcheck disable=SC2086
	"$SLOTS" --root "$tree" --module "/doubles/$name.so" $options >"$out" 2>"$err" || status=$?
	ended=$(date +%s%N)
	DOUBLES_MS=$(((ended - began) / 1000000))

	[ "$status" = "$expected" ] || printf '%s: exit %s, not %s\n' "$name" "$status" "$expected"
	if [ -z "$ere" ]; then
		[ ! -s "$err" ] || printf '%s: complained without need: %s\n' "$name" "$(head -1 "$err")"
	else
		grep -qE -- "$ere" "$err" || printf '%s: said: %s\n' "$name" "$(head -3 "$err")"
	fi
	# Whole answers only are a table, and nothing in it is the line of its own words.
	case $expected in
	0 | 1) head -1 "$out" | grep -qx 'Number of slots: [0-9]*' || printf '%s: no table\n' "$name" ;;
	*) [ ! -s "$out" ] || printf '%s: printed: %s\n' "$name" "$(head -1 "$out")" ;;
	esac
	! grep -q "line of its own" "$out" || printf '%s: its words are on our standard output\n' "$name"
	if left=$(doubles_left); then
		printf '%s: left behind: %s\n' "$name" "$left"
	fi
}

# The trees of doubles_group: doubles_trees DIR DOUBLES
doubles_trees() {
	local lane
	for ((lane = 0; lane < DOUBLES_LANES; lane++)); do
		(DOUBLES_USER=$((DOUBLES_USER + lane)) && doubles_tree "$1/$lane" "$2")
	done
}

# A whole group in lanes; prints what is wrong: doubles_group TREES GROUP
doubles_group() {
	local lane count
	[ "${OKV_SANITIZED-}" != 1 ] || DOUBLES_MS_MAX=3000
	count=$(doubles_list | grep -c "^$2"$'\037')
	[ "$count" -gt 0 ] || printf 'no double in group %s\n' "$2"
	for ((lane = 0; lane < DOUBLES_LANES; lane++)); do
		(DOUBLES_USER=$((DOUBLES_USER + lane)) && doubles_lane "$1/$lane" "$2" $lane) &
	done
	wait
	# Each was judged, in one lane only.
	[ "$(cat "$1"/*/judged."$2" | sort -u | wc -l)" -eq "$count" ] || printf 'not all of %s were judged\n' "$2"
}

# How long a deadline of one second takes at this moment, by somebody else's watch.
doubles_second() {
	local began
	began=$(date +%s%N)
	timeout -s KILL 1 sleep 60 || true
	echo $((($(date +%s%N) - began) / 1000000))
}

# Every DOUBLES_LANES-th of a group, from number $3 on.  What ends at its deadline is tried five times: other work on the
# machine may delay one, so that the deadline comes before the call, and only a fault of ours is there each time.  The
# excess is what is more than timeout(1) needs, five times over: of ours that many processes and pipes have to be waited for.
doubles_lane() {
	local tree=$1 wanted=$2 turn=$3 group name options expected ere try fault ms seen=0
	: >"$tree/judged.$wanted"
	while IFS=$'\037' read -r group name _ _ options expected ere _; do
		[ "$group" = "$wanted" ] || continue
		seen=$((seen + 1))
		[ $((seen % DOUBLES_LANES)) -eq "$turn" ] || continue
		for try in 1 2 3 4 5; do
			fault=$(
				doubles_judge "$tree" "$name" "$options" "$expected" "$ere"
				echo "$DOUBLES_MS" >"$tree/ms"
			)
			ms=$(cat "$tree/ms")
			[ "$expected" = 7 ] || break
			if [ -z "$fault" ] && [ "$ms" -gt "${DOUBLES_MS_MAX:-1100}" ] &&
				[ "$ms" -gt $(($(doubles_second) * 5 - 5000 + 1100)) ]; then
				fault="$name: the verdict took $ms ms"
			fi
			[ -n "$fault" ] || break
		done
		[ "$expected" != 7 ] || [ "$ms" -ge 1000 ] || fault="$name: the verdict came after $ms ms"
		[ -z "$fault" ] || printf '%s\n' "$fault"
		printf '%s %s\n' "$name" "$ms" >>"$tree/judged.$wanted"
	done < <(doubles_list)
}
