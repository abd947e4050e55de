#!/bin/sh
# How long OKV's slots take to show, beside today's ways: `sudo -u oracle pkcs11-tool -L`, and the same without sudo.
#
# Both sides load SoftHSM with three tokens as user nobody, with the same environment, turn about; the figures are
# medians.  OKV's files lie where they lie on an appliance, in mounts of this script's own.
set -eu

: "${BUILD:=build}" "${ROUNDS:=60}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 0755 "$work"
mkdir "$work/tokens"
printf 'directories.tokendir = %s/tokens\nlog.level = ERROR\n' "$work" >"$work/conf"
for label in one two three; do
	SOFTHSM2_CONF=$work/conf softhsm2-util --init-token --free --label $label --pin 1234 --so-pin 5678 >/dev/null
done
chown -R nobody "$work/tokens"

# What is measured, each a file that the loop runs.
library=/usr/lib/softhsm/libsofthsm2.so
cat >"$work/ours" <<END
exec "$BUILD/libexec/okv-luna-slots" --user nobody --module $library
END
cat >"$work/peer" <<END
exec sudo -u nobody SOFTHSM2_CONF=$work/conf pkcs11-tool --module $library -L
END
cat >"$work/bare" <<END
exec setpriv --reuid nobody --clear-groups env SOFTHSM2_CONF=$work/conf pkcs11-tool --module $library -L
END
cat >"$work/loop" <<'END'
set -eu
mount -t tmpfs -o mode=0755 none /usr/local
mkdir -p /usr/local/okv/hsm/generic
printf 'SOFTHSM2_CONF="%s/conf"\n' "$1" >/usr/local/okv/hsm/generic/okv_hsm_env
round=0
while [ $round -le "$2" ]; do
	for side in ours peer bare; do
		began=$(date +%s%N)
		sh "$1/$side" >"$1/out.$side" 2>&1
		ended=$(date +%s%N)
		# The first round warms the caches.
		[ $round -eq 0 ] || echo $(((ended - began) / 1000)) >>"$1/$side.us"
	done
	round=$((round + 1))
done
END
unshare -m sh "$work/loop" "$work" "$ROUNDS"

# All of them saw the three tokens.
for side in ours peer bare; do
	for label in one two three; do
		grep -qw $label "$work/out.$side" || { echo "$side did not see token $label" >&2; exit 1; }
	done
done

median() {
	sort -n "$work/$1.us" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
line() {
	awk -v what="$1" -v ours="$(median ours)" -v peer="$(median "$2")" -v target="$3" 'BEGIN {
		ratio = ours / peer
		printf "%s\t%.1f ms\t%.1f ms\t%.2f\t%s\t%s\n", what, ours / 1000, peer / 1000, ratio,
			target, ratio <= target ? "ok" : "miss" }'
}
line 'slots, beside sudo -u oracle pkcs11-tool -L' peer 0.65
line 'slots, beside pkcs11-tool -L without sudo' bare 1.00
