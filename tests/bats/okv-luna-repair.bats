#!/usr/bin/env bats
# okv-luna repair: owners, groups and modes to policy, and back.  Needs root.

bats_require_minimum_version 1.5.0

setup() {
	build=${BUILD:-$BATS_TEST_DIRNAME/../../build}
	[[ $build == /* ]] || build=$(cd "$BATS_TEST_DIRNAME/../.." && cd "$build" && pwd)
	repair=$build/libexec/okv-luna-repair
	tools=$BATS_TEST_DIRNAME/../repair
	root=$BATS_TEST_TMPDIR/root
	client=$root/usr/safenet/lunaclient
	local=$root/opt/okv-luna/etc/policy.d
	appliance
}

# A full client as its installation leaves it, with oracle in the group.
appliance() {
	mkdir -p "$root/etc" "$root/opt/okv-luna/share" "$local" \
		"$client"/{bin,lib,plugins,cert/client,cert/server,configData/token/001,data/x}
	cp -r "$BATS_TEST_DIRNAME/../../payload/policy" "$root/opt/okv-luna/share/"
	printf 'root:x:0:0::/root:/bin/sh\noracle:x:54321:54321::/home/oracle:/bin/sh\n' >"$root/etc/passwd"
	printf 'root:x:0:\noinstall:x:54321:\nhsmusers:x:986:oracle\n' >"$root/etc/group"
	for file in "$root/etc/Chrystoki.conf" "$client"/{bin/vtl,lib/libCryptoki2.so,plugins/libdpod.plugin} \
		"$client"/cert/{client/okv1Key.pem,client/okv1.pem,server/CAFile.pem} \
		"$client"/configData/token/001/token.db "$client"/data/{f,x/g}; do
		echo "$file" >"$file"
	done
	ln -s libCryptoki2.so "$client/lib/libCryptoki2_64.so"
	chmod -R u=rwX,go=rX "$root"
	chmod 0755 "$client/bin/vtl"
}

# "owner:group mode" of a part of the client, or of a full path.
state() {
	case $1 in
	/*) stat -c '%u:%g %04a' "$root$1" ;;
	*) stat -c '%u:%g %04a' "$client/$1" ;;
	esac
}

is() {
	local got
	got=$(state "$1") || return
	[ "$got" = "$2" ] || {
		echo "$1 is $got, not $2"
		return 1
	}
}

# All that stat knows of the tree but the times of access; what is ours has a place of its own.
everything() {
	find "$root" -path "$root/opt" -prune -o -printf '%P %U:%G %m %i %n %s %T@ %C@\n' | sort
}

nothing_made() {
	[ ! -e "$root/opt/okv-luna/var" ]
}

same_as_before() {
	diff <(echo "$before") <(everything)
}

policy() {
	printf '%s\n' "$@" >"$local/local.conf"
}

# --- end states -------------------------------------------------------------------------------------------------------

@test "guide, post-upgrade: the table of the guide, with set-gid and x bits on files" {
	run -0 "$repair" --root "$root"
	is /etc/Chrystoki.conf '0:986 0660'
	for part in bin bin/vtl lib lib/libCryptoki2.so plugins/libdpod.plugin; do is $part '0:0 0755'; done
	for part in cert cert/client cert/server configData configData/token configData/token/001 data; do
		is $part '0:986 2770'
	done
	for part in cert/client/okv1Key.pem cert/server/CAFile.pem configData/token/001/token.db; do
		is $part '0:986 0664'
	done
	for part in data/f data/x data/x/g; do is $part '0:986 2777'; done
}

@test "guide, pre-upgrade: the table of the guide" {
	"$repair" --root "$root" -q
	run -0 "$repair" --root "$root" --phase pre-upgrade
	is /etc/Chrystoki.conf '0:0 0644'
	for part in cert cert/client cert/client/okv1Key.pem configData configData/token/001/token.db; do
		is $part '0:0 0755'
	done
	for part in data data/f data/x data/x/g; do is $part '0:0 0777'; done
	is bin/vtl '0:0 0755'
}

@test "strict: the group reads, writes data only, and x stays with programs" {
	run -0 "$repair" --root "$root" --profile strict
	is /etc/Chrystoki.conf '0:986 0640'
	is cert/client '0:986 2750'
	is cert/client/okv1Key.pem '0:986 0640'
	is configData/token/001/token.db '0:986 0640'
	is data '0:986 2770'
	is data/f '0:986 0660'
	is bin/vtl '0:0 0755'
	is lib/libCryptoki2.so '0:0 0644'
	run -0 "$repair" --root "$root" --profile strict --phase pre-upgrade
	is /etc/Chrystoki.conf '0:54321 0640'
	is cert/client/okv1Key.pem '0:54321 0640'
	is cert '0:54321 0750'
	is data/f '0:54321 0660'
	is bin/vtl '0:0 0755'
}

@test "a directory keeps its set-id bits where the guide's chmod with a number keeps them" {
	chmod 06711 "$client/bin"
	chmod 04700 "$client/cert"
	"$repair" --root "$root" -q
	is bin '0:0 6755'
	is cert '0:986 6770'
}

@test "random trees: entry by entry what the guide's own commands make, idle when repeated, undone exactly" {
	run -0 python3 "$tools/trees" "$repair" 24
	[[ $output == *'all equal, second runs idle, undo exact; the guide followed links out of '* ]]
}

@test "random policies: entry by entry what systemd-tmpfiles makes of them" {
	run -0 python3 "$tools/tmpfiles" "$repair" 5
	[[ $output == '5 policies of '*' changed: all equal' ]]
}

# --- what it says -----------------------------------------------------------------------------------------------------

@test "one line per change, names for ids, paths within the client short" {
	chmod 0600 "$client/cert/client/okv1Key.pem"
	run -0 "$repair" --root "$root"
	[[ $output == *'cert/client/okv1Key.pem: root:root 0600 -> root:hsmusers 0664'* ]]
	[[ $output == *'/etc/Chrystoki.conf: root:root 0644 -> root:hsmusers 0660'* ]]
	[[ $output == *' entries changed by policy guide, post-upgrade'* ]]
	[ "$(grep -c -- ' -> ' <<<"$output")" -eq 17 ]
}

@test "odd names are shown printable, and repaired and undone all the same" {
	name=$'line\nfeed \'quoted\' \e[31m \\'
	echo x >"$client/data/$name"
	run -0 "$repair" --root "$root" --phase pre-upgrade
	[[ $output == *"data/line\\x0afeed \\'quoted\\' \\x1b[31m \\\\: root:root 0644 -> root:root 0777"* ]]
	[ "$(stat -c %a "$client/data/$name")" = 777 ]
	run -0 "$repair" --root "$root" --undo
	[ "$(stat -c %a "$client/data/$name")" = 644 ]
}

@test "--json is one object with every change" {
	run -0 --separate-stderr "$repair" --root "$root" --json
	jq -e '.changes | length == 17' <<<"$output"
	jq -e '.changes[] | select(.path == "/etc/Chrystoki.conf") |
		.old == {"owner": "root", "group": "root", "mode": "0644"} and
		.new == {"owner": "root", "group": "hsmusers", "mode": "0660"}' <<<"$output"
	jq -e '.exit == 0 and .changed == 17 and .links == 1 and .refused == 0 and .profile == "guide"' <<<"$output"
	run -0 --separate-stderr "$repair" --root "$root" --json
	jq -e '.changes == [] and .changed == 0 and .entries == 21' <<<"$output"
	run -2 --separate-stderr "$repair" --root "$root" --json --undo --check
	jq -e '.exit == 2 and .error.kind == "usage"' <<<"$output"
}

@test "--json is as its schema says: changes, drift, refusals, undo, wrong use; and the schema bites" {
	valid() { python3 "$BATS_TEST_DIRNAME/schema.py" "$BATS_TEST_DIRNAME/../../payload/schema/repair.schema.json"; }
	all=$BATS_TEST_TMPDIR/all
	sed -i /hsmusers/d "$root/etc/group"
	json() { "$repair" --root "$root" --json "$@" >>"$all" 2>"$BATS_TEST_TMPDIR/err" || true; }
	json --check
	json --dry-run --profile strict
	ln "$client/data/f" "$client/data/second"
	json
	json
	json --undo
	json --undo --check
	echo 'x /a' >"$local/bad.conf"
	json
	rm -r "$local/bad.conf" "$client"
	json
	run -0 valid <"$all"
	[ "$output" = 8 ]
	[ "$(jq -c .exit "$all" | paste -sd' ')" = '1 0 4 4 0 2 3 6' ]
	run ! valid < <(head -n 1 "$all" | jq '.changes[0].new.mode = "789"')
}

@test "--check and --dry-run show the same changes, change nothing, and differ in their status" {
	before=$(everything)
	run -1 --separate-stderr "$repair" --root "$root" --check
	checked=$(grep -- ' -> ' <<<"$output")
	[[ $stderr == *'17 of 21 entries do not match the policy'* ]]
	run -0 --separate-stderr "$repair" --root "$root" --dry-run
	[ "$(grep -- ' -> ' <<<"$output")" = "$checked" ]
	same_as_before
	nothing_made
	run -0 --separate-stderr "$repair" --root "$root"
	[ "$(grep -- ' -> ' <<<"$output" | sort)" = "$(sort <<<"$checked")" ]
	run -0 "$repair" --root "$root" --check
}

@test "a second run says so, leaves every ctime and makes no system call that could change something" {
	trace=$BATS_TEST_TMPDIR/trace
	changing='f?chmod|[fl]?chown|(un|sym)?link|rename|mkdir|rmdir|mknod|f?truncate|f?utime|[fl]?setxattr'
	changing="^[0-9]+ +($changing|[fl]?removexattr|fallocate|fsync|fdatasync)(|at|at2|64|ns|nsat|s)[(]"
	run -0 strace -f -qq -o "$trace" "$repair" --root "$root" -q
	[ "$(grep -cE "$changing" "$trace")" -gt 50 ]
	before=$(everything)
	run -0 strace -f -qq -o "$trace" "$repair" --root "$root"
	[[ $output == *'nothing to do: 21 entries match policy guide, post-upgrade'* ]]
	same_as_before
	run -1 grep -E "$changing" "$trace"
	run -1 grep -E 'O_CREAT|O_WRONLY|O_TRUNC|O_APPEND' "$trace"
	run -1 grep -E '(fork|clone|vfork)' "$trace"
	# The only thing written is what is said.
	run -1 sh -c "grep -E 'write(v|64|)[(]' '$trace' | grep -v 'write(1, '"
}

# --- settings and policies --------------------------------------------------------------------------------------------

@test "okv-luna.conf names client, configuration, group, user and profile" {
	mv "$client" "$root/usr/safenet/elsewhere"
	client=$root/usr/safenet/elsewhere
	mv "$root/etc/Chrystoki.conf" "$root/etc/Other.conf"
	printf 'hsm:x:777:okv\n' >>"$root/etc/group"
	printf 'okv:x:888:888::/:/bin/sh\n' >>"$root/etc/passwd"
	printf '%s\n' 'CLIENT_DIR="/usr/safenet/elsewhere"' 'CHRYSTOKI_CONF="/etc/Other.conf"' \
		'HSM_GROUP="hsm"' 'OKV_USER="okv"' 'PROFILE="strict"' >"$root/opt/okv-luna/etc/okv-luna.conf"
	run -0 "$repair" --root "$root"
	is cert/client/okv1Key.pem '0:777 0640'
	is /etc/Other.conf '0:777 0640'
	[[ $output == *'cert/client/okv1Key.pem: root:root 0644 -> root:hsm 0640'* ]]
}

@test "local policies come last, in order of their names, and later lines win" {
	echo 'z %{CLIENT_DIR}/data/f 0600' >"$local/20.conf"
	echo 'z %{CLIENT_DIR}/data/f 0640 oracle' >"$local/10.conf"
	echo 'z %{CLIENT_DIR}/data/f 0000' >"$local/30.conf.off"
	run -0 "$repair" --root "$root"
	is data/f '54321:986 0600'
	[ "$(grep -c '^data/f:' <<<"$output")" -eq 1 ]
}

@test "a local policy named after a phase counts for that phase only" {
	echo 'z %{CHRYSTOKI_CONF} 0640' >"$local/a.post-upgrade.conf"
	echo 'z %{CHRYSTOKI_CONF} 0600' >"$local/a.pre-upgrade.conf"
	"$repair" --root "$root" -q
	is /etc/Chrystoki.conf '0:986 0640'
	"$repair" --root "$root" -q --phase pre-upgrade
	is /etc/Chrystoki.conf '0:0 0600'
}

@test "a flawed policy is 3 with file and line, and nothing is changed, the group neither" {
	sed -i /hsmusers/d "$root/etc/group"
	before=$(everything)
	while IFS='|' read -r line part; do
		printf '%b' "# first\n$line\n" >"$local/bad.conf"
		run -3 "$repair" --root "$root"
		[[ $output == *"/opt/okv-luna/etc/policy.d/bad.conf:2: "*"$part"* ]] ||
			{ echo "$line: $output" && false; }
		rm "$local/bad.conf"
	done <<-'END'
		x /a 0644|unknown type
		Z+ /a 0644|unknown type
		z /a 0999|mode
		z /a 0644 nobody|unknown user 'nobody'
		z /a 0644 root nogroup|unknown group 'nogroup'
		z etc/x 0644|not absolute
		z /a\0b 0644|a NUL byte
		z /a/../etc 0644|'..'
		z %{NO_SUCH}/a 0644|unknown setting
	END
	{
		printf 'z /'
		head -c 5000 /dev/zero | tr '\0' a
	} >"$local/bad.conf"
	run -3 "$repair" --root "$root"
	[[ $output == *"bad.conf:1: the line has 5003 bytes"* ]]
	rm "$local/bad.conf"
	same_as_before
	nothing_made
}

@test "a policy that others can write is refused, with the command that fixes it" {
	policy 'z %{CHRYSTOKI_CONF} 0600'
	chmod 0666 "$local/local.conf"
	run -3 "$repair" --root "$root"
	[[ $output == *"chmod go-w '/opt/okv-luna/etc/policy.d/local.conf'"* ]]
	chmod 0644 "$local/local.conf"
	chown 5 "$local/local.conf"
	run -3 "$repair" --root "$root"
	is data '0:0 0755'
}

@test "no client, no policy: 6, and nothing is made" {
	mv "$client" "$BATS_TEST_TMPDIR/away"
	before=$(everything)
	run -6 "$repair" --root "$root"
	[[ $output == *"no Luna client in '/usr/safenet/lunaclient'"*'okv-luna extract'* ]]
	same_as_before
	nothing_made
	mv "$BATS_TEST_TMPDIR/away" "$client"
	rm -r "$root/opt/okv-luna/share"
	run -6 "$repair" --root "$root"
	[[ $output == *guide/post-upgrade.conf* ]]
	nothing_made
}

@test "parts that are not there are passed over" {
	rm -r "$client/plugins" "$client/cert/server" "$root/etc/Chrystoki.conf"
	run -0 "$repair" --root "$root" -v
	[[ $output == *"'/etc/Chrystoki.conf' is not there"* ]]
	is cert '0:986 2770'
}

@test "used wrongly: 2" {
	run -2 "$repair" --root "$root" --phase sometime
	run -2 "$repair" --root "$root" --profile none
	run -2 "$repair" --root "$root" --undo --phase pre-upgrade
	run -2 "$repair" --root "$root" --undo /etc
	run -6 "$repair" --root "$root/nowhere"
}

@test "a path is taken as it is printed" {
	run -0 "$repair" --root "$root" cert/client
	is cert/client/okv1Key.pem '0:986 0664'
	is cert/server/CAFile.pem '0:0 0644'
}

@test "with a path, only what lies at or below it is touched" {
	run -0 "$repair" --root "$root" /usr/safenet/lunaclient/cert/client /etc/Chrystoki.conf
	is cert/client '0:986 2770'
	is cert/client/okv1.pem '0:986 0664'
	is /etc/Chrystoki.conf '0:986 0660'
	is cert '0:0 0755'
	is cert/server/CAFile.pem '0:0 0644'
	run -0 "$repair" --root "$root" /usr/safenet/lunaclient/cert/server/CAFile.pem
	is cert/server/CAFile.pem '0:986 0664'
	run -3 "$repair" --root "$root" /usr/local
	[[ $output == *"no line of the policy applies to '/usr/local'"* ]]
	run -2 "$repair" --root "$root" ''
	run -0 "$repair" --root "$root" cert/server/CAFile.pem
	[[ $output == 'nothing to do: 1 entry matches policy guide, post-upgrade' ]]
	# The top has all that the policy has.
	run -1 "$repair" --root "$root" --check /
	run -0 "$repair" --root "$root" /
	run -0 "$repair" --root "$root" --check
	run -6 "$repair" --root "$root" /usr/safenet/lunaclient/cert/none
}

# --- what it leaves alone ---------------------------------------------------------------------------------------------

@test "planted links are reported, skipped and counted; what they lead to stays" {
	mkdir -m 0700 "$BATS_TEST_TMPDIR/out"
	echo s >"$BATS_TEST_TMPDIR/out/s"
	chmod 0600 "$BATS_TEST_TMPDIR/out/s"
	chmod 0777 "$client/data"
	ln -s "$BATS_TEST_TMPDIR/out" "$client/data/planted"
	ln -s "$BATS_TEST_TMPDIR/out/s" "$client/cert/client/planted.pem"
	chown -h 5 "$client/cert/client/planted.pem"
	run -0 --separate-stderr "$repair" --root "$root"
	[[ $stderr == *"'/usr/safenet/lunaclient/data/planted' is a symbolic link; left alone"* ]]
	[[ $stderr == *"'/usr/safenet/lunaclient/cert/client/planted.pem' is a symbolic link; left alone"* ]]
	[[ $stderr != *libCryptoki2_64.so* ]]
	[[ $output == *'3 symbolic links left alone'* ]]
	[ "$(stat -c '%u:%g %a' "$BATS_TEST_TMPDIR/out" "$BATS_TEST_TMPDIR/out/s")" = $'0:0 700\n0:0 600' ]
}

@test "a link where the policy names a path is refused, and the rest is done: 4" {
	mkdir "$BATS_TEST_TMPDIR/out"
	chmod 0700 "$BATS_TEST_TMPDIR/out"
	rm -r "$client/cert/client"
	ln -s "$BATS_TEST_TMPDIR/out" "$client/cert/client"
	mv "$root/etc/Chrystoki.conf" "$root/etc/real"
	ln -s real "$root/etc/Chrystoki.conf"
	run -4 "$repair" --root "$root"
	[[ $output == *"'/etc/Chrystoki.conf' is a symbolic link where the policy names a path"* ]]
	[[ $output == *"'/usr/safenet/lunaclient/cert/client' is a symbolic link where"* ]]
	is /etc/real '0:0 0644'
	[ "$(stat -c '%u:%g %a' "$BATS_TEST_TMPDIR/out")" = '0:0 700' ]
	is configData '0:986 2770'
}

@test "links of root above the client are followed, links that others made are not" {
	mv "$root/usr/safenet" "$root/usr/moved"
	ln -s moved "$root/usr/safenet"
	client=$root/usr/moved/lunaclient
	run -0 "$repair" --root "$root"
	is cert '0:986 2770'
	run -0 "$repair" --root "$root" --undo
	is cert '0:0 0755'
	chown -h 5 "$root/usr/safenet"
	run -3 "$repair" --root "$root"
	[[ $output == *"'/usr/safenet' is a symbolic link, which is not followed here"* ]]
	is cert '0:0 0755'
}

@test "a file with a second name is refused, counted and told, and the rest is done: 4" {
	echo outside >"$root/etc/victim"
	chmod 0600 "$root/etc/victim"
	ln "$root/etc/victim" "$client/data/planted"
	run -4 "$repair" --root "$root"
	[[ $output == *"'/usr/safenet/lunaclient/data/planted' has 2 names (hard links); left alone"* ]]
	[[ $output == *'1 of 22 entries were left alone'* ]]
	is /etc/victim '0:0 0600'
	is data/x/g '0:986 2777'
	run -1 "$repair" --root "$root" --check
	rm "$root/etc/victim"
	run -0 "$repair" --root "$root"
	is data/planted '0:986 2777'
}

@test "sockets and FIFOs are left alone and do not block" {
	mkfifo -m 0600 "$client/data/pipe"
	run -0 timeout 60 "$repair" --root "$root"
	[[ $output == *'1 special file left alone'* ]]
	is data/pipe '0:0 0600'
}

@test "mount points are not crossed: another file system, a bind mount of the same one, a bound file" {
	mkdir "$client/data/fs" "$client/data/bind" "$root/inner"
	touch "$root/inner/file" "$client/data/bound" "$root/bound"
	chmod 0700 "$root/inner"
	chmod 0600 "$root/inner/file" "$root/bound"
	run -0 --separate-stderr unshare -m sh -c '
		mount -t tmpfs -o mode=0700 tmpfs "$2/data/fs" && install -m 0600 /dev/null "$2/data/fs/file" &&
		mount --bind "$1/inner" "$2/data/bind" && mount --bind "$1/bound" "$2/data/bound" &&
		"$0" --root "$1" && stat -c "%u:%g %a" "$2/data/fs" "$2/data/fs/file"' "$repair" "$root" "$client"
	[[ $output == *$'0:0 700\n0:0 600' ]]
	for place in fs bind bound; do
		[[ $stderr == *"'/usr/safenet/lunaclient/data/$place' is a mount point and is not entered"* ]]
	done
	is /inner '0:0 0700'
	is /inner/file '0:0 0600'
	is /bound '0:0 0600'
	is data/x/g '0:986 2777'
}

@test "a read-only file system and an immutable file are told by name, and the rest is done: 4" {
	run -4 unshare -m sh -c '
		mount -t tmpfs tmpfs "$1/opt/okv-luna/etc" && mkdir -p "$1/opt/okv-luna/var" &&
		mount -t tmpfs tmpfs "$1/opt/okv-luna/var" && mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" &&
		mount -t tmpfs tmpfs "$1/opt/okv-luna/var" && exec "$0" --root "$1"' "$repair" "$root"
	[[ $output == *"'/usr/safenet/lunaclient/cert/client/okv1.pem' is on a read-only file system; mount it"* ]]
	is data '0:0 0755'

	run -4 unshare -m sh -c '
		mkdir "$2/away" && mv "$2/data" "$2/away/" && mkdir "$2/data" && mount -t tmpfs tmpfs "$2/data" &&
		cp -a "$2/away/data/." "$2/data/" && chattr +i "$2/data/f" && chattr +a "$2/data/x" &&
		"$0" --root "$1"; status=$?; chattr -i "$2/data/f"; chattr -a "$2/data/x"; exit $status' \
		"$repair" "$root" "$client"
	[[ $output == *"'/usr/safenet/lunaclient/data/f' is immutable; fix: chattr -i '/usr/safenet/lunaclient/data/f'"* ]]
	[[ $output == *"'/usr/safenet/lunaclient/data/x' is append-only; fix: chattr -a "* ]]
	is cert '0:986 2770'
}

@test "a directory above that others can write is reported with the command that fixes it" {
	chmod 0777 "$root/usr/safenet"
	chown 5 "$client"
	run -4 --separate-stderr "$repair" --root "$root"
	[[ $stderr == *"'/usr/safenet' can be written by others (mode 0777)"*"fix: chmod go-w '/usr/safenet'"* ]]
	[[ $stderr == *"'/usr/safenet/lunaclient' belongs to user id 5"*"chown root '/usr/safenet/lunaclient'"* ]]
	[ "$(grep -c "'/usr/safenet' can be written" <<<"$stderr")" -eq 1 ]
	run -1 "$repair" --root "$root" --check
	[ "$("$repair" --root "$root" --check --json 2>/dev/null | jq -c '[.left[] | .path, .why]')" = \
		'["/usr/safenet/lunaclient","parent","/usr/safenet","parent"]' ]
	chmod 0755 "$root/usr/safenet"
	chown 0 "$client"
	run -0 --separate-stderr "$repair" --root "$root"
	[ -z "$stderr" ]
}

@test "settings and records of ours that others can write are reported, each with the command that fixes it" {
	mkdir -p "$root/opt/okv-luna/etc"
	echo 'MIN_SLOTS="1"' >"$root/opt/okv-luna/etc/okv-luna.conf"
	"$repair" --root "$root" -q
	for file in /opt/okv-luna/etc/okv-luna.conf /opt/okv-luna/etc /opt/okv-luna/var /opt/okv-luna; do
		good=$(stat -c %a "$root$file")
		for fault in 'chmod o+w' 'chown 0:5' 'chown 5'; do
			$fault "$root$file"
			[ "$fault" != 'chown 0:5' ] || chmod g+w "$root$file"
			run -1 --separate-stderr "$repair" --root "$root" --check --json
			[ "$(jq -c '.left' <<<"$output")" = "[{\"path\":\"$file\",\"why\":\"parent\"}]" ]
			run -4 --separate-stderr "$repair" --root "$root"
			fix=$(sed -n 's/.*fix: //p' <<<"$stderr" | sed "s|'/opt|'$root/opt|g")
			[ -n "$fix" ]
			eval "$fix"
			run -0 "$repair" --root "$root" --check
			chown 0:0 "$root$file"
			chmod "$good" "$root$file"
		done
	done
	# Stricter than delivered is no finding.
	chmod 0600 "$root/opt/okv-luna/etc/okv-luna.conf"
	run -0 "$repair" --root "$root" --check
}

@test "what Chrystoki.conf names outside the client: a key that others can read or write, what else they can write" {
	mkdir "$root/etc/keys"
	for file in key.pem key2.pem ca.pem ssl.cnf log; do
		echo x >"$root/etc/keys/$file"
		chown 0:986 "$root/etc/keys/$file"
		chmod 0640 "$root/etc/keys/$file"
	done
	ln -s key.pem "$root/etc/keys/link.pem"
	cat >"$root/etc/Chrystoki.conf" <<-'E'
		LunaSA Client = {
		   ClientPrivKeyFile = /etc/keys/link.pem;
		   LNHServerClientKey03 = /etc/keys/key2.pem;
		   ServerCAFile = /etc/keys/ca.pem;
		   SSLConfigFile = /etc/keys/ssl.cnf;
		}
		CkLog2 = {
		   File = /etc/keys/log;
		}
	E
	"$repair" --root "$root" --profile strict -q
	# wrong OWNER:GROUP MODE FILE PROFILE SAYS, and it is the only one
	wrong() {
		chown "$1" "$root/etc/keys/$3"
		chmod "$2" "$root/etc/keys/$3"
		before=$(stat -c '%u:%g %a' "$root/etc/keys/$3")
		run -1 --separate-stderr "$repair" --root "$root" --profile "$4" --check --json
		[ "$(jq -c '.left' <<<"$output")" = "[{\"path\":\"/etc/keys/$3\",\"why\":\"parent\"}]" ]
		run -4 "$repair" --root "$root" --profile "$4"
		[[ $output == *"'/etc/keys/$3', which '/etc/Chrystoki.conf' names, $5; fix: ch"* ]]
		[ "$(stat -c '%u:%g %a' "$root/etc/keys/$3")" = "$before" ]
		# As typed, but for the folder that is the root, and the group that only that knows.
		fix=$(sed -n 's/.*fix: //p' <<<"$output" | sed "s|'/etc|'$root/etc|g; s/:hsmusers/:986/")
		eval "$fix"
		run -0 "$repair" --root "$root" --profile "$4" --check
	}
	for profile in strict guide; do
		"$repair" --root "$root" --profile $profile -q
		run -0 "$repair" --root "$root" --profile $profile --check
		wrong 0:986 0666 key.pem $profile 'can be written by others (mode 0666)'
		wrong 54321:54321 0600 key.pem $profile 'belongs to user id 54321, who can replace it'
		# OKV's user can read it after the remedy.
		[ "$(stat -c '%u:%g %a' "$root/etc/keys/key.pem")" = '0:986 640' ]
		wrong 0:986 0642 key2.pem $profile 'can be written by others (mode 0642)'
		wrong 0:986 0646 ca.pem $profile 'can be written by others (mode 0646)'
		wrong 7:0 0600 ssl.cnf $profile 'belongs to user id 7, who can replace it'
		# What is written by the client, and what everybody may read.
		chmod 0666 "$root/etc/keys/log"
		chmod 0644 "$root/etc/keys/ca.pem"
		run -0 "$repair" --root "$root" --profile $profile --check
	done
	"$repair" --root "$root" --profile strict -q
	wrong 0:0 0644 key.pem strict 'can be read by others (mode 0644)'
	wrong 0:986 0660 key2.pem strict 'can be written by others (mode 0660)'
	acl "$root/etc/keys/key.pem" 1::6 2:5:4 4::4 10::4 20::0
	run -1 "$repair" --root "$root" --profile strict --check
	[[ $output == *"'/etc/keys/key.pem': its ACL lets user id 5 read"* ]]
}

# acl FILE ENTRY...: as setfacl would; entries are TAG:ID:BITS with the tags of acl(5) as numbers; ID may be empty.
acl() {
	python3 - "$@" <<-'E'
		import os, struct, sys
		bits = struct.pack('<I', 2)
		for entry in sys.argv[2:]:
		    tag, number, allows = entry.split(':')
		    bits += struct.pack('<HHI', int(tag, 16), int(allows), int(number or 0xffffffff))
		os.setxattr(sys.argv[1], 'system.posix_acl_access', bits)
	E
}

@test "strict: what an ACL gives away, or takes from the group, is named and counted, and never blessed" {
	"$repair" --root "$root" --profile strict -q
	check() { "$repair" --root "$root" --profile strict --check "$@"; }
	run -0 check
	key=$client/cert/client/okv1Key.pem
	acl "$key" 1::6 2:5:4 4::4 10::4 20::0
	run -1 check
	[[ $output == *"/cert/client/okv1Key.pem': its ACL lets user id 5 read, which the policy does not allow; "*setfacl* ]]
	[[ $output == *"1 of 22 entries do not match the policy"* ]]
	[ "$(check --json 2>/dev/null | jq -c '.left, .acls')" = \
		'[{"path":"/usr/safenet/lunaclient/cert/client/okv1Key.pem","why":"acl"}]'$'\n1' ]
	run -4 "$repair" --root "$root" --profile strict
	# What OKV's user may do as one of the group is nobody's gift.
	acl "$key" 1::6 2:54321:4 4::4 10::4 20::0
	run -0 check
	acl "$key" 1::6 4::4 8:5:4 10::4 20::0
	run -1 check
	[[ $output == *"its ACL lets group id 5 read"* ]]
	# The group shows as allowed, by the mask, and is not.
	acl "$key" 1::6 2:54321:4 4::0 10::4 20::0
	run -1 check
	[[ $output == *"its ACL does not let its group read, which the policy allows; "*setfacl* ]]
	# A mask that takes the group's right is set with the mode.
	acl "$key" 1::6 2:54321:4 4::4 10::0 20::0
	run -0 "$repair" --root "$root" --profile strict
	is cert/client/okv1Key.pem '0:986 0640'
	# Above the client, too.
	acl "$root/usr/safenet" 1::7 2:5:7 4::5 10::7 20::5
	run -1 check
	[[ $output == *"'/usr/safenet': its ACL lets user id 5 write"* ]]
	# OKV's user may come to the key, and exchange nothing on the way.
	acl "$root/usr/safenet" 1::7 2:54321:7 4::5 10::7 20::5
	run -1 check
	[[ $output == *"'/usr/safenet': its ACL lets user id 54321 write"* ]]
}

@test "an ACL is that of the entry named, also where other directories have an entry of that name" {
	local directories=(cert/client cert/server cert/deep cert/deep/below data configData) left
	mkdir -p "$client"/cert/deep/below
	for directory in "${directories[@]}"; do
		echo x >"$client/$directory/same.pem"
	done
	"$repair" --root "$root" --profile strict -q
	for directory in "${directories[@]}"; do
		file=$client/$directory/same.pem
		was=$(stat -c %a "$file")
		acl "$file" 1::6 2:5:4 4::4 10::4 20::0
		left=$("$repair" --root "$root" --profile strict --check --json 2>/dev/null | jq -r '.left[].path') || true
		[ "$left" = "/usr/safenet/lunaclient/$directory/same.pem" ]
		acl "$file" 1::6 4::4 20::0
		chmod "$was" "$file"
	done
	run -0 "$repair" --root "$root" --profile strict --check
}

@test "strict covers the whole client, whatever is in it" {
	mkdir "$client"/{etc,jsp}
	for file in setenv openssl.cnf etc/openssl.cnf jsp/x.jar server-certificate.pem Chrystoki-base.conf; do
		echo x >"$client/$file"
	done
	chmod 0666 "$client"/{openssl.cnf,etc/openssl.cnf,jsp/x.jar,server-certificate.pem,Chrystoki-base.conf}
	chmod 0777 "$client"/setenv "$client"/jsp "$client"
	chown 54321 "$client" "$client/etc"
	run -1 "$repair" --root "$root" --profile strict --check
	run -0 "$repair" --root "$root" --profile strict
	is '' '0:0 0755'
	is jsp '0:0 0755'
	is setenv '0:986 0750'
	for file in openssl.cnf etc/openssl.cnf jsp/x.jar server-certificate.pem Chrystoki-base.conf; do
		is "$file" '0:986 0640'
	done
	run -0 "$repair" --root "$root" --profile strict --check
	run -0 "$repair" --root "$root" --profile strict --phase pre-upgrade
	is jsp/x.jar '0:54321 0640'
	is bin/vtl '0:0 0755'
}

@test "others' bytes get no owner, set-id or x bit: a stranger's file, one written while everybody could, one that is open" {
	echo quiet >"$client/data/quiet"
	"$repair" --root "$root" -q --phase pre-upgrade
	cp /bin/true "$client/data/planted"
	chmod 0777 "$client/data/planted"
	chown 65534 "$client/data/planted"
	echo theirs >"$client/data/f"
	exec 7<>"$client/data/x/g"
	run -4 "$repair" --root "$root"
	exec 7>&-
	[[ $output == *"'/usr/safenet/lunaclient/data/planted' belongs to user id 65534, neither root nor 'oracle'"* ]]
	[[ $output == *"'/usr/safenet/lunaclient/data/f' was written while everybody could"* ]]
	[[ $output == *"'/usr/safenet/lunaclient/data/x/g' is being written by others"* ]]
	is data/planted '65534:0 0777'
	is data/f '0:0 0777'
	is data/x/g '0:0 0777'
	is data/quiet '0:986 2777'
	# As long as it is there it is told; what was only open is done.
	run -4 "$repair" --root "$root"
	is data/x/g '0:986 2777'
	[ "$("$repair" --root "$root" --check --json 2>/dev/null | jq -c '[.left[].why]')" = '["stranger","stranger"]' ]
	rm "$client/data/planted"
	chmod o-w "$client/data/f"
	run -0 "$repair" --root "$root"
	is data/f '0:986 2777'
	[ ! -e "$root/opt/okv-luna/var/repair/opened" ]
}

@test "where it is not known since when everybody could write, no file that they can is trusted" {
	"$repair" --root "$root" -q --phase pre-upgrade
	echo x >"$root/opt/okv-luna/var/repair/opened"
	run -4 "$repair" --root "$root"
	[[ $output == *"'/usr/safenet/lunaclient/data/f' was written while everybody could"* ]]
	is data/f '0:0 0777'
	chmod -R o-w "$client/data"
	run -0 "$repair" --root "$root"
	is data/f '0:986 2777'
	[ ! -e "$root/opt/okv-luna/var/repair/opened" ]
}

@test "a hostile file name adds no command to a remedy, and the remedy is typed as it is printed" {
	local name names=("x'; touch pwned; '" 'x; fix: touch pwned' $'x\ny' '$(touch pwned)' 'a\x41' 'two words')
	for name in "${names[@]}"; do
		cp /bin/true "$client/data/$name"
		chown 65534 "$client/data/$name"
	done
	run -4 "$repair" --root "$root"
	cd "$BATS_TEST_TMPDIR"
	# As root would paste it on the machine itself: below the tree it is a path from the root.
	grep -o "or if it is yours: chown root .*" <<<"$output" | sed 's/^.*yours: //' >typed
	[ "$(wc -l <typed)" -eq "${#names[@]}" ]
	sed -i "s|^chown root \(\$\?\)'|&$root|" typed
	bash -e typed
	[ ! -e pwned ]
	[ -z "$(find "$client/data" -user 65534)" ]
	run -0 "$repair" --root "$root"
}

@test "where others may write, the walk is bounded, by depth and by count, and the rest is done" {
	deep=$client/data
	for _ in $(seq 80); do deep+=/d; done
	mkdir -p "$deep"
	run -4 "$repair" --root "$root" -q
	[[ $output == *"is more than 64 directories deep"* ]]
	mkdir "$client/data/many"
	(cd "$client/data/many" && seq 21000 | xargs touch)
	run -4 "$repair" --root "$root" -q
	[[ $output == *"more than 20000 entries where others may write"* ]]
	is cert '0:986 2770'
}

# --- the group --------------------------------------------------------------------------------------------------------

@test "a missing group is made as a system group and oracle added, with the system's own tools" {
	sed -i /hsmusers/d "$root/etc/group"
	: >"$root/etc/gshadow"
	before=$(everything)
	run -1 "$repair" --root "$root" --check
	[[ $output == *"group 'hsmusers' would be made"*"user 'oracle' would be added to group 'hsmusers'"* ]]
	[[ $output == *'-> root:hsmusers 0660'* ]]
	same_as_before
	run -0 "$repair" --root "$root"
	[[ $output == *"group 'hsmusers' made with id "*"user 'oracle' added to group 'hsmusers'"* ]]
	[[ $output == *'-> root:hsmusers 0660'* ]]
	gid=$(sed -n 's/^hsmusers:x:\([0-9]*\):oracle$/\1/p' "$root/etc/group")
	[ "$gid" -gt 0 ] && [ "$gid" -lt 1000 ]
	grep -q '^hsmusers:.*oracle' "$root/etc/gshadow"
	is cert "0:$gid 2770"
	run -0 "$repair" --root "$root"
	[[ $output == *'nothing to do'* ]]
}

@test "a complete tree is served by its own tools, run inside it" {
	sed -i /hsmusers/d "$root/etc/group"
	for tool in /usr/sbin/groupadd /usr/bin/gpasswd; do
		for file in $tool $(ldd $tool | grep -o '/[^ ]*'); do
			mkdir -p "$root$(dirname "$file")"
			cp -L "$file" "$root$file"
		done
	done
	run -0 strace -f -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=chroot,execve "$repair" --root "$root" -q
	trace=$(cat "$BATS_TEST_TMPDIR/trace")
	[[ $trace == *'execve("/usr/sbin/groupadd", ["/usr/sbin/groupadd", "-r", "hsmusers"]'* ]]
	[[ $trace == *'execve("/usr/bin/gpasswd", ["/usr/bin/gpasswd", "--add", "oracle", "hsmusers"]'* ]]
	[ "$(grep -c 'chroot("[.]") *= 0' <<<"$trace")" -eq 2 ]
	grep -q '^hsmusers:x:[0-9]*:oracle$' "$root/etc/group"
}

@test "without the tools anywhere, and without OKV's user: 6, in one sentence" {
	sed -i /hsmusers/d "$root/etc/group"
	for file in "$repair" $(ldd "$repair" | grep -o '/[^ ]*'); do
		mkdir -p "$root$(dirname "$file")"
		cp -L "$file" "$root$file"
	done
	mkdir "$root/proc"
	run -6 unshare -m sh -c 'mount --bind /proc "$1/proc" && exec chroot "$1" "$0"' "$repair" "$root"
	[[ $output == *'there is no groupadd, neither in this tree nor on this system'* ]]
	sed -i /oracle/d "$root/etc/passwd"
	printf 'hsmusers:x:986:\n' >>"$root/etc/group"
	run -6 "$repair" --root "$root"
	[[ $output == *"there is no user 'oracle'; set OKV_USER in okv-luna.conf"* ]]
	is cert '0:0 0755'
}

@test "running processes of oracle that lack the group are told, with the reboot rule; others are not" {
	cat >"$BATS_TEST_TMPDIR/daemon.py" <<-'END'
		import os, sys
		os.chroot(sys.argv[1])
		os.setgroups([int(g) for g in sys.argv[2].split(",")])
		os.setgid(54321)
		os.setuid(54321)
		print(flush=True)
		sys.stdin.read()
	END
	coproc LACKING { exec python3 "$BATS_TEST_TMPDIR/daemon.py" "$root" 54321; }
	lacking=$LACKING_PID in=${LACKING[1]}
	read -r -u "${LACKING[0]}" _
	run -0 --separate-stderr "$repair" --root "$root"
	[[ $stderr == *"process $lacking (python3) of user 'oracle' still lacks group 'hsmusers'"* ]]
	[[ $stderr == *'once okv-luna slots shows the slots, reboot'* ]]
	# Of another tree, though the numbers are the same.
	run -0 --separate-stderr "$repair" --root "$root" --dry-run
	[[ $stderr == *"process $lacking "* ]]
	cp -a "$root" "$BATS_TEST_TMPDIR/other"
	run -0 --separate-stderr "$repair" --root "$BATS_TEST_TMPDIR/other"
	[ -z "$stderr" ]
	exec {in}>&-
	wait "$lacking" || true
	coproc HAVING { exec python3 "$BATS_TEST_TMPDIR/daemon.py" "$root" 54321,986; }
	having=$HAVING_PID in=${HAVING[1]}
	read -r -u "${HAVING[0]}" _
	run -0 --separate-stderr "$repair" --root "$root"
	exec {in}>&-
	wait "$having" || true
	[ -z "$stderr" ]
}

# --- undo, kills, races -----------------------------------------------------------------------------------------------

@test "undo puts back each repair in turn, and then there is nothing to undo" {
	run -6 "$repair" --root "$root" --undo
	nothing_made
	# All but the time of the last change, which nobody can set.
	start=$(everything | sed 's/ [0-9.]*$//')
	"$repair" --root "$root" -q
	middle=$(everything | sed 's/ [0-9.]*$//')
	"$repair" --root "$root" -q --phase pre-upgrade
	run -0 "$repair" --root "$root" --undo --dry-run
	[[ $output == *'entries would be put back'* ]]
	run -0 "$repair" --root "$root" --undo
	[ "$(everything | sed 's/ [0-9.]*$//')" = "$middle" ]
	run -0 "$repair" --root "$root" --undo
	[ "$(everything | sed 's/ [0-9.]*$//')" = "$start" ]
	run -6 "$repair" --root "$root" --undo
	[[ $output == *'there is no repair to undo'* ]]
}

@test "undo leaves alone what somebody changed or replaced since: 4" {
	"$repair" --root "$root" -q
	chmod 0400 "$client/data/f"
	cp "$client/cert/client/okv1.pem" "$client/new" && mv "$client/new" "$client/cert/client/okv1.pem"
	rm "$client/data/x/g"
	run -4 "$repair" --root "$root" --undo --dry-run
	[[ $output == *"'/usr/safenet/lunaclient/data/f' has changed since the repair looked at it"* ]]
	run -4 "$repair" --root "$root" --undo
	[[ $output == *"'/usr/safenet/lunaclient/data/f' has changed since the repair looked at it"* ]]
	[[ $output == *"'/usr/safenet/lunaclient/cert/client/okv1.pem' has changed since the repair looked at it"* ]]
	[[ $output =~ 'okv-luna-repair: 2 of '([0-9]+)' entries were left alone' && ${BASH_REMATCH[1]} -gt 2 ]]
	is data/f '0:986 0400'
	is cert/client/okv1Key.pem '0:0 0644'
	run -6 "$repair" --root "$root" --undo
}

@test "the journal is complete and synced before the first change" {
	trace=$BATS_TEST_TMPDIR/trace
	run -0 strace -f -qq -y -o "$trace" -e trace=fchmod,fchown,fsync,write "$repair" --root "$root" -q
	first=$(grep -nE '(fchmod|fchown)\([0-9]+<[^>]*/(lunaclient|Chrystoki)' "$trace" | head -n 1 | cut -d: -f1)
	synced=$(grep -nE 'fsync\([0-9]+<[^>]*/var/repair(/[0-9]*[.]begun)?>' "$trace" | tail -n 1 | cut -d: -f1)
	[ "$(grep -cE 'fsync\(' "$trace")" -eq 2 ]
	[ "$synced" -lt "$first" ]
	run -0 tail -n 1 "$root/opt/okv-luna/var/repair/00000001.done"
	[ "$output" = 'end 17' ]
}

@test "a journal that cannot be written stops the repair before the first change: 5" {
	"$repair" --root "$root" -q
	"$repair" --root "$root" -q --undo
	before=$(everything)
	run -5 unshare -m sh -c 'mount -t tmpfs -o size=4k tmpfs "$1/opt/okv-luna/var" &&
		mkdir "$1/opt/okv-luna/var/repair" &&
		{ cat /dev/zero >"$1/opt/okv-luna/var/full" 2>/dev/null || true; } &&
		exec "$0" --root "$1"' "$repair" "$root"
	[[ $output == *'No space left'* ]]
	same_as_before
}

@test "a damaged journal stops the next repair until it is removed, as the fix says" {
	"$repair" --root "$root" -q
	chmod 0600 "$client/data/f"
	printf '%s\n' 'okv-luna repair journal 1' 'f 1 2 what' 'end 1' >"$root/opt/okv-luna/var/repair/00000007.begun"
	run -3 "$repair" --root "$root"
	[[ $output == *"line 2 of '/opt/okv-luna/var/repair/00000007.begun' is damaged; fix: rm /"* ]]
	rm "$root${output##*fix: rm }"
	run -0 "$repair" --root "$root"
	is data/f '0:986 2777'
}

@test "killed here and there, it leaves nothing looser, is finished by the next run and undone exactly" {
	calls=fchmod,fchown,write,fsync,renameat,unlinkat
	SCRATCH=$BATS_TEST_TMPDIR run -0 python3 "$tools/kill" "$repair" 2 17 $calls
	[[ $output == *'never looser, always finished, always undone exactly' ]]
}

@test "no state that a trace shows lets anybody in whom neither end state lets in" {
	run -0 python3 "$tools/window" "$repair" 3
	[[ $output == *'no window; a naive repair had one on '* ]]
}

@test "hostile users swap directories for links and plant hard links: nothing outside changes, and the guide is hit" {
	gcc -O2 -D_GNU_SOURCE -o "$BATS_TEST_TMPDIR/race" "$tools/race.c"
	run -0 unshare -m sh -c '
		mount -t tmpfs tmpfs /mnt && cp -a "$1" /mnt/ours && cp -a "$1" /mnt/guide &&
		"$2" 300 /mnt/ours "$0" --root /mnt/ours -q && "$2" 30 /mnt/guide "$3" /mnt/guide post-upgrade' \
		"$repair" "$root" "$BATS_TEST_TMPDIR/race" "$tools/guide"
	[ "${lines[0]}" = '300 rounds, 0 changes outside, 0 commands failed badly' ]
	[[ ${lines[1]} =~ ^30\ rounds,\ ([0-9]+)\ changes ]] && [ "${BASH_REMATCH[1]}" -gt 0 ]
}

@test "where SELinux is enabled, restorecon gets exactly what was touched; elsewhere nothing is started" {
	mkdir -p "$root/sys/fs/selinux" "$root/usr/sbin"
	# Stands for the kernel's and the system's part, which a machine without SELinux has not.
	cat >"$BATS_TEST_TMPDIR/restorecon.c" <<-'END'
		#include <stdio.h>
		int main(int argc, char **argv)
		{
			FILE *said = fopen("/said", "a");
			for (int i = 1; i < argc; i++)
				fprintf(said, "%s ", argv[i]);
			for (int c; (c = getchar()) != EOF;)
				putc(c == 0 ? '\n' : c, said);
			return fclose(said) != 0;
		}
	END
	gcc -static -o "$root/usr/sbin/restorecon" "$BATS_TEST_TMPDIR/restorecon.c"
	"$repair" --root "$root" -q /etc/Chrystoki.conf
	[ ! -e "$root/said" ]
	echo 1 >"$root/sys/fs/selinux/enforce"
	"$repair" --root "$root" -q /usr/safenet/lunaclient/cert/client
	[ "$(cat "$root/said" | head -n 1)" = '-i -0 -f - /usr/safenet/lunaclient/cert/client' ]
	[ "$(sed 1d "$root/said" | sort | paste -sd' ')" = \
		'/usr/safenet/lunaclient/cert/client/okv1.pem /usr/safenet/lunaclient/cert/client/okv1Key.pem' ]
	rm "$root/usr/sbin/restorecon" "$root/said"
	run -4 "$repair" --root "$root"
	[[ $output == *'SELinux is enabled, but there is no restorecon'* ]]
}
