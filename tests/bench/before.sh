#!/bin/bash
# This build beside an earlier one: BEFORE=DIR, the build directory of another commit.  The same commands on the same
# tree, turn about; the ratio is that of the medians.  RUNS: how often each is run (default 15).  For slots, both can be
# held against the peer of `bench slots`.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0"
set -euo pipefail

: "${BUILD:=build}" "${RUNS:=15}"
if [ -z "${BEFORE:-}" ]; then
	echo 'before: BEFORE=DIR names the build of an earlier commit to compare with'
	exit 0
fi
BATS_TEST_DIRNAME=$PWD/tests/bats
BATS_FILE_TMPDIR=$(mktemp -d)
trap 'rm -rf "$BATS_FILE_TMPDIR"' EXIT
chmod 0755 "$BATS_FILE_TMPDIR"
. tests/bats/upgrade.bash
tree_make "$BATS_FILE_TMPDIR/tree"
root=$BATS_FILE_TMPDIR/tree
for tool in "$BUILD"/libexec/*; do
	[ -e "$root/opt/okv-luna/libexec/${tool##*/}" ] || cp "$tool" "$root/opt/okv-luna/libexec/"
done
"$BUILD/libexec/okv-luna-config" --root "$root" wire -q
"$BUILD/libexec/okv-luna-repair" --root "$root" -q
head -c 67108864 /dev/urandom >"$root/usr/local/okv/hsm/hsmbundle"
chown 54321:54321 "$root/usr/local/okv/hsm/hsmbundle"
printf 'a passphrase of some length\n' >"$BATS_FILE_TMPDIR/passphrase"
chmod 0600 "$BATS_FILE_TMPDIR/passphrase"
"$BUILD/libexec/okv-luna-bundle" --root "$root" seal --out "$BATS_FILE_TMPDIR/sealed.okvb" \
	--passphrase-file "$BATS_FILE_TMPDIR/passphrase" -q

/usr/bin/python3 - "$BUILD" "$BEFORE" "$root" "$BATS_FILE_TMPDIR/passphrase" "$RUNS" <<'END'
import os
import statistics
import subprocess
import sys
import time

build, before, root, passphrase, runs = *sys.argv[1:5], int(sys.argv[5])
sealed = f'{os.path.dirname(root)}/sealed.okvb'
commands = {
    'config check': ['config', 'check'],
    'bundle verify of 64 MiB': ['bundle', 'verify', sealed, '--passphrase-file', passphrase],
    'repair, nothing to do in 20,000 entries': ['repair'],
}
for what, (tool, *rest) in commands.items():
    if tool == 'repair':
        many = f'{root}/usr/safenet/lunaclient/cert/many'
        os.mkdir(many)
        for number in range(20000):
            open(f'{many}/certificate-{number:05d}.pem', 'w', encoding='ascii').close()
        subprocess.run([f'{build}/libexec/okv-luna-repair', '--root', root, '-q'], check=True)
    times = ([], [])
    for turn in range(2 * runs + 2):
        program = f'{(build, before)[turn % 2]}/libexec/okv-luna-{tool}'
        began = time.perf_counter()
        done = subprocess.run([program, '--root', root, *rest], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f'{program}: {done.returncode}: {done.stderr}')
        if turn > 1:
            times[turn % 2].append(time.perf_counter() - began)
    mine, theirs = (statistics.median(side) for side in times)
    print(f'{what}\t{mine * 1000:.1f} ms\t{theirs * 1000:.1f} ms\t{mine / theirs:.2f}\t<= 1.15\t'
          f'{"ok" if mine / theirs <= 1.15 else "miss"}', flush=True)
END
