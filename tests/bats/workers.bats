#!/usr/bin/env bats
# Workers, the programs that run foreign code or take foreign bytes apart: looked at from outside while they do so, nothing
# of root's is in their memory, environment, arguments or descriptors; the same look finds it in the command that started them.

bats_require_minimum_version 1.5.0

load eventually

setup() {
	build=$(realpath "${BUILD:-$BATS_TEST_DIRNAME/../../build}")
	TREE=$BATS_TEST_TMPDIR/tree
	. "$BATS_TEST_DIRNAME/../doubles/doubles.bash"
	"$BATS_TEST_DIRNAME/../doubles/build" "$BATS_TEST_TMPDIR/doubles" honest hang-initialize
	doubles_tree "$TREE" "$BATS_TEST_TMPDIR/doubles"
	mkdir -p "$TREE/opt/okv-luna/etc" "$TREE/opt/okv-luna/var"
	printf 'UPGRADE_COMMAND="/bin/true planted-in-settings"\n' >"$TREE/opt/okv-luna/etc/okv-luna.conf"
}

# looks TOOL WORKER FILES ARGUMENT...: the worker has so many files and directories open, and no secret.
looks() {
	local tool=$1 worker=$2 files=$3
	run env OKV_BACKUP_PASSWORD=planted-in-environment TZ=planted-in-zone /usr/bin/python3 "$BATS_TEST_DIRNAME/workers.py" \
		"$worker" "$build/libexec/$tool" --root "$TREE" "${@:4}"
	echo "exit $status: $output"
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "$tool: environment "[1-9]*' environment settings zone' ]]
	[ "${lines[1]}" = "$worker: environment 0 reads $files " ]
	[ "${lines[2]}" = 'stranger: 0' ]
}

@test "what loads the vendor's library" {
	looks okv-luna-slots okv-luna-pkcs11 0 --timeout 300 --module /doubles/hang-initialize.so
}

@test "what shakes hands with a server" {
	/usr/bin/python3 "$BATS_TEST_DIRNAME/peer.py" silent "$BATS_TEST_TMPDIR/port" 3>&- &
	peer=$!
	eventually test -s "$BATS_TEST_TMPDIR/port"
	printf 'LunaSA Client = {\n   ServerName00 = 127.0.0.1;\n   ServerPort00 = %s;\n}\n' "$(cat "$BATS_TEST_TMPDIR/port")" \
		>"$TREE/etc/Chrystoki.conf"
	printf 'REST = {\n   AuthTokenClientSecret = planted-in-settings;\n}\n' >>"$TREE/etc/Chrystoki.conf"
	looks okv-luna-network okv-luna-handshake 1 --timeout 300
	kill "$peer"
}

@test "what reads an archive" {
	# So long that it cannot have been read to its end when it is looked at.
	PYTHONPATH=$BATS_TEST_DIRNAME/../hostile PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -c '
import sys
from ground import client
sys.stdout.buffer.write(client(b"10.9.4-122", size=64 << 20))' >"$BATS_TEST_TMPDIR/archive.tar"
	looks okv-luna-extract okv-luna-unarchive 1 "$BATS_TEST_TMPDIR/archive.tar"
}
