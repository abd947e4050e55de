#!/bin/sh
# Signs the packages that were built with a key of gpg's: sign.sh KEY BUILD.  The packages of BUILD/release are taken,
# or those of BUILD/rpm; sums and bill of materials are made anew.
# Whoever installs them checks with `rpm --import PUBLIC-KEY` and `rpm --checksig FILE`.
set -eu
[ -n "$1" ] || {
	echo "which key? make sign KEY=NAME; 'gpg --list-secret-keys' lists them" >&2
	exit 2
}
dir=$2/release
[ -d "$dir" ] || dir=$2/rpm
[ -n "$(find "$dir" -name '*.rpm' 2>/dev/null)" ] || {
	echo "there is no package in $2/release or $2/rpm; make release, or make rpm" >&2
	exit 6
}
# Wherever it is: Debian's rpm looks for it where Fedora has it.
gpg=$(command -v gpg2 || command -v gpg) || {
	echo "gpg is not here; install gnupg" >&2
	exit 6
}
rpmsign --addsign --define "__gpg $gpg" --define "_gpg_name $1" --define "_gpg_digest_algo sha256" "$dir"/*.rpm
sh spec/beside.sh "$dir"
cat "$dir/SHA256SUMS"
