#!/usr/bin/env bats
# status: every check at a glance, the worst first, by a schema, and nothing changed.

bats_require_minimum_version 1.5.0
load upgrade.bash

setup_file() { upgrade_setup_file; }
setup() { upgrade_setup; }

# check NAME: its line.
check() { grep -E "^(OK|WARN|FAIL) +$1 " <<<"$output"; }
# pin VALUE: in the file PIN, for root.
pin() {
	PIN=$BATS_TEST_TMPDIR/pin
	(umask 077 && printf %s "$1" >"$PIN")
}
everyday() { pre -q && post -q; }
strict() { printf 'PROFILE="strict"\n' >>"$ROOT/opt/okv-luna/etc/okv-luna.conf"; }

@test "all is well: 0, and one OK line for each check" {
	strict
	everyday
	pin 1234
	run -0 status_of --key root --pin-file "$PIN"
	[ "$(grep -c '^OK ' <<<"$output")" -eq 14 ]
	[ "${#lines[@]}" -eq 14 ]
}

@test "columns are aligned and the worst come first" {
	rm "$ROOT$LC/lib/libCryptoki2_64.so"
	touch "$ROOT$GENERIC/../hsmbundle"
	run -1 --separate-stderr status_of
	states=$(grep -oE '^(OK|WARN|FAIL)' <<<"$output" | uniq | tr '\n' ' ')
	[ "$states" = 'FAIL WARN OK ' ]
	[ "$(grep -E '^(OK|WARN|FAIL)' <<<"$output" | grep -vcE '^(OK    |WARN  |FAIL  )[a-z]+ +')" -eq 0 ]
	[ "$(grep -E '^(OK|WARN|FAIL)' <<<"$output" | cut -c 1-20 | grep -vc ' $')" -eq 0 ]
	[[ $stderr == *"checks fail"* ]]
}

@test "each fault has its line and the command that fixes it" {
	everyday
	rm "$ROOT$LC/lib/libCryptoki2_64.so"
	run -1 status_of
	[[ $(check library) == FAIL* && $(check slots) == 'WARN '*'not checked: the library cannot be loaded' ]]
	upgrade_reset
	gpasswd -Q "$ROOT" -d oracle hsmusers >/dev/null
	run -1 status_of
	[[ $(check group) == "FAIL  group         user 'oracle' is not in group 'hsmusers'" ]]
	[[ $output == *"fix: gpasswd --add oracle hsmusers"* ]]
	upgrade_reset
	chmod 0666 "$ROOT$LC/cert/client/okv1Key.pem"
	run -1 status_of
	[[ $(check policy) == FAIL* && $output == *"fix: okv-luna repair --phase post-upgrade"* ]]
	upgrade_reset
	"$build/libexec/okv-luna-config" --root "$ROOT" unwire -q
	run -1 status_of
	[[ $(check wiring) == FAIL* && $output == *"fix: okv-luna config wire"* ]]
	upgrade_reset
	touch "$ROOT/tmp/hsmbundle"
	run -0 status_of
	[[ $(check bundle) == WARN* && $output == *"fix: okv-luna bundle clean --keep-bundle"* ]]
	upgrade_reset
	rm -r "$ROOT${LC:?}"
	run -1 status_of
	[[ $(check client) == FAIL* && $output == *"install the client: "*"step by step: okv-luna guide"* ]]
	[[ $(check config) == 'WARN  config        waits for client' ]]
}

upgrade_reset() {
	rm -rf "$ROOT"
	upgrade_setup
	everyday
}

@test "a Chrystoki.conf that the group may write is what the guide's profile wants, and warned of by the strict one" {
	everyday
	run -0 status_of
	[ "$(grep -c '^OK ' <<<"$output")" -eq 13 ]
	strict
	run status_of
	[[ $(check config) == WARN*"the group may write it" ]]
}

@test "--for: ready for an upgrade, a restore, a cluster, or not, and why; what was not looked at is no yes" {
	everyday
	run -1 status_of --for upgrade
	[[ $(check ready) == "FAIL  ready         not ready for: upgrade; pre-upgrade has not said go within a day" ]]
	run -0 status_of --for cluster
	[[ $(check ready) == "OK    ready         ready for: cluster" ]]
	run -1 status_of --for restore
	[[ $(check ready) == *"the root key was not checked"* ]]
	run -0 status_of --for restore --key 'OKV 18.1 HSM Root Key' --pin-file <(echo 1234)
	[[ $(check ready) == "OK    ready         ready for: restore" ]]
	pre -q
	run -0 status_of --for upgrade
	[[ $(check ready) == "OK    ready         ready for: upgrade" ]]
	run -1 status_of --for cluster
	[[ $(check ready) == *"an upgrade is prepared or not proven" ]]
	snapshot_age 30
	run -1 status_of --for upgrade
	rm "$ROOT$LC/lib/libCryptoki2_64.so"
	run -1 status_of --for upgrade
	[[ $(check ready) == *"not ready for: upgrade; see library, config, slots" ]]
	rm -r "$ROOT${LC:?}"
	run -1 status_of --for cluster
	[[ $(check ready) == *"see client, library, config, slots, certificates, group, policy" ]]
	run -2 status_of --for fun
}

@test "where an upgrade stands is told" {
	run status_of
	[[ $(check upgrade) == "OK    upgrade       no upgrade is under way" ]]
	pre -q
	run -0 status_of
	[[ $(check upgrade) == "WARN  upgrade       an upgrade is prepared and not begun"* ]]
	[[ $(check policy) == OK*"pre-upgrade policy" ]]
	snapshot_age 30
	run -0 status_of
	[[ $(check snapshot) == "WARN  snapshot      stale: 30 h old"* ]]
	new_os
	mid
	run status_of
	[[ $(check upgrade) == "WARN  upgrade       an upgrade is not proven yet"* ]]
	rm "$ROOT$LC/cert/server/CAFile.pem"
	post -q || true
	run -1 status_of
	[[ $(check upgrade) == *"the last post-upgrade failed"*"do not restart this server" ]]
}

@test "a snapshot is named for what it is: prepared, called off, dated in the future, of the last upgrade" {
	pre -q
	run -0 status_of --for upgrade
	[[ $(check snapshot) =~ ^'OK    snapshot      '[0-9]+' s old, ' ]]
	snapshot_age -48
	run -1 status_of --for upgrade
	[[ $(check snapshot) =~ ^'WARN  snapshot      stale: dated '4[78]' h in the future; take another' ]]
	[[ $(check ready) == *'pre-upgrade has not said go within a day' ]]
	pre -q
	run -0 status_of --for upgrade
	pre -q --abort
	run status_of
	[[ $(check snapshot) == 'OK    snapshot      of a pre-upgrade without an upgrade, '*' old; the next pre-upgrade takes another' ]]
	pre -q
	new_os
	mid -q
	post -q
	run status_of
	[[ $(check snapshot) == 'OK    snapshot      of the last upgrade, '*' old' ]]
}

@test "--json is as the schema says, well or not" {
	cat >"$BATS_TEST_TMPDIR/valid" <<-'E'
		import json, sys, jsonschema
		schema = json.load(open(sys.argv[1]))
		jsonschema.Draft7Validator.check_schema(schema)
		report = json.load(sys.stdin)
		jsonschema.Draft7Validator(schema).validate(report)
		counts = [sum(c["state"] == s for c in report["checks"]) for s in ("ok", "warn", "fail")]
		assert counts == [report["summary"][s] for s in ("ok", "warn", "fail")]
		assert report["exit"] == (1 if counts[2] else 0)
		print(*counts)
	E
	schema=$BATS_TEST_DIRNAME/../../payload/schema/status.schema.json
	valid() { status_of --json 2>/dev/null | python3 "$BATS_TEST_TMPDIR/valid" "$schema"; }
	strict
	everyday
	[ "$(valid)" = '13 1 0' ]
	rm -r "$ROOT${LC:?}"
	touch "$ROOT/tmp/hsmbundle"
	printf 'x\xff\x01"y\n' >>"$ROOT$GENERIC/okv_hsm.conf"
	valid
	# Where it comes to no check.
	printf 'NO_SUCH="x"\n' >>"$ROOT/opt/okv-luna/etc/okv-luna.conf"
	[ "$(status_of --json 2>/dev/null | python3 "$BATS_TEST_DIRNAME/schema.py" "$schema")" = 1 ]
	sed -i '$d' "$ROOT/opt/okv-luna/etc/okv-luna.conf"
	# And the schema bites.
	run ! python3 "$BATS_TEST_TMPDIR/valid" "$schema" \
		< <(status_of --json 2>/dev/null | jq '.checks[0].state = "odd"')
}

@test "a bundle is left over wherever 'bundle status' says so, and then nothing says that none is" {
	everyday
	mkdir -p "$ROOT/var/tmp"
	printf 'the bundle\n' >"$ROOT$GENERIC/../hsmbundle"
	cp "$ROOT$GENERIC/../hsmbundle" "$ROOT/var/tmp/notes.txt"
	printf 'OKVB1\n{}\n' >"$ROOT/tmp/for-node-2"
	run -0 status_of -v
	[[ $(check bundle) == "WARN  bundle        '/usr/local/okv/hsm/hsmbundle' is left over, and is secret: "* ]]
	# Another node may need it still.
	[[ ${lines[*]} == *' when all nodes are HSM-enabled, on each of them: okv-luna bundle clean '* ]]
	for copy in /tmp/for-node-2 /var/tmp/notes.txt; do
		[[ $output == *"'$copy' is left over, and is secret: "*"fix: okv-luna bundle clean --keep-bundle"* ]]
	done
	[[ $output != *"no bundle is left over"* ]]
	run "$build/libexec/okv-luna-bundle" --root "$ROOT" clean
	run -0 status_of -v
	[[ $(check bundle) == "OK    bundle        no bundle is left over" ]]
}

@test "nothing is changed, not even by the first look" {
	before=$(state)
	run status_of
	[ "$(state)" = "$before" ]
	[ -z "$(ls -A "$ROOT/opt/okv-luna/var")" ]
}

@test "a hanging library costs its bound, and everything else is told" {
	everyday
	"$BATS_TEST_DIRNAME/../doubles/build" "$BATS_TEST_TMPDIR/doubles" hang-initialize
	cp "$BATS_TEST_TMPDIR/doubles/hang-initialize.so" "$ROOT$LC/lib/libCryptoki2_64.so"
	printf 'SLOT_TIMEOUT="1"\n' >>"$ROOT/opt/okv-luna/etc/okv-luna.conf"
	started=$SECONDS
	run -1 status_of
	# It would hang for ever.
	[ $((SECONDS - started)) -le 30 ]
	[[ $(check slots) == FAIL* ]]
	[ "$(grep -cE '^(OK|WARN|FAIL) ' <<<"$output")" -eq 14 ]
}

@test "that the library can be loaded is tried: one that needs what is missing, one that hangs" {
	everyday
	"$BATS_TEST_DIRNAME/../doubles/build" "$BATS_TEST_TMPDIR/doubles" needs-missing hang-constructor
	cp "$BATS_TEST_TMPDIR/doubles/needs-missing.so" "$ROOT$LC/lib/libCryptoki2_64.so"
	run -1 status_of
	[[ $(check library) == FAIL*"library 'libokv-nowhere.so.1', which "*' needs, is not installed'* ]]
	cp "$BATS_TEST_TMPDIR/doubles/hang-constructor.so" "$ROOT$LC/lib/libCryptoki2_64.so"
	printf 'SLOT_TIMEOUT="1"\n' >>"$ROOT/opt/okv-luna/etc/okv-luna.conf"
	run -1 status_of
	[[ $(check library) == WARN*'it takes more than 4 s to load; see slots' ]]
	[[ $(check slots) == FAIL*'loading it did not return'* ]]
}

@test "a token that opens no session, and an HA group that is not what shows, are no HSM" {
	everyday
	"$BATS_TEST_DIRNAME/../doubles/build" "$BATS_TEST_TMPDIR/doubles" session-refused
	cp "$BATS_TEST_TMPDIR/doubles/session-refused.so" "$ROOT$LC/lib/libCryptoki2_64.so"
	run -1 status_of
	[[ $(check slots) == *'slot 0 opens no session: C_OpenSession answered CKR_DEVICE_ERROR'* ]]
	upgrade_reset
	cat >>"$ROOT/etc/Chrystoki.conf" <<-'END'
	VirtualToken = {
	   VirtualToken00Label = okv_ha;
	   VirtualToken00SN = 13423358;
	   VirtualToken00Members = 3423358,3423359;
	}
	END
	run -1 status_of
	[[ $(check ha) == 'FAIL '*'does not see the HA groups'* && $(check slots) == OK* ]]
	[[ $output == *"HA group 'okv_ha' of '/etc/Chrystoki.conf' is not among the slots: OKV takes slot 0"* ]]
	# A line each.
	[ "$(grep -c "member 3423359 of HA group" <<<"$output")" -eq 1 ]
}

@test "the library is the one that OKV loads; where that is none, the command that fixes it does" {
	everyday
	sed -i 's/^PKCS11_LIB_LOC=.*/PKCS11_LIB_LOC=\/usr\/safenet\/lunaclient\/lib\/libCryptoki2_64.so/' \
		"$ROOT$GENERIC/okv_hsm.conf"
	run -1 status_of
	[[ $(check library) == 'FAIL '*"OKV loads no library: $GENERIC/okv_hsm.conf:"*'not in double quotes'* ]]
	[[ $output == *'fix: okv-luna config check --fix'* ]]
	"$build/libexec/okv-luna-config" --root "$ROOT" -q check --fix || true
	run status_of
	[[ $(check library) == OK* && $(check slots) == OK* ]]
	sed -i '/^PKCS11_LIB_LOC/d' "$ROOT$GENERIC/okv_hsm.conf"
	run -1 status_of
	[[ $(check library) == 'FAIL '* && $output == *'fix: okv-luna config wire'* ]]
	# One cause, one finding.
	[[ $(check slots) == 'WARN  slots         not checked: OKV loads no library' ]]
	"$build/libexec/okv-luna-config" --root "$ROOT" -q wire
	run status_of
	[[ $(check library) == OK* && $(check slots) == OK* ]]
}

@test "one cause is told once, by the first check that knows it, with its remedy; the others wait for that one" {
	everyday
	"$BATS_TEST_DIRNAME/../doubles/build" "$BATS_TEST_TMPDIR/doubles" no-slots needs-nsl
	cp -a "$ROOT" "$BATS_TEST_TMPDIR/everyday"
	while IFS='|' read -r failing waiting break; do
		rm -rf "$ROOT"
		cp -a "$BATS_TEST_TMPDIR/everyday" "$ROOT"
		cp "$BATS_TEST_TMPDIR/doubles/no-slots.so" "$ROOT$LC/lib/libCryptoki2_64.so"
		eval "$break" >/dev/null 2>&1
		run -1 status_of
		echo "$break: $output"
		# No server listens here, which is a cause of its own.
		[ "$(grep -oE '^FAIL +[a-z]+' <<<"$output" | grep -v network | awk '{ print $2 }' | xargs)" = "$failing" ]
		for name in $waiting; do [[ $(check "$name") =~ (waits for|not checked:) ]] || { echo "$name"; false; }; done
		# No remedy is printed twice, whoever prints it; nor do two lines give one cause two.
		[ -z "$(sed -nE 's/^ +(fix: .*|(install|put) .*)/\1/p' <<<"$output" | sort | uniq -d)" ]
		[ "$(grep -cE '^ +(fix:|install|put) ' <<<"$output")" -eq 1 ]
		status_of --json 2>/dev/null | jq -e --arg w "$waiting" '[.checks[] | select(.name as $n | $w | split(" ") |
			index($n)) | select(.state == "fail" and .name != "slots" or (.findings | any(.remediation)))] | length == 0'
	done <<-'END'
	client|library config slots network certificates policy|rm -r "$ROOT$LC"
	client slots|config network certificates|rm "$ROOT/etc/Chrystoki.conf"
	library|config slots|rm "$ROOT$LC/lib/libCryptoki2_64.so"
	library|config slots|: >"$ROOT$LC/lib/libCryptoki2_64.so"
	library|slots policy|chmod 0 "$ROOT$LC/lib/libCryptoki2_64.so"
	library|slots network|chmod 0700 "$ROOT/usr/safenet"
	library|config slots|sed -i 's/$/\r/' "$ROOT$GENERIC/okv_hsm.conf"
	library|config slots|chown 0:0 "$ROOT$GENERIC/okv_hsm.conf"; chmod 0600 "$ROOT$GENERIC/okv_hsm.conf"
	library|config slots wiring|rm "$ROOT$GENERIC/okv_hsm.conf"
	config slots||chown 0:0 "$ROOT$GENERIC/okv_hsm_env"; chmod 0600 "$ROOT$GENERIC/okv_hsm_env"
	config slots|network|rm "$ROOT$LC/cert/client/okv1Key.pem"
	config slots||sed -i 's/$/\r/' "$ROOT/etc/Chrystoki.conf"
	wiring slots||sed -i 's|"/etc"|"/opt/nope"|' "$ROOT$GENERIC/okv_hsm_env"
	slots|policy network|chmod 0600 "$ROOT$LC/cert/client/okv1Key.pem"
	slots|policy|chmod 0600 "$ROOT/etc/Chrystoki.conf"
	slots|group network|gpasswd -Q "$ROOT" -d oracle hsmusers
	slots|group policy network|sed -i /^hsmusers:/d "$ROOT/etc/group" "$ROOT/etc/gshadow"
	END
	# What an everyday node has in disorder is told by the check whose it is.
	rm -rf "$ROOT"
	cp -a "$BATS_TEST_TMPDIR/everyday" "$ROOT"
	chmod 0666 "$ROOT/etc/Chrystoki.conf"
	run -1 status_of
	[[ $(check config) == FAIL*'everybody may write it' && $(check policy) == 'WARN '*'waits for config: '* ]]
	[ "$(grep -c 'fix: okv-luna repair' <<<"$output")" -eq 1 ]
	# The remedy is one for both, and how many there are is said.
	chmod 0666 "$ROOT$LC/cert/client/okv1Key.pem"
	run -1 status_of
	[[ $(check policy) == 'WARN '*'waits for config: 2 of '* ]]
	sed -i '/^oracle:/d' "$ROOT/etc/passwd"
	run -1 status_of
	[[ $(check group) == FAIL*"there is no user 'oracle'" && $(check slots) == WARN* && $(check library) == WARN* ]]
}

@test "a node that is not wired has one finding, whether it never was or OKV's stock files are back" {
	everyday
	cp "$BATS_TEST_DIRNAME"/../appliance/okv/okv_hsm* "$ROOT$GENERIC/"
	for way in back never; do
		[ $way = back ] || "$build/libexec/okv-luna-config" --root "$ROOT" unwire -q --all --even-in-use
		run -1 status_of
		[[ $(check wiring) == "FAIL  wiring        $GENERIC/okv_hsm.conf: this node is not wired" ]]
		# The server of the test's Chrystoki.conf is not there; what cannot be looked at is a warning.
		[ "$(grep -E '^FAIL' <<<"$output" | grep -cv '^FAIL  network')" -eq 1 ]
		[[ $(check library) == 'WARN  library       not checked: this node is not wired'* ]]
		[[ $(check config) == 'OK '* ]]
		[ "$(grep -c 'fix: okv-luna config wire' <<<"$output")" -eq 1 ]
	done
	"$build/libexec/okv-luna-config" --root "$ROOT" -q wire
	run -0 status_of
	# What a person has to correct first is told where it stands, and wiring waits for it.
	sed -i '/^VENDOR_NAME=/s/"//g' "$ROOT$GENERIC/okv_hsm.conf"
	run -1 status_of
	[[ $(check config) == 'FAIL '*'not in double quotes' && $(check wiring) == 'WARN  wiring        not checked: '* ]]
}

@test "the root key: looked for where it is asked for, and else said not to be checked" {
	everyday
	pin 1234
	run -0 status_of
	[[ $(check key) == 'WARN '*"not checked: the root key's label and a PIN are needed: --key and --pin-file" ]]
	for tool in 'pre --dry-run' post; do
		run $tool -v
		[[ $output == *'the root key was not checked; --key and --pin-file do that'* ]]
	done
	for tool in status_of 'pre --dry-run' post; do
		run -0 $tool -v --key root --pin-file "$PIN"
		[[ $output == *"the key 'root' is on 1 token, and cannot be extracted"* ]]
	done
	run -2 status_of --pin-file "$PIN"
	pin 9999
	for tool in status_of 'pre --dry-run' post; do
		run -1 $tool --key root --pin-file "$PIN"
		[[ $output == *'C_Login answered CKR_PIN_INCORRECT'* ]]
		[[ $output != *9999* ]]
	done
	# The key has a line of its own: the slots are not to blame for it, and it is not to be had without them.
	run -1 status_of --key root --pin-file "$PIN"
	[[ $(check key) == FAIL* && $(check slots) == OK* ]]
	rm "$ROOT$LC/lib/libCryptoki2_64.so"
	run -1 status_of --key root --pin-file "$PIN"
	[[ $(check key) == 'WARN '*'not checked: the slots do not show' ]]
}

@test "what keeps a library from its HSM is no fault where the HSM answers, and is one where it does not" {
	everyday
	sed -i '/Server[NP]/d' "$ROOT/etc/Chrystoki.conf"
	echo words >"$ROOT$LC/cert/client/okv1Key.pem"
	rm "$ROOT$LC/cert/server/CAFile.pem"
	run -1 "$build/libexec/okv-luna-config" --root "$ROOT" check
	[[ $output == *server-none* && $output == *'holds no private key'* ]]
	run -0 status_of
	[[ $(check config) == 'WARN '*'; yet the HSM answers' ]]
	[[ $output == *'no server is named: '*'; yet the HSM answers'* ]]
	[[ $output == *"CAFile.pem', which is not there; yet the HSM answers"* ]]
	"$BATS_TEST_DIRNAME/../doubles/build" "$BATS_TEST_TMPDIR/doubles" session-refused
	cp "$BATS_TEST_TMPDIR/doubles/session-refused.so" "$ROOT$LC/lib/libCryptoki2_64.so"
	run -1 status_of
	[[ $(check config) == FAIL* && $output != *'yet the HSM answers'* ]]
	# With a server, a file that is missing may be the one that the next connection needs.
	upgrade_reset
	rm "$ROOT$LC/cert/server/CAFile.pem"
	run -1 status_of
	[[ $(check config) == FAIL* ]]
}

@test "colour on a terminal, and none with NO_COLOR" {
	everyday
	unset NO_COLOR
	run script -qec "'$build/libexec/okv-luna-status' --root '$ROOT'" /dev/null
	[[ $output == *$'\e[32mOK'* ]]
	NO_COLOR=1 run script -qec "'$build/libexec/okv-luna-status' --root '$ROOT'" /dev/null
	[[ $output != *$'\e['* ]]
}

@test "a narrow terminal gets whole lines, as a file does: commands can be copied" {
	pre -q
	rm "$ROOT$LC/cert/client/okv1.pem"
	run script -qec "stty cols 60; NO_COLOR=1 '$build/libexec/okv-luna-status' --root '$ROOT'" /dev/null
	for text in "$(tr -d '\r' <<<"$output")" "$(status_of 2>/dev/null)"; do
		[[ $text == *"/etc/Chrystoki.conf:7: ClientCertFile leads to '$LC/cert/client/okv1.pem', which is not there
                    install what is missing, or correct the path
"* ]]
	done
}

@test "network and certificates: what cannot be reached fails where the HSM does not answer; what ran out always" {
	everyday
	run -0 status_of -v
	[[ $(check network) == "OK "*"the HSM answers, although none of its servers passes this check"* ]]
	[[ $(check certificates) == "OK "* && $output == *"(ServerCAFile): is valid until 20"* ]]
	"$BATS_TEST_DIRNAME/../doubles/build" "$BATS_TEST_TMPDIR/doubles" no-slots
	cp "$BATS_TEST_TMPDIR/doubles/no-slots.so" "$ROOT$LC/lib/libCryptoki2_64.so"
	run -1 status_of
	[[ $(check network) == "FAIL  network       server 127.0.0.1:1792 (ServerName00): 127.0.0.1 refuses the connection"* ]]
	[[ $output == *"on the HSM: service restart ntls"* ]]
	sed -i /Server/d "$ROOT/etc/Chrystoki.conf"
	run -1 status_of
	[[ $(check network) == "WARN  network       not checked: '/etc/Chrystoki.conf' names no server"* ]]
	upgrade_reset
	openssl req -x509 -new -key "$ROOT$LC/cert/client/okv1Key.pem" -subj /CN=okv1 -days 20 \
		-out "$BATS_TEST_TMPDIR/new.pem"
	cat "$BATS_TEST_TMPDIR/new.pem" >"$ROOT$LC/cert/client/okv1.pem"
	run -0 status_of
	[[ $(check certificates) == "WARN  certificates  certificate 'okv1' of "*"expires in "*" days, on 20"* ]]
}

@test "where a token shows that is not the one that is meant, that is the one cause, and the labels are told" {
	everyday
	echo 'TOKEN_LABEL="Partition-01"' >>"$ROOT/opt/okv-luna/etc/okv-luna.conf"
	run -1 status_of -v
	[[ $(check slots) == "FAIL "*"sees no token with label 'Partition-01'"* ]]
	[[ $output == *"the usable tokens have the labels 'partition-01'; TOKEN_LABEL in "* ]]
	[[ $(check network) == "OK "* ]]
	[ "$(grep -c ^FAIL <<<"$output")" -eq 1 ]
}

@test "a key of another certificate is told once, also where the HSM answers" {
	everyday
	openssl genrsa -out "$BATS_TEST_TMPDIR/other.pem" 2048 2>/dev/null
	cat "$BATS_TEST_TMPDIR/other.pem" >"$ROOT$LC/cert/client/okv1Key.pem"
	run -0 status_of
	[[ $(check config) == "WARN "*"do not belong together; yet the HSM answers" ]]
	[[ $(check certificates) == "WARN "*"(ClientCertFile): not tried, waits for config" ]]
}

@test "a damaged certificate that only its own check can see is told there, with what to do" {
	everyday
	printf -- '-----BEGIN CERTIFICATE-----\nd29yZHM=\n-----END CERTIFICATE-----\n' >"$ROOT$LC/cert/client/okv1.pem"
	run status_of
	[[ $(check config) == 'OK '* ]]
	[[ $(check certificates) == "WARN "*"(ClientCertFile): holds no certificate that can be read" ]]
	[[ $output == *' copy it again from where it came from: '* ]]
}

@test "a certificate that does not hold today is told by the slots that do not show, and not again" {
	everyday
	"$BATS_TEST_DIRNAME/../doubles/build" "$BATS_TEST_TMPDIR/doubles" no-slots
	cp "$BATS_TEST_TMPDIR/doubles/no-slots.so" "$ROOT$LC/lib/libCryptoki2_64.so"
	. "$BATS_TEST_DIRNAME/../remedies/words.bash"
	expired "$ROOT$LC/cert/client/okv1Key.pem" "$ROOT$LC/cert/client/okv1.pem"
	run -1 status_of
	[[ $output == *"this client's certificate '$LC/cert/client/okv1.pem' expired on 20"* ]]
	[ "$(grep -c 'vtl createCert' <<<"$output")" -eq 1 ]
}

@test "less than a second of the processor, the library's time included" {
	everyday
	TIMEFORMAT='%U %S'
	took=$({ time status_of >/dev/null 2>&1; } 2>&1)
	echo "user and system: $took s"
	awk '{ exit $1 + $2 >= 1 }' <<<"$took"
}

@test "used wrongly" {
	run -2 status_of operand
}

@test "a v6.x client wants neither group nor generic files nor modes of ours: not one of them fails, and repair agrees" {
	: >"$ROOT$LC/lib/libCryptoki2_64.so.6.3.0"
	sed -i '/^hsmusers:/d' "$ROOT/etc/group" "$ROOT/etc/gshadow"
	chmod -R a+rX "$ROOT$LC" "$ROOT/etc/Chrystoki.conf"
	before=$(state)
	for generic in there gone; do
		[ $generic = there ] || mv "$ROOT$GENERIC" "$ROOT/generic.kept"
		run -0 status_of -v
		for name in group policy wiring; do
			[[ $(check $name) == "OK    "*"the Luna client is v6.x"* ]] || { echo "$output"; false; }
		done
		run -0 "$build/libexec/okv-luna-repair" --root "$ROOT"
		[[ $output == *"the Luna client is v6.x"* ]]
	done
	mv "$ROOT/generic.kept" "$ROOT$GENERIC"
	[ "$(state)" = "$before" ]
	# The hooks ask for nothing of it either.
	run -0 pre -v
	diff <(grep -v -e etc/systemd -e okv-luna <<<"$before") <(state | grep -v -e etc/systemd -e okv-luna)
}

@test "a v6.x client whose key OKV's user cannot read: repair, which does nothing for it, is not advised" {
	: >"$ROOT$LC/lib/libCryptoki2_64.so.6.3.0"
	chmod -R a+rX "$ROOT$LC" "$ROOT/etc/Chrystoki.conf"
	chmod 0600 "$ROOT$LC/cert/client/okv1Key.pem"
	"$BATS_TEST_DIRNAME/../doubles/build" "$BATS_FILE_TMPDIR/doubles" no-slots >/dev/null
	cp "$BATS_FILE_TMPDIR/doubles/no-slots.so" "$ROOT$LC/lib/libCryptoki2_64.so"
	for command in okv-luna-status okv-luna-slots; do
		run -1 "$build/libexec/$command" --root "$ROOT"
		[[ $output == *"user 'oracle' cannot read "*"okv1Key.pem"* && $output != *"okv-luna repair"* ]] ||
			{ echo "$output" && false; }
	done
}
