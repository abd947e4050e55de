#!/bin/sh
# bundle beside openssl and scp: verify, send to one node, send to sixteen.  The nodes are real sshds on this machine
# (tests/bats/nodes.bash), so sender and all far sides share its processors.  Sides take turns; the ratio is that of the
# medians.  ROUNDS: how often (default 9; a third of that where sixteen nodes take 64 MiB each).
set -eu
: "${BUILD:=build}" "${ROUNDS:=9}"
export BUILD
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
exec bash -s "$work" "$ROUNDS" <<'END'
set -euo pipefail
work=$1 rounds=$2
. tests/bats/nodes.bash
trap 'nodes_teardown; rm -rf "$work"' EXIT
bundle=$BUILD/libexec/okv-luna-bundle
large=$((64 << 20)) small=300000 nodes=16

printf 'correct horse battery staple\n' >"$work/pass"
chmod 600 "$work/pass"
for size in $large $small; do
	hsm=$work/$size/usr/local/okv/hsm
	mkdir -p "$work/$size"/{etc,opt} "$hsm"
	printf '%s\n' root:x:0:0::/root:/bin/sh oracle:x:1001:1001::/home/oracle:/bin/sh >"$work/$size/etc/passwd"
	printf '%s\n' root:x:0: oinstall:x:1001: >"$work/$size/etc/group"
	echo okv1 >"$work/$size/etc/hostname"
	head -c "$size" /dev/urandom >"$hsm/hsmbundle"
	chown 1001:1001 "$hsm/hsmbundle"
	"$bundle" -q --root "$work/$size" seal --out "$work/sealed-$size" --passphrase-file "$work/pass"
done

now() { printf '%s\n' "${EPOCHREALTIME/./}"; }
# took NAME COMMAND...: adds its microseconds to NAME.
took() {
	local name=$1 began
	shift
	began=$(now)
	"$@" >"$work/out" 2>&1 </dev/null || { cat "$work/out" >&2; exit 1; }
	echo $(($(now) - began)) >>"$work/$name.us"
}
median() { sort -n "$work/$1.us" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# row WHAT OURS PEER TARGET
row() {
	awk -v what="$1" -v ours="$(median "$2")" -v peer="$(median "$3")" -v target="$4" 'BEGIN {
		printf "%s\t%.0f ms\t%.0f ms\t%.2f\t<= %s\t%s\n", what, ours / 1000, peer / 1000, ours / peer, target,
			ours / peer <= target ? "ok" : "miss" }'
}
times() { awk -v a="$(median "$1")" -v b="$(median "$2")" 'BEGIN { printf "%.1f", a / b }'; }

# --- verify ---------------------------------------------------------------------------------------------------------

verify() { "$bundle" --json verify --passphrase-file "$work/pass" "$work/sealed-$large"; }
for ((round = 0; round < 3 * rounds; round++)); do
	took whole verify
	derivation=$(sed -n 's/.*"derivation_us":\([0-9]*\).*/\1/p' "$work/out")
	echo "$derivation" >>"$work/derivation.us"
	echo $(($(tail -n 1 "$work/whole.us") - derivation)) >>"$work/verify.us"
	took dgst openssl dgst -sha256 "$work/sealed-$large"
done
row 'verify of 64 MiB, key derivation apart / openssl dgst -sha256' verify dgst 1.15
echo "(verify of 64 MiB: key derivation takes $(($(median derivation) / 1000)) ms more: 600,000 rounds of PBKDF2)"

# --- send -----------------------------------------------------------------------------------------------------------

nodes_setup "$work/nodes"
mapfile -t names < <(seq -f 'n%.0f' "$nodes")
all=()
for name in "${names[@]}"; do
	node_start "$name"
	all+=("$(node_address "$name"):$NODES_PORT")
done
ssh=(-i "$NODES_DIR/user_key" -o "UserKnownHostsFile=$NODES_DIR/known_hosts" -o GlobalKnownHostsFile=/dev/null)
send() { "$bundle" -q send "${ssh[@]}" "${more[@]}" --file "$work/sealed-$size" "$@"; }
copy() { scp -qB "${ssh[@]}" "${more[@]}" -P "$NODES_PORT" "$work/sealed-$size" "support@${1%:*}:/tmp/copy"; }
copies() {
	local node copies=()
	for node; do
		copy "$node" &
		copies+=($!)
	done
	for node in "${copies[@]}"; do wait "$node"; done
}
# emptied NAME...: each of these nodes has just what was sent, and then nothing, as before.
emptied() {
	local name
	for name; do
		cat "$(node_root "$name")"/tmp/* | cmp - "$work/sealed-$size"
		find "$(node_root "$name")/tmp" -mindepth 1 -delete
	done
}
# compare WHAT SIZE ROUNDS [OPTION...]: one node beside scp, sixteen beside one.
compare() {
	local what=$1 round count=$3
	size=$2
	shift 3
	more=("$@")
	rm -f "$work"/{one,scp,all,scps}.us
	for ((round = 0; round < count; round++)); do
		took one send "${all[0]}"
		emptied n1
		took scp copy "${all[0]}"
		emptied n1
		took all send "${all[@]}"
		emptied "${names[@]}"
		took scps copies "${all[@]}"
		emptied "${names[@]}"
	done
	row "$what, send to one node / scp" one scp 1.2
	row "$what, send to $nodes nodes / to one" all one 3
	echo "($what: $nodes scp at once take $(times scps scp) times one; ours to $nodes is $(times all scps) of theirs)"
}
compare '300 kB' $small "$rounds"
compare '300 kB, key exchange of OpenSSH 8.0' $small "$rounds" -o KexAlgorithms=curve25519-sha256
compare '64 MiB' $large $(((rounds + 2) / 3))
END
