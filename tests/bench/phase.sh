#!/bin/sh
# post-upgrade with nothing to do over 20,000 entries more, beside mtree checking the same snapshot; the HSM is a
# library that answers at once.  Sides take turns; the figures are medians.  ROUNDS: how often (default 15).
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
. "$BATS_TEST_DIRNAME/phase.bash"
phase_setup_file
phase_setup
# 20,000 entries: directories of 39 files, as a client with many partitions has them.
for directory in $(seq 500); do
	mkdir "$ROOT$LC/data/$directory"
	for file in $(seq 39); do echo "$directory/$file"; done
done | (cd "$ROOT$LC/data" && while read -r name; do echo "$name" >"$name"; done)
pre -q
new_os
mid >/dev/null 2>&1
post -q
post -q
manifest=$ROOT/opt/okv-luna/var/snapshot/manifest.mtree
[ "$(grep -c '/data/.* type=' "$manifest")" -ge 20000 ]

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# timed NAME COMMAND...: NAME.wall and NAME.cpu, milliseconds each.
timed() {
	local name=$1 TIMEFORMAT='%3R %3U %3S'
	shift
	{ time "$@" >/dev/null 2>&1; } 2>"$work/time" || [ "$name" = peer ]
	awk -v name="$work/$name" '{ print $1 * 1000 >>(name ".wall"); print ($2 + $3) * 1000 >>(name ".cpu") }' "$work/time"
}
work=$1
for _ in $(seq "$2"); do
	timed ours post -q
	timed peer mtree -e -p "$ROOT" -f "$manifest"
done
for kind in cpu wall; do
	ours=$(median <"$work/ours.$kind") peer=$(median <"$work/peer.$kind")
	# The limit is meant for a machine of one's own: there is none where the processors are shared, so it is the time
	# on a processor that decides; the other shows what waiting did to both sides.
	awk -v kind=$kind -v ours="$ours" -v peer="$peer" 'BEGIN {
		printf "post-upgrade, nothing to do, 20,000 entries (%s)\t%.0f ms\tmtree %.0f ms\t%.2f\t%s\t%s\n",
			kind, ours, peer, ours / peer, kind == "cpu" ? "200 ms" : "-",
			kind == "wall" || ours <= 200 ? "ok" : "miss" }'
done
END
