# shellcheck shell=bash
# lib.sh: what every script of the container appliance shares: a container
# runtime that has really run something here, image names, and nodes that go
# away with the script that made them.  To be sourced by bash.
#
# Promise: after `appliance_runtime`, ctr runs podman (else docker) in a
# configuration proved by a real container, and standard error has said once
# which one.  Without any runtime: one sentence, exit 5.

# shellcheck disable=SC2034 # for those who source this
APPLIANCE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

appliance_say() { printf 'appliance: %s\n' "$*" >&2; }
appliance_fail() { appliance_say "$1"; exit "${2:-5}"; }

# Verdicts and locks outlive a checkout, as the images in the runtime's own
# store do.
appliance_cache() {
	local dir=${OKV_LUNA_CACHE:-/var/cache/okv-luna-hooks}
	mkdir -p "$dir" || appliance_fail "cannot make the cache directory '$dir'"
	printf '%s\n' "$dir"
}

# The smallest image that can run: one program of this machine and the
# libraries it names.  Nothing has to be bootstrapped for the probe.
appliance_probe_image() {
	local tree file
	"$APPLIANCE_RUNTIME" image inspect okv-luna-hooks/probe:1 >/dev/null 2>&1 && return 0
	tree=$(mktemp -d) || return 1
	mkdir -p "$tree/bin" "$tree/proc" "$tree/sys" "$tree/dev" "$tree/etc" "$tree/run" "$tree/tmp"
	cp "$(type -P true)" "$tree/bin/true"
	while read -r file; do
		mkdir -p "$tree$(dirname "$file")"
		cp -L "$file" "$tree$file"
	done < <(ldd "$tree/bin/true" | grep -o '/[^ ]*')
	tar -C "$tree" -c . | "$APPLIANCE_RUNTIME" import - okv-luna-hooks/probe:1 >/dev/null 2>&1
	local rc=$?
	rm -rf "$tree"
	return $rc
}

# appliance_probe [CONF]: does a container run with this configuration, or with
# the runtime's own?
appliance_probe() {
	local conf=(env -u CONTAINERS_CONF)
	[ -z "${1:-}" ] || conf=(env "CONTAINERS_CONF=$1")
	appliance_probe_image &&
		timeout 60 "${conf[@]}" "$APPLIANCE_RUNTIME" run --rm --privileged okv-luna-hooks/probe:1 /bin/true >/dev/null 2>&1
}

# For machines with hybrid cgroups, or where rlimits cannot be raised.
appliance_conf() {
	cat <<-'CONF'
		[engine]
		runtime = "runc"
		cgroup_manager = "cgroupfs"
		[containers]
		default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
		netns = "none"
	CONF
}

appliance_runtime() {
	[ -z "${APPLIANCE_READY:-}" ] || return 0
	local cache conf verdict='' known boot
	# podman 5 says at each call that control groups of version 1 will go, among what the command says.
	export PODMAN_IGNORE_CGROUPSV1_WARNING=1
	if command -v podman >/dev/null; then
		APPLIANCE_RUNTIME=podman
	elif command -v docker >/dev/null; then
		APPLIANCE_RUNTIME=docker
	else
		appliance_fail "no container runtime: install podman (apt-get install podman runc, or dnf install podman)"
	fi
	export APPLIANCE_RUNTIME
	[ "$(id -u)" = 0 ] ||
		appliance_fail "must be root: an appliance boots its own systemd, and its next root is mounted"
	cache=$(appliance_cache) || exit 5
	conf=$cache/containers.conf
	known=$cache/runtime
	# The verdict of an earlier boot says nothing about this one's cgroups.
	boot="$APPLIANCE_RUNTIME $(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown)"
	if [ -n "${CONTAINERS_CONF:-}" ] && [ "$CONTAINERS_CONF" != "$conf" ] && appliance_probe "$CONTAINERS_CONF"; then
		verdict=caller
	elif [ -r "$known" ] && [ -r "$conf" ] && [ "$(sed -n 1p "$known")" = "$boot" ]; then
		verdict=$(sed -n 2p "$known")
	fi
	if [ -z "$verdict" ]; then
		appliance_conf >"$conf"
		if appliance_probe; then
			verdict=default
		elif [ "$APPLIANCE_RUNTIME" = podman ]; then
			appliance_probe "$conf" ||
				appliance_fail "podman cannot run a container here, neither by its default configuration nor with \
runc and cgroupfs; try: podman run --rm okv-luna-hooks/probe:1 /bin/true"
			verdict=fallback
		else
			appliance_fail "docker cannot run a container here; is its daemon running?"
		fi
		printf '%s\n%s\n' "$boot" "$verdict" >"$known"
	fi
	case $verdict in
	fallback)
		export CONTAINERS_CONF=$conf
		appliance_say "podman with runc and cgroupfs ($conf); its default configuration cannot run a container here" ;;
	default)
		unset CONTAINERS_CONF
		appliance_say "$APPLIANCE_RUNTIME in its default configuration" ;;
	caller)
		appliance_say "$APPLIANCE_RUNTIME with CONTAINERS_CONF=$CONTAINERS_CONF" ;;
	esac
	export APPLIANCE_READY=1
}

ctr() { "$APPLIANCE_RUNTIME" "$@"; }

# --- nodes ---------------------------------------------------------------

APPLIANCE_NODES=()
APPLIANCE_COUNT=0

# node_new PREFIX: set NODE to a container name nobody else uses, and have it
# removed at the end of this script.
node_new() {
	APPLIANCE_COUNT=$((APPLIANCE_COUNT + 1))
	# Nor one that was killed and left its containers behind, whose number is ours now.
	NODE=okv-$1-$$-$EPOCHSECONDS-$APPLIANCE_COUNT
	APPLIANCE_NODES+=("$NODE")
}

# node_cleanup: for a trap on EXIT.  Keeps the caller's exit status.
node_cleanup() {
	local rc=$? i node
	if [ -n "${KEEP_NODES:-}" ]; then
		[ ${#APPLIANCE_NODES[@]} = 0 ] || appliance_say "kept: ${APPLIANCE_NODES[*]}"
		return "$rc"
	fi
	# Last made, first gone: a later node may live in an earlier one's network.
	for ((i = ${#APPLIANCE_NODES[@]} - 1; i >= 0; i--)); do
		node=${APPLIANCE_NODES[i]}
		ctr rm -f -t 0 "$node" >/dev/null 2>&1 || ctr rm -f "$node" >/dev/null 2>&1 || true
	done
	return "$rc"
}

# node_args: the options that let systemd boot, one a line.
node_args() {
	if [ "$APPLIANCE_RUNTIME" = podman ]; then
		printf '%s\n' --systemd=always --privileged
	else
		printf '%s\n' --privileged --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw \
			--tmpfs /run --tmpfs /run/lock
	fi
}

# node_create NAME IMAGE [OPTION...]: an appliance, not yet switched on.
node_create() {
	local name=$1 image=$2 args
	shift 2
	mapfile -t args < <(node_args)
	ctr create --name "$name" --hostname "${NODE_HOSTNAME:-okv1}" "${args[@]}" "$@" "$image" /sbin/init >/dev/null
}

# node_start NAME: switch it on and wait until systemd has settled.
node_start() {
	ctr start "$1" >/dev/null
	node_settle "$1"
}

# node_settle NAME: wait for the end of the boot; say what failed, if anything
# did.  `degraded` is an answer (1), not a hang.
node_settle() {
	local state="" end=$((SECONDS + 300))
	while [ $SECONDS -lt $end ]; do
		state=$(ctr exec "$1" timeout 60 systemctl is-system-running --wait 2>/dev/null || true)
		case $state in
		running) return 0 ;;
		degraded | maintenance)
			ctr exec "$1" systemctl --no-pager --no-legend --plain --failed >&2 || true
			return 1 ;;
		esac
		sleep 0.2
	done
	appliance_say "$1 did not finish booting (last answer '$state')"
	return 1
}

# node_exec NAME COMMAND...: as root in the node.
node_exec() {
	local name=$1
	shift
	ctr exec "$name" "$@"
}

# node_as NAME USER COMMAND...: as a user with the groups that the node's group
# file gives it now, as a new login would have.
node_as() {
	local name=$1 user=$2
	shift 2
	ctr exec "$name" sudo -n -u "$user" "$@"
}

# node_install_base NAME: register what the image really offers in the node's
# rpm database, so that rpm resolves a package's dependencies against it.
node_install_base() {
	ctr exec "$1" rpm -i /usr/share/okv-appliance/okv-appliance-base.rpm
}

# node_root NAME: print the directory where the root of a created node lies.
node_root() {
	[ "$APPLIANCE_RUNTIME" = podman ] ||
		appliance_fail "the step to a new OS root needs podman (it mounts a container that does not run)"
	ctr mount "$1"
}
