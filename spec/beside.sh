#!/bin/sh
# What lies beside the packages in a directory: beside.sh DIR makes okv-luna-hooks-VERSION.spdx.json, a bill of
# materials (SPDX 2.3: what the package is, what it needs where it runs, what it was built with), and SHA256SUMS.
#
# Promise: all of it is read from the packages, so it is the same whoever asks; a signed package has other sums.
set -eu
LC_ALL=C
export LC_ALL
cd "$1"
package=$(find . -name 'okv-luna-hooks-[0-9]*.rpm' ! -name '*.src.rpm' -printf '%P\n')
source=$(find . -name 'okv-luna-hooks-[0-9]*.src.rpm' -printf '%P\n')
ask() { rpm -qp --nosignature --qf "$1" "$2"; }
version=$(ask '%{VERSION}-%{RELEASE}' "$package")
license=$(ask '%{LICENSE}' "$package")
sum() { sha256sum "$1" | cut -d ' ' -f 1; }

# part ID NAME VERSION LICENSE [FILE]: a package of the document.
part() {
	printf ',\n    { "SPDXID": "SPDXRef-%s", "name": "%s", "versionInfo": "%s",\n' "$1" "$2" "$3"
	printf '      "downloadLocation": "NOASSERTION", "filesAnalyzed": false, "copyrightText": "NOASSERTION",\n'
	printf '      "licenseConcluded": "%s", "licenseDeclared": "%s"' "$4" "$4"
	[ $# -lt 5 ] || printf ',\n      "packageFileName": "%s",\n      "checksums": [%s]' "$5" \
		"{ \"algorithm\": \"SHA256\", \"checksumValue\": \"$(sum "$5")\" }"
	printf ' }'
}
relation() {
	printf ',\n    { "spdxElementId": "SPDXRef-%s", "relationshipType": "%s",\n' "$1" "$2"
	printf '      "relatedSpdxElement": "SPDXRef-%s" }' "$3"
}
# Without the comma of the first.
list() { sed '1 { s/^,//; /^$/d }'; }
# What rpm calls it, as an SPDX identifier.
id() { printf '%s' "$1" | tr -c 'A-Za-z0-9.\n' -; }

# Required and recommended, each once; "rpmlib(...)", "config(...)" and "rtld(...)" are words to rpm itself.
needs=$({ ask '[%{REQUIRENAME}\n]' "$package" && ask '[%{RECOMMENDNAME}\n]' "$package"; } |
	sed '/^\(rpmlib\|config\|rtld\)(/d; s/(.*//' | sort -u)
# The compiler and the libraries' headers, as the source package asks for them.
tools=$(ask '[%{REQUIRENAME}\n]' "$source" | sed '/^rpmlib(/d' | sort -u)
{
	printf '{\n  "spdxVersion": "SPDX-2.3",\n  "dataLicense": "CC0-1.0",\n  "SPDXID": "SPDXRef-DOCUMENT",\n'
	printf '  "name": "okv-luna-hooks-%s",\n' "$version"
	printf '  "documentNamespace": "urn:okv-luna-hooks:spdx:%s:%s",\n' "$version" "$(sum "$package")"
	printf '  "creationInfo": { "created": "%s", "creators": ["Tool: okv-luna-hooks-spec"] },\n' \
		"$(date -u -d "@$(ask '%{BUILDTIME}' "$package")" +%Y-%m-%dT%H:%M:%SZ)"
	printf '  "packages": ['
	{
		part package okv-luna-hooks "$version" "$license" "$package"
		part source okv-luna-hooks-source "$version" "$license" "$source"
		for name in $needs; do part "needs-$(id "$name")" "$name" NOASSERTION NOASSERTION; done
		for name in $tools; do part "built-with-$(id "$name")" "$name" NOASSERTION NOASSERTION; done
	} | list
	printf '\n  ],\n  "relationships": ['
	{
		relation DOCUMENT DESCRIBES package
		relation package GENERATED_FROM source
		for name in $needs; do relation package DEPENDS_ON "needs-$(id "$name")"; done
		for name in $tools; do relation "built-with-$(id "$name")" BUILD_DEPENDENCY_OF package; done
	} | list
	printf '\n  ]\n}\n'
} >"okv-luna-hooks-$version.spdx.json"
sha256sum -- *.rpm *.spdx.json >SHA256SUMS
