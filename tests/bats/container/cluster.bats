#!/usr/bin/env bats
# A cluster of appliances: names, keys and separate files.

load node.bash
load ../../appliance/cluster.sh

setup_file() {
	appliance_runtime 2>/dev/null
	cluster_up 3 "$("$APPLIANCE_DIR/image" node-11 2>/dev/null)"
	printf '%s\n' "${CLUSTER[@]}" >"$BATS_FILE_TMPDIR/cluster"
}
setup() { mapfile -t CLUSTER <"$BATS_FILE_TMPDIR/cluster"; }
teardown_file() {
	mapfile -t APPLIANCE_NODES <"$BATS_FILE_TMPDIR/cluster"
	node_cleanup
}

@test "root of each node reaches support on each other" {
	local from to
	for from in 0 1 2; do
		for to in 1 2 3; do
			run ctr exec "${CLUSTER[from]}" ssh -o BatchMode=yes "support@okv$to" 'whoami; hostname'
			[ "$status" -eq 0 ]
			[ "${lines[*]}" = "support okv$to" ]
		done
	done
}

@test "root logs in nowhere" {
	run ctr exec "${CLUSTER[0]}" ssh -o BatchMode=yes root@okv2 true
	[ "$status" -ne 0 ]
}

@test "a copy to one node is on that node alone" {
	run ctr exec "${CLUSTER[0]}" scp -q -o BatchMode=yes /etc/hostname support@okv2:/tmp/carrier
	[ "$status" -eq 0 ]
	ctr exec "${CLUSTER[1]}" test -f /tmp/carrier
	run ctr exec "${CLUSTER[2]}" test -e /tmp/carrier
	[ "$status" -ne 0 ]
}
