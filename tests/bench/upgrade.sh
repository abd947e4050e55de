#!/bin/sh
# post-upgrade with nothing to do over 20,000 entries more, beside mtree checking the same snapshot; the HSM is a
# library that answers at once.  It reads what it vouches for, as mtree does, and looks at owners and modes besides:
# it may take twice as long.  What counts is how long one waits for it.  Sides take turns; the figures are medians.
# Both have the processors to themselves as far as the system allows (chrt -f), so that it is their time and not that of
# whoever else is at work here.  ROUNDS: how often (default 15).
set -eu
: "${BUILD:=build}" "${ROUNDS:=15}"
export BUILD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
exec bash -s "$work" "$ROUNDS" "$PWD" <<'END'
set -euo pipefail
trap 'rm -rf "$1"' EXIT
export BATS_TEST_DIRNAME=$3/tests/bats BATS_FILE_TMPDIR=$1 BATS_TEST_TMPDIR=$1/test
mkdir "$1/test"
. "$BATS_TEST_DIRNAME/upgrade.bash"
upgrade_setup_file
upgrade_setup
# 20,000 entries: directories of 39 files, as a client with many partitions has them.
for directory in $(seq 500); do
	mkdir "$ROOT$LC/data/$directory"
	for file in $(seq 39); do echo "$directory/$file"; done
done | (cd "$ROOT$LC/data" && while read -r name; do echo "$name" >"$name"; done)
pre -q
new_os
mid >/dev/null 2>&1
post -q
manifest=$ROOT/opt/okv-luna/var/snapshot/manifest.mtree
[ "$(grep -c '/data/.* type=' "$manifest")" -ge 20000 ]

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# timed NAME COMMAND...: NAME.wall and NAME.cpu, milliseconds each.
timed() {
	local name=$1 TIMEFORMAT='%3R %3U %3S'
	shift
	{ time $alone "$@" >/dev/null 2>&1; } 2>"$work/time" || [ "$name" = peer ]
	awk -v name="$work/$name" '{ print $1 * 1000 >>(name ".wall"); print ($2 + $3) * 1000 >>(name ".cpu") }' "$work/time"
}
work=$1 alone=
! chrt -f 1 true 2>/dev/null || alone='chrt -f 1'
for _ in $(seq "$2"); do
	timed ours "$build/libexec/okv-luna-post-upgrade" --root "$ROOT" -q
	timed peer mtree -e -p "$ROOT" -f "$manifest"
done
ours=$(median <"$work/ours.wall") peer=$(median <"$work/peer.wall")
awk -v ours="$ours" -v peer="$peer" 'BEGIN {
	printf "post-upgrade, nothing to do, 20,000 entries\t%.0f ms\tmtree %.0f ms\t%.2f\t2.00\t%s\n",
		ours, peer, ours / peer, ours <= 2 * peer ? "ok" : "miss" }'
printf 'post-upgrade: from %.0f to %.0f ms, of them %.0f ms at work on a processor (mtree %.0f); %s\n' \
	"$(sort -n "$work/ours.wall" | head -n 1)" "$(sort -n "$work/ours.wall" | tail -n 1)" \
	"$(median <"$work/ours.cpu")" "$(median <"$work/peer.cpu")" "${alone:-in turn with everybody}"
END
