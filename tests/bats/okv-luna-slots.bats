#!/usr/bin/env bats
# okv-luna slots: table, choice, trust, environment, diagnosis, JSON and the timer's unit.

bats_require_minimum_version 1.5.0

load eventually

setup_file() {
	. "$BATS_TEST_DIRNAME/../doubles/doubles.bash"
	export SLOTS=${BUILD:-$BATS_TEST_DIRNAME/../../build}/libexec/okv-luna-slots
	export DOUBLES=$BATS_FILE_TMPDIR/doubles
	"$BATS_TEST_DIRNAME/../doubles/build" "$DOUBLES" honest early no-slots slots-many label-unpadded print-stdout \
		no-token mirror-identity mirror-environment mirror-process hang-initialize crash-initialize pin-final-try \
		exit3-needs-there needs-pipe ha-whole ha-away ha-less ha-stale ha-untold ha-old ha-any-serial ha-members ha-member \
		ha-partition ha-stranger ha-behind ha-apart key-which key-beside needs-nsl needs-missing \
		init-vendor-error first-empty not-initialised program no-pkcs11
	openssl req -x509 -newkey rsa:2048 -nodes -days 900 -subj /CN=okv -keyout "$BATS_FILE_TMPDIR/okvKey.pem" \
		-out "$BATS_FILE_TMPDIR/okv.pem" 2>/dev/null
}

setup() {
	. "$BATS_TEST_DIRNAME/../doubles/doubles.bash"
	TREE=$BATS_TEST_TMPDIR/tree
	doubles_tree "$TREE" "$DOUBLES"
	GENERIC=$TREE/usr/local/okv/hsm/generic
	printf 'PKCS11_LIB_LOC="/doubles/honest.so"\n' >"$GENERIC/okv_hsm.conf"
	printf 'ChrystokiConfigurationPath="/etc"\n' >"$GENERIC/okv_hsm_env"
}

slots() {
	"$SLOTS" --root "$TREE" --timeout 20 "$@"
}

# Runs slots, and expects that exit status.
expect() {
	local status_wanted=$1
	shift
	run slots "$@"
	echo "exit $status (wanted $status_wanted): $output"
	[ "$status" -eq "$status_wanted" ]
}

# The output has these words.
said() {
	[[ $output == *"$1"* ]] || {
		printf 'not said: %s\n' "$1"
		return 1
	}
}

# --- the table ----------------------------------------------------------------------------------------------------

@test "the table is vtl's of clients 7 and 10, to the character" {
	slots >"$BATS_TEST_TMPDIR/out"
	cat >"$BATS_TEST_TMPDIR/wanted" <<-'END'
	Number of slots: 1

	The following slots were found:

	Slot Description          Label                            Serial #         Status
	==== ==================== ================================ ================ ============
	   0 Net Token Slot       partition-01                     3423358          Present
	END
	diff "$BATS_TEST_TMPDIR/wanted" "$BATS_TEST_TMPDIR/out"
}

@test "a slot without a token is shown as not present, and is no answer" {
	slots --module /doubles/no-token.so >"$BATS_TEST_TMPDIR/out" || [ $? -eq 1 ]
	sed '1,5d' "$BATS_TEST_TMPDIR/out" | diff - <(cat <<-'END'
	==== ==================== ================================ ================ ============
	   0 -                    -                                -                Not present
	END
	)
	expect 1 --module /doubles/no-token.so
}

@test "no slots: the number, no table, exit 1 and what that means of a Luna client" {
	run --separate-stderr slots --module /doubles/no-slots.so
	[ "$status" -eq 1 ]
	[ "$output" = 'Number of slots: 0' ]
	[[ $stderr == *"user 'oracle' sees no slot; a Luna client that cannot read its configuration"* ]]
}

@test "control bytes and bytes that are no text cannot leave their column" {
	slots --module /doubles/label-unpadded.so >"$BATS_TEST_TMPDIR/out"
	# Eight times \x1b in 32 columns, four times \xff in 16.
	grep -qxF '   0 Net Token Slot       \x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b \xff\xff\xff\xff Present' \
		"$BATS_TEST_TMPDIR/out"
}

@test "what the library prints is on our standard error as a warning, not on standard output" {
	run --separate-stderr slots --module /doubles/print-stdout.so
	[ "$status" -eq 0 ]
	[[ $output != *'line of its own'* ]]
	[[ $stderr == *"the library printed "*"beginning with 'a line of its own'"* ]]
}

@test "--quiet prints nothing of a good answer" {
	run slots -q
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

# --- which token --------------------------------------------------------------------------------------------------

@test "--label, --serial and --min: there, not there, too few" {
	expect 0 --label partition-01
	expect 0 --serial 3423358
	expect 0 --label partition-01 --serial 3423358
	expect 1 --label partition-02
	said "user 'oracle' sees no token with label 'partition-02' among 1 usable"
	expect 1 --label partition-01 --serial 1
	said "no token with label 'partition-01' and serial number '1'"
	expect 1 --min 2
	[[ $output == *'sees 1 usable token'*'and 2 are required'* ]]
	expect 0 --min 300 --module /doubles/slots-many.so
	expect 1 --min 301 --module /doubles/slots-many.so
}

@test "the slot that OKV takes is told: the first, or the first of that label" {
	expect 0 -v --module /doubles/ha-apart.so
	said "OKV takes slot 0, 'other' (999), the first in its list"
	expect 0 -v --module /doubles/ha-apart.so --label two
	said "OKV takes slot 2, 'two' (222), the first in its list with that label"
	slots --json --module /doubles/ha-apart.so --label okv_ha | jq -e '.taken == 3'
}

@test "TOKEN_LABEL and MIN_SLOTS of the settings count where no option says otherwise" {
	printf 'TOKEN_LABEL="other"\n' >"$TREE/opt/okv-luna/etc/okv-luna.conf"
	expect 1
	expect 0 --label partition-01
	expect 0 --serial 3423358
	printf 'MIN_SLOTS="2"\n' >"$TREE/opt/okv-luna/etc/okv-luna.conf"
	expect 1
	expect 0 --min 1
}

# --- what the child is --------------------------------------------------------------------------------------------

label_of() {
	slots --json --module "/doubles/$1.so" | jq -r '.slots[0].token.label'
}

@test "the library runs as OKV's user with the groups of the files under the root" {
	[ "$(label_of mirror-identity)" = "$DOUBLES_USER:$DOUBLES_USER,990,991,$DOUBLES_USER" ]
	sed -i 's/root,oracle/root/' "$TREE/etc/group"
	[ "$(label_of mirror-identity)" = "$DOUBLES_USER:$DOUBLES_USER,991,$DOUBLES_USER" ]
	run -0 slots --user root --json --module /doubles/mirror-identity.so
	[ "$(jq -r '.slots[0].token.label' <<<"$output")" = 0:0,0,990 ]
}

@test "its environment is okv_hsm_env and nothing else; flawed lines are skipped with their number" {
	printf 'A="1"\nexport B="2"\nC=3\n#D="4"\n\nE="5"\n' >"$GENERIC/okv_hsm_env"
	export LD_PRELOAD_OF_MINE=x
	[ "$(label_of mirror-environment)" = 'A=1;E=5;' ]
	run --separate-stderr slots
	[[ $stderr == *'okv_hsm_env:2: line skipped'*'okv_hsm_env:3: line skipped'* ]]
	rm "$GENERIC/okv_hsm_env"
	[ -z "$(label_of mirror-environment)" ]
}

@test "no new privileges, four descriptors, umask 022, null input, output to a pipe, no core, a session of its own" {
	[ "$(label_of mirror-process)" = 'nnp1 fd4 m22 in1 out1 c0 s1' ]
}

@test "descriptors of the caller do not reach the library" {
	exec 5<"$TREE/pin" 9<"$TREE/pin"
	[ "$(label_of mirror-process)" = 'nnp1 fd4 m22 in1 out1 c0 s1' ]
	exec 5<&- 9<&-
}

# --- which file may be loaded -------------------------------------------------------------------------------------

@test "the library: option, then okv_hsm.conf; the settings only where this OKV has no generic files" {
	mkdir -p "$TREE/usr/safenet/lunaclient/lib"
	cp "$DOUBLES/honest.so" "$TREE/usr/safenet/lunaclient/lib/libCryptoki2_64.so"
	printf 'PKCS11_LIB_LOC="/doubles/no-slots.so"\n' >"$GENERIC/okv_hsm.conf"
	expect 1
	said 'sees no slot'
	expect 0 --module /doubles/honest.so
	rm -r "$GENERIC"
	expect 0
}

@test "where okv_hsm.conf names no library as OKV reads it, OKV loads none, and that is the answer" {
	mkdir -p "$TREE/usr/safenet/lunaclient/lib"
	cp "$DOUBLES/honest.so" "$TREE/usr/safenet/lunaclient/lib/libCryptoki2_64.so"
	for line in 'PKCS11_LIB_LOC=/doubles/honest.so' 'export PKCS11_LIB_LOC="/doubles/honest.so"' \
		'PKCS11_LIB_LOC="/doubles/honest.so" # ours' ' PKCS11_LIB_LOC="/doubles/honest.so"' \
		$'PKCS11_LIB_LOC="/doubles/honest.so"\r' 'PKCS11_LIB_LOC=“/doubles/honest.so”'; do
		printf '# ours\n%s\n' "$line" >"$GENERIC/okv_hsm.conf"
		expect 1
		said 'OKV loads no library: /usr/local/okv/hsm/generic/okv_hsm.conf:2 does not name one: '
		[[ $output != *'Number of slots'* ]]
	done
	for line in 'PKCS11_LIB_LOC=""' '# PKCS11_LIB_LOC="/doubles/honest.so"' 'VENDOR_NAME="x"' ''; do
		printf '%s\n' "$line" >"$GENERIC/okv_hsm.conf"
		expect 1
		said 'OKV loads no library: PKCS11_LIB_LOC is '
		said '; fix: okv-luna config wire'
	done
	rm "$GENERIC/okv_hsm.conf"
	expect 1
	said "OKV loads no library: there is no file '/usr/local/okv/hsm/generic/okv_hsm.conf'"
	[[ $output != *fix:* ]]
	expect 0 --module /doubles/honest.so
}

@test "where okv_hsm.conf names two libraries, it is not known which one OKV loads, and that is no yes" {
	for other in /doubles/no-slots.so '' /nowhere.so; do
		for lines in "/doubles/honest.so $other" "$other /doubles/honest.so"; do
			printf 'PKCS11_LIB_LOC="%s"\n' "${lines% *}" "${lines#* }" >"$GENERIC/okv_hsm.conf"
			expect 1
			said 'it is not known which library OKV loads: PKCS11_LIB_LOC is set 2 times'
			[[ $output != *fix:* ]]
		done
	done
	printf 'PKCS11_LIB_LOC="/doubles/honest.so"\n%.0s' 1 2 >"$GENERIC/okv_hsm.conf"
	expect 0
}

@test "where okv_hsm_env names two directories, it is not known which Chrystoki.conf counts, and that is no yes" {
	for lines in "/etc /opt" "/opt /etc" "/etc "; do
		printf 'ChrystokiConfigurationPath="%s"\n' "${lines% *}" "${lines#* }" >"$GENERIC/okv_hsm_env"
		expect 1
		said "it is not known which Chrystoki.conf OKV's library reads: ChrystokiConfigurationPath is set 2 times"
		[[ $output != *fix:* ]]
	done
	printf 'ChrystokiConfigurationPath="/etc"\n%.0s' 1 2 >"$GENERIC/okv_hsm_env"
	expect 0
}

@test "a library or a directory above it that others could write is refused before it is loaded" {
	chmod 0646 "$TREE/doubles/honest.so"
	expect 3
	said "library '/doubles/honest.so' (mode 0646) can be written by users other than root"
	chmod 0664 "$TREE/doubles/honest.so"
	chgrp 990 "$TREE/doubles/honest.so"
	expect 3
	chmod 0644 "$TREE/doubles/honest.so"
	expect 0
	chmod 1777 "$TREE/doubles"
	expect 3
	said "directory '/doubles' (mode 1777) can be written by users other than root"
	chmod 0755 "$TREE/doubles"
	chown "$DOUBLES_USER" "$TREE/doubles/honest.so"
	expect 3
	said "belongs to user id $DOUBLES_USER, not to root"
	chown 0 "$TREE/doubles/honest.so"
	chown "$DOUBLES_USER" "$TREE"
	expect 3
	said "directory '/' belongs to user id $DOUBLES_USER"
}

@test "a library that comes along with it and that others could write: refused, and nothing is called" {
	lib=$TREE/doubles/lib/libokv-there.so.1
	# Asked for its functions, this double ends the process.
	expect 5 --module /doubles/exit3-needs-there.so
	said 'in C_GetFunctionList, with status 3'
	chmod 0666 "$lib"
	expect 3 --module /doubles/exit3-needs-there.so
	said "'/doubles/lib/libokv-there.so.1' is loaded with it: library '/doubles/lib/libokv-there.so.1' (mode 0666)"
	chmod 0644 "$lib"
	chown "$DOUBLES_USER" "$lib"
	expect 3 --module /doubles/exit3-needs-there.so
	said "belongs to user id $DOUBLES_USER, not to root"
	chown 0 "$lib"
	chmod 0777 "$TREE/doubles/lib"
	expect 3 --module /doubles/exit3-needs-there.so
	said "directory '/doubles/lib' (mode 0777) can be written by users other than root"
	chmod 0755 "$TREE/doubles/lib"
	mv "$lib" "$TREE/etc/real.so"
	ln -s /etc/real.so "$lib"
	expect 5 --module /doubles/exit3-needs-there.so
	chown -h "$DOUBLES_USER" "$lib"
	expect 3 --module /doubles/exit3-needs-there.so
}

@test "a library that cannot be opened without waiting costs the deadline, not more" {
	started=$SECONDS
	run timeout -s KILL 60 "$SLOTS" --root "$TREE" --timeout 3 --module /doubles/needs-pipe.so
	[ "$status" -eq 7 ]
	said 'did not answer within 3.000 s: loading it did not return'
	[ $((SECONDS - started)) -le 30 ]
}

@test "links are followed and shown; one that leads nowhere, a loop and another user's are not" {
	ln -s ../doubles/honest.so "$TREE/etc/first.so"
	ln -s /etc/first.so "$TREE/doubles/second.so"
	expect 0 --module /doubles/second.so -v
	said 'links followed: /doubles/second.so -> /etc/first.so, /etc/first.so -> ../doubles/honest.so'
	slots --module /doubles/second.so --json | jq -e '.library.real_file == "/doubles/honest.so"'
	ln -s /doubles/nowhere.so "$TREE/doubles/dangling.so"
	expect 6 --module /doubles/dangling.so
	said "leads to '/doubles/nowhere.so', which is not there"
	ln -s loop.so "$TREE/doubles/loop.so"
	expect 3 --module /doubles/loop.so
	ln -s honest.so "$TREE/doubles/theirs.so"
	chown -h "$DOUBLES_USER" "$TREE/doubles/theirs.so"
	expect 3 --module /doubles/theirs.so
	ln -s ../../../../../../../../../etc/passwd "$TREE/doubles/outside.so"
	expect 3 --module /doubles/outside.so
	said 'is not an ELF file'
}

@test "what is no library of this machine is refused with the reason" {
	expect 6 --module /doubles/absent.so
	said "there is no file '/doubles/absent.so'"
	expect 3 --module /doubles
	expect 3 --module doubles/honest.so
	echo 'no ELF' >"$TREE/doubles/text.so"
	expect 3 --module /doubles/text.so
	said 'is not an ELF file, so it is not a library'
	: >"$TREE/doubles/empty.so"
	expect 3 --module /doubles/empty.so
	printf 'int C_GetFunctionList(void);\nint C_GetFunctionList(void)\n{\n\treturn 0;\n}\n' >"$BATS_TEST_TMPDIR/other.c"
	clang --target=aarch64-linux-gnu -shared -nostdlib -fuse-ld=lld -o "$TREE/doubles/arm.so" "$BATS_TEST_TMPDIR/other.c"
	expect 3 --module /doubles/arm.so
	said "is for aarch64 (183), this machine is x86_64"
	clang --target=i386-linux-gnu -shared -nostdlib -fuse-ld=lld -o "$TREE/doubles/narrow.so" "$BATS_TEST_TMPDIR/other.c"
	expect 3 --module /doubles/narrow.so
	said 'is a 32-bit library, this program needs the 64-bit one'
	for size in 64 200 1000 4000; do
		head -c $size "$DOUBLES/honest.so" >"$TREE/doubles/cut.so"
		expect 3 --module /doubles/cut.so
	done
}

@test "a missing user is told as such" {
	expect 6 --user nobody-here
	said "there is no user 'nobody-here'"
}

# --- the key ------------------------------------------------------------------------------------------------------

@test "the PIN comes from a file, standard input or the terminal" {
	expect 0 --key root --pin-file "$TREE/pin"
	said 'Key: 1 with that label in slot 0'
	printf 1234 | slots --key root --pin-file -
	run setsid "$SLOTS" --root "$TREE" --key root </dev/null
	[ "$status" -eq 2 ]
	said 'there is no terminal to ask for the PIN; use --pin-file'
	# A terminal of its own, which must not show what is typed.
	run -0 "$BATS_TEST_DIRNAME/typist.py" 'PIN: ' 1234 -- "$SLOTS" --root "$TREE" --key root
	said 'PIN: '
	said 'Key: 1 with that label'
	[[ $output != *1234* ]]
}

@test "a PIN file that is none is refused at once, where a pipe that is open already is read" {
	mkfifo "$TREE/pipe"
	for file in "$TREE/pipe" /dev/zero "$TREE"; do
		run -3 timeout 60 "$SLOTS" --root "$TREE" --key root --pin-file "$file"
		said "the PIN file '$file' is not a regular file; use one, or standard input: --pin-file -"
		run -3 timeout 60 "${SLOTS%slots}status" --root "$TREE" --for restore --key root --pin-file "$file"
		said "the PIN file '$file' is not a regular file"
	done
	expect 0 --key root --pin-file <(printf 1234)
}

@test "a wrong PIN, an empty one, one too long, and options without --key are refused" {
	printf 9999 >"$TREE/wrong"
	chmod 600 "$TREE/wrong"
	expect 1 --key root --pin-file "$TREE/wrong"
	said 'C_Login answered CKR_PIN_INCORRECT; the PIN is wrong, and a few more wrong ones lock it'
	[[ $output != *9999* ]]
	: >"$TREE/wrong"
	expect 3 --key root --pin-file "$TREE/wrong"
	head -c 256 /dev/zero | tr '\0' 1 >"$TREE/wrong"
	expect 3 --key root --pin-file "$TREE/wrong"
	expect 6 --key root --pin-file "$TREE/not-there"
	expect 2 --pin-file "$TREE/pin"
	expect 2 --key '' --pin-file "$TREE/pin"
	# What an editor leaves would cost one of the few tries; the double dies of a login.
	for pin in '1234\r\n' '1234\n\n' '1234\n5678\n' '\xef\xbb\xbf1234\n' '12\x0034' '\t1234'; do
		printf "$pin" >"$TREE/wrong"
		expect 3 --module /doubles/key-which.so --serial 3423358 --key root --pin-file "$TREE/wrong"
		said 'so it was not tried'
	done
	chmod 0644 "$TREE/pin"
	expect 0 --key root --pin-file "$TREE/pin"
	said "is open to others (mode 0644); fix: chmod 600 '$TREE/pin'"
}

@test "which token is meant is clear before a PIN is spent" {
	# This double dies of a login.
	expect 3 --module /doubles/key-which.so --key root --pin-file "$TREE/pin"
	said '3 tokens show and nothing says which of them holds the key'
	said 'no PIN was tried'
	expect 5 --module /doubles/key-which.so --key root --pin-file "$TREE/pin" --serial 3423358
	# One that opens no session may be the one that is meant.
	expect 3 --module /doubles/key-beside.so --key root --pin-file "$TREE/pin"
	said '2 tokens show and nothing says which of them holds the key'
	expect 5 --module /doubles/key-beside.so --key root --pin-file "$TREE/pin" --serial 3423358
	printf 'TOKEN_LABEL="partition-01"\n' >"$TREE/opt/okv-luna/etc/okv-luna.conf"
	expect 5 --module /doubles/key-which.so --key root --pin-file "$TREE/pin"
}

# --- why not ------------------------------------------------------------------------------------------------------

LC=/usr/safenet/lunaclient

client_make() {
	local lc=$TREE/usr/safenet/lunaclient
	mkdir -p "$lc/cert/client" "$lc/cert/server" "$lc/configData/token/001" "$lc/plugins" "$lc/lib"
	touch "$lc/configData/token/001/token.db" "$lc/plugins/x.plugin"
	cp "$BATS_FILE_TMPDIR/okvKey.pem" "$BATS_FILE_TMPDIR/okv.pem" "$lc/cert/client/"
	cp "$BATS_FILE_TMPDIR/okv.pem" "$lc/cert/server/CAFile.pem"
	cp "$DOUBLES/no-slots.so" "$lc/lib/libCryptoki2_64.so"
	cat >"$TREE/etc/Chrystoki.conf" <<-'END'
	Chrystoki2 = {
	   LibUNIX = /usr/safenet/lunaclient/lib/libCryptoki2.so;
	   LibUNIX64 = /usr/safenet/lunaclient/lib/libCryptoki2_64.so;
	}
	LunaSA Client = {
	   ClientPrivKeyFile = /usr/safenet/lunaclient/cert/client/okvKey.pem;
	   ClientCertFile = /usr/safenet/lunaclient/cert/client/okv.pem;
	   ServerCAFile = /usr/safenet/lunaclient/cert/server/CAFile.pem;
	   ServerName00 = 10.0.0.1;
	}
	Misc = {
	   PluginModuleDir = /usr/safenet/lunaclient/plugins;
	   MutexFolder = /usr/safenet/lunaclient/lock;
	}
	END
	chmod -R u=rwX,go=rX "$lc"
	chmod 0644 "$TREE/etc/Chrystoki.conf"
	printf 'PKCS11_LIB_LOC="/doubles/no-slots.so"\n' >"$GENERIC/okv_hsm.conf"
}

causes() {
	local said status=0
	said=$(slots "$@" --json 2>/dev/null) || status=$?
	[ "$status" -lt 128 ] || echo "ended with $status"
	jq -r '.causes[] | .sentence + " => " + (.command // .hint)' <<<"$said"
}

@test "diagnosis: a client in order has no cause here, and what comes next is said in the guide's words" {
	client_make
	run causes
	echo "$output"
	[[ $output == 'nothing on this machine prevents it; is the client registered'*'(NTLS link)'*'to check: okv-luna network'* ]]
	said 'port 1792 of 10.0.0.1'
	[ "${#lines[@]}" -eq 1 ]
	# Where slots show, and the one that is wanted does not, that is no question of the network.
	run causes --module /doubles/honest.so --label other
	[ -z "$output" ]
	expect 1 --module /doubles/honest.so --label other
}

@test "diagnosis: a cloud client is not asked for its registration, but for what its service knows it by" {
	client_make
	sed -i '/^ *ServerName00/d' "$TREE/etc/Chrystoki.conf"
	printf 'REST = {\n   ServerName = hsm.example;\n}\n' >>"$TREE/etc/Chrystoki.conf"
	run causes
	said 'does the cloud service accept AuthTokenClientId and AuthTokenClientSecret of section REST, and can port 443 of'
	[[ $output != *NTLS* ]]
	sed -i '/^ *ClientCertFile/a\   ServerName00 = 10.0.0.1;' "$TREE/etc/Chrystoki.conf"
	run causes
	said '(NTLS link), does the cloud service accept'
}

# certificate_between FILE FROM TO: of the client's key
certificate_between() {
	(
		cd "$BATS_TEST_TMPDIR" && : >ca.index
		printf '%s\n' '[ca]' 'default_ca = c' '[c]' 'database = ca.index' 'new_certs_dir = .' 'rand_serial = yes' \
			'default_md = sha256' 'policy = p' '[p]' 'commonName = supplied' >ca.cnf
		openssl req -new -key "$BATS_FILE_TMPDIR/okvKey.pem" -subj /CN=okv -out ca.csr
		openssl ca -batch -config ca.cnf -selfsign -keyfile "$BATS_FILE_TMPDIR/okvKey.pem" -in ca.csr -notext \
			-startdate "$2" -enddate "$3" -out ca.pem 2>ca.log
		cat ca.pem >"$1"
	)
}

@test "diagnosis: a certificate of this client's that does not hold today is the cause, with its day" {
	client_make
	file=$TREE/usr/safenet/lunaclient/cert/client/okv.pem
	certificate_between "$file" 20190101000000Z 20200101000000Z
	run causes
	said "this client's certificate '${file#"$TREE"}' expired on 2020-01-01 => make a new one with "
	[ "${#lines[@]}" -eq 1 ]
	certificate_between "$file" 21900101000000Z 21910101000000Z
	run causes
	said "' is not valid before 2190-01-01 => correct this machine's clock"
	[ "${#lines[@]}" -eq 1 ]
}

@test "diagnosis: an unreadable configuration, key, token directory or plug-in, each with owner, mode and command" {
	client_make
	lc=$TREE/usr/safenet/lunaclient
	chmod 0600 "$TREE/etc/Chrystoki.conf"
	chmod 0600 "$lc/cert/client/okvKey.pem"
	chown 0:990 "$lc/configData/token/001"
	chmod 2770 "$lc/configData/token/001"
	chmod 0640 "$lc/plugins/x.plugin"
	run causes
	echo "$output"
	said "user 'oracle' cannot read '/etc/Chrystoki.conf' (root:root 0600) => okv-luna repair"
	said "cannot read '$LC/cert/client/okvKey.pem' (root:root 0600) => okv-luna repair"
	said "cannot read '/usr/safenet/lunaclient/plugins/x.plugin' (root:root 0640)"
	# 990 is hsmusers and oracle is in it.
	[[ $output != *'token/001'* ]]
	sed -i 's/root,oracle/root/' "$TREE/etc/group"
	run causes
	said "user 'oracle' is not in group 'hsmusers'; user 'oracle' cannot reach "
	said "'/usr/safenet/lunaclient/configData/token/001' (root:hsmusers 2770) => gpasswd --add oracle hsmusers"
	# What the group would open is that one cause; what it would not is another.
	[ "$(grep -c token/001 <<<"$output")" -eq 1 ]
	said "cannot read '/etc/Chrystoki.conf' (root:root 0600) => okv-luna repair"
}

@test "diagnosis: a directory on the way, a group that is gone, and an id that an upgrade left without a name" {
	client_make
	chown 0:986 "$TREE/usr/safenet/lunaclient/cert"
	chmod 2770 "$TREE/usr/safenet/lunaclient/cert"
	sed -i '/^hsmusers/d' "$TREE/etc/group"
	run causes
	echo "$output"
	[[ ${lines[0]} == "group 'hsmusers' does not exist;"*' => okv-luna repair'* ]]
	said "user 'oracle' cannot reach '/usr/safenet/lunaclient/cert' (root:986 2770, and no group has the id 986)"
	# One cause for the directory, not one for each file in it.
	[ "$(grep -c 986 <<<"$output")" -eq 1 ]
}

@test "diagnosis: a path that is named and not there, and a configuration that is not there" {
	client_make
	rm "$TREE/usr/safenet/lunaclient/cert/server/CAFile.pem"
	run causes
	echo "$output"
	said "'$LC/cert/server/CAFile.pem', named by ServerCAFile of section LunaSA Client, is not there => "
	# A name that is not shown as it is spelt.
	sed -i "s,/CAFile.pem,/server's.pem," "$TREE/etc/Chrystoki.conf"
	run causes
	said "'$LC/cert/server/server\\'s.pem', named by ServerCAFile of section LunaSA Client, is not there => "
	printf 'ChrystokiConfigurationPath="/opt/elsewhere/"\n' >"$GENERIC/okv_hsm_env"
	run causes
	said "points the library to '/opt/elsewhere/Chrystoki.conf', and CHRYSTOKI_CONF says '/etc/"
	said "'/opt/elsewhere/Chrystoki.conf', named by the Luna client, is not there: there is no '/opt/else"
}

@test "diagnosis: a library on a file system that forbids code, with the mount" {
	client_make
	mkdir "$TREE/client"
	mount --bind "$TREE/client" "$TREE/client"
	cp "$DOUBLES/honest.so" "$TREE/client/"
	mkdir "$TREE/client/lib"
	cp "$DOUBLES/lib/libokv-there.so.1" "$TREE/client/lib/"
	cp "$DOUBLES/exit3-needs-there.so" "$TREE/doubles/needs.so"
	rm "$TREE/doubles/lib/libokv-there.so.1"
	ln -s /client/lib/libokv-there.so.1 "$TREE/doubles/lib/libokv-there.so.1"
	mount -o remount,bind,noexec "$TREE/client"
	run slots --module /client/honest.so
	umount_later=$status
	echo "$output"
	said "'/client/honest.so' is on a file system that is mounted noexec at '/client': mount it exec"
	# One that it needs, too.
	run slots --module /doubles/needs.so
	echo "$output"
	umount "$TREE/client"
	[ "$umount_later" -eq 3 ]
	[ "$status" -eq 3 ]
	said "'libokv-there.so.1', which it needs, is on a file system that is mounted noexec, or a policy forbids"
	[ "$(grep -c noexec <<<"$output")" -eq 1 ]
}

@test "diagnosis: a library that is missing, with the package on Enterprise Linux where that is known" {
	client_make
	run slots --module /doubles/needs-nsl.so
	[ "$status" -eq 6 ]
	said "library 'libnsl.so.1', which '/doubles/needs-nsl.so' needs, is not installed"
	said "on Enterprise Linux 'libnsl.so.1' is in package libnsl"
	run slots --module /doubles/needs-missing.so
	[ "$status" -eq 6 ]
	said "\`dnf provides '*/libokv-nowhere.so.1'\` shows which package has 'libokv-nowhere.so.1'"
}

@test "diagnosis: what OKV reads and its environment names, and its user cannot read" {
	client_make
	mkdir "$TREE/secrets"
	printf 'token\n' >"$TREE/secrets/file"
	chmod 0600 "$TREE/secrets/file"
	printf 'SOME_FILE="/secrets/file"\nSOME_PATHS="/nowhere:/secrets/file"\nOTHER="/none/such"\n' \
		>"$GENERIC/okv_hsm_env"
	run causes
	echo "$output"
	said "user 'oracle' cannot read '/secrets/file' (root:root 0600), named by SOME_FILE of okv_hsm_env"
	said "'/none/such', named by OTHER of okv_hsm_env, is not there"
	[ "$(grep -c /secrets/file <<<"$output")" -eq 1 ]
	[[ $output != *nowhere* && $output != *'nothing on this machine'* ]]
	# Without its name there is no library, whatever root can read.
	printf 'PKCS11_LIB_LOC="/doubles/honest.so"\n' >"$GENERIC/okv_hsm.conf"
	expect 0
	chmod 0600 "$GENERIC/okv_hsm.conf"
	expect 1
	said "OKV loads no library: user 'oracle' cannot read '/usr/local/okv/hsm/generic/okv_hsm.conf'"
	chmod 0644 "$GENERIC/okv_hsm.conf"
	chmod 0600 "$GENERIC/okv_hsm_env"
	expect 0
	said "/usr/local/okv/hsm/generic/okv_hsm_env: this user cannot read it, so OKV sets nothing from it"
}

# acl FILE TAG:ID:BITS...: the tags of acl(5) as hexadecimal numbers
acl() {
	python3 -c 'import os, struct, sys
entries = (e.split(":") for e in sys.argv[2:])
os.setxattr(sys.argv[1], "system.posix_acl_access", struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", int(t, 16), int(p), int(i or 0xffffffff)) for t, i, p in entries))' "$@"
}

@test "diagnosis: an ACL that bars the user is named, and a closed parent of the client has a command that opens it" {
	client_make
	lc=$TREE/usr/safenet/lunaclient
	chmod 0664 "$lc/cert/client/okvKey.pem"
	acl "$lc/cert/client/okvKey.pem" 1::6 "2:$DOUBLES_USER:0" 4::6 10::6 20::4
	run causes
	echo "$output"
	[ "${#lines[@]}" -eq 1 ]
	said "cannot read '$LC/cert/client/okvKey.pem' (root:root 0664, and an ACL) => install the package acl, then: "
	said "setfacl -b '$LC/cert/client/okvKey.pem' && okv-luna repair"
	client_make
	rm "$lc/cert/client/okvKey.pem"
	cp "$BATS_FILE_TMPDIR/okvKey.pem" "$lc/cert/client/"
	chmod 0644 "$lc/cert/client/okvKey.pem"
	chmod 0700 "$TREE/usr/safenet"
	run causes
	echo "$output"
	[ "${#lines[@]}" -eq 1 ]
	said "it may not enter '/usr/safenet' (root:root 0700) => chmod o+x '/usr/safenet'"
	chmod o+x "$TREE/usr/safenet"
	run causes
	[[ $output == 'nothing on this machine'* ]]
}

@test "diagnosis: no yes to this machine while a file that the client needs is of another kind, or Chrystoki.conf is" {
	client_make
	lc=$TREE/usr/safenet/lunaclient conf=$TREE/etc/Chrystoki.conf
	cp "$conf" "$conf.good"
	while IFS='|' read -r break words; do
		rm -rf "$conf" "$lc/cert/client/okvKey.pem"
		cp "$conf.good" "$conf"
		cp "$BATS_FILE_TMPDIR/okvKey.pem" "$lc/cert/client/"
		chmod 0644 "$conf" "$lc/cert/client/okvKey.pem"
		eval "$break"
		run causes
		echo "$break: $output"
		[ "${#lines[@]}" -eq 1 ]
		said "$words"
		[[ $output != *'nothing on this machine'* && $output != *'=> ' ]]
	done <<-'END'
	: >"$lc/cert/client/okvKey.pem"|okvKey.pem', which is empty
	rm "$lc/cert/client/okvKey.pem"; mkdir "$lc/cert/client/okvKey.pem"|okvKey.pem', which is a directory
	cp "$lc/cert/client/okv.pem" "$lc/cert/client/okvKey.pem"|okvKey.pem', which holds no private key
	openssl genrsa -out "$lc/cert/client/okvKey.pem" 2048; chmod 0644 "$lc/cert/client/okvKey.pem"|do not belong together
	rm "$lc/cert/client/okvKey.pem"|is not there => install what is missing
	sed -i 's/$/\r/' "$conf"|carriage return
	sed -i '/ServerName00/d' "$conf"|no server is named
	sed -i '/ServerName00/s/=.*/= ;/' "$conf"|ServerName00 is empty
	rm "$conf"|'/etc/Chrystoki.conf', named by the Luna client, is not there => install the client
	rm "$conf"; mkdir "$conf"|'/etc/Chrystoki.conf' is not a regular file => put a plain file in its place
	END
	# Where slots show, what hides slots is no cause of anything.
	rm -r "$conf"
	client_make
	: >"$lc/cert/client/okvKey.pem"
	run causes --module /doubles/honest.so --label other
	[ -z "$output" ]
	expect 1 --module /doubles/honest.so --label other
}

@test "diagnosis: a library that is no whole client's has a next step, and its path is told once" {
	client_make
	lib=$TREE/usr/safenet/lunaclient/lib/libCryptoki2_64.so
	while IFS='|' read -r wanted break; do
		cp "$DOUBLES/no-slots.so" "$lib"
		eval "$break"
		run slots --module "$LC/lib/libCryptoki2_64.so"
		echo "$break: $output"
		[ "$status" -eq "$wanted" ]
		[[ $output == *'install the client: '*'okv-luna guide'* ]]
		[ "$(grep -o "$LC/lib/libCryptoki2_64.so" <<<"$output" | wc -l)" -eq 1 ]
		[ "$(grep -o 'install the client' <<<"$output" | wc -l)" -eq 1 ]
		rm -rf "$lib"
	done <<-'END'
	6|rm "$lib"
	3|: >"$lib"
	3|echo '<html>404</html>' >"$lib"
	3|truncate -s 400 "$lib"
	3|truncate -s 9000 "$lib"
	3|printf '\x01' | dd of="$lib" bs=1 seek=4 conv=notrunc status=none
	3|rm "$lib"; mkdir "$lib"
	3|cp "$DOUBLES/program.so" "$lib"
	3|cp "$DOUBLES/no-pkcs11.so" "$lib"
	END
}

@test "diagnosis: what the library answers has a next step at each stage" {
	client_make
	while IFS='|' read -r double words; do
		run slots --module "/doubles/$double.so"
		echo "$double: $output"
		[ "$status" -ne 0 ]
		said "$words"
	done <<-'END'
	init-vendor-error|to check: okv-luna network
	crash-initialize|that is a fault of the library
	not-initialised|there is a slot, but its partition cannot be used: check with lunacm
	first-empty|give the partition's label at OKV's console (HSM page, Use Token Label)
	END
	run slots --module /doubles/hang-initialize.so --timeout 1
	[ "$status" -eq 7 ]
	said 'does the HSM answer at all? to check: okv-luna network'
	# Where the HSM shows other tokens than the one that is asked for, the answer says all.
	for asked in '--label other' '--serial 1' '--label other --serial 1' '--label partition-01 --serial 1'; do
		# shellcheck disable=SC2086 # one word each
		run slots --module /doubles/honest.so $asked
		echo "$asked: $output"
		[ "$status" -eq 1 ]
		[ "$(grep -c '^okv-luna-slots: ' <<<"$output")" -eq 1 ]
	done
	# The settings' label is what OKV was given at its console.
	mkdir -p "$TREE/opt/okv-luna/etc"
	echo 'TOKEN_LABEL="Partition-01"' >"$TREE/opt/okv-luna/etc/okv-luna.conf"
	expect 1 --module /doubles/honest.so
	said "the usable tokens have the labels 'partition-01'; TOKEN_LABEL in "
	rm "$TREE/opt/okv-luna/etc/okv-luna.conf"
	# An HSM that is asked for another token is there.
	run slots --module /doubles/first-empty.so --label partition-01
	[ "$status" -eq 0 ]
}

@test "diagnosis: processes without the group are a cause of nothing but no slot or no access, and no reboot is" {
	client_make
	chmod 0600 "$TREE/usr/safenet/lunaclient/cert/client/okvKey.pem"
	for module in honest no-slots crash-initialize; do
		run slots --module "/doubles/$module.so" --label other
		[[ $output != *reboot* && $output != *'restart this'* ]]
	done
}

@test "diagnosis: HA groups that do not add up, and members that do not show" {
	client_make
	printf 'PKCS11_LIB_LOC="/doubles/honest.so"\n' >"$GENERIC/okv_hsm.conf"
	cat >>"$TREE/etc/Chrystoki.conf" <<-'END'
	VirtualToken = {
	   VirtualToken00Label = ha;
	   VirtualToken00SN = 13423358;
	   VirtualToken00Members = 3423358,3423359;
	   VirtualToken01Label = odd;
	   VirtualToken01SN = 99;
	   VirtualToken01Members = 3423358;
	}
	HASynchronize = {
	   ha = 1;
	}
	END
	sed -i 's/ServerName00/ServerName01/' "$TREE/etc/Chrystoki.conf"
	run causes --label absent
	echo "$output"
	said "in '/etc/Chrystoki.conf' there is a ServerName01 and no ServerName00: the library may stop at the gap"
	said "in '/etc/Chrystoki.conf' HA group 01 has serial number '99', not '1' and its first member's"
	said "in '/etc/Chrystoki.conf' section HASynchronize has no 'odd = 1': a key made on one member is not copied"
	said "member 3423359 of HA group 'ha' in '/etc/Chrystoki.conf' does not show"
	[[ $output != *'member 3423358 '* ]]
}

@test "the verdict comes before its causes" {
	client_make
	chmod 0600 "$TREE/etc/Chrystoki.conf"
	run --separate-stderr slots
	[ "$status" -eq 1 ]
	[[ ${stderr_lines[0]} == *'sees no slot'* ]]
	[[ ${stderr_lines[1]} == *"cannot read '/etc/Chrystoki.conf'"*'; fix: okv-luna repair'* ]]
}

# --- high availability ----------------------------------------------------------------------------------------------

# One group of two members: ha_make HAONLY
ha_make() {
	cat >"$TREE/etc/Chrystoki.conf" <<-END
	VirtualToken = {
	   VirtualToken00Label = okv_ha;
	   VirtualToken00SN = 1111;
	   VirtualToken00Members = 111,222;
	}
	HASynchronize = {
	   okv_ha = 1;
	}
	HAConfiguration = {
	   HAOnly = $1;
	   reconnAtt = -1;
	}
	END
}

@test "HA: a group with all its members behind HAOnly is good, whatever number the group has" {
	ha_make 1
	for double in whole any-serial; do
		expect 0 --module "/doubles/ha-$double.so"
		[[ $output != *okv-luna-slots:* ]]
	done
	slots --module /doubles/ha-whole.so --json | jq -e '[.members[] | .slot, .serial, .rv] ==
		[0, "111", "CKR_OK", 0, "222", "CKR_OK"]'
}

@test "HA: a member that is away, or that the library does not have, is no; one that nothing tells of is said" {
	ha_make 1
	expect 1 --module /doubles/ha-away.so
	said "member 222 of HA group 'okv_ha' in '/etc/Chrystoki.conf' is away: its state is CKR_DEVICE_ERROR"
	expect 1 --module /doubles/ha-less.so
	said "member 222 of HA group 'okv_ha' in '/etc/Chrystoki.conf' is not among those that the library lists"
	expect 1 --module /doubles/ha-stale.so
	said "member 333 of HA group 'okv_ha' is away: its state is CKR_DEVICE_ERROR; the library lists it, and"
	for double in untold old; do
		expect 0 --module "/doubles/ha-$double.so"
		said "it is not known whether the members of HA group 'okv_ha' are there"
	done
}

@test "HA: HAOnly off, and members beside the group that OKV may take, are no; with the command that helps" {
	for value in 0 '' 2; do
		ha_make "$value"
		expect 1 --module /doubles/ha-members.so
		said "HAOnly is not 1 in '/etc/Chrystoki.conf'"
		said "OKV takes slot 0, 'one' (111)"
		said '; fix: okv-luna config chrystoki ha-only on'
		[[ $output != *'member 222'* ]]
	done
	expect 1 --module /doubles/ha-member.so
	said "member 222 of HA group 'okv_ha' in '/etc/Chrystoki.conf' does not show"
	expect 1 --module /doubles/ha-whole.so
	ha_make 1
	expect 1 --module /doubles/ha-members.so
	said 'slot 0 is a member and shows beside its HA group, although HAOnly is 1'
}

@test "HA: one partition instead of the group, a member or a stranger, is no, and the slot that OKV takes is said" {
	ha_make 1
	expect 1 --module /doubles/ha-partition.so
	said "HA group 'okv_ha' of '/etc/Chrystoki.conf' is not among the slots: OKV takes slot 0, 'one' (111)"
	expect 1 --module /doubles/ha-stranger.so
	said "HA group 'okv_ha' of '/etc/Chrystoki.conf' is not among the slots: OKV takes slot 0, 'other' (999)"
}

@test "HA: the group shows, and OKV takes another partition that stands before it" {
	ha_make 1
	expect 1 --module /doubles/ha-behind.so
	said "OKV takes slot 0, 'other' (999), which is not an HA group of '/etc/Chrystoki.conf'"
	printf 'TOKEN_LABEL="okv_ha"\n' >"$TREE/opt/okv-luna/etc/okv-luna.conf"
	expect 0 --module /doubles/ha-behind.so
}

@test "HA: a group without members is not taken for one whose members are there" {
	for members in '' ' , '; do
		ha_make 1
		sed -i "s/VirtualToken00Members = .*/VirtualToken00Members = $members;/" "$TREE/etc/Chrystoki.conf"
		expect 1 --module /doubles/ha-whole.so
		said "HA group 'okv_ha' of '/etc/Chrystoki.conf' has no members there"
	done
}

@test "HA: a group that has lost its label, its number or its members in the file is compared all the same" {
	for gone in Label Label,SN Label,Members; do
		ha_make 1
		for part in ${gone//,/ }; do sed -i "/VirtualToken00$part/d" "$TREE/etc/Chrystoki.conf"; done
		expect 1 --module /doubles/ha-stranger.so
		said "HA group '00' of '/etc/Chrystoki.conf' is not among the slots: OKV takes slot 0, 'other' (999)"
	done
}

@test "HA: a token that was asked for, and that no group has, stands by itself" {
	ha_make 0
	expect 0 --module /doubles/ha-apart.so --label other
	expect 0 --module /doubles/ha-apart.so --serial 999
	expect 1 --module /doubles/ha-apart.so
	expect 1 --module /doubles/ha-apart.so --label one
	ha_make 1
	printf 'TOKEN_LABEL="other"\n' >"$TREE/opt/okv-luna/etc/okv-luna.conf"
	expect 0 --module /doubles/ha-stranger.so
}

# --- for programs -------------------------------------------------------------------------------------------------

@test "--json is one object with everything the three information calls give" {
	slots --json >"$BATS_TEST_TMPDIR/json"
	jq -e '.command == "okv-luna-slots" and .exit == 0 and .user == "oracle" and .end == "whole"
		and .library.cryptoki == "2.20" and .library.version == "10.4"
		and .library.manufacturer == "House of doubles" and .library.description == "Honest module"
		and (.library | has("flags") and has("links"))
		and (.slots | length) == 1
		and (.slots[0] | .id == 0 and .present and .usable and .description == "Net Token Slot"
			and .flags == ["TOKEN_PRESENT", "HW_SLOT"] and .hardware == "0.0" and .firmware == "0.0")
		and (.slots[0].token | .label == "partition-01" and .serial == "3423358" and .model == "Double 7"
			and .manufacturer == "House of doubles"
			and .flags == ["LOGIN_REQUIRED", "USER_PIN_INITIALIZED", "TOKEN_INITIALIZED"]
			and ([has("sessions", "sessions_max", "rw_sessions", "rw_sessions_max", "pin_least", "pin_most",
				"public_memory_total", "public_memory_free", "private_memory_total",
				"private_memory_free", "hardware", "firmware", "utc_time")] | all))
		and .causes == []' "$BATS_TEST_TMPDIR/json"
	run --separate-stderr slots --json --module /doubles/hang-initialize.so --timeout 1
	[ "$status" -eq 7 ]
	jq -e '.exit == 7 and .error.kind == "late" and .end == "late" and .last_call == "C_Initialize"
		and .elapsed_ms >= 1000' <<<"$output"
	run --separate-stderr slots --json --module /doubles/absent.so
	[ "$status" -eq 6 ]
	jq -e '.exit == 6 and .error.kind == "absent"' <<<"$output"
}

@test "--json is as its schema says, whatever the library does; and the schema bites" {
	valid() { python3 "$BATS_TEST_DIRNAME/schema.py" "$BATS_TEST_DIRNAME/../../payload/schema/slots.schema.json"; }
	client_make
	chmod 0600 "$TREE/etc/Chrystoki.conf"
	all=$BATS_TEST_TMPDIR/all
	json() { slots --json "$@" >>"$all" 2>"$BATS_TEST_TMPDIR/err" || true; }
	json --module /doubles/honest.so --key root --pin-file "$TREE/pin"
	json
	for double in early slots-many label-unpadded print-stdout no-token crash-initialize pin-final-try absent; do
		json --module "/doubles/$double.so"
	done
	json --module doubles
	json --min 0
	run -0 valid <"$all"
	[ "$output" = 12 ]
	[ "$(jq -c .exit "$all" | paste -sd' ')" = '0 1 0 0 0 0 1 5 0 6 3 2' ]
	run ! valid < <(jq -s '.[0] | .slots[0].token.flags = ["odd"]' "$all")
}

@test "--dry-run changes nothing and asks all the same, since asking changes nothing" {
	find "$TREE" -printf '%p %m %s %T@\n' | sort >"$BATS_TEST_TMPDIR/before"
	expect 0 --dry-run
	find "$TREE" -printf '%p %m %s %T@\n' | sort | diff "$BATS_TEST_TMPDIR/before" -
}

@test "wrong use is exit 2 and a full disk behind the output is not success" {
	expect 2 operand
	expect 2 --timeout 0
	expect 2 --min 0
	run bash -c "'$SLOTS' --root '$TREE' >/dev/full"
	[ "$status" -eq 5 ]
}

@test "a person's ^C ends the child and what came of it" {
	"$SLOTS" --root "$TREE" --module /doubles/hang-initialize.so --timeout 120 3>&- &
	pid=$!
	eventually pgrep -u "$DOUBLES_USER"
	kill -TERM $pid
	wait $pid || true
	! doubles_left
}

@test "the timer unit is whole, and nothing switches it on by itself" {
	units=$BATS_TEST_DIRNAME/../../payload/systemd
	sed "s,/opt/okv-luna/libexec/okv-luna-slots,$(realpath "$SLOTS"),; /^Documentation/d" \
		"$units/okv-luna-slots.service" >"$BATS_TEST_TMPDIR/okv-luna-slots.service"
	sed '/^Documentation/d' "$units/okv-luna-slots.timer" >"$BATS_TEST_TMPDIR/okv-luna-slots.timer"
	# Ours and what they stand on, and nothing of this machine's, whose own units may be broken.
	for target in basic sysinit shutdown timers time-set time-sync; do
		printf '[Unit]\nDescription=%s\n' $target >"$BATS_TEST_TMPDIR/$target.target"
	done
	SYSTEMD_UNIT_PATH=$BATS_TEST_TMPDIR run systemd-analyze verify "$BATS_TEST_TMPDIR/okv-luna-slots.service" \
		"$BATS_TEST_TMPDIR/okv-luna-slots.timer"
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	# Enabled by a person, through its own [Install]; nothing in the package or in other units wants it.
	grep -q '^WantedBy=timers.target' "$units/okv-luna-slots.timer"
	! grep -hv '^#' "$units"/* "$BATS_TEST_DIRNAME"/../../spec/* |
		grep -qE 'enable.*okv-luna-slots|(Wants|Requires)=.*okv-luna-slots'
}

# What valgrind says, of the worker too.
valgrind_says() {
	local fault=0
	rm -f "$BATS_TEST_TMPDIR"/valgrind.*
	valgrind -q --trace-children=yes --vgdb=no --log-file="$BATS_TEST_TMPDIR/valgrind.%p" --leak-check=full \
		--errors-for-leak-kinds=definite,indirect,possible --error-exitcode=99 \
		"$SLOTS" --root "$TREE" --timeout 30 "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || fault=$?
	# What it cannot read as OKV's user it only warns about: the symbols of its own library.
	sed '/^==[0-9]*== warning: connection to image .*valgrind.* failed$/,/no debug info loaded$/d' "$BATS_TEST_TMPDIR"/valgrind.*
	[ $fault -ne 99 ] && [ "$(ls "$BATS_TEST_TMPDIR"/valgrind.* | wc -l)" -ge "${processes:-2}" ]
}

@test "valgrind finds nothing in parent and worker" {
	client_make
	chmod 0600 "$TREE/etc/Chrystoki.conf"
	if [ "${OKV_SANITIZED-}" = 1 ]; then
		# The sanitizers look instead; the two do not go together.
		expect 1 --json
		return
	fi
	# It does see the worker.
	run valgrind_says --module /doubles/crash-initialize.so
	[[ $output == *'Invalid write'* ]]
	processes=1 run -0 valgrind_says --module /doubles/absent.so
	echo "$output"
	[ -z "$output" ]
	for case in "--module /doubles/honest.so --key root --pin-file $TREE/pin --json" \
		'--module /doubles/no-slots.so --json' '--module /doubles/label-unpadded.so --json'; do
		# shellcheck disable=SC2086
		run -0 valgrind_says $case
		echo "$output"
		[ -z "$output" ]
	done
}
