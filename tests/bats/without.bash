# What a system without a library does.

# without LIBRARY COMMAND...: in a mount namespace where that library is not there.
without() {
	# shellcheck disable=SC2016 # expanded in there
	unshare -m sh -euc 'library=$1 place=$2
		shift 2
		mount -t tmpfs tmpfs /mnt
		mkdir /mnt/upper /mnt/work
		mknod "/mnt/upper/$library" c 0 0
		mount -t overlay overlay -o "lowerdir=$place,upperdir=/mnt/upper,workdir=/mnt/work" "$place"
		exec "$@"' sh "$1" "$(dirname "$(ldconfig -p | awk -v name="$1" '$1 == name { print $NF; exit }')")" "${@:2}"
}
