#!/usr/bin/env bats
# The package as it is built here: the same file whoever builds it, what it says of itself, what lies beside it, how its
# programs are made, and a signature that holds.  What it does on an appliance is in container/.

bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.."
	export OUT=$BATS_FILE_TMPDIR/out SPEC=$PWD/spec/okv-luna-hooks.spec
	sh spec/reproducible.sh "$OUT" >"$BATS_FILE_TMPDIR/said" 2>&1 || { cat "$BATS_FILE_TMPDIR/said"; return 1; }
}

setup() {
	cd "$OUT"
	package=$(echo okv-luna-hooks-[0-9]*.x86_64.rpm)
	source=$(echo okv-luna-hooks-[0-9]*.src.rpm)
	debuginfo=$(echo okv-luna-hooks-debuginfo-*.rpm)
	sources=$BATS_TEST_DIRNAME/../..
}

# The files of a package, below ./DIR.
unpack() { (mkdir "$BATS_TEST_TMPDIR/$2" && cd "$BATS_TEST_TMPDIR/$2" && rpm2cpio "$OUT/$1" | cpio -idm --quiet); }
# ask FORMAT [FILE]
ask() { rpm -qp --nosignature --qf "$1" "${2:-$package}"; }

@test "two builds at two paths, times and host names give one file each" {
	[ "$(tail -n 1 "$BATS_FILE_TMPDIR/said")" = \
		'reproducible: two builds at two paths, times and host names gave these files' ]
	sha256sum --check --quiet SHA256SUMS
	[ "$(cut -c 67- SHA256SUMS | sort | xargs)" = "$(ls ./*.rpm ./*.spdx.json | sed 's,^./,,' | sort | xargs)" ]
	# Nothing in it knows where it was made, or by whom.
	unpack "$package" files
	unpack "$debuginfo" debug
	for word in builder-one two.example.com /tmp/tmp. rpmbuild/; do
		run -1 grep -rlaF -- "$word" "$BATS_TEST_TMPDIR/debug/usr/lib/debug" "$BATS_TEST_TMPDIR/files/opt/okv-luna/libexec"
	done
	[ "$(ask '%{BUILDHOST}')" = localhost ]
}

@test "a difference is seen: a build with a word of its own is not the same" {
	cp -r "$sources/spec" "$BATS_TEST_TMPDIR/spec"
	cd "$BATS_TEST_TMPDIR"
	# Two "builds" of a script that writes where it was run.
	printf 'mkdir -p "$1"; pwd >"$1/file"; cd "$1"; sha256sum file >SHA256SUMS\n' >spec/build.sh
	run -1 sh spec/reproducible.sh out
	[[ $output == *'not reproducible: the two builds differ' ]]
	[ ! -e out ]
}

@test "what it says of itself: change log, home, licence, manual, and one version" {
	[ "$(ask '%{URL} %{LICENSE}')" = 'https://docs.oracle.com/en/database/oracle/key-vault/ Apache-2.0' ]
	version=$(ask '%{VERSION}')
	[[ $(ask '[%{CHANGELOGNAME}\n]' | head -n 1) == *" - $version-$(ask '%{RELEASE}')" ]]
	[ "$(rpm -qpL "$package")" = /opt/okv-luna/share/doc/LICENSE ]
	rpm -qpd "$package" | grep -qx /opt/okv-luna/share/doc/README.md
	rpm -qpc "$package" | grep -qx /opt/okv-luna/etc/okv-luna.conf
	unpack "$package" files
	[ "$(cat "$BATS_TEST_TMPDIR/files/opt/okv-luna/share/version")" = "$version" ]
	[ "$("$BATS_TEST_TMPDIR/files/opt/okv-luna/bin/okv-luna" --version)" = "okv-luna $version" ]
	# The place is the spec; everything else that is built or packed asks there.
	run -1 grep -rnF -- "$version" "$sources/Makefile" "$sources/helpers" "$sources/hooks" "$sources/tests/appliance" \
		"$sources"/spec/*.sh
	[ "$(grep -c "^Version: $version\$" "$SPEC")" -eq 1 ]
}

@test "rpm 4.11 reads it: gzip, SHA-256, and nothing that it would have to know" {
	[ "$(ask '%{PAYLOADCOMPRESSOR} %{FILEDIGESTALGO}')" = 'gzip 8' ]
	[ "$(ask '%{PAYLOADCOMPRESSOR}' "$source")" = gzip ]
	run -1 grep -E '^rpmlib\((PayloadIsZstd|RichDependencies|FileSignatures|LargeFiles|TildeInVersions|CaretInVersions)' \
		<<<"$(rpm -qp --requires "$package")"
}

@test "units are regular files of the distribution's folder, and nothing of ours is in /etc" {
	[ "$(ask '[%{FILEMODES:perms} %{FILENAMES}\n]' | grep -c '^-rw-r--r-- /usr/lib/systemd/system/okv-luna-')" -eq 3 ]
	run -1 grep ' /etc/' <<<"$(ask '[%{FILEMODES:perms} %{FILENAMES}\n]')"
}

@test "the source package has what it is built from, and builds" {
	unpack "$source" source
	mkdir "$BATS_TEST_TMPDIR/tree"
	tar -xzf "$BATS_TEST_TMPDIR"/source/*.tar.gz -C "$BATS_TEST_TMPDIR/tree" --strip-components=1
	for part in Makefile helpers hooks payload spec tests README.md LICENSE; do
		diff -r "$sources/$part" "$BATS_TEST_TMPDIR/tree/$part"
	done
	[ ! -e "$BATS_TEST_TMPDIR/tree/build" ] && [ ! -e "$BATS_TEST_TMPDIR/tree/.git" ]
	grep -qx '%check' "$BATS_TEST_TMPDIR/source/okv-luna-hooks.spec"
}

@test "the debuginfo of a program is found by its name and belongs to it" {
	unpack "$package" files
	unpack "$debuginfo" debug
	while read -r tool place; do
		program=opt/okv-luna/$place/$tool
		debug=$BATS_TEST_TMPDIR/debug/usr/lib/debug/$program.debug
		readelf -W -S "$debug" | grep -q ' \.debug_info '
		run -1 grep -q ' \.debug_info ' <<<"$(readelf -W -S "$BATS_TEST_TMPDIR/files/$program")"
		[ "$(readelf -n "$debug" | grep 'Build ID')" = "$(readelf -n "$BATS_TEST_TMPDIR/files/$program" | grep 'Build ID')" ]
		readelf -W --string-dump=.gnu_debuglink "$BATS_TEST_TMPDIR/files/$program" | grep -qF "$tool.debug"
	done < <(awk '$1 !~ /^#/ && NF { print $1, $3 }' "$sources/helpers/TOOLS")
}

@test "the bill of materials names the package, its sum, what it needs and what it was built with" {
	bill=$(echo ./*.spdx.json)
	[ "$(jq -r '.spdxVersion, .dataLicense, .SPDXID' "$bill" | xargs)" = 'SPDX-2.3 CC0-1.0 SPDXRef-DOCUMENT' ]
	[ "$(jq -r '.packages[] | select(.SPDXID == "SPDXRef-package") | .checksums[0].checksumValue' "$bill")" = \
		"$(sha256sum "$package" | cut -d ' ' -f 1)" ]
	[ "$(jq -r '.packages[] | select(.SPDXID | startswith("SPDXRef-needs-")) | .name' "$bill" | sort)" = \
		"$({ rpm -qp --requires "$package"; rpm -qp --recommends "$package"; } 2>/dev/null |
			sed 's/[ (].*//' | grep -vxE 'rpmlib|config|rtld' | sort -u)" ]
	# Every element that a relation names is there, once, and has one that leads to it.
	[ "$(jq -r '[.relationships[] | .spdxElementId, .relatedSpdxElement] | unique | sort[]' "$bill")" = \
		"$(jq -r '[.SPDXID, .packages[].SPDXID] | sort[]' "$bill")" ]
	jq -e '[.packages[].SPDXID] | all(test("^SPDXRef-[A-Za-z0-9.-]+$"))' "$bill"
}

@test "rpmlint has nothing to say beyond the list of waivers, each of which is needed" {
	run -0 rpmlint -r "$sources/spec/okv-luna-hooks.rpmlintrc" ./*.rpm "$SPEC"
	echo "$output"
	[[ $output == *' 0 errors, 0 warnings,'* ]]
	run -1 grep -n 'unused' <<<"$output"
}

@test "signed with a key, it is accepted by who knows the key, and by nobody when a byte is changed" {
	mkdir -m 700 "$BATS_TEST_TMPDIR/gpg"
	export GNUPGHOME=$BATS_TEST_TMPDIR/gpg
	mkdir "$BATS_TEST_TMPDIR/b"
	cp -r "$OUT" "$BATS_TEST_TMPDIR/b/rpm"
	gpg --batch --quiet --passphrase '' --quick-generate-key 'Throw Away <key@test.invalid>' rsa3072 sign never
	cd "$sources"
	run -2 make -s BUILD="$BATS_TEST_TMPDIR/b" sign
	[[ $output == *'which key? make sign KEY=NAME'* ]]
	make -s BUILD="$BATS_TEST_TMPDIR/b" sign KEY=key@test.invalid
	gpgconf --kill all
	cd "$BATS_TEST_TMPDIR/b/rpm"
	sha256sum --check --quiet SHA256SUMS
	run -1 cmp "$package" "$OUT/$package"
	gpg --armor --export >"$BATS_TEST_TMPDIR/key"
	mkdir "$BATS_TEST_TMPDIR/db"
	for file in *.rpm; do
		run -1 rpmkeys --dbpath "$BATS_TEST_TMPDIR/db" --checksig "$file"
	done
	rpmkeys --dbpath "$BATS_TEST_TMPDIR/db" --import "$BATS_TEST_TMPDIR/key"
	for file in *.rpm; do
		run -0 rpmkeys --dbpath "$BATS_TEST_TMPDIR/db" --checksig -v "$file"
		[[ $output == *'RSA/SHA256 Signature'*OK* ]]
	done
	printf x | dd of="$package" bs=1 seek=100000 conv=notrunc status=none
	run -1 rpmkeys --dbpath "$BATS_TEST_TMPDIR/db" --checksig "$package"
}
