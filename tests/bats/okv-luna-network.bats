#!/usr/bin/env bats
# network: from "no slots" to the cause beyond this machine.  Real servers on loopback, each broken in one way.

bats_require_minimum_version 1.5.0
load eventually
load without

# --- certificates ---------------------------------------------------------------------------------------------------

# certificate NAME FROM TO [ISSUER]: NAME.pem and NAME.key of that time; of its own make, or signed by ISSUER.
certificate() {
	local name=$1 from to issuer=${4:-}
	from=$(date -ud "$2" +%Y%m%d%H%M%SZ) to=$(date -ud "$3" +%Y%m%d%H%M%SZ)
	openssl ecparam -name prime256v1 -genkey -noout -out "$name.key"
	openssl req -new -key "$name.key" -subj "/O=Example/CN=$name" -out "$name.csr"
	local signer=(-selfsign -keyfile "$name.key")
	[ -z "$issuer" ] || signer=(-cert "$issuer.pem" -keyfile "$issuer.key")
	: >index.txt
	openssl ca -batch -config ca.cnf -startdate "$from" -enddate "$to" "${signer[@]}" -in "$name.csr" \
		-out "$name.pem" -notext -create_serial 2>/dev/null
}

setup_file() {
	export NETWORK=${BUILD:-$BATS_TEST_DIRNAME/../../build}/libexec/okv-luna-network
	export SCHEMA=$BATS_TEST_DIRNAME/../../payload/schema
	export PKI=$BATS_FILE_TMPDIR/pki
	mkdir "$PKI" && cd "$PKI" || return
	cat >ca.cnf <<-'END'
	[ca]
	default_ca = it
	[it]
	database = index.txt
	serial = serial
	new_certs_dir = .
	default_md = sha256
	policy = any
	unique_subject = no
	x509_extensions = ext
	[any]
	organizationName = optional
	commonName = supplied
	[ext]
	basicConstraints = CA:TRUE
	END
	certificate hsm1 '-1 day' '+900 days'
	certificate hsm1-new '-1 day' '+900 days'
	certificate hsm1-old '-90 days' '-5 days'
	certificate hsm1-future '+3 days' '+900 days'
	certificate hsm1-soon '-90 days' '+20 days +9 hours'
	certificate authority '-1 day' '+900 days'
	certificate hsm1-signed '-1 day' '+900 days' authority
	certificate okv1 '-1 day' '+900 days'
	certificate okv1-old '-90 days' '-5 days'
	certificate okv1-soon '-90 days' '+20 days +9 hours'
	certificate okv1-other '-1 day' '+900 days'
	openssl ec -in okv1.key -aes256 -passout pass:its-own -out okv1-encrypted.key 2>/dev/null
}

setup() {
	TREE=$BATS_TEST_TMPDIR/tree
	LC=/usr/safenet/lunaclient
	mkdir -p "$TREE/etc" "$TREE$LC/cert/client" "$TREE$LC/cert/server" "$TREE/opt/okv-luna/etc" "$TREE/opt/okv-luna/var"
	chmod 0755 "$TREE"
	printf 'root:x:0:0::/root:/bin/sh\noracle:x:54321:54321::/home/oracle:/bin/sh\n' >"$TREE/etc/passwd"
	printf 'root:x:0:\noinstall:x:54321:\nhsmusers:x:986:oracle\n' >"$TREE/etc/group"
	client okv1 okv1.key
	cp "$PKI/hsm1.pem" "$TREE$LC/cert/server/CAFile.pem"
	conf
	PEERS=()
}

teardown() {
	[ ${#PEERS[@]} -eq 0 ] || kill "${PEERS[@]}" 2>/dev/null || true
}

# The client's certificate and key: NAME KEY.
client() {
	cp "$PKI/$1.pem" "$TREE$LC/cert/client/okv1.pem"
	cp "$PKI/$2" "$TREE$LC/cert/client/okv1Key.pem"
	chown -R 0:986 "$TREE$LC/cert"
	chmod -R u=rwX,g=rX,o= "$TREE$LC/cert"
}

# conf [HOST PORT]...: Chrystoki.conf with these servers.
conf() {
	local number=0
	{
		printf 'Chrystoki2 = {\n   LibUNIX64 = %s/lib/libCryptoki2_64.so;\n}\nLunaSA Client = {\n' "$LC"
		printf '   ClientPrivKeyFile = %s/cert/client/okv1Key.pem;\n' "$LC"
		printf '   ClientCertFile = %s/cert/client/okv1.pem;\n' "$LC"
		printf '   ServerCAFile = %s/cert/server/CAFile.pem;\n' "$LC"
		while [ $# -gt 0 ]; do
			printf '   ServerName%02d = %s;\n   ServerPort%02d = %s;\n' "$number" "$1" "$number" "$2"
			number=$((number + 1))
			shift 2
		done
		printf '}\n'
	} >"$TREE/etc/Chrystoki.conf"
}

# peer BEHAVIOUR [OPTIONS]: starts it; PORT is its port.
peer() {
	local file=$BATS_TEST_TMPDIR/port.${#PEERS[@]}
	/usr/bin/python3 "$BATS_TEST_DIRNAME/peer.py" "$@" "$file" 3>&- &
	PEERS+=($!)
	eventually test -s "$file"
	PORT=$(cat "$file")
}

# As the HSM is when all is well: hsm CERTIFICATE [OPTIONS].
hsm() { peer tls --certificate "$PKI/$1.pem" --key "$PKI/$1.key" --clients "$PKI/okv1.pem" "${@:2}"; }

network() { "$NETWORK" --root "$TREE" --timeout 10 "$@"; }

# lines FILTER: state and word of each line that the filter gives; failing: the words of the certificates that fail.
lines() { jq -r "$1"' | "\(.state) \(.word)"' <<<"$output"; }
failing() { jq -r '.certificates[] | select(.state == "fail") | .word' <<<"$output" | xargs; }

# verdict STATUS STATE WORD [WORDS-OF-THE-LINE] -- of the first server, or the first certificate that is not OK.
verdict() {
	run --separate-stderr network --json
	echo "exit $status (wanted $1): $output"
	[ "$status" -eq "$1" ]
	/usr/bin/python3 "$BATS_TEST_DIRNAME/schema.py" "$SCHEMA/network.schema.json" <<<"$output"
	[ "$(lines '[.servers[], .certificates[] | select(.state != "ok")] + [.servers[0]] | .[0]')" = "$2 $3" ]
	[ -z "${4:-}" ] || [[ $(jq -r '.servers[].text, .certificates[].text' <<<"$output") == *"$4"* ]]
	# What is not well has a remedy.
	[ "$(jq '[.servers[], .certificates[] | select(.state != "ok" and (.fix // "") == "")] | length' <<<"$output")" -eq 0 ]
}

# --- well -----------------------------------------------------------------------------------------------------------

@test "a server whose certificate stands in the file: 0, with TLS 1.2 and with 1.3" {
	for version in 1.2 1.3; do
		hsm hsm1 --only $version
		conf 127.0.0.1 "$PORT"
		verdict 0 ok ok "TLSv$version, certificate 'hsm1' as in"
	done
	run -0 network
	[[ ${lines[0]} == "OK    server 127.0.0.1:$PORT (ServerName00): 127.0.0.1, TLSv1.3, certificate 'hsm1' "*", until 20"* ]]
	[[ ${lines[1]} == "OK    certificate 'okv1' of '$LC/cert/client/okv1.pem' (ClientCertFile): is valid until 20"* ]]
	[[ ${lines[2]} == "OK    certificate 'hsm1' of '$LC/cert/server/CAFile.pem' (ServerCAFile): is valid until 20"* ]]
	[ "${#lines[@]}" -eq 3 ]
}

@test "one that an authority of the file has signed: 0" {
	hsm hsm1-signed
	cp "$PKI/authority.pem" "$TREE$LC/cert/server/CAFile.pem"
	conf 127.0.0.1 "$PORT"
	verdict 0 ok ok 'signed by a known authority'
}

@test "a name is looked up, and each server is asked once" {
	hsm hsm1 --log "$BATS_TEST_TMPDIR/log"
	conf localhost "$PORT"
	verdict 0 ok ok 'certificate '
	[ "$(wc -l <"$BATS_TEST_TMPDIR/log")" -eq 1 ]
}

@test "servers of an appliance cluster, with files of their own" {
	hsm hsm1
	conf
	mv "$TREE$LC/cert/server/CAFile.pem" "$TREE$LC/cert/server/lnh.pem"
	sed -i "/ServerCAFile/d; /^LunaSA/r /dev/stdin" "$TREE/etc/Chrystoki.conf" <<-END
	   LNHServer00 = 127.0.0.1;
	   LNHServerPort00 = $PORT;
	   LNHServerClientCert00 = $LC/cert/client/okv1.pem;
	   LNHServerClientKey00 = $LC/cert/client/okv1Key.pem;
	   LNHServerCAFile00 = $LC/cert/server/lnh.pem;
	END
	verdict 0 ok ok
	cp "$PKI/hsm1-new.pem" "$TREE$LC/cert/server/lnh.pem"
	verdict 1 fail unknown-server
}

@test "the cloud service: no certificate of ours, and its clock by its answer" {
	service() {
		peer web --certificate "$PKI/hsm1.pem" --key "$PKI/hsm1.key" "$@"
		conf
		cat >>"$TREE/etc/Chrystoki.conf" <<-END
		REST = {
		   ServerName = 127.0.0.1;
		   ServerPort = $PORT;
		   SSLClientSideVerifyFile = $LC/cert/server/CAFile.pem;
		}
		END
	}
	service
	verdict 0 ok ok
	[ "$(jq '.servers[0].clock_ahead_s | fabs < 5' <<<"$output")" = true ]
	service --ahead 4000
	verdict 0 warn clock "s ahead of this machine's"
	service --ahead -4000
	verdict 0 warn clock "s behind this machine's"
}

@test "the cloud service: what fails there is its operator's, not what one does at an HSM" {
	for behaviour in silent reset close 'alert --number 48' 'alert --number 99' gone; do
		# shellcheck disable=SC2086
		peer ${behaviour/gone/silent}
		[ "$behaviour" != gone ] || { kill "${PEERS[-1]}" && wait "${PEERS[-1]}" || true; }
		conf
		printf 'REST = {\n   ServerName = 127.0.0.1;\n   ServerPort = %s;\n}\n' "$PORT" >>"$TREE/etc/Chrystoki.conf"
		run -1 --separate-stderr network --json --timeout "$([ "$behaviour" = silent ] && echo 3 || echo 20)"
		[[ $(jq -r '.servers[0].fix' <<<"$output") == 'ask the operator of the service'* ]]
		[[ $output != *'this client'* || $behaviour == alert* ]]
	done
}

@test "an older appliance tells its time in the handshake, and clocks that are apart are a warning" {
	cc -o "$BATS_TEST_TMPDIR/clock_peer" "$BATS_TEST_DIRNAME/clock_peer.c" -lssl -lcrypto
	for ahead in 7200 -900 0; do
		rm -f "$BATS_TEST_TMPDIR/port"
		"$BATS_TEST_TMPDIR/clock_peer" "$ahead" "$PKI/hsm1.pem" "$PKI/hsm1.key" "$BATS_TEST_TMPDIR/port" 3>&- &
		PEERS+=($!)
		eventually test -s "$BATS_TEST_TMPDIR/port"
		conf 127.0.0.1 "$(cat "$BATS_TEST_TMPDIR/port")"
		if [ "$ahead" -eq 0 ]; then verdict 0 ok ok; else verdict 0 warn clock "this machine's"; fi
		[ "$(jq ".servers[0].clock_ahead_s - ($ahead) | fabs < 60" <<<"$output")" = true ]
	done
}

# --- between here and there -----------------------------------------------------------------------------------------

@test "nothing listens: refused" {
	hsm hsm1
	kill "${PEERS[0]}" && wait "${PEERS[0]}" || true
	conf 127.0.0.1 "$PORT"
	verdict 1 fail refused 'refuses the connection'
}

@test "nothing comes back: a firewall that drops, within the deadline" {
	peer full
	conf 127.0.0.1 "$PORT"
	before=$(date +%s%3N)
	run -1 network --timeout 1
	took=$(($(date +%s%3N) - before))
	[[ $output == *'no answer from 127.0.0.1'* ]]
	echo "took $took ms"
	# The kernel alone would try for two minutes.
	[ "$took" -ge 1000 ] && [ "$took" -lt 60000 ]
}

@test "no way there: unreachable, told from refused" {
	conf 203.0.113.7 1792
	run -1 unshare -n "$NETWORK" --root "$TREE" --timeout 3
	[[ $output == *'203.0.113.7 cannot be reached: Network is unreachable'* ]]
	[[ $output == *'      repair the route to 203.0.113.7'* ]]
}

@test "what no server can be called, and what is no port: said as that, and nobody is asked" {
	local port
	for port in 70000 0 ntls 1792x; do
		conf 127.0.0.1 "$port"
		verdict 1 fail not-tried "not tried: '$port' is not a port number"
		[[ $(jq -r '.servers[0].fix' <<<"$output") == 'to see why: okv-luna config check' ]]
	done
	conf '[::1]' 1792
	verdict 1 fail not-tried "not tried: '[::1]' is not a host name or address"
	conf '<HSM>' 1792
	verdict 1 fail not-tried "'<HSM>' is not a host name or address"
}

@test "a name without an address, and a DNS server that says nothing" {
	conf hsm.invalid 1792
	run -1 network --timeout 8
	[[ $output == *'its name has no address'* ]]
	printf 'nameserver 127.0.0.1\noptions timeout:30\n' >"$BATS_TEST_TMPDIR/resolv.conf"
	/usr/bin/python3 - "$BATS_TEST_TMPDIR/resolv.conf" "$NETWORK" --root "$TREE" --timeout 1 >"$BATS_TEST_TMPDIR/out" <<-'END' || true
	import ctypes, fcntl, socket, struct, subprocess, sys
	libc = ctypes.CDLL(None)
	assert libc.unshare(0x40000000 | 0x00020000) == 0  # network, mounts
	assert libc.mount(None, b"/", None, 0x4000 | 0x40000, None) == 0  # private
	assert libc.mount(sys.argv[1].encode(), b"/etc/resolv.conf", None, 0x1000, None) == 0
	deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	fcntl.ioctl(deaf, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
	deaf.bind(("127.0.0.1", 53))
	sys.exit(subprocess.run(sys.argv[2:]).returncode)
	END
	cat "$BATS_TEST_TMPDIR/out"
	grep -q 'no DNS server answered in time' "$BATS_TEST_TMPDIR/out"
}

# --- the handshake --------------------------------------------------------------------------------------------------

@test "the port is open and nobody speaks: within the deadline, and said as that" {
	peer silent
	conf 127.0.0.1 "$PORT"
	# The peer would be silent for longer than a test may take.
	run -1 network --timeout 1
	[[ $output == *"port $PORT is open, and the handshake did not finish in time"* ]]
}

@test "broken off, ended, and no TLS at all" {
	for kind in reset:reset close:closed; do
		peer "${kind%:*}"
		conf 127.0.0.1 "$PORT"
		verdict 1 fail "${kind#*:}" 'or the clocks differ'
	done
	for behaviour in text http; do
		peer $behaviour
		conf 127.0.0.1 "$PORT"
		verdict 1 fail not-tls 'does not speak TLS'
	done
}

@test "this client is not registered: told with TLS 1.2, and with 1.3, where it comes after the handshake" {
	client okv1-other okv1-other.key
	for version in 1.2 1.3; do
		hsm hsm1 --only $version
		conf 127.0.0.1 "$PORT"
		verdict 1 fail not-registered "alert 'unknown ca': this client is not registered there"
	done
}

@test "each alert that a server may send has its meaning" {
	while read -r number name means; do
		peer alert --number "$number"
		conf 127.0.0.1 "$PORT"
		run --separate-stderr network --json
		[ "$status" -eq 1 ]
		[[ $(jq -r '.servers[0].text' <<<"$output") == "it ended the handshake with alert '${name//_/ }': $means"* ]]
		case $number in
		44) fix="make a new one with $LC/bin/vtl createCert" ;;
		45) fix="correct the HSM's clock; if it is right, make a new one with $LC/bin/vtl createCert" ;;
		48 | 49) fix="on the HSM: client register with this client's certificate '$LC/cert/client/okv1.pem', then " ;;
		*) fix='ask the HSM' ;;
		esac
		[[ $(jq -r '.servers[0].fix' <<<"$output") == "$fix"* ]]
	done <<-'END'
	40 handshake_failure it
	44 certificate_revoked this client's certificate was revoked
	45 certificate_expired this client's certificate has expired by its clock
	48 unknown_ca this client is not registered there
	49 access_denied it knows this client, but denies it access
	70 protocol_version it supports no version
	71 insufficient_security it requires stronger
	80 internal_error it has an internal error
	END
	peer alert --number 99
	conf 127.0.0.1 "$PORT"
	verdict 1 fail alert 'alert 99'
}

@test "old protocols are spoken, since what there is is to be found out" {
	hsm hsm1 --only 1.2 --ciphers 'AES128-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0'
	conf 127.0.0.1 "$PORT"
	verdict 0 ok ok TLSv1.2
}

# --- certificates ---------------------------------------------------------------------------------------------------

@test "the server's certificate was renewed: not the one in the file" {
	hsm hsm1-new
	conf 127.0.0.1 "$PORT"
	verdict 1 fail unknown-server "its certificate ('hsm1-new') is not the one in '$LC/cert/server/CAFile.pem'"
	[[ $(jq -r '.servers[0].fix' <<<"$output") == *"$LC/bin/vtl addServer -n 127.0.0.1 -c server.pem"* ]]
}

@test "the server's certificate has run out, is not valid yet, or soon runs out" {
	for kind in old:expired future:clock; do
		hsm "hsm1-${kind%:*}"
		cp "$PKI/hsm1-${kind%:*}.pem" "$TREE$LC/cert/server/CAFile.pem"
		conf 127.0.0.1 "$PORT"
		verdict 1 fail "${kind#*:}"
	done
	hsm hsm1-soon
	cp "$PKI/hsm1-soon.pem" "$TREE$LC/cert/server/CAFile.pem"
	conf 127.0.0.1 "$PORT"
	verdict 0 warn expires 'expires in 20 days'
	run -0 network --days 10
	[[ $output != *WARN* ]]
}

@test "this client's certificate has run out, or soon does" {
	hsm hsm1 --clients "$PKI/okv1-old.pem"
	client okv1-old okv1-old.key
	conf 127.0.0.1 "$PORT"
	run --separate-stderr network --json
	[ "$status" -eq 1 ]
	[[ $(jq -r '.servers[0].text' <<<"$output") == *"certificate has expired by its clock"* ]]
	[ "$(lines '.certificates[0]')" = "fail expired" ]
	hsm hsm1 --clients "$PKI/okv1-soon.pem"
	client okv1-soon okv1-soon.key
	conf 127.0.0.1 "$PORT"
	verdict 0 warn expires 'expires in 20 days'
}

@test "key and certificate do not belong together" {
	hsm hsm1
	client okv1 okv1-other.key
	conf 127.0.0.1 "$PORT"
	verdict 1 fail not-tried 'key values mismatch'
	[ "$(failing)" = pair ]
}

@test "OKV's user may not read the key, or it is not there" {
	hsm hsm1
	conf 127.0.0.1 "$PORT"
	chmod 0600 "$TREE$LC/cert/client/okv1Key.pem"
	verdict 1 fail not-tried 'Permission denied'
	rm "$TREE$LC/cert/client/okv1Key.pem"
	verdict 1 fail not-tried "okv1Key.pem': "
}

@test "an encrypted key: the way there is proven, the registration is not, and that is said" {
	client okv1 okv1-encrypted.key
	for version in 1.2 1.3; do
		hsm hsm1 --only $version
		conf 127.0.0.1 "$PORT"
		verdict 0 warn not-checked 'since its key is encrypted'
		[[ $(jq -r '.servers[0].fix' <<<"$output") == "$LC/bin/vtl verify" ]]
	done
	hsm hsm1-new
	conf 127.0.0.1 "$PORT"
	verdict 1 fail unknown-server
}

@test "an old certificate beside its successor, and one that is needed" {
	cat "$PKI/hsm1-old.pem" >>"$TREE$LC/cert/server/CAFile.pem"
	hsm hsm1
	conf 127.0.0.1 "$PORT"
	verdict 0 warn old 'no server needs it'
	kill "${PEERS[0]}" && wait "${PEERS[0]}" || true
	run --separate-stderr network --json
	[ "$(failing)" = authority-expired ]
}

@test "files that are not there or hold no certificate" {
	hsm hsm1
	conf 127.0.0.1 "$PORT"
	echo garbage >"$TREE$LC/cert/server/CAFile.pem"
	run --separate-stderr network --json
	[ "$status" -eq 1 ]
	[ "$(lines '.servers[0]') $(failing)" = 'fail unknown-server no-certificate' ]
	rm "$TREE$LC/cert/server/CAFile.pem"
	run --separate-stderr network --json
	[ "$status" -eq 1 ]
	[ "$(lines '.servers[0]') $(failing)" = 'fail not-tried unreadable' ]
}

@test "the cloud's own certificates are looked at without a server" {
	hsm hsm1
	conf 127.0.0.1 "$PORT"
	printf 'XTC = {\n   PartitionCAPath = %s/ca.pem;\n   PartitionCertPath00 = %s/part.pem;\n}\n' "$LC" "$LC" \
		>>"$TREE/etc/Chrystoki.conf"
	cp "$PKI/authority.pem" "$TREE$LC/ca.pem"
	cp "$PKI/hsm1-old.pem" "$TREE$LC/part.pem"
	verdict 1 fail expired 'expired on'
}

# --- the command ----------------------------------------------------------------------------------------------------

@test "several servers are asked at the same time, and each has its line" {
	peer close
	closed=$PORT
	# It answers nobody before three have asked: one after another they would all be too late.
	hsm hsm1 --together 3
	conf 127.0.0.1 "$closed" localhost "$PORT" 127.0.0.1 "$PORT" 127.0.0.1 "$PORT"
	run -1 network --timeout 60
	[ "$(grep -c '^FAIL  server' <<<"$output")" -eq 1 ]
	[ "$(grep -c '^OK    server' <<<"$output")" -eq 3 ]
	hsm hsm1
	conf 127.0.0.1 "$closed" localhost "$PORT"
	run -0 network --server localhost
	[ "$(grep -c ' server ' <<<"$output")" -eq 1 ]
	run -2 network --server hsm9
	[[ $output == *"'hsm9' is not a server of '/etc/Chrystoki.conf', which names: "*localhost* ]]
}

@test "--dry-run asks nobody" {
	hsm hsm1 --log "$BATS_TEST_TMPDIR/log"
	conf 127.0.0.1 "$PORT"
	run -0 network --dry-run
	[ "$output" = "would ask server 127.0.0.1:$PORT (ServerName00)" ]
	[ ! -e "$BATS_TEST_TMPDIR/log" ]
}

@test "no server, no conf: 1 and 6, in one sentence, by the schema" {
	run -1 network
	[[ $output == *"'/etc/Chrystoki.conf' names no server"* ]]
	rm "$TREE/etc/Chrystoki.conf"
	run -6 --separate-stderr network --json
	/usr/bin/python3 "$BATS_TEST_DIRNAME/schema.py" "$SCHEMA/network.schema.json" <<<"$output"
}

@test "libssl missing: 6 and the package" {
	hsm hsm1
	conf 127.0.0.1 "$PORT"
	library=$(ldconfig -p | awk '/libssl.so/ { print $1; exit }')
	run -6 without "$library" "$NETWORK" --root "$TREE"
	[[ $output == *"cannot try a handshake without libssl"*"install the package 'openssl-libs'"* ]]
}

@test "nothing of the key is printed, and nothing is changed" {
	hsm hsm1
	conf 127.0.0.1 "$PORT"
	before=$(cd "$TREE" && find . -printf '%p %m %u %g %T@ %C@\n' | sort)
	for what in '' --json --verbose; do
		run -0 network $what
		while read -r line; do
			[[ $output != *"$line"* ]]
		done < <(grep -v -e ----- "$PKI/okv1.key")
	done
	[ "$before" = "$(cd "$TREE" && find . -printf '%p %m %u %g %T@ %C@\n' | sort)" ]
}

@test "the process that meets the server is OKV's user, and has nothing of root's" {
	peer silent
	conf 127.0.0.1 "$PORT"
	SECRET=from-the-backup "$NETWORK" --root "$TREE" --timeout 300 >/dev/null 2>&1 3>&- &
	pid=$!
	eventually met
	[ "$(awk '/^Uid/ { print $2, $3, $4, $5 }' "/proc/$worker/status")" = '54321 54321 54321 54321' ]
	[ "$(awk '/^NoNewPrivs/ { print $2 }' "/proc/$worker/status")" = 1 ]
	[ ! -s "/proc/$worker/environ" ]
	kill "$pid"
	wait "$pid" || true
	eventually gone
}

# The worker has given up root; there is none any more.
met() {
	worker=$(pgrep -f "^[^ ]*okv-luna-handshake oracle 127.0.0.1 $PORT" | head -1) &&
		[ "$(awk '/^Uid/ { print $2 }' "/proc/$worker/status")" = 54321 ]
}
gone() { ! pgrep -f "okv-luna-handshake oracle 127.0.0.1 $PORT" >/dev/null; }
