# nodes.bash: cluster nodes for bats files and campaigns, each a real sshd in its own namespaces, with its own root (an
# overlay of this machine), /root, /tmp, accounts, host name and processes.  Each has its own loopback address.  Needs
# root.
#
#   nodes_setup DIR              keys and addresses; everything below DIR
#   node_start NAME [TMP_SIZE]   starts it; its root is then "$(node_root NAME)", its address "$(node_address NAME)"
#                                on port $NODES_PORT; one called "six" listens on ::1 too
#   node_absent NAME             gives it an address where nobody listens
#   node_stop NAME               switches it off; its address stays
#   nodes_teardown

nodes_setup() {
	NODES_DIR=$1
	mkdir -p "$NODES_DIR"
	# For parallel runs on one machine: each has its own loopback network, and its own port because there is only one ::1.
	NODES_NET=127.$((64 + $$ / 250 % 128)).$(($$ % 250 + 1))
	NODES_PORT=$((20000 + $$ % 10000))
	ssh-keygen -q -t ed25519 -N '' -f "$NODES_DIR/host_key"
	ssh-keygen -q -t ed25519 -N '' -f "$NODES_DIR/user_key"
	printf '[::1]:%s %s\n' "$NODES_PORT" "$(cat "$NODES_DIR/host_key.pub")" >"$NODES_DIR/known_hosts"
}

node_absent() {
	local address
	mkdir -p "$NODES_DIR/$1"
	address=$NODES_NET.$(find "$NODES_DIR" -name address | wc -l | awk '{ print $1 + 1 }')
	echo "$address" >"$NODES_DIR/$1/address"
	printf '[%s]:%s %s\n' "$address" "$NODES_PORT" "$(cat "$NODES_DIR/host_key.pub")" >>"$NODES_DIR/known_hosts"
}

node_address() { cat "$NODES_DIR/$1/address"; }
node_root() { printf '%s\n' "/proc/$(cat "$NODES_DIR/$1/init")/root"; }

# Inside the namespaces: the node's root, then sshd in it.
node_inside() {
	local dir=$1 name=$2 address=$3 tmp_size=$4 root=$1/root
	# Whatever the caller's umask: a node's accounts must be able to enter its directories.
	umask 022
	mount --make-rprivate /
	mount -t tmpfs -o size=600m,mode=755 tmpfs "$dir/disk"
	mkdir "$dir/disk/upper" "$dir/disk/work"
	mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/disk/upper,workdir=$dir/disk/work" "$root"
	mount -t tmpfs -o "size=$tmp_size,mode=1777" tmpfs "$root/tmp"
	mount -t tmpfs -o size=16m,mode=755 tmpfs "$root/run"
	mount -t tmpfs -o size=16m,mode=700 tmpfs "$root/root"
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	# A /dev/shm of its own, or a node would remove another test's files.
	mount -t tmpfs -o size=16m,mode=1777 tmpfs "$root/dev/shm"
	hostname "$name"
	echo "$name" >"$root/etc/hostname"
	sed -i '/^\(oracle\|support\|oinstall\|hsmusers\):/d' "$root"/etc/passwd "$root"/etc/group "$root"/etc/shadow
	printf '%s\n' oracle:x:1001:1001::/home/oracle:/bin/bash support:x:1002:1002::/home/support:/bin/bash \
		>>"$root/etc/passwd"
	printf '%s\n' oinstall:x:1001: support:x:1002: hsmusers:x:990:oracle >>"$root/etc/group"
	# The password of root, for su: "rootsecret".
	sed -i "s|^root:[^:]*:|root:$(openssl passwd -6 rootsecret):|" "$root/etc/shadow"
	printf '%s\n' 'oracle:*:19000::::::' 'support:*:19000::::::' >>"$root/etc/shadow"
	mkdir -p "$root/run/sshd" "$root/home/support/.ssh" "$root/usr/local/okv/hsm/generic" "$root/opt/okv-luna"
	cp "$NODES_DIR/user_key.pub" "$root/home/support/.ssh/authorized_keys"
	chmod 700 "$root/home/support" "$root/home/support/.ssh"
	chown -R 1002:1002 "$root/home/support"
	cp -r "${BUILD:?}/bin" "${BUILD:?}/libexec" "$root/opt/okv-luna/"
	# A build for another OS comes with its library.
	[ ! -d "$BUILD/libraries" ] || cp -r "$BUILD/libraries/." "$root/usr/lib/"
	rm -f "$root/run/nologin" "$root/etc/nologin"
	cp "$NODES_DIR/host_key" "$root/etc/ssh/node_key"
	cat >"$root/etc/ssh/node_config" <<-CONF
		ListenAddress $address
		$([ "$name" != six ] || echo ListenAddress ::1)
		Port $NODES_PORT
		HostKey /etc/ssh/node_key
		UsePAM yes
		PasswordAuthentication no
		PidFile none
		Subsystem sftp internal-sftp
		MaxStartups 50
	CONF
	exec chroot "$root" /usr/sbin/sshd -D -E /var/log/node-sshd.log -f /etc/ssh/node_config
}

node_start() {
	local name=$1 tmp_size=${2:-256m} dir=$NODES_DIR/$1 pid address tries
	node_absent "$name"
	address=$(node_address "$name")
	mkdir -p "$dir/disk" "$dir/root"
	export -f node_inside
	NODES_DIR=$NODES_DIR NODES_PORT=$NODES_PORT unshare --mount --uts --pid --ipc --fork --kill-child \
		bash -ec 'node_inside "$@"' node "$dir" "$name" "$address" "$tmp_size" \
		>"$dir/log" 2>&1 </dev/null 3>&- &
	pid=$!
	echo "$pid" >"$dir/pid"
	disown "$pid"
	# Up to two minutes, as long as it lives: the machine may be busy.
	for ((tries = 0; tries < 2400; tries++)); do
		if (exec 9<>"/dev/tcp/$address/$NODES_PORT") 2>/dev/null; then
			pgrep -P "$pid" | head -1 >"$dir/init"
			return 0
		fi
		[ -d "/proc/$pid/task" ] || break
		sleep 0.05
	done
	cat "$dir/log" >&2
	return 1
}

node_stop() {
	[ -s "$NODES_DIR/$1/pid" ] || return 0
	# unshare(1) kills its child, and when PID 1 of the namespace ends, the kernel kills all others.
	kill -KILL "$(cat "$NODES_DIR/$1/pid")" 2>/dev/null || true
	for _ in $(seq 1 1000); do
		[ -d "/proc/$(cat "$NODES_DIR/$1/init" 2>/dev/null || echo none)/root/etc" ] || break
		sleep 0.02
	done
	rm -f "$NODES_DIR/$1/pid"
}

nodes_teardown() {
	local dir
	[ -n "${NODES_DIR:-}" ] || return 0
	for dir in "$NODES_DIR"/*/; do
		[ -e "$dir/pid" ] && node_stop "$(basename "$dir")"
	done
	return 0
}
