# shellcheck shell=bash disable=SC2034 # for those who source this
# extract-node.sh: what extract.bats says in an appliance; to be sourced there.

lc=/usr/safenet/lunaclient
generic=/usr/local/okv/hsm/generic
share=/usr/share/okv-appliance
tool=/opt/okv-luna/libexec/okv-luna-extract
network_set='libcryptoki libshim cklog lunacm vtl ckdemo lunacmu salogin configurator multitoken'

# The vendor's archives around the appliance's own library, in two versions that both work.
archives_make() { # DIR
	local packing
	cp $share/lib/libCryptoki2.so "$1/old.so"
	{ cat "$1/old.so" && echo newer; } >"$1/new.so"
	$share/bin/client-archive --library "$1/old.so" full "$1/full-old.tar" &
	$share/bin/client-archive --library "$1/new.so" --version 10.9.4-122 full "$1/full-new.tar"
	$share/bin/client-archive --library "$1/old.so" minimal "$1/old.tar.gz"
	$share/bin/client-archive --library "$1/new.so" --version 10.9.4-122 minimal "$1/new.tar.gz"
	$share/bin/client-archive --library "$1/old.so" cloud "$1/cloud.zip"
	gzip -dc "$1/old.tar.gz" >"$1/old.tar"
	for packing in xz bz2:bzip2 zst:zstd; do
		bsdtar -c -f "$1/old.tar.${packing%:*}" "--${packing#*:}" "@$1/old.tar"
	done
	mkdir "$1/large"
	tar -C "$1/large" -xf "$1/old.tar"
	head -c 24000000 /dev/urandom >"$(echo "$1"/large/*/jsp)/large.jar"
	tar -C "$1/large" -czf "$1/large.tar.gz" .
	wait
	# One package of another version among them.
	mkdir "$1/mixed"
	tar -C "$1/mixed" -xf "$1/full-old.tar"
	tar -C "$1/mixed" -xf "$1/full-new.tar" --wildcards '*/vtl-*' --transform 's,^[^/]*,LunaClient_10.4.0-417_Linux,'
	rm "$1"/mixed/*/64/vtl-10.4.0-*
	tar -C "$1/mixed" -cf "$1/full-mixed.tar" LunaClient_10.4.0-417_Linux
}

# extract [OPTION...] [ARCHIVE]: succeeds; what it said is in $said.
extract() {
	local last=${*: -1}
	case $last in
	-*) said=$($tool "$@" 2>&1) ;;
	*) said=$($tool "${@:1:$#-1}" "/shared/$last" 2>&1) ;;
	esac || { echo "extract $*: ended with $?: $said"; return 1; }
}
# fails STATUS WORDS FILE OPTION...: that exit status and one sentence, in $said, that holds the words.
fails() {
	local rc=0
	said=$($tool "${@:4}" "$3" 2>&1 </dev/null) || rc=$?
	[ $rc = "$1" ] && [ "$(wc -l <<<"$said")" = 1 ] && [[ $said =~ $2 ]] || { echo "$*: $rc $said"; return 1; }
}
# refuses FILE OPTION...: exit 3 and one sentence, in $said, that names the file or a member.
refuses() {
	fails 3 "(${1##*/}|member '|licence|packages)" "$@"
}
# traced [-f] [-e WORDS]... [OPTION...] ARCHIVE: extract under strace.
traced() {
	local options=()
	while [[ $1 == -e || $1 == -f ]]; do
		options+=("$1")
		[ "$1" = -f ] || { options+=("$2"); shift; }
		shift
	done
	strace -qq -o /dev/null "${options[@]}" $tool -q "${@:1:$#-1}" "/shared/${*: -1}"
}
# killed: traced, and it ends with kill -9.
killed() {
	local rc=0
	traced "$@" 2>/dev/null || rc=$?
	[ $rc = 137 ] || { echo "not killed at $*: ended with $rc"; return 1; }
}

# rpm_cut CALL:N [OPTION...] ARCHIVE: the rpm that installs is killed as it comes to its N-th such call.
rpm_cut() {
	local rc=0
	said=$(traced -f -e trace="${1%:*}" -e inject="${1%:*}:signal=KILL:when=${1#*:}" "${@:2}" 2>&1) || rc=$?
	[ $rc = 4 ] && [[ $said == *"rpm was killed by signal 9"* ]] || { echo "rpm not killed: $rc $said"; return 1; }
}
# rpm --rebuilddb renames the directory, which one of an image, below an overlay, does not let it.
database_movable() {
	cp -a /var/lib/rpm /var/lib/rpm.ours && rm -r /var/lib/rpm && mv /var/lib/rpm.ours /var/lib/rpm
}

# installed VERSION: the whole network set, each package in that version and in no other.
installed() {
	local name
	for name in $network_set; do
		[ "$(rpm -q --qf '%{VERSION}-%{RELEASE} ' "$name")" = "$1 " ] || { rpm -q "$name"; return 1; }
	done
}

# The client, but for its identity; the identity, with all that is said about it; both, and what lies around.
client() {
	(cd $lc && find bin lib libs plugins jsp -printf '%p %y %U:%G %m %l\n' | sort
		find bin lib libs plugins jsp -type f -exec sha256sum {} + | sort)
}
identity() {
	(cd $lc && find cert configData data stc -printf '%p %y %U:%G %m %l\n' -type f -printf '%p %T@\n' | sort
		find cert configData data stc /etc/Chrystoki.conf -type f -exec sha256sum {} + | sort)
}
everything() {
	local places=(/etc /opt /usr/local)
	[ ! -e /usr/safenet ] || places+=(/usr/safenet)
	find "${places[@]}" -type f -exec sha256sum {} + | sort
	find "${places[@]}" -printf '%p %y %U:%G %m %l\n' | sort
}
# A file's inode and time of change say that nobody has been at it.
touched() {
	find /usr/safenet /etc /opt/okv-luna -type d -printf '%p %i %U:%G %m\n' -o -printf '%p %i %C@ %s\n' | sort
}

# Is it one of both, whole?
stands() {
	client >/tmp/client.now
	if cmp -s /tmp/client.old /tmp/client.now; then
		old=$((old + 1))
	elif cmp -s /tmp/client.new /tmp/client.now; then
		new=$((new + 1))
	else
		echo "after $point: neither client"
		return 1
	fi
}
no_leftovers() {
	local left
	left=$(find /usr/safenet -mindepth 1 -maxdepth 1 ! -name lunaclient ! -name .lunaclient.okv-luna
		[ ! -e /usr/safenet/.lunaclient.okv-luna ] ||
			find /usr/safenet/.lunaclient.okv-luna -mindepth 1 -maxdepth 1 ! -name previous)
	[ -z "$left" ] || { echo "left: $left"; return 1; }
}
client_remove() {
	# shellcheck disable=SC2086
	! rpm -q libcryptoki >/dev/null || rpm -e $network_set 2>/dev/null
	rm -rf /usr/safenet
}

# What the HSM's clients and their administrators leave in a client: NTLS, token, STC.
identity_make() {
	local file
	for file in cert/client/okv1Key.pem cert/client/okv1.pem cert/server/CAFile.pem configData/token/001/token.db \
		data/client_identities/okv1 stc/token/001/token.db; do
		mkdir -p "$lc/${file%/*}"
		head -c 3000 /dev/urandom >"$lc/$file"
		chown oracle:oinstall "$lc/$file"
		chmod 0640 "$lc/$file"
		touch -d '2021-02-03 04:05:06.789' "$lc/$file"
	done
	ln -sfn okv1.pem $lc/cert/client/current.pem
}

# Every name that a client is used by, again and again, by tests that start no process.
watch_start() {
	rm -f /tmp/watch.stop
	(
		looked=0 missed=0
		while [ ! -e /tmp/watch.stop ]; do
			[ -f $lc/lib/libCryptoki2_64.so ] && [ -f $lc/bin/vtl ] && [ -d $lc/cert/client ] ||
				missed=$((missed + 1))
			looked=$((looked + 1))
		done
		echo "$looked $missed" >/tmp/watch.said
	) &
}
watch_end() {
	touch /tmp/watch.stop
	wait $!
	read -r looked missed </tmp/watch.said
	echo "looked $looked times, missed $missed"
}

# A partition with its root key, OKV wired, owners and modes to policy; and OKV's own program at the key.
hsm() {
	$share/bin/hsm-init
	okv-luna config wire -q
	okv-luna repair -q
}
reached() {
	local wallet='' slots=''
	wallet=$(sudo -n -u oracle /usr/local/okv/hsm/bin/hsmclient open_wallet 2>&1) &&
		slots=$(okv-luna slots --label TPA01 2>&1) || { echo "$wallet $slots"; return 1; }
}

# Of the groups that nobody may take, whatever libarchive makes of them (tests/hostile/refuse has the same list): every
# eighth, and those of packings that are read in one piece.
hostile_some() {
	find /shared/hostile -type f ! -name arguments -printf '%f\n' | grep -E '^(name|link|hard|bomb|end|packed)-' | sort |
		awk 'NR % 8 == 0 || /[.](xz|bz2|zst)$/'
}

stock_install() {
	cat >/tmp/stock.spec <<-SPEC
		Name: okv-stock
		Version: 1
		Release: 1
		Summary: OKV's stock files
		License: none
		BuildArch: noarch
		%description
		OKV's stock files.
		%install
		mkdir -p %{buildroot}$generic
		cp $share/stock/* %{buildroot}$generic/
		%files
		$generic/*
	SPEC
	rpmbuild --quiet -bb --define '_topdir /tmp/rb' /tmp/stock.spec >/dev/null 2>&1
	rpm -U --replacefiles /tmp/rb/RPMS/noarch/okv-stock-1-1.noarch.rpm 2>/dev/null
}
