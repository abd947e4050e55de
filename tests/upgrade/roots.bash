# shellcheck shell=bash
# roots.bash: the trees of the node images as roots of an old and a new system, each under a layer in memory, for
# tests/upgrade/matrix and rehearsal.  Use it in a mount namespace: nothing is unmounted here.

# roots_begin TAG-11 TAG-12 TAG-13: sets WORK, a tmpfs, and IMAGE_11 to IMAGE_13, the layers of the images.
roots_begin() {
	WORK=$(mktemp -d)
	mount -t tmpfs -o mode=0755 tmpfs "$WORK"
	trap 'umount -l "$WORK"; rmdir "$WORK"' EXIT
	IMAGE_11=$(layers "$1")
	IMAGE_12=$(layers "$2")
	IMAGE_13=$(layers "$3")
	[ -d "${IMAGE_11%%:*}" ] || appliance_fail "this needs a runtime that keeps its images as overlay layers"
	export WORK IMAGE_11 IMAGE_12 IMAGE_13
}
# We use the layers directly: a mounted image is shared, and only its last user may unmount it.
layers() {
	ctr image inspect --format '{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}' "$1"
}

# root_open DIR LOWER LAYER: mounts a root at DIR; what is written goes to LAYER.  xino gives all files one device number,
# or every file of the image would look like a mount point.
root_open() {
	mkdir -p "$1" "$3/up" "$3/work"
	# fsconfig(2) takes no value of more than 255 characters, which long paths exceed; mount(2) does.
	LIBMOUNT_FORCE_MOUNT2=always mount -t overlay overlay -o "xino=on,lowerdir=$2,upperdir=$3/up,workdir=$3/work" "$1"
}
# root_start DIR: mounts what a running system has.
root_start() {
	local node
	mount -t proc proc "$1/proc"
	mount -t tmpfs -o mode=0755 tmpfs "$1/dev"
	mount -t tmpfs -o mode=0755 tmpfs "$1/run"
	for node in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
		# shellcheck disable=SC2086
		mknod -m 0666 "$1"/dev/${node%% *} c ${node#* }
	done
	ln -s /proc/self/fd "$1/dev/fd"
	mkdir -p "$1/run/systemd/journal"
	ln -s /run/systemd/journal/dev-log "$1/dev/log"
}
in_root() { # DIR COMMAND...
	local root=$1
	shift
	chroot "$root" /usr/bin/env -i PATH=$PATH HOME=/root "$@" </dev/null
}
as_oracle() { # DIR COMMAND...
	local root=$1
	shift
	in_root "$root" setpriv --reuid oracle --regid oinstall --init-groups "$@"
}
witness() { as_oracle "$1" /usr/local/okv/hsm/bin/hsmclient open_wallet >/dev/null 2>&1; }
yes_no() { if "$@"; then echo yes; else echo no; fi; }
number_of() { sed -n "s/^$2:[^:]*:\([0-9]*\):.*/\1/p" "$1"; }
