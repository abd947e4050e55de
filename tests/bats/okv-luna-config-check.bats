#!/usr/bin/env bats
# config check: every fault is found where it is, explained, and fixed where that needs no guess.
# shellcheck disable=SC2016 # single quotes: the scripts' own variables

bats_require_minimum_version 1.5.0
load config

setup() {
	config_setup
	stock_root
	"$config" --root "$root" -q wire
	conf=$gen/okv_hsm.conf env=$gen/okv_hsm_env mid=$gen/okv_hsm_mid_upgrade luna=$root/etc/Chrystoki.conf
}

teardown() { config_teardown; }

# check_lines: what check says; the exit status must be 1 exactly when there is a FAIL.
check_lines() {
	run --separate-stderr "$config" --root "$root" check
	if [[ $'\n'$output == *$'\nFAIL  '* ]]; then
		[ "$status" -eq 1 ]
	else
		[ "$status" -eq 0 ]
	fi
}

# finds GRADE RULE FILE LINE: a finding of that rule, there; $finding is its first line, $safe whether --fix does it.
finds() {
	local i place=$3
	[ "$4" -eq 0 ] || place=$3:$4
	check_lines
	for i in "${!lines[@]}"; do
		if [[ ${lines[i]} == "$1  $place: "*" [$2]" ]]; then
			finding=${lines[i]} safe=no
			[[ ${lines[i + 2]} != '      fix: okv-luna config check --fix' ]] || safe=yes
			return 0
		fi
	done
	printf '%s\n' "$output"
	return 1
}

# lacks RULE
lacks() {
	check_lines
	[[ $output != *" [$1]"* ]]
}

# fixed RULE: it was said to be safe, --fix fixes it, and nothing else of FAIL is left.
fixed() {
	[ "$safe" = yes ]
	run "$config" --root "$root" -q check --fix
	lacks "$1"
}

# typed RULE: its remedy, as printed, is a command that takes the finding away.
typed() {
	local command
	check_lines
	command=$(grep -A2 -m1 "\[$1\]" <<<"$output" | sed -n 's/^ *fix: okv-luna config //p')
	[ -n "$command" ]
	eval "\"\$config\" --root \"\$root\" -q $command"
	lacks "$1"
}

number_of() { grep -n -m1 -e "$2" "$1" | cut -d: -f1; }

@test "a wired appliance has nothing to fix" {
	okv_config 0 check
	[ "$output" = '0 to fix, 0 to look at' ]
}

@test "for people: what, what comes of it, how to fix it; never in colour into a file" {
	sed -i 's|^VENDOR_NAME=.*|VENDOR_NAME=Thales|' "$conf"
	okv_config 1 check
	[[ ${lines[0]} == "FAIL  $G/okv_hsm.conf:2: the value is not in double quotes [line-unquoted]" ]]
	[[ ${lines[1]} == '      OKV does not read this line as intended' ]]
	[[ ${lines[2]} == '      fix: okv-luna config check --fix' ]]
	[[ $output != *$'\033'* ]]
}

@test "for programs: the same as JSON, nothing without an effect and a way to fix it" {
	sed -i 's|^VENDOR_NAME=.*|VENDOR_NAME=Thales|' "$conf"
	rm "$root/usr/sbin/okv-luna" "$luna"
	run --separate-stderr "$config" --root "$root" --json check
	[ "$status" -eq 1 ]
	[ "$(jq -r '.scope, .fail, .warn, .mended, .exit, (.findings | length)' <<<"$output" | xargs)" = \
		'generic 2 3 0 1 5' ]
	whole='[.findings[] | select(.what != "" and .effect != "" and .remedy != "")] | length'
	[ "$(jq "$whole" <<<"$output")" -eq 5 ]
	[ "$(jq -r '.findings[0] | .grade, .rule, .line, .safe' <<<"$output" | xargs)" = 'FAIL line-unquoted 2 true' ]
}

@test "curly quotes" {
	sed -i 's|^VENDOR_NAME=.*|VENDOR_NAME=“Thales_Luna”|' "$conf"
	finds FAIL line-curly-quote $G/okv_hsm.conf 2
	fixed line-curly-quote
	grep -qx 'VENDOR_NAME="Thales_Luna"' "$conf"
}

@test "a PRESERVED_FILES wrapped inside a path, as printed" {
	list="$LC:/etc/Chrystoki.conf:/opt/okv-luna:/usr/safenet/lu\nnaclient/lib/libCryptoki2_64.so"
	sed -i "s|^PRESERVED_FILES=.*|PRESERVED_FILES=\"$list\"|" "$conf"
	finds FAIL line-wrapped $G/okv_hsm.conf "$(number_of "$conf" ^PRESERVED)"
	fixed line-wrapped
	grep -qx "PRESERVED_FILES=\"$LC:/etc/Chrystoki.conf:/opt/okv-luna\"" "$conf"
}

@test "CR LF, byte order mark, unquoted, blanks, export: fixed" {
	sed -i 's/$/\r/' "$env"
	finds FAIL line-carriage-return $G/okv_hsm_env 2
	fixed line-carriage-return
	sed -i '1s/^/\xef\xbb\xbf/' "$env"
	finds FAIL line-bom $G/okv_hsm_env 1
	fixed line-bom
	echo 'A=/x' >>"$env"
	finds FAIL line-unquoted $G/okv_hsm_env 3
	fixed line-unquoted
	echo '  export B = "x"' >>"$env"
	finds FAIL line-name $G/okv_hsm_env 4
	fixed line-name
	grep -qx 'B="x"' "$env"
}

@test "lines that hsmclient would skip, and that nobody can fix without a guess" {
	printf '%s\n' 'no equals' 'C="x" # why' 'D="x"y"' 'E="x' >>"$env"
	finds FAIL line-no-equals $G/okv_hsm_env 3
	finds FAIL line-trailing $G/okv_hsm_env 4
	finds FAIL line-inner-quote $G/okv_hsm_env 5
	finds FAIL line-unclosed $G/okv_hsm_env 6
	printf 'F="\001"\n' >>"$env"
	finds FAIL line-control $G/okv_hsm_env 7
	cp "$env" "$BATS_TEST_TMPDIR/env"
	okv_config 1 check --fix
	cmp "$env" "$BATS_TEST_TMPDIR/env"
}

@test "a line of 4096 characters" {
	printf 'LONG="%04090d"\n' 0 >>"$env"
	finds FAIL line-long $G/okv_hsm_env 3
	sed -i '$d' "$env"
	printf 'LONG="%04088d"\n' 0 >>"$env"
	lacks line-long
}

@test "TAB and other letters than ASCII in a value; a secret in the environment" {
	printf 'A="x\ty"\nB="ä"\nMY_PASSWORD="x"\n' >>"$env"
	finds WARN value-tab $G/okv_hsm_env 3
	finds WARN value-not-ascii $G/okv_hsm_env 4
	finds WARN env-secret $G/okv_hsm_env 5
}

@test "keys that are missing, twice, unknown, or say something else" {
	printf 'PKCS11_LIB="/x"\nVENDOR_NAME="Other"\n' >>"$conf"
	finds WARN key-unknown $G/okv_hsm.conf 7
	finds FAIL key-twice $G/okv_hsm.conf 8
	sed -i '/^VENDOR_NAME/d' "$conf"
	finds FAIL key-missing $G/okv_hsm.conf 0
	sed -i '$a VENDOR_NAME="Other"' "$conf"
	finds WARN vendor-other $G/okv_hsm.conf 7
}

@test "a file that OKV's user cannot read is none for OKV" {
	for file in okv_hsm.conf okv_hsm_env; do
		lacks file-unreadable
		for who in 0:0=0600 0:0=0640 0:502=0604 501:0=0044; do
			chown "${who%=*}" "$root$G/$file" && chmod "${who#*=}" "$root$G/$file"
			finds FAIL file-unreadable $G/$file 0
		done
		for who in 0:0=0604 0:502=0640 501:0=0400; do
			chown "${who%=*}" "$root$G/$file" && chmod "${who#*=}" "$root$G/$file"
			lacks file-unreadable
		done
	done
}

@test "wildcard, relative, dotted, missing, nested, OKV's own, linked entries" {
	ours=$LC:/etc/Chrystoki.conf:/opt/okv-luna
	set_list() { sed -i "s|^PRESERVED_FILES=.*|PRESERVED_FILES=\"$ours:$1\"|" "$conf"; }
	line=$(number_of "$conf" ^PRESERVED)
	set_list "$LC/*"
	finds FAIL preserved-wildcard $G/okv_hsm.conf "$line"
	set_list usr/x
	finds FAIL preserved-relative $G/okv_hsm.conf "$line"
	set_list /usr/../x
	finds FAIL preserved-dots $G/okv_hsm.conf "$line"
	for path in / /etc /usr/lib64 /etc/passwd; do
		set_list $path
		finds FAIL preserved-system $G/okv_hsm.conf "$line"
		# Its own files are not said to be inside it, nor dropped for it.
		lacks preserved-inside
		run -1 "$config" --root "$root" check --fix
		lacks preserved-lacks
	done
	set_list /ä
	finds FAIL preserved-bytes $G/okv_hsm.conf "$line"
	[[ $output != *'check --fix'* ]]
	# A list as people write one: what is meant is plain, so nothing is said to be missing.
	set_list ''
	sed -i '/^PRESERVED_FILES/s/:/ : /g' "$conf"
	finds FAIL preserved-bytes $G/okv_hsm.conf "$line"
	lacks preserved-lacks
	fixed preserved-bytes
	set_list /nowhere
	finds WARN preserved-missing $G/okv_hsm.conf "$line"
	set_list "/nowhere,/etc/Chrystoki.conf"
	finds WARN preserved-missing $G/okv_hsm.conf "$line"
	[[ $finding == *'which is not there: it is more than one path'* ]]
	set_list $G
	finds WARN preserved-okv $G/okv_hsm.conf "$line"
	ln -s real "$root/etc/linked"
	set_list /etc/linked
	finds WARN preserved-link $G/okv_hsm.conf "$line"
	set_list $LC/lib/libCryptoki2_64.so
	finds WARN preserved-inside $G/okv_hsm.conf "$line"
	fixed preserved-inside
}

@test "what must be preserved and is not" {
	sed -i 's|^PRESERVED_FILES=.*|PRESERVED_FILES="/opt/okv-luna"|' "$conf"
	line=$(number_of "$conf" ^PRESERVED)
	finds FAIL preserved-lacks $G/okv_hsm.conf "$line"
	[ "$(grep -c '\[preserved-lacks\]' <<<"$output")" -eq 2 ]
	[ "$(grep -A2 -m1 '\[preserved-lacks\]' <<<"$output" | tail -n 1)" = '      fix: okv-luna config wire' ]
	okv_config 0 wire
	lacks preserved-lacks
}

@test "a library that is not there, not preserved, relative, another one" {
	line=$(number_of "$conf" ^PKCS11)
	rm "$root$LC/libs/64/libCryptoki2.so"
	finds FAIL library-missing $G/okv_hsm.conf "$line"
	# As a download that came to a page of words.
	echo '<html>' >"$root$LC/libs/64/libCryptoki2.so"
	finds FAIL library-missing $G/okv_hsm.conf "$line"
	[[ $finding == *'is not an ELF file, so it is not a library'* ]]
	# As a copy that a full disk cut off, anywhere in what is mapped.
	library_make "$BATS_TEST_TMPDIR/whole.so"
	end=$(readelf -lW "$BATS_TEST_TMPDIR/whole.so" | awk '$1 == "LOAD" { end = $2 " + " $5 } END { print end }')
	for size in 4 64 1000 $((end - 1)); do
		head -c "$size" "$BATS_TEST_TMPDIR/whole.so" >"$root$LC/libs/64/libCryptoki2.so"
		finds FAIL library-missing $G/okv_hsm.conf "$line"
	done
	[[ $finding == *"is cut off: it has $size of at least $((size + 1)) bytes"* ]]
	cp "$BATS_TEST_TMPDIR/whole.so" "$root$LC/libs/64/libCryptoki2.so"
	lacks library-missing
	rm "$root$LC/libs/64/libCryptoki2.so"
	finds FAIL library-missing $G/okv_hsm.conf "$line"
	[[ $finding == *"leads to '$LC/libs/64/libCryptoki2.so', which is not there"* ]]
	mkdir -p "$root/opt/elsewhere"
	library_make "$root/opt/elsewhere/real.so"
	ln -sfn /opt/elsewhere/real.so "$root$LC/lib/libCryptoki2_64.so"
	finds FAIL library-not-preserved $G/okv_hsm.conf "$line"
	[[ $finding == *"'/opt/elsewhere/real.so'"* ]]
	sed -i 's|^PKCS11_LIB_LOC=.*|PKCS11_LIB_LOC="libCryptoki2_64.so"|' "$conf"
	finds FAIL library-relative $G/okv_hsm.conf "$line"
	sed -i 's|^PKCS11_LIB_LOC=.*|PKCS11_LIB_LOC="/opt/elsewhere/real.so"|' "$conf"
	finds WARN library-other $G/okv_hsm.conf "$line"
}

@test "the configuration directory: a file, relative, elsewhere, missing" {
	set_path() { sed -i "s|^ChrystokiConfigurationPath=.*|ChrystokiConfigurationPath=\"$1\"|" "$env"; }
	set_path /etc/Chrystoki.conf
	finds FAIL config-file $G/okv_hsm_env 2
	set_path etc
	finds FAIL config-relative $G/okv_hsm_env 2
	set_path /nowhere
	finds FAIL config-missing $G/okv_hsm_env 2
	cp "$luna" "$root$LC/Chrystoki.conf"
	set_path $LC
	finds WARN config-other $G/okv_hsm_env 2
	sed -i '/^Chrystoki/d' "$env"
	finds FAIL key-missing $G/okv_hsm_env 0
}

@test "a slash too many changes no path: nothing is found, and nothing is wired anew" {
	sed -i "s|^PKCS11_LIB_LOC=.*|PKCS11_LIB_LOC=\"$LC//lib/libCryptoki2_64.so\"|; s|=\"$LC:|=\"$LC/:|" "$conf"
	sed -i 's|^ChrystokiConfigurationPath=.*|ChrystokiConfigurationPath="/etc/"|' "$env"
	before=$(cat "$conf" "$env")
	check_lines
	[ "$output" = '0 to fix, 0 to look at' ]
	run -0 "$config" --root "$root" wire
	[ "$(cat "$conf" "$env")" = "$before" ]
}

@test "the guide's printed mid-upgrade body: a curly quote and a group by hand" {
	cat >"$mid" <<-'END'
		#!/bin/bash
		# DO NOT CHANGE ANYTHING ABOVE THIS LINE
		# Create the group, as the vendor's guide
		says, by hand
		logger -t "${LOGTAG}" -p "${LOGDEBUG}" "Creating hsmusers”
		sudo groupadd hsmusers
		exit ${DBFW_PM_CHANGED}
	END
	finds FAIL mid-syntax $G/okv_hsm_mid_upgrade 5
	[[ $output == *'the script ends with status 2'* ]]
	finds FAIL mid-unwired $G/okv_hsm_mid_upgrade 0
	finds WARN mid-wrapped-comment $G/okv_hsm_mid_upgrade 4
	finds FAIL mid-curly-quote $G/okv_hsm_mid_upgrade 5
	fixed mid-curly-quote
	lacks mid-syntax
	finds WARN mid-handmade $G/okv_hsm_mid_upgrade 6
	finds WARN mid-handmade-exit $G/okv_hsm_mid_upgrade 7
	run "$config" --root "$root" -q check --fix --drop-handmade
	lacks mid-handmade
	lacks mid-handmade-exit
	run -1 grep -q groupadd "$mid"
	grep -qxF 'exit ${DBFW_PM_NO_CHANGE_REQUIRED}' "$mid"
	okv_config 0 wire
	lacks mid-unwired
}

@test "a group by hand inside something is found, and left to people" {
	sed -i 's|^logger.*|if :; then\n  groupadd hsmusers\nfi|' "$mid"
	finds WARN mid-handmade-nested $G/okv_hsm_mid_upgrade "$(number_of "$mid" 'groupadd hsmusers')"
	okv_config 0 check --fix --drop-handmade
	grep -q 'groupadd hsmusers' "$mid"
}

@test "a script that no shell can read, with the line" {
	sed -i 's|^logger.*|if then|' "$mid"
	finds FAIL mid-syntax $G/okv_hsm_mid_upgrade "$(number_of "$mid" '^if then')"
	okv_config 1 check --fix
	grep -qx 'if then' "$mid"
}

@test "a script with CR LF, a byte order mark, a typographic dash" {
	sed -i 's/$/\r/; 1s/^/\xef\xbb\xbf/' "$mid"
	finds FAIL mid-carriage-return $G/okv_hsm_mid_upgrade 1
	finds FAIL mid-bom $G/okv_hsm_mid_upgrade 1
	fixed mid-carriage-return
	lacks mid-bom
	sed -i 's|^logger |logger\xc2\xa0|' "$mid"
	finds FAIL mid-space $G/okv_hsm_mid_upgrade "$(number_of "$mid" '^logger')"
	fixed mid-space
	sed -i 's|^logger |log\xe2\x80\x8bger |' "$mid"
	fixed mid-space
	sed -i 's|^logger -t|logger –t|' "$mid"
	finds WARN mid-dash $G/okv_hsm_mid_upgrade "$(number_of "$mid" '^logger')"
}

@test "a block that is torn, edited, or behind an exit" {
	sed -i 's|helper=/opt.*|helper=/tmp/x|' "$mid"
	finds WARN mid-stale $G/okv_hsm_mid_upgrade "$(number_of "$mid" '^# >>> okv-luna')"
	okv_config 0 wire
	lacks mid-stale
	sed -i '5a exit 0' "$mid"
	finds FAIL mid-unreached $G/okv_hsm_mid_upgrade 6
	typed mid-unreached
	sed -i '/^exit 0$/d' "$mid"
	sed -i '/^# <<< okv-luna/d' "$mid"
	finds FAIL mid-torn $G/okv_hsm_mid_upgrade "$(number_of "$mid" '^# >>> okv-luna')"
	okv_config 3 wire
}

@test "a block that is never reached is told at the line that ends the script, and wiring says so" {
	cp "$mid" "$BATS_TEST_TMPDIR/mid"
	for line in 'exit 0' 'return' 'exec /bin/true' ': ; exit 3' 'exec "$0.real" "$@"' '{ :; exit 0; }' \
		'if true; then exit 0; fi' ': && exit 1' 'die() { exit 1; }; die' '[ 1 = 1 ] && exit 0' 'kill $$' \
		'eval "exit 0"' '"exit" 0' '\exit' "ex'it' 4" 'set -n' 'set -eu -o noexec'; do
		{ sed -n 1,2p "$BATS_TEST_TMPDIR/mid"; echo "$line"; sed 1,2d "$BATS_TEST_TMPDIR/mid"; } >"$mid"
		finds FAIL mid-unreached $G/okv_hsm_mid_upgrade 3
		[[ $output != *'fix: '* ]]
		cp "$mid" "$BATS_TEST_TMPDIR/before"
		okv_config 3 wire
		[[ $output == *'line 3 ends the script'* ]]
		cmp "$mid" "$BATS_TEST_TMPDIR/before"
	done
	for line in 'exec 2>&1' '[ -n "$HOME" ] || exit 1' '( exit 1 )' 'echo exit' '# exit' \
		'die() { exit 1; }' '[ 1 = 2 ] && exit 0' 'kill -0 $$' 'eval "echo exit"' '{ exit 1; } | cat' \
		'"echo" exit' '\echo exit' 'set -eu' 'set -- -n'; do
		{ sed -n 1,2p "$BATS_TEST_TMPDIR/mid"; echo "$line"; sed 1,2d "$BATS_TEST_TMPDIR/mid"; } >"$mid"
		lacks mid-unreached
		okv_config 0 wire
	done
}

@test "a block inside a command, a function or a text is no block that is run" {
	cp "$mid" "$BATS_TEST_TMPDIR/mid"
	# around BEFORE BEHIND: lines about the block, and the end of the script below
	around() {
		awk -v before="$1" -v behind="$2" '/^# >>> okv-luna/ { print before } { print }
			/^# <<< okv-luna/ { print behind }' "$BATS_TEST_TMPDIR/mid" >"$mid"
	}
	for lines in 'if false; then:fi' 'f() {:}' '(:) &' 'while false; do:done' 'case x in y)::;; esac' '{:} &'; do
		around "${lines%%:*}" "${lines#*:}"
		finds FAIL mid-inside $G/okv_hsm_mid_upgrade "$(number_of "$mid" '^# >>> okv-luna')"
		# What wiring cannot mend is not said to be mended by it.
		if [[ $output == *'fix: okv-luna config wire'* ]]; then okv_config 0 wire; else okv_config 3 wire; fi
	done
	around ": <<'X'" X
	finds FAIL mid-inside $G/okv_hsm_mid_upgrade "$(number_of "$mid" '^# >>> okv-luna')"
	typed mid-inside
	around 'cat <<X' '#'
	finds FAIL mid-inside $G/okv_hsm_mid_upgrade "$(number_of "$mid" '^# >>> okv-luna')"
}

@test "the helper missing or not executable" {
	chmod -x "$root/opt/okv-luna/libexec/okv-luna-mid-upgrade"
	finds FAIL helper-missing /opt/okv-luna/libexec/okv-luna-mid-upgrade 0
	rm "$root/opt/okv-luna/hooks/mid-upgrade"
	finds FAIL helper-missing /opt/okv-luna/hooks/mid-upgrade 0
}

@test "files with wrong names, copies, missing files" {
	touch "$gen/okv_hsm_conf" "$gen/okv_hsm_env.bak"
	finds FAIL wrong-name $G/okv_hsm_conf 0
	finds NOTE stray-file $G/okv_hsm_env.bak 0
	rm "$gen/okv_hsm_env"
	finds FAIL file-missing $G/okv_hsm_env 0
	ln -s okv_hsm.conf "$gen/okv_hsm_env"
	finds FAIL file-kind $G/okv_hsm_env 0
}

@test "links that are missing or blocked" {
	rm "$root/usr/sbin/okv-luna"
	finds WARN link-missing /opt/okv-luna 0
	rm "$gen/okv_hsm_pre_upgrade"
	touch "$gen/okv_hsm_pre_upgrade"
	finds WARN link-blocked /opt/okv-luna 0
}

@test "a node that was never wired is one finding, whose remedy mends it; another vendor's is a sentence" {
	rm -r "$root"
	stock_root
	finds FAIL unwired $G/okv_hsm.conf 0
	[ "$(grep -c ' \[' <<<"$output")" -eq 1 ]
	cp -a "$gen" "$BATS_TEST_TMPDIR/stock"
	typed unwired
	check_lines
	[ "$output" = '0 to fix, 0 to look at' ]
	rm -r "$root"
	stock_root
	library_make "$gen/../libother.so"
	sed -i 's|^VENDOR_NAME=.*|VENDOR_NAME="Other"|; s|^PKCS11_LIB_LOC=.*|PKCS11_LIB_LOC="/usr/local/okv/hsm/libother.so"|' "$conf"
	finds FAIL unwired $G/okv_hsm.conf 0
	[[ $output != *'fix: okv-luna config wire'* ]]
	[[ $output == *'wire --replace-vendor'* ]]
}

@test "where another vendor's library is in use, plain wiring is refused, and no finding advises it" {
	library_make "$gen/../libother.so"
	sed -i 's|^VENDOR_NAME=.*|VENDOR_NAME="Other"|; s|^PKCS11_LIB_LOC=.*|PKCS11_LIB_LOC="/usr/local/okv/hsm/libother.so"|;
		s|^PRESERVED_FILES=.*|PRESERVED_FILES="/opt/okv-luna"|' "$conf"
	rm "$root/usr/sbin/okv-luna"
	okv_config 3 wire
	finds WARN library-other $G/okv_hsm.conf "$(number_of "$conf" ^PKCS11)"
	[[ $output == *'[preserved-lacks]'* ]]
	[[ $output != *'fix: okv-luna config wire'* ]]
	[[ $output == *'config wire --replace-vendor'* ]]
	okv_config 0 wire --replace-vendor
	check_lines
	[[ $output != *'library-other'* && $output != *'preserved-lacks'* ]]
}

@test "every remedy that is called a fix can be typed as it stands" {
	rm "$root/usr/sbin/okv-luna" "$gen/okv_hsm_pre_upgrade" "$luna"
	for broken in 's|^VENDOR_NAME=.*||' 's|^PKCS11_LIB_LOC=.*|PKCS11_LIB_LOC=x|' 's|^PRESERVED_FILES=.*|PRESERVED_FILES="/opt"|'; do
		sed -i "$broken" "$conf"
		for _ in 1 2 3 4 5; do
			check_lines
			fix=$(sed -n 's/^ *fix: okv-luna config //p' <<<"$output" | head -n 1)
			[ -n "$fix" ] || break
			before=$output
			eval "\"\$config\" --root \"\$root\" -q $fix" || [ $? -eq 1 ]
			check_lines
			[ "$output" != "$before" ]
		done
		[[ $output != *'fix: '* ]]
	done
}

@test "an upgrade command copied from print" {
	printf 'UPGRADE_COMMAND="/usr/bin/ruby /images/upgrade.rb –confirm"\n' >"$root/opt/okv-luna/etc/okv-luna.conf"
	finds FAIL upgrade-command /opt/okv-luna/etc/okv-luna.conf 0
}

@test "no generic interface: what applies and why, and nothing else of OKV's is asked" {
	rm -r "${root:?}/usr/local"
	finds WARN scope $G 0
	[[ $finding == *'OKV 21.2 and earlier'*'preserves nothing of the client'* ]]
	[ "$(grep -c ' \[' <<<"$output")" -eq 1 ]
}

@test "a client of version 6: its own rules" {
	touch "$root$LC/lib/libCryptoki2_64.so.6.3.0"
	finds NOTE scope $LC 0
	[[ $finding == *'v6.x'* ]]
}

@test "what a document makes of OKV's files: no-break spaces, CR on blank lines, comments that were wrapped" {
	printf '# The vendor, as the menu\nof the console shows it\n\r\nA=\xc2\xa0"x"\n' >>"$conf"
	finds FAIL line-no-equals $G/okv_hsm.conf 8
	fixed line-no-equals
	grep -qxF '# of the console shows it' "$conf"
	grep -qxF 'A="x"' "$conf"
	printf '\xc2\xa0B="x\xc2\xa0y"\n\xe2\x80\x83\n' >>"$env"
	finds FAIL line-space $G/okv_hsm_env 3
	fixed line-space
	grep -qxF 'B="x y"' "$env"
	[ -z "$(tail -n 1 "$env")" ]
}

@test "one cause is one finding: a file from Windows, with the lines" {
	for file in "$conf" "$env" "$luna"; do
		sed -i 's/$/\r/' "$file"
		check_lines
		[ "$(grep -c 'carriage-return\]' <<<"$output")" -eq 1 ]
		[[ $file = "$env" || $output =~ '; also on lines '[0-9]+', '[0-9]+ ]]
		run "$config" --root "$root" -q check --fix
		lacks carriage-return
	done
}

@test "the guide's mid-upgrade body is mended as printed: wrapped comments, a curly quote, a no-break space" {
	cat >"$mid" <<-'END'
		#!/bin/bash
		# DO NOT CHANGE ANYTHING ABOVE THIS LINE
		# Create the group, as the vendor's guide
		says, by hand, with the words
		that it prints
		logger -t "${LOGTAG}" -p "${LOGDEBUG}" "Creating hsmusers”
		exit ${DBFW_PM_NO_CHANGE_REQUIRED}
	END
	sed -i 's/ -p/\xc2\xa0-p/' "$mid"
	finds WARN mid-wrapped-comment $G/okv_hsm_mid_upgrade 4
	finds WARN mid-wrapped-comment $G/okv_hsm_mid_upgrade 5
	fixed mid-wrapped-comment
	grep -qxF '# says, by hand, with the words' "$mid"
	grep -qxF 'logger -t "${LOGTAG}" -p "${LOGDEBUG}" "Creating hsmusers"' "$mid"
	okv_config 0 wire
	okv_config 0 check
}

@test "a line below a comment is none that was wrapped, where only a shell can mean it" {
	for line in 'okvlog starting || exit 1' 'okvlog starting $LOGTAG' 'okvlog starting >/dev/null'; do
		sed -i "/^logger/i# What comes first\n$line" "$mid"
		cp "$mid" "$BATS_TEST_TMPDIR/mid"
		lacks mid-wrapped-comment
		run "$config" --root "$root" -q check --fix
		cmp "$mid" "$BATS_TEST_TMPDIR/mid"
		sed -i '/^# What comes first/,+1d' "$mid"
	done
	# Nor below a ruler, which is as long as it is.
	sed -i '/^####/aokvlog starting here' "$mid"
	lacks mid-wrapped-comment
}

# --- Chrystoki.conf ------------------------------------------------------------------------------------------------

# luna_line GRADE RULE SAFE LINE-TO-APPEND: an odd line at the end of section Misc.
luna_line() {
	cp -a "$luna" "$BATS_TEST_TMPDIR/luna"
	sed -i '$d' "$luna"
	printf '%b\n}\n' "$4" >>"$luna"
	finds "$1" "$2" /etc/Chrystoki.conf "$(($(wc -l <"$luna") - 1))"
	[ "$safe" = "$3" ]
	if [ "$3" = yes ]; then
		run "$config" --root "$root" -q check --fix
		lacks "$2"
	fi
	cp -a "$BATS_TEST_TMPDIR/luna" "$luna"
}

@test "Chrystoki.conf: every point of its grammar that is off" {
	luna_line FAIL chrystoki-tab yes '\tX = 1;'
	luna_line FAIL chrystoki-carriage-return yes '   X = 1;\r'
	luna_line WARN chrystoki-no-semicolon yes '   X = 1'
	luna_line WARN chrystoki-trailing no '   X = 1; # why'
	luna_line WARN chrystoki-quotes no '   X = "1";'
	luna_line WARN chrystoki-quotes yes "   X = '/usr';"
	luna_line WARN chrystoki-not-ascii no '   X = ä;'
	luna_line FAIL chrystoki-control no '   X = \001;'
	luna_line FAIL chrystoki-unreadable no '   nonsense'
	luna_line FAIL chrystoki-brace no '   X = { Y = 1; }'
	luna_line FAIL chrystoki-name no '   X] = 1;'
	luna_line FAIL chrystoki-key-twice no '   PE1746Enabled = 1;'
	luna_line WARN chrystoki-case no '   pe1746enabled = 1;'
}

@test "Chrystoki.conf: sections that are off" {
	printf '\nMisc = {\n}\n' >>"$luna"
	finds FAIL chrystoki-section-twice /etc/Chrystoki.conf "$(($(wc -l <"$luna") - 1))"
	sed -i 's/^Misc = {$/Misc] = {/' "$luna"
	finds FAIL chrystoki-name /etc/Chrystoki.conf "$(number_of "$luna" 'Misc]')"
	printf '}\nY = 1;\n' >>"$luna"
	finds WARN chrystoki-stray-close /etc/Chrystoki.conf "$(($(wc -l <"$luna") - 1))"
	finds FAIL chrystoki-outside /etc/Chrystoki.conf "$(wc -l <"$luna")"
}

@test "Chrystoki.conf: section headers as documents write them are mended, and what stands below counts" {
	for header in '[Misc]' 'Misc]' '[Misc] = {' 'Misc {' '[Misc] {'; do
		cp "$luna" "$BATS_TEST_TMPDIR/luna"
		sed -i "s/^Misc = {/$header/" "$luna"
		finds FAIL chrystoki-header /etc/Chrystoki.conf "$(number_of "$luna" '^\[*Misc')"
		[ "$(grep -c '^FAIL' <<<"$output")" -eq 1 ]
		fixed chrystoki-header
		cmp "$luna" "$BATS_TEST_TMPDIR/luna"
	done
	# Two sections pasted from Windows, or from a page, without any brace.
	printf '[XTC]\nEnabled=1\n\n[REST]\nServerName=a\nAuthTokenClientId=b' >>"$luna"
	finds FAIL chrystoki-header /etc/Chrystoki.conf "$(number_of "$luna" XTC)"
	fixed chrystoki-header
	okv_config 0 chrystoki get REST AuthTokenClientId
	okv_config 0 chrystoki get XTC Enabled
	[ "$(tail -n 8 "$luna" | xargs)" = 'XTC = { Enabled=1; } REST = { ServerName=a; AuthTokenClientId=b; }' ]
}

@test "Chrystoki.conf: names in different letter case, no-break spaces, a comment that was wrapped: mended" {
	cp "$luna" "$BATS_TEST_TMPDIR/luna"
	sed -i 's/^LunaSA Client/lunasa client/; s/ServerName00/servername00/' "$luna"
	finds FAIL chrystoki-spelling /etc/Chrystoki.conf "$(number_of "$luna" '^lunasa')"
	[ "$(grep -c '^FAIL' <<<"$output")" -eq 1 ]
	fixed chrystoki-spelling
	cmp "$luna" "$BATS_TEST_TMPDIR/luna"
	sed -i 's/^   ServerName00/\xc2\xa0 \xc2\xa0ServerName00/' "$luna"
	finds FAIL chrystoki-space /etc/Chrystoki.conf "$(number_of "$luna" ServerName00)"
	[ "$(grep -c '^FAIL' <<<"$output")" -eq 1 ]
	fixed chrystoki-space
	grep -q '^ *ServerName00 = 10.0.0.1;' "$luna"
	printf '# added for the HSM of\nthe second room\n' >>"$luna"
	finds FAIL chrystoki-unreadable /etc/Chrystoki.conf "$(wc -l <"$luna")"
	fixed chrystoki-unreadable
}

@test "the Windows client's file in the place of Chrystoki.conf is one finding, and is not mended" {
	printf '[Chrystoki2]\r\nLibNT=C:\\x.dll\r\n[LunaSA Client]\r\nServerName00=a\r\n' >"$luna"
	cp "$luna" "$BATS_TEST_TMPDIR/luna"
	finds FAIL chrystoki-outside /etc/Chrystoki.conf 1
	[[ $finding == *crystoki.ini* ]]
	[ "$(grep -c ' \[' <<<"$output")" -eq 1 ]
	run -1 "$config" --root "$root" -q check --fix
	cmp "$luna" "$BATS_TEST_TMPDIR/luna"
}

@test "Chrystoki.conf: nobody to ask, or looked for elsewhere" {
	cp "$luna" "$BATS_TEST_TMPDIR/luna"
	only() { finds FAIL "$1" /etc/Chrystoki.conf "$2" && [ "$(grep -c '^FAIL' <<<"$output")" -eq 1 ]; }
	sed -i '/Server[NP][ao][mr][et]00/d' "$luna"
	only server-none 0
	sed -i 's|^Misc = {|REST = {\n   ServerName = a;\n}\nMisc = {\n   PluginModuleDir = /usr/safenet/lunaclient/plugins;|' "$luna"
	lacks server-none
	cp "$BATS_TEST_TMPDIR/luna" "$luna"
	sed -i 's/ServerName00 = .*/ServerName00 = ;/' "$luna"
	only server-empty "$(number_of "$luna" ServerName00)"
	cp "$BATS_TEST_TMPDIR/luna" "$luna"
	printf 'HAConfiguration = {\n   HAOnly = 1;\n}\n' >>"$luna"
	only ha-only-alone "$(number_of "$luna" HAOnly)"
	typed ha-only-alone
	cp "$BATS_TEST_TMPDIR/luna" "$luna"
	printf 'HASynchronize = {\n   HAOnly = 1;\n}\n' >>"$luna"
	only chrystoki-misplaced "$(number_of "$luna" HAOnly)"
}

@test "Chrystoki.conf: keys and certificates that are none" {
	cert=$root$LC/cert key=$root$LC/cert/client/nodeKey.pem
	cp -a "$cert" "$BATS_TEST_TMPDIR/cert"
	broken() { # KEY WORDS: the one finding is about that entry
		finds FAIL chrystoki-file-kind /etc/Chrystoki.conf "$(number_of "$luna" "$1")"
		[[ $finding == *"$1"*"$2"* ]]
		[ "$(grep -c '^FAIL' <<<"$output")" -eq 1 ]
		rm -r "$cert"
		cp -a "$BATS_TEST_TMPDIR/cert" "$cert"
	}
	: >"$key" && broken ClientPrivKeyFile empty
	printf 'no key\n' >"$key" && broken ClientPrivKeyFile 'not a PEM file, and holds no private key'
	head -c 300 /dev/urandom >"$key" && broken ClientPrivKeyFile 'no private key'
	printf 'words\nand more\n' >"$cert/server/CAFile.pem" && broken ServerCAFile 'holds no certificate'
	printf '\n \n' >"$key" && broken ClientPrivKeyFile empty
	rm "$key" && mkdir "$key" && broken ClientPrivKeyFile directory
	cp "$pair/node.pem" "$key" && broken ClientPrivKeyFile 'no private key'
	sed 's/ PRIVATE KEY/ OPENSSH PRIVATE KEY/' "$cert/client/nodeKey.pem" >"$BATS_TEST_TMPDIR/ssh"
	cp "$BATS_TEST_TMPDIR/ssh" "$key" && broken ClientPrivKeyFile 'OPENSSH PRIVATE KEY'
	cp "$pair/nodeKey.pem" "$cert/client/node.pem" && broken ClientCertFile 'no certificate'
	sed -i '$d' "$cert/client/node.pem" && broken ClientCertFile 'cut off'
	openssl x509 -in "$pair/node.pem" -outform DER -out "$cert/client/node.pem" && broken ClientCertFile PEM
	: >"$cert/server/CAFile.pem" && broken ServerCAFile empty
	openssl req -new -key "$pair/otherKey.pem" -subj /CN=x -out "$cert/server/CAFile.pem"
	broken ServerCAFile 'CERTIFICATE REQUEST'
	cp "$pair/other.pem" "$cert/client/node.pem"
	finds FAIL chrystoki-pair /etc/Chrystoki.conf "$(number_of "$luna" ClientPrivKeyFile)"
	cp "$pair/node.pem" "$cert/client/node.pem"
	check_lines
	[ "$output" = '0 to fix, 0 to look at' ]
	# An encrypted key, as newer clients make it: said, and no yes.
	openssl pkcs8 -topk8 -in "$pair/nodeKey.pem" -passout pass:x -out "$key"
	finds NOTE chrystoki-unchecked /etc/Chrystoki.conf 0
	[[ $finding == *'belong together (the key is encrypted'* ]]
}

@test "Chrystoki.conf: a server, and nothing to show oneself to it or to know it by" {
	cp "$luna" "$BATS_TEST_TMPDIR/luna"
	for entry in ClientPrivKeyFile ClientCertFile ServerCAFile; do
		for edit in "/$entry/d" "s|$entry = .*|$entry = ;|"; do
			sed "$edit" "$BATS_TEST_TMPDIR/luna" >"$luna"
			finds FAIL chrystoki-entry-missing /etc/Chrystoki.conf "$(number_of "$luna" ServerName00)"
			[[ $finding == *"$entry"* ]]
			[ "$(grep -c '^FAIL' <<<"$output")" -eq 1 ]
		done
	done
	# With no server there is nobody to show it to.
	sed -i '/Server[NP]..*00/d' "$luna"
	lacks chrystoki-entry-missing
}

@test "Chrystoki.conf: a link that others may have made is not called a missing file" {
	mkdir "$root/opt/keys"
	mv "$root$LC/cert/client/nodeKey.pem" "$root/opt/keys/"
	ln -s /opt/keys/nodeKey.pem "$root$LC/cert/client/nodeKey.pem"
	okv_config 0 wire
	lacks chrystoki-path-link
	chmod 2770 "$root$LC/cert/client"
	finds FAIL chrystoki-path-link /etc/Chrystoki.conf "$(number_of "$luna" ClientPrivKeyFile)"
	[[ $finding == *'was not looked at'*'is a symbolic link'* ]]
	lacks chrystoki-path-missing
}

@test "a key or a library where nothing lives through a restart is not preserved by any list" {
	for place in /tmp /var/tmp /dev/shm /run/luna; do
		mkdir -p "$root$place"
		cp "$root$LC/cert/client/nodeKey.pem" "$root$place/"
		sed -i "s|ClientPrivKeyFile = .*|ClientPrivKeyFile = $place/nodeKey.pem;|" "$luna"
		okv_config 0 wire
		[[ $(<"$conf") != *"$place/"* ]]
		finds FAIL chrystoki-path-not-preserved /etc/Chrystoki.conf "$(number_of "$luna" ClientPrivKeyFile)"
		[[ $output == *"copy it into '$LC', and point to the copy instead"* ]]
	done
}

@test "an OKV that is known to have the generic interface, and has lost its directory, is no OKV without one" {
	rm -r "$gen"
	for issue in '' 'Oracle Key Vault Server 21.2.0.0.0'; do
		printf '%s\n' "$issue" >"$root/etc/issue"
		finds WARN scope $G 0
	done
	for issue in 21.3.0.0.0 21.10 22.1; do
		printf 'Oracle Key Vault Server %s\n' "$issue" >"$root/etc/issue"
		lacks scope
		for file in okv_hsm.conf okv_hsm_env okv_hsm_mid_upgrade; do finds FAIL file-missing "$G/$file" 0; done
		okv_config 6 wire
		[[ $output != *'21.2 and earlier'* ]]
	done
	printf 'OKV_RELEASE="21.2"\n' >>"$root/opt/okv-luna/etc/okv-luna.conf"
	finds WARN scope $G 0
}

@test "Chrystoki.conf: the servers of an appliance cluster name files, too" {
	sed -i "s|ServerPort00 = .*|&\n   LNHServer00 = 10.0.0.2;\n   LNHServerClientKey00 = $LC/cert/client/nodeKey.pem;|" "$luna"
	sed -i "s|LNHServer00 = .*|&\n   LNHServerClientCert00 = $LC/cert/client/node.pem;|" "$luna"
	sed -i "s|LNHServer00 = .*|&\n   LNHServerCAFile00 = $LC/cert/server/lnh.pem;|" "$luna"
	finds FAIL chrystoki-path-missing /etc/Chrystoki.conf "$(number_of "$luna" LNHServerCAFile00)"
	cp "$pair/other.pem" "$root$LC/cert/server/lnh.pem"
	okv_config 0 check
	cp "$pair/otherKey.pem" "$root$LC/cert/client/lnhKey.pem"
	sed -i "s|LNHServerClientKey00 = .*|LNHServerClientKey00 = $LC/cert/client/lnhKey.pem;|" "$luna"
	finds FAIL chrystoki-pair /etc/Chrystoki.conf "$(number_of "$luna" LNHServerClientKey00)"
	: >"$root$LC/cert/client/lnhKey.pem"
	finds FAIL chrystoki-file-kind /etc/Chrystoki.conf "$(number_of "$luna" LNHServerClientKey00)"
}

# carried: a new root with what PRESERVED_FILES lists, links as links, in $new.
carried() {
	new=$root.new
	rm -rf "$new"
	mkdir "$new"
	local path paths
	IFS=: read -ra paths <<<"$(sed -n 's/^PRESERVED_FILES="\(.*\)"$/\1/p' "$conf")"
	for path in "${paths[@]}"; do
		[ -e "$root$path" ] || [ -L "$root$path" ] || continue
		mkdir -p "$new${path%/*}"
		cp -a "$root$path" "$new$path"
	done
}

# reaches PATH: through the links of the new root, as if it were the system's.
reaches() {
	[ -e "$new$1" ] || chroot_find "$new" "$1"
}
chroot_find() {
	local at=$2 links=0 target here=
	while [ -n "$at" ] && [ $((links += 1)) -lt 60 ]; do
		at=${at#/}
		here=$here/${at%%/*}
		case $at in */*) at=${at#*/} ;; *) at= ;; esac
		[ -L "$1$here" ] || continue
		target=$(readlink "$1$here")
		case $target in /*) at=$target${at:+/$at} here= ;; *) at=${here%/*}/$target${at:+/$at} here= ;; esac
	done
	[ -e "$1$here" ]
}

@test "what OKV needs is carried over an OS major, through every link, or it is said" {
	cp -a "$root" "$root.stock"
	moved() { # WORDS THAT MOVE IT: found, then wired, then carried
		rm -rf "$root"
		cp -a "$root.stock" "$root"
		eval "$1"
		check_lines
		[ "$status" -eq 1 ]
		[ "$(grep -c '^FAIL' <<<"$output")" -eq "$2" ]
		[ "$(grep -c 'not-preserved\]\|preserved-lacks\]' <<<"$output")" -eq "$2" ]
		"$config" --root "$root" -q wire
		okv_config 0 check
		carried
		for path in "$LC/lib/libCryptoki2_64.so" "$LC/cert/client/nodeKey.pem" "$LC/plugins" "$LC/bin/openssl.cnf"; do
			reaches "$(sed -n "s|.*= \(.*${path##*/}\);|\1|p" "$luna" | grep . || echo "$path")"
		done
	}
	mkdir -p "$root"/usr/lib64 "$root"/var/opt
	lib=/usr/lib64/luna
	moved "mkdir -p $root$lib; rm -r $root$LC/lib; cp $root$LC/libs/64/* $root$lib/libCryptoki2_64.so; ln -s $lib $root$LC/lib" 1
	moved "mkdir -p $root/usr/lib64; rm -r $root$LC/lib; cp $root$LC/libs/64/* $root/usr/lib64/libCryptoki2_64.so
		ln -s /usr/lib64 $root$LC/lib" 1
	moved "mv $root$LC $root/etc/lunaclient; ln -s /etc/lunaclient $root$LC" 1
	moved "mv $root/usr/safenet $root/opt/safenet; ln -s ../opt/safenet $root/usr/safenet" 2
	moved "mkdir $root/etc/lunakeys; mv $root$LC/cert/client/nodeKey.pem $root/etc/lunakeys
		sed -i 's|$LC/cert/client/nodeKey|/etc/lunakeys/nodeKey|' $luna" 1
	moved "mv $root$LC/cert $root/etc/lunacert; ln -s ../../../etc/lunacert $root$LC/cert" 1
	moved "mv $root$LC/plugins $root/opt/plug; ln -s /opt/plug $root$LC/plugins" 1
	moved "mkdir $root/opt/more; touch $root/opt/more/x; echo 'LD_LIBRARY_PATH=\"/opt/more\"' >>$env" 1
	[[ $(grep ^PRESERVED "$conf") == *:/opt/more* ]]
	sed -i 's|^\(PRESERVED_FILES=.*\):/opt/more|\1|' "$conf"
	finds FAIL env-not-preserved $G/okv_hsm_env "$(number_of "$env" ^LD_)"
}

@test "links that others made in the client are no needs: they decide nothing, and no list follows them" {
	mkdir -p "$root$LC/data/sub" "$root/srv/theirs"
	okv_config 0 check
	ln -s /srv/theirs "$root$LC/data/link"
	ln -s /etc/shadow "$root$LC/data/sub/link"
	ln -s /srv/theirs "$root$LC/cert/link"
	chown -h 65534 "$root$LC/cert/link"
	okv_config 0 check
	before=$(<"$conf")
	okv_config 0 wire
	[ "$(<"$conf")" = "$before" ]
	chown -h 0 "$root$LC/cert/link"
	finds FAIL preserved-lacks $G/okv_hsm.conf "$(number_of "$conf" ^PRESERVED)"
	[[ $finding == *"'/srv/theirs'"*"cert/link"* ]]
}

@test "what the library asks the loader for is carried over, too" {
	mkdir -p "$root/opt/dep" "$root$LC/lib"
	printf 'int x(void) { return 0; }\n' >"$BATS_TEST_TMPDIR/x.c"
	cc -shared -fPIC -o "$root/opt/dep/libdep.so.1" -Wl,-soname,libdep.so.1 "$BATS_TEST_TMPDIR/x.c"
	cc -shared -fPIC -o "$root$LC/libs/64/libCryptoki2.so" "$BATS_TEST_TMPDIR/x.c" -Wl,--no-as-needed \
		-Wl,-rpath,/opt/dep "$root/opt/dep/libdep.so.1"
	finds FAIL library-not-preserved $G/okv_hsm.conf "$(number_of "$conf" ^PKCS11)"
	[[ $finding == *"'/opt/dep/libdep.so.1'"* ]]
	okv_config 0 wire
	okv_config 0 check
}

@test "what the library finds by ld.so.conf only, and what that loads in its turn, is carried over with the file that says where" {
	mkdir -p "$root"/opt/{one,two} "$root/etc/ld.so.conf.d"
	printf 'int x(void) { return 0; }\n' >"$BATS_TEST_TMPDIR/x.c"
	cc -shared -fPIC -o "$root/opt/two/libtwo.so.1" -Wl,-soname,libtwo.so.1 "$BATS_TEST_TMPDIR/x.c"
	cc -shared -fPIC -o "$root/opt/one/libone.so.1" "$BATS_TEST_TMPDIR/x.c" -Wl,-soname,libone.so.1,--no-as-needed \
		"$root/opt/two/libtwo.so.1"
	cc -shared -fPIC -o "$root$LC/libs/64/libCryptoki2.so" "$BATS_TEST_TMPDIR/x.c" -Wl,--no-as-needed \
		"$root/opt/one/libone.so.1" -Wl,-rpath-link,"$root/opt/two"
	printf '# the vendor\n  /opt/one # first\n' >"$root/etc/ld.so.conf.d/luna.conf"
	printf '/opt/two\n' >"$root/etc/ld.so.conf.d/other.conf"
	printf '/opt/three\n' >"$root/etc/ld.so.conf.d/nobody.conf"
	for path in /opt/one/libone.so.1 /etc/ld.so.conf.d/luna.conf /opt/two/libtwo.so.1 /etc/ld.so.conf.d/other.conf; do
		finds FAIL library-not-preserved $G/okv_hsm.conf "$(number_of "$conf" ^PKCS11)"
		[[ $output == *"does not cover '$path'"* ]]
	done
	[[ $output != *nobody.conf* ]]
	okv_config 0 wire
	okv_config 0 check
	# The file that every system has is none to carry: then the library has to be somewhere else.
	mv "$root/etc/ld.so.conf.d/luna.conf" "$root/etc/ld.so.conf"
	okv_config 1 check
	[[ $output == *"does not cover '/etc/ld.so.conf'"*'move its line into a file of /etc/ld.so.conf.d'* ]]
	mv "$root/etc/ld.so.conf" "$root/etc/ld.so.conf.d/luna.conf"
	okv_config 0 wire
	okv_config 0 check
}

@test "a file that the system needs in its place is copied, never moved, so that the client keeps it" {
	for file in hosts passwd group fstab; do
		echo x >>"$root/etc/$file"
		ln -s "/etc/$file" "$root$LC/link"
		okv_config 1 check
		[[ $output == *"does not cover '/etc/$file', needed for $LC/link"*"copy it into '$LC'"* ]]
		[[ $output != *'move it'* ]]
		rm "$root$LC/link"
		cp "$root/etc/$file" "$root$LC/link"
		okv_config 0 check
		rm "$root$LC/link"
	done
}

@test "what no list can carry is never listed: OKV's own files, accounts, logs, the system's directories" {
	sed -i "s|PE1746Enabled = 0;|&\n   Cache = /usr/local/okv/x;\n   Tmp = /tmp;\n   Bin = /usr/bin/env;|" "$luna"
	printf 'CkLog2 = {\n   File = /var/log/cklog2.txt;\n}\n' >>"$luna"
	mkdir -p "$root/tmp" "$root/var/log"
	touch "$root/usr/local/okv/x" "$root/usr/bin/env" "$root/var/log/cklog2.txt"
	finds FAIL chrystoki-path-not-preserved /etc/Chrystoki.conf "$(number_of "$luna" Cache)"
	[ "$(grep -c not-preserved <<<"$output")" -eq 1 ]
	[[ $output != *"fix: okv-luna config wire"* ]]
	"$config" --root "$root" -q wire
	run -1 grep -E '^PRESERVED_FILES=.*(/tmp|/usr/bin|/var/log|okv/x)' "$conf"
}

@test "Chrystoki.conf: logging to standard output that is switched off in any of its words is no finding" {
	for off in 0 00 0x0 -0 '"000"' no No FALSE n off false disabled Disabled '"disabled"' "'0'" ''; do
		cp "$luna" "$BATS_TEST_TMPDIR/luna"
		printf 'HAConfiguration = {\n   haLogToStdout = %s;\n}\nCkLog2 = {\n   LogToStreams = %s;\n}\n' "$off" "$off" >>"$luna"
		lacks stdout-logging
		cp "$BATS_TEST_TMPDIR/luna" "$luna"
	done
	printf 'CkLog2 = {\n   Enabled = 0;\n   LogToStreams = 1;\n}\n' >>"$luna"
	lacks stdout-logging
	sed -i 's/Enabled = 0;$/Enabled = 1;/' "$luna"
	finds FAIL stdout-logging /etc/Chrystoki.conf "$(number_of "$luna" LogToStreams)"
}

@test "Chrystoki.conf: a last brace that is missing, a byte order mark: fixed" {
	sed -i '$d; 1s/^/\xef\xbb\xbf/' "$luna"
	finds FAIL chrystoki-not-closed /etc/Chrystoki.conf "$(number_of "$luna" ^Misc)"
	finds FAIL chrystoki-bom /etc/Chrystoki.conf 1
	fixed chrystoki-not-closed
	lacks chrystoki-bom
	[ "$(tail -n 1 "$luna")" = '}' ]
}

@test "Chrystoki.conf: paths that lead nowhere, are relative, or not preserved" {
	sed -i "s|ClientCertFile = .*|ClientCertFile = /nowhere.pem;|" "$luna"
	finds FAIL chrystoki-path-missing /etc/Chrystoki.conf "$(number_of "$luna" ClientCertFile)"
	sed -i "s|ClientCertFile = .*|ClientCertFile = ./node.pem;|" "$luna"
	finds FAIL chrystoki-path-relative /etc/Chrystoki.conf "$(number_of "$luna" ClientCertFile)"
	sed -i "s|ClientCertFile = .*|ClientCertFile = \"$LC/cert/client/node.pem\";|" "$luna"
	finds FAIL chrystoki-path-relative /etc/Chrystoki.conf "$(number_of "$luna" ClientCertFile)"
	fixed chrystoki-path-relative
	okv_config 0 check
	# By the name that stands there.
	sed -i '/^Misc = {/a\   MutexFolder = /nowhere;' "$luna"
	printf 'XTC = {\n   PartitionCertPath00 = %s/none.pem;\n}\n' $LC >>"$luna"
	check_lines
	[[ $output == *": MutexFolder leads to '/nowhere', "*": PartitionCertPath00 leads to '$LC/none.pem', "* ]]
	sed -i '/MutexFolder/d; /^XTC/,$d' "$luna"
	sed -i "s|ClientCertFile = .*|ClientCertFile = /etc/passwd;|" "$luna"
	finds FAIL chrystoki-path-not-preserved /etc/Chrystoki.conf "$(number_of "$luna" ClientCertFile)"
	sed -i '/LibUNIX64/d' "$luna"
	finds FAIL chrystoki-no-library /etc/Chrystoki.conf 0
	rm "$luna"
	finds FAIL file-missing /etc/Chrystoki.conf 0
}

@test "Chrystoki.conf: a log that the library makes is not missing before it does" {
	printf 'CkLog2 = {\n   LibUNIX64 = %s;\n   File = /tmp/cklog2.txt;\n   Error = cklog2.err;\n}\n' \
		"$LC/lib/libCryptoki2_64.so" >>"$luna"
	check_lines
	[ "$output" = '0 to fix, 0 to look at' ]
}

@test "Chrystoki.conf: cloud paths into a directory outside the client, and no plugins" {
	mkdir "$root/cloud"
	touch "$root/cloud/ca.pem"
	printf '\nXTC = {\n   PartitionCAPath = /cloud/ca.pem;\n}\nREST = {\n   ServerName = x;\n}\n' >>"$luna"
	finds FAIL cloud-path /etc/Chrystoki.conf "$(number_of "$luna" PartitionCAPath)"
	finds FAIL chrystoki-no-plugins /etc/Chrystoki.conf 0
	printf 'Misc = {\n   PluginModuleDir = /cloud/plugins;\n}\n' >>"$luna"
	finds FAIL cloud-path /etc/Chrystoki.conf "$(number_of "$luna" PluginModuleDir)"
	[[ $output == *"fix: okv-luna config chrystoki set Misc PluginModuleDir $LC/plugins/"* ]]
}

@test "Chrystoki.conf: logging to standard output" {
	for on in 1 01 0x1 -1 x0 0y; do
		cp "$luna" "$BATS_TEST_TMPDIR/luna"
		printf 'HAConfiguration = {\n   haLogToStdout = %s;\n}\n' $on >>"$luna"
		finds FAIL stdout-logging /etc/Chrystoki.conf "$(number_of "$luna" haLogToStdout)"
		cp "$BATS_TEST_TMPDIR/luna" "$luna"
	done
	printf '\nHAConfiguration = {\n   haLogToStdout = 1;\n}\nCkLog2 = {\n   LogToStreams = 1;\n}\n' >>"$luna"
	finds FAIL stdout-logging /etc/Chrystoki.conf "$(number_of "$luna" haLogToStdout)"
	finds FAIL stdout-logging /etc/Chrystoki.conf "$(number_of "$luna" LogToStreams)"
	# The remedy is a command that works.
	grep -A2 '\[stdout-logging\]' <<<"$output" | sed -n 's/^ *fix: okv-luna config //p' | while read -r words; do
		# shellcheck disable=SC2086
		"$config" --root "$root" -q $words
	done
	lacks stdout-logging
}

@test "Chrystoki.conf: a cloud client whose credentials are empty shows no slots" {
	printf '\nREST = {\n   ServerName = cloud.example;\n   AuthTokenClientId = x;\n   AuthTokenClientSecret = y;\n}\n' >>"$luna"
	lacks chrystoki-entry-missing
	for key in AuthTokenClientId AuthTokenClientSecret; do
		sed -i.kept "s/$key = .*/$key = ;/" "$luna"
		finds FAIL chrystoki-entry-missing /etc/Chrystoki.conf "$(number_of "$luna" $key)"
		[[ $output == *"$key of section REST is empty"* ]]
		mv "$luna.kept" "$luna"
	done
}

@test "Chrystoki.conf: writable by the group, by all; readable by all with the secret in it; a copy that drifted" {
	chmod 0660 "$luna"
	# The guide's profile wants that; the strict one does not, and its own repair mends it.
	lacks chrystoki-writable
	echo 'PROFILE="strict"' >"$root/opt/okv-luna/etc/okv-luna.conf"
	finds WARN chrystoki-writable /etc/Chrystoki.conf 0
	rm "$root/opt/okv-luna/etc/okv-luna.conf"
	chmod 0666 "$luna"
	finds FAIL chrystoki-writable /etc/Chrystoki.conf 0
	chmod 0644 "$luna"
	printf '\nREST = {\n   AuthTokenClientSecret = x;\n}\n' >>"$luna"
	finds WARN chrystoki-readable /etc/Chrystoki.conf "$(number_of "$luna" AuthToken)"
	echo >"$root$LC/Chrystoki.conf"
	finds WARN chrystoki-copy $LC/Chrystoki.conf 0
}

@test "copies of Chrystoki.conf with the cloud service's secret, open to all, are seen under any name" {
	for copy in /etc/Chrystoki.conf.rpmsave /etc/Chrystoki.conf~ "/etc/old-chrystoki" "$LC/Chrystoki-base.conf"; do
		printf 'REST = {\n   AuthTokenClientSecret = x;\n}\n' >"$root$copy"
		finds WARN chrystoki-readable "$copy" 0
		chmod 0640 "$root$copy"
		lacks chrystoki-readable
		rm "$root$copy"
	done
}

@test "HA groups that do not add up" {
	cat >>"$luna" <<-'END'

		VirtualToken = {
		   VirtualToken00Label = one;
		   VirtualToken00SN = 1999;
		   VirtualToken00Members = 111,222,222;
		   VirtualToken02Label = two;
		   VirtualToken02SN = 1333;
		   VirtualToken02Members = 333;
		   VirtualToken03Label = three;
		   VirtualToken03Members = x1;
		   VirtualToken04Members = ;
		   VirtualTokenActiveRecovery = sometimes;
		}
		HASynchronize = {
		   one = 0;
		}
		HAConfiguration = {
		   HAOnly = 0;
		   AutoReconnectInterval = 5;
		}
	END
	one=$(number_of "$luna" VirtualToken00Label) two=$(number_of "$luna" VirtualToken02Label)
	three=$(number_of "$luna" VirtualToken03Label)
	finds WARN ha-serial /etc/Chrystoki.conf "$one"
	finds WARN ha-member-twice /etc/Chrystoki.conf "$one"
	finds WARN ha-synchronize /etc/Chrystoki.conf "$(number_of "$luna" 'one = 0')"
	finds WARN ha-synchronize /etc/Chrystoki.conf "$two"
	finds FAIL ha-gap /etc/Chrystoki.conf "$two"
	finds WARN ha-member-single /etc/Chrystoki.conf "$two"
	finds FAIL ha-entry-missing /etc/Chrystoki.conf "$three"
	finds FAIL ha-no-members /etc/Chrystoki.conf "$(number_of "$luna" VirtualToken04)"
	finds FAIL ha-member-number /etc/Chrystoki.conf "$three"
	finds FAIL ha-only /etc/Chrystoki.conf "$(number_of "$luna" HAOnly)"
	finds WARN ha-recovery /etc/Chrystoki.conf 0
	finds WARN ha-interval /etc/Chrystoki.conf "$(number_of "$luna" AutoReconnect)"
	finds WARN ha-recovery-mode /etc/Chrystoki.conf "$(number_of "$luna" ActiveRecovery)"
}

@test "HA groups that add up" {
	"$config" --root "$root" -q chrystoki ha okv_ha 111,222
	"$config" --root "$root" -q chrystoki ha-only on
	"$config" --root "$root" -q chrystoki set HAConfiguration reconnAtt -1
	okv_config 0 check
	[ "$output" = '0 to fix, 0 to look at' ]
}

@test "servers: gaps, ports, empty names" {
	more='ServerPort00 = x;\n   ServerName02 = b;\n   ServerName03 = ;\n   ServerPort03 = 1;'
	sed -i "s|ServerPort00 = .*|$more|" "$luna"
	finds WARN server-port /etc/Chrystoki.conf "$(number_of "$luna" ServerName00)"
	finds FAIL server-gap /etc/Chrystoki.conf "$(number_of "$luna" ServerName02)"
	finds WARN server-port /etc/Chrystoki.conf "$(number_of "$luna" ServerName02)"
	finds WARN server-empty /etc/Chrystoki.conf "$(number_of "$luna" ServerName03)"
}

@test "a server that can be neither a host name nor an address, and port 0" {
	for name in '<HSM>' 10.0.0.1:1792 hsm/1 'a,b' 'a b'; do
		sed -i "s|ServerName00 = .*|ServerName00 = $name;|" "$luna"
		finds FAIL server-name /etc/Chrystoki.conf "$(number_of "$luna" ServerName00)"
		okv_config 3 chrystoki server-add "$name"
	done
	sed -i 's|ServerPort00 = .*|ServerPort00 = 0;|' "$luna"
	finds WARN server-port /etc/Chrystoki.conf "$(number_of "$luna" ServerName00)"
}

@test "HA groups that share a label or a member, and a label that no token can have" {
	"$config" --root "$root" -q chrystoki ha okv_ha 111,222
	"$config" --root "$root" -q chrystoki ha other 333,444
	sed -i 's/333,444/333,222/' "$luna"
	finds FAIL ha-twice /etc/Chrystoki.conf "$(number_of "$luna" VirtualToken01Label)"
	sed -i 's/333,222/333,444/; s/01Label = other/01Label = okv_ha/' "$luna"
	finds FAIL ha-twice /etc/Chrystoki.conf "$(number_of "$luna" VirtualToken01Label)"
	sed -i "s/01Label = .*/01Label = $(printf %033d 0);/" "$luna"
	finds FAIL ha-label /etc/Chrystoki.conf "$(number_of "$luna" VirtualToken01Label)"
}

@test "a file that is not a Chrystoki.conf: one finding, and no edit" {
	for bytes in '[Misc]\nA=b\n' 'Misc:\n  A: b\n' '<html>404</html>\n' '\xff\xfeM\0 \0=\0 \0{\0\n\0}\0\n\0'; do
		printf "$bytes" >"$luna"
		cp "$luna" "$BATS_TEST_TMPDIR/conf"
		finds FAIL chrystoki-outside /etc/Chrystoki.conf 1
		[[ $(grep -c /etc/Chrystoki.conf <<<"$output") = 1 ]]
		okv_config 3 chrystoki set Misc A c
		okv_config 1 check --fix
		cmp "$luna" "$BATS_TEST_TMPDIR/conf"
	done
}

@test "a directory that cannot be read to its end is never taken for one in order" {
	for directory in "$G" "$LC/lib" /opt/okv-luna/share/man/man8; do
		run -5 strace -f -qq -o /dev/null -P "$root$directory" -e trace=getdents64 \
			-e inject=getdents64:error=EIO "$config" --root "$root" check
		[[ $output == *"cannot read directory '$directory' to its end"* ]]
	done
}

@test "check changes nothing" {
	printf 'A=x\n' >>"$env"
	find "$root" -printf '%p %i %C@ %l\n' | sort >"$BATS_TEST_TMPDIR/before"
	okv_config 1 check
	okv_config 1 -n check --fix
	find "$root" -printf '%p %i %C@ %l\n' | sort | diff "$BATS_TEST_TMPDIR/before" -
}

@test "every rule that the code knows is asked for in this file" {
	helpers=$BATS_TEST_DIRNAME/../../helpers
	families='line|key|value|env|vendor|library|preserved|config|mid|helper|wrong|stray|link|upgrade|scope'
	families="$families|chrystoki|cloud|stdout|ha|server|file"
	grep -ohE "\"($families)-[a-z-]+\"" "$helpers"/okv/check*.c "$helpers"/conf/chrystoki_groups.c | tr -d '"' |
		sort -u >"$BATS_TEST_TMPDIR/rules"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/rules")" -gt 60 ]
	missing=
	while read -r rule; do
		grep -qE "[ (]$rule( |\$)" "$BATS_TEST_FILENAME" || missing="$missing $rule"
	done <"$BATS_TEST_TMPDIR/rules"
	echo "never asked for:$missing"
	[ -z "$missing" ]
}
