# shellcheck shell=bash disable=SC2016
# cluster.sh: several appliances that reach each other by ssh, as the nodes of
# an Oracle Key Vault cluster do.  To be sourced after lib.sh.
#
# Promise: after `cluster_up COUNT IMAGE [OPTION...]`, CLUSTER holds the
# containers of okv1, okv2, ...; each name is known in every node, root of every
# node may log in as support on every other by key, and root logs in nowhere.
# The nodes share one network namespace without an outside: each has a loopback
# address of its own.

cluster_address() { printf '127.0.0.%d' $((10 + $1)); }

cluster_up() {
	local count=$1 image=$2 i network=()
	shift 2
	CLUSTER=()
	for ((i = 1; i <= count; i++)); do
		node_new "okv$i"
		CLUSTER+=("$NODE")
		NODE_HOSTNAME=okv$i node_create "$NODE" "$image" ${network[@]+"${network[@]}"} "$@"
		node_start "$NODE"
		network=(--network "container:${CLUSTER[0]}")
	done
	cluster_join
}

# cluster_join: the same of what CLUSTER holds: running nodes that share a network already.
cluster_join() {
	local count=${#CLUSTER[@]} i hosts='' keys='' known='' node
	for ((i = 1; i <= count; i++)); do
		hosts+="$(cluster_address "$i") okv$i"$'\n'
		node=${CLUSTER[i - 1]}
		ctr exec "$node" sh -euc '
			ssh-keygen -q -A
			printf "ListenAddress %s\nPermitRootLogin no\n" "$1" >/etc/ssh/sshd_config.d/okv.conf
			ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519
		' sh "$(cluster_address "$i")"
		keys+="$(ctr exec "$node" cat /root/.ssh/id_ed25519.pub)"$'\n'
		known+="okv$i $(ctr exec "$node" cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub)"$'\n'
	done
	for node in "${CLUSTER[@]}"; do
		ctr exec "$node" sh -euc '
			printf %s "$1" >>/etc/hosts
			printf %s "$3" >/root/.ssh/known_hosts
			install -d -m 0700 -o support -g support /home/support/.ssh
			printf %s "$2" >/home/support/.ssh/authorized_keys
			chown support:support /home/support/.ssh/authorized_keys
			systemctl start ssh.service
		' sh "$hosts" "$keys" "$known"
	done
}
