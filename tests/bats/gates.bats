#!/usr/bin/env bats
# The gates, each with one planted violation per rule: the tree as it is passes, the tree with the plant does not, and
# the gate names the place.

bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.."
	local build=${BUILD:-build}
	mkdir -p "$BATS_FILE_TMPDIR/tree/build"
	for part in Makefile README.md LICENSE .ci .clang-format helpers hooks payload spec tests; do
		[ ! -e "$part" ] || cp -a "$part" "$BATS_FILE_TMPDIR/tree/"
	done
	for part in bin libexec lib obj gates; do
		[ ! -d "$build/$part" ] || cp -a "$build/$part" "$BATS_FILE_TMPDIR/tree/build/"
	done
	# Each test has a copy: what only a debugger asks for is most of it.
	find "$BATS_FILE_TMPDIR/tree/build" -type f \( -name '*.[ao]' -o -perm -u+x \) -exec strip -g -p {} +
	# What is clean is not asked again, in none of the copies.
	(
		cd "$BATS_FILE_TMPDIR/tree"
		BUILD=build sh tests/gates/warnings
		BUILD=build sh tests/gates/shell
	) || true
}

setup() {
	cp -a "$BATS_FILE_TMPDIR/tree" "$BATS_TEST_TMPDIR/tree"
	cd "$BATS_TEST_TMPDIR/tree"
	export BUILD=build LC_ALL=C
	unset GLIBC_FLOOR MAKEFLAGS MAKELEVEL
}

# plant FILE LINE...: appends the lines; `at` becomes FILE:NUMBER of the first of them.
plant() {
	mkdir -p "$(dirname "$1")"
	touch "$1"
	at=$1:$(($(wc -l <"$1") + 1))
	printf '%s\n' "${@:2}" >>"$1"
}

# refuses GATE WORDS: the gate fails with a line that begins with $at and holds the words.
refuses() {
	run -1 sh "tests/gates/$1"
	says "$2"
}

# says WORDS: so did the run before.
says() {
	grep -F -- "$at:" <<<"$output" | grep -F -- "$1"
}

passes() {
	run sh "tests/gates/$1"
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
}

# --- the driver ----------------------------------------------------------------------------------------------------

@test "gates: a broken gate is a failed test and a failed run, a whole one is not" {
	run -0 sh tests/gates/gates rooms
	[ "$output" = $'1..1\nok 1 - rooms' ]
	plant helpers/base/number.c '#include "fs/root.h"'
	run -1 sh tests/gates/gates rooms style
	[ "${lines[0]}" = 1..2 ]
	[ "${lines[1]}" = "$at: room base may not include room fs" ]
	[ "${lines[2]}" = 'not ok 1 - rooms' ]
	[ "${lines[3]}" = 'ok 2 - style' ]
}

@test "gates: without names all of them run" {
	local gate number=0
	for gate in tests/gates/*; do
		[ "${gate##*/}" = gates ] || echo "echo ${gate##*/} ran" >"$gate"
	done
	run -0 sh tests/gates/gates
	[ "${lines[0]}" = "1..$(($(ls tests/gates | wc -l) - 1))" ]
	for gate in tests/gates/*; do
		[ "${gate##*/}" != gates ] || continue
		number=$((number + 1))
		grep -qx "# ${gate##*/} ran" <<<"$output"
		grep -qx "ok $number - ${gate##*/}" <<<"$output"
	done
}

# --- rooms ---------------------------------------------------------------------------------------------------------

@test "rooms: a room that its line does not name" {
	passes rooms
	plant helpers/base/number.c '#include "fs/root.h"'
	refuses rooms 'room base may not include room fs'
}

@test "rooms: a circle in the plan" {
	plant helpers/FLOORPLAN 'annexe base later' 'later base annexe'
	refuses rooms 'room later does not stand above this line'
}

@test "rooms: a room of nouns that is none" {
	plant helpers/FLOORPLAN 'nouns base attic'
	refuses rooms 'room attic does not stand above this line'
}

@test "rooms: a room listed twice" {
	plant helpers/FLOORPLAN 'conf base'
	refuses rooms 'room conf is listed twice'
}

@test "rooms: a folder that is no room" {
	plant helpers/misc/helper.c 'int x;'
	refuses rooms 'room misc is not in helpers/FLOORPLAN'
}

@test "rooms: a guarded header, by name and by folder" {
	plant helpers/conf/assign.c '#include <dlfcn.h>'
	refuses rooms '<dlfcn.h> is guarded'
	plant helpers/fs/read.c '#include <openssl/evp.h>'
	refuses rooms '<openssl/evp.h> is guarded'
	plant helpers/proc/identity.c '#include <pwd.h>'
	refuses rooms 'only these rooms may include it: none'
}

@test "rooms: a doorway that includes more than its tool's line" {
	plant helpers/cmd/okv-luna.c '#include "fs/root.h"'
	refuses rooms "room fs is not on this tool's line"
}

@test "rooms: a line in TOOLS with a room that does not exist" {
	plant helpers/TOOLS 'okv-luna-x survive libexec - base attic'
	refuses rooms 'room attic is not in helpers/FLOORPLAN'
}

@test "rooms: an include that is not written as the plan has it" {
	plant helpers/fs/read.c '#include "handle.h"'
	refuses rooms 'is written "room/part.h"'
}

@test "rooms: the appliance shares no code with the helpers" {
	plant tests/appliance/witness.c '#include "base/text.h"'
	refuses rooms 'shares no code with the helpers'
}

# --- headers -------------------------------------------------------------------------------------------------------

@test "headers: comment, guard and compiling alone" {
	passes headers

	sed -i '1i #include <stddef.h>' helpers/fs/lock.h
	sed -i 's/OKV_FS_EACH_H/OKV_EACH_H/' helpers/fs/each.h
	printf '/* Nothing. */\n' >helpers/fs/bare.h
	plant helpers/fs/exchange.h 'int fs_late(void);'
	late=$at
	printf '/* Sizes. */\n#ifndef OKV_FS_SIZE_H\n#define OKV_FS_SIZE_H\nsize_t fs_size(void);\n#endif\n' \
		>helpers/fs/size.h

	at=helpers/fs/lock.h:1
	refuses headers 'opens with a comment'
	at=helpers/fs/each.h:$(grep -n '#ifndef' helpers/fs/each.h | cut -d: -f1)
	says 'expected #ifndef OKV_FS_EACH_H'
	at=helpers/fs/each.h:$(grep -n '#define' helpers/fs/each.h | cut -d: -f1)
	says 'expected #define OKV_FS_EACH_H'
	at=helpers/fs/bare.h:1
	says 'no include guard OKV_FS_BARE_H'
	at=$late
	says 'the guard has to end with the file'
	at=helpers/fs/size.h:4
	says "unknown type name 'size_t'"
}

# --- survive -------------------------------------------------------------------------------------------------------

# tool TIER LIBRARY BODY FLAG...: a tool okv-luna-x with that body in main, made and linked as the Makefile does.
tool() {
	local tier=$1 library=$2
	plant helpers/TOOLS "okv-luna-x $tier libexec $library base"
	mkdir -p build/libexec
	printf '%s\n' '#include <stdio.h>' '#include <stdlib.h>' '#include <pwd.h>' '#include <unistd.h>' \
		'int main(int argc, char **argv) {' 'char own[99]; snprintf(own, 99 - argc, "%s", *argv);' "$3" \
		'return argc > 9 ? puts(own) : 0; }' |
		gcc -O2 -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fcf-protection -fPIE -pie \
			-Wl,-z,relro,-z,now,-z,noexecstack,--no-as-needed "${@:4}" \
			-o build/libexec/okv-luna-x -x c -
}

@test "survive: tools of both tiers that keep their promise" {
	passes survive
	tool survive - ''
	passes survive
	sed -i '$d' helpers/TOOLS
	tool admin crypto '' -l:libcrypto.so.3
	passes survive
	[[ $output == *'newest symbol here is'* ]]
}

@test "survive: a name service, a shell, a search path" {
	tool survive - 'if (argc > 5) return getpwnam(argv[1])->pw_uid > 0;'
	refuses survive 'imports getpwnam'
	sed -i '$d' helpers/TOOLS
	tool survive - 'return system(argv[1]);'
	refuses survive 'imports system'
	sed -i '$d' helpers/TOOLS
	tool survive - 'return execvp(argv[1], argv);'
	refuses survive 'imports execvp'
}

@test "survive: a library too many, and a library named in vain" {
	tool survive - '' -l:libcrypto.so.3
	refuses survive 'needs libcrypto.so.3, which its line does not name'
	sed -i '$d' helpers/TOOLS
	tool admin archive '' -l:libcrypto.so.3
	refuses survive 'needs libcrypto.so.3, which its line does not name'
	says 'does not need libarchive, which its line names'
	sed -i '$d' helpers/TOOLS
	tool survive crypto ''
	refuses survive 'a tool of the survive tier has no library'
}

@test "survive: a worker with two libraries, of which each is needed and no other" {
	tool worker crypto,archive '' -l:libcrypto.so.3 -larchive
	passes survive
	sed -i '$d' helpers/TOOLS
	tool worker crypto,archive '' -l:libcrypto.so.3
	refuses survive 'does not need libarchive, which its line names'
	sed -i '$d' helpers/TOOLS
	tool worker archive '' -l:libcrypto.so.3 -larchive
	refuses survive 'needs libcrypto.so.3, which its line does not name'
}

@test "survive: a worker of the survive tier keeps its promise" {
	tool survive-worker - ''
	passes survive
	sed -i '$d' helpers/TOOLS
	tool survive-worker - 'return system(argv[1]);'
	refuses survive 'imports system'
}

@test "survive: how it is compiled and linked" {
	for case in '-no-pie:not a position-independent executable' \
		'-Wl,-z,norelro:no read-only relocations' \
		'-Wl,-z,lazy:does not bind its symbols at start' '-Wl,-z,execstack:executable stack' \
		'-Wl,-rpath,/opt/lib:library search path of its own' '-static:is not dynamically linked' \
		'-fno-stack-protector:has no stack protector' '-U_FORTIFY_SOURCE:has no fortified calls' \
		'-fcf-protection=none:is not made ready for CET'; do
		tool survive - '' "${case%%:*}"
		refuses survive "${case#*:}"
		sed -i '$d' helpers/TOOLS
	done
}

@test "survive: a tier that does not exist, and a tool that was not built" {
	tool eternal - ''
	refuses survive 'tier is survive, admin, worker or survive-worker, not eternal'
	rm build/libexec/okv-luna-x
	refuses survive 'build/libexec/okv-luna-x is not built'
}

@test "survive: the floor of symbol versions, where a release build has to keep it" {
	# What a program of this system starts with is newer than the floor, unless the system is as old as the floor.
	tool survive - 'return getentropy(argv[0], 1);'
	GLIBC_FLOOR=1 refuses survive 'imports getentropy of GLIBC_2.25, newer than GLIBC_2.17'
}

# --- names ---------------------------------------------------------------------------------------------------------

# A whole new command in the copy: doorway, page, test, lines in TOOLS and in the front command's table.
command_add() {
	plant helpers/TOOLS 'okv-luna-sample survive libexec - base conf'
	sed -i 's/^\t{ "status", /\t{ "sample", "x" },\n&/' helpers/cmd/okv-luna.c
	cat >helpers/cmd/okv-luna-sample.c <<-'EOF'
		#include "cmd/tool.h"

		static const char *colour;
		static const struct option options[] = {
			OPTION_ROW(0, "colour", OPTION_TEXT, &colour, "NAME", "x"),
			OPTION_END,
		};

		static int run(struct cmd_context *context, struct fault *f)
		{
			return context->dry_run ? fault_usage(f, "x") : 0;
		}

		const struct cmd_tool cmd_tool = {
			.name = "okv-luna-sample", .summary = "x", .operands = "", .options = options, .run = run,
		};
	EOF
	cat >payload/man/okv-luna-sample.8 <<-'EOF'
		.Fl -colour Ar name ,
		.It Fl -root Ar dir
		.It Fl n , -dry-run
		.Op Fl -json
		.It Fl q , -quiet
		.It Fl v , -verbose
		.It Fl h , -help
		.Fl -version
	EOF
	sed -i 's/^\.It Ic status/.It Ic sample\n&/' payload/man/okv-luna.8
	printf '#!/usr/bin/env bats\n' >tests/bats/okv-luna-sample.bats
	make -s build/bin/okv-luna build/libexec/okv-luna-sample >build/log 2>&1 || { cat build/log; return 1; }
}

@test "names: a whole command passes, and none of its parts may be missing" {
	passes names
	command_add
	passes names
	line=$at

	sed -i.kept 's/-colour/-color/' payload/man/okv-luna-sample.8
	at=payload/man/okv-luna-sample.8:1
	refuses names 'option --colour of okv-luna-sample is not in its page'
	at=payload/man/okv-luna-sample.8:1
	says 'okv-luna-sample has no option --color'

	sed -i.kept '/^\.It Ic sample/d' payload/man/okv-luna.8
	at=payload/man/okv-luna.8:1
	refuses names 'command sample is not mentioned'

	rm helpers/cmd/okv-luna-sample.c payload/man/okv-luna-sample.8 tests/bats/okv-luna-sample.bats
	at=$line
	refuses names 'has no helpers/cmd/okv-luna-sample.c'
	says 'has no payload/man/okv-luna-sample.8'
	says 'has no tests/bats/okv-luna-sample.bats'

	# The table is changed and the program is not: what it completes is of the old table.
	sed -i '/{ "sample", /d' helpers/cmd/okv-luna.c
	refuses names 'has no line in the table of helpers/cmd/okv-luna.c'
	at=helpers/cmd/okv-luna.c:1
	says 'does not list the commands of its table'
}

@test "names: a worker has a doorway and a place in the package, and no page, test or line of the table" {
	plant helpers/TOOLS 'okv-luna-toil worker libexec - base'
	refuses names 'has no helpers/cmd/okv-luna-toil.c'
	printf 'int main(void)\n{\n\treturn 0;\n}\n' >helpers/cmd/okv-luna-toil.c
	make -s build/libexec/okv-luna-toil >build/log 2>&1 || { cat build/log; return 1; }
	passes names
	plant payload/man/okv-luna-toil.8 ''
	at=payload/man/okv-luna-toil.8:1
	refuses names 'there is no tool okv-luna-toil'
	rm payload/man/okv-luna-toil.8
	plant tests/bats/okv-luna-toil.bats ''
	at=tests/bats/okv-luna-toil.bats:1
	refuses names 'there is no tool okv-luna-toil'
	rm tests/bats/okv-luna-toil.bats
	plant spec/install.sh 'rm "$top/libexec/okv-luna-toil"'
	at=spec/install.sh:1
	refuses names 'does not install /opt/okv-luna/libexec/okv-luna-toil'
}

@test "names: a file that the top level has no place for" {
	plant t11/opt/okv-luna/bin/okv-luna 'left by an install'
	at=t11:1
	refuses names 'the top level has no place for it'
}

@test "names: a doorway, a page and a test without a tool" {
	for file in helpers/cmd/okv-luna-stray.c payload/man/okv-luna-stray.8 tests/bats/okv-luna-stray.bats; do
		plant "$file" ''
	done
	run -1 sh tests/gates/names
	for file in helpers/cmd/okv-luna-stray.c payload/man/okv-luna-stray.8 tests/bats/okv-luna-stray.bats; do
		at=$file:1
		says 'there is no tool okv-luna-stray'
	done
}

@test "names: a tool may have several test files" {
	command_add
	cp tests/bats/okv-luna-sample.bats tests/bats/okv-luna-sample-more.bats
	passes names
}

@test "names: a line of the table with a page but without a tool" {
	sed -i 's/^\t{ "status", /\t{ "sample", "x" },\n&/' helpers/cmd/okv-luna.c
	plant payload/man/okv-luna-sample.8 ''
	at=helpers/cmd/okv-luna.c:$(grep -n '"sample"' helpers/cmd/okv-luna.c | cut -d: -f1)
	refuses names 'command sample is not in helpers/TOOLS'
}

@test "names: a tool that is not installed, and an installed one that is none" {
	plant spec/install.sh 'mv "$top/bin/okv-luna" "$top/libexec/okv-luna-other"'
	at=spec/install.sh:1
	refuses names 'does not install /opt/okv-luna/bin/okv-luna'
	says 'installs okv-luna-other, which is no tool'
}

@test "names: an installed file that the package has no place for" {
	sed -i 's/^%files.*/%files\n\/opt\/okv-luna\/bin\n\/opt\/okv-luna\/libexec\/*/' spec/okv-luna-hooks.spec
	at=spec/okv-luna-hooks.spec:$(grep -n '^%files' spec/okv-luna-hooks.spec | cut -d: -f1)
	refuses names '%files has no place for /opt/okv-luna/share/version'
	refute_line_with /opt/okv-luna/bin/okv-luna
}

refute_line_with() {
	! grep -F -- "$1" <<<"$output"
}

@test "names: declared and nowhere defined" {
	sed -i 's/^#endif$/int fs_each_plant(int dir);\n&/' helpers/fs/each.h
	at=helpers/fs/each.h:$(grep -n fs_each_plant helpers/fs/each.h | cut -d: -f1)
	refuses names 'fs_each_plant is declared and nowhere defined in room fs'
}

@test "names: an export that does not carry its room's name" {
	sed -i 's/^#endif$/int lock_plant(void);\n&/' helpers/fs/lock.h
	printf 'int lock_plant(void)\n{\n\treturn 0;\n}\n' >>helpers/fs/lock.c
	make -s build/lib/fs.a
	at=helpers/fs/lock.h:$(grep -n lock_plant helpers/fs/lock.h | cut -d: -f1)
	refuses names 'lock_plant is exported from room fs and does not carry its name'
	# In the rooms of nouns the part's own name does, unless it is another room's.
	sed -i '/lock_plant/d' helpers/fs/lock.h
	printf '/* Borrowed. */\n#ifndef OKV_BASE_PROC_H\n#define OKV_BASE_PROC_H\nint proc_plant(void);\n#endif\n' \
		>helpers/base/proc.h
	printf '#include "base/proc.h"\n\nint proc_plant(void)\n{\n\treturn 0;\n}\n' >helpers/base/proc.c
	make -s build/lib/base.a
	at=helpers/base/proc.h:4
	refuses names 'proc_plant is exported from room base and does not carry its name'
	rm helpers/base/proc.[ch]
	sed -i 's/^#endif$/int nearest_plant(void);\n&/' helpers/base/nearest.h
	cp "$BATS_FILE_TMPDIR/tree/helpers/fs/lock.c" helpers/fs/
	printf 'int nearest_plant(void)\n{\n\treturn 0;\n}\n' >>helpers/base/nearest.c
	make -s build/lib/fs.a build/lib/base.a
	passes names
}

@test "names: a check of status that the page or the schema does not list" {
	passes names
	sed -i 's/^\t{ "group", .*/&\n\t{ "weather", "it rains", 5000, STEP_ALWAYS, check_group },/' helpers/upgrade/status.c
	run -1 sh tests/gates/names
	[[ $output == *'okv-luna-status.8:1: does not list the checks'* ]]
	[[ $output == *'status.schema.json:1: does not list the checks'* ]]
}

@test "names: a unit test that is named after nothing" {
	cp tests/unit/base/text_test.c tests/unit/base/weather_test.c
	at=tests/unit/base/weather_test.c:1
	refuses names 'there is no part'
	mv tests/unit/base/weather_test.c tests/unit/base/text_weather_test.c
	passes names
}

# --- pages ---------------------------------------------------------------------------------------------------------

@test "pages: what mandoc complains about" {
	passes pages
	plant payload/man/okv-luna.8 '.Bl -tag' '.It x'
	run -1 sh tests/gates/pages
	[[ $output == *"payload/man/okv-luna.8:${at##*:}:"*'WARNING'* ]]
}

@test "pages: a reference to a page that is not there" {
	plant payload/man/okv-luna.8 '.Xr okv-luna-nowhere 8'
	refuses pages 'refers to okv-luna-nowhere(8)'
	sed -i '$d' payload/man/okv-luna.8
	plant payload/man/okv-luna.8 '.Xr okv-luna-nowhere 5'
	refuses pages 'refers to okv-luna-nowhere(5)'
}

# --- format ---------------------------------------------------------------------------------------------------------

@test "format: a line that clang-format would lay out differently" {
	command -v clang-format >/dev/null || skip "no clang-format"
	passes format
	plant helpers/base/number.c "int  a;"
	refuses format "make format"
}

# --- style ---------------------------------------------------------------------------------------------------------

@test "style: what the eye trips over" {
	passes style
	plant helpers/base/number.c 'int a; '
	refuses style 'blanks at the end of the line'
	plant helpers/base/number.c $'  \tint a;'
	refuses style 'a tab after blanks'
	plant helpers/base/number.c '        int a;'
	refuses style 'indented by blanks'
	plant helpers/base/number.c "$(printf '\t%0113d' 0)"
	refuses style '121 columns'
	plant tests/run "# TO""DO later"
	refuses style 'a note to ourselves'
	plant helpers/base/number.c 'typedef struct x x_t;'
	refuses style 'not by a typedef'
	plant helpers/base/number.c 'char *p = alloca(3);'
	refuses style 'alloca'
	printf 'int last;' >>helpers/base/text.c
	at=helpers/base/text.c:$(wc -l <helpers/base/text.c)
	refuses style 'no line feed at the end'
}

@test "style: 120 columns are fine, and a letter beyond ASCII is one column" {
	plant helpers/base/number.c "/* $(printf '%0113d' 0)é */"
	plant tests/unit/base/number_test.c "/* $(printf '%0134d' 0) */"
	passes style
	plant tests/unit/base/number_test.c "/* $(printf '%0135d' 0) */"
	refuses style '140 is the limit'
}

# --- warnings ------------------------------------------------------------------------------------------------------

@test "warnings: what gcc warns about" {
	passes warnings
	plant helpers/base/number.c 'static inline int number_plant(int n) { int m = n; { int m = n; return m; } }'
	run -1 sh tests/gates/warnings
	[[ $output == *"$at:"*Wshadow* ]]
	[ "$(grep -c 'helpers/base/number.c' <<<"$output")" -ge 2 ] # both compilers see it
}

@test "warnings: a variable-length array" {
	plant helpers/base/report.c 'int report_plant(int n);' 'int report_plant(int n) { char a[n]; return a[0]; }'
	at=${at%:*}:$((${at##*:} + 1))
	run -1 sh tests/gates/warnings
	[[ $output == *"$at:"*vla* ]]
}

@test "warnings: what only clang warns about" {
	plant helpers/base/report.c 'static inline int report_unused(void) { return 0; }'
	run -1 sh tests/gates/warnings
	[[ $output == *"helpers/base/report.c:"*report_unused* ]]
}

# --- shell ---------------------------------------------------------------------------------------------------------

@test "shell: what shellcheck warns about, in each kind of script" {
	passes shell
	plant tests/deps 'cd /nowhere && rm $(ls *.x)'
	run -1 sh tests/gates/shell
	[[ $output == *"$at:"* ]]
	plant tests/bats/okv-luna.bats '@test "x" {' $'\t[[ a = b ]' '}'
	run -1 sh tests/gates/shell
	[[ $output == *"tests/bats/okv-luna.bats:"* ]]
	plant payload/completion/okv-luna 'if true; then'
	run -1 sh tests/gates/shell
	[[ $output == *"payload/completion/okv-luna:"* ]]
}

@test "shell: a bashism in a script for sh" {
	plant tests/faults '[[ -n $BUILD ]] && exit 0'
	run -1 sh tests/gates/shell
	[[ $output == *"$at:"*'POSIX sh'* ]]
}

@test "shell: a hook for another shell" {
	mkdir -p hooks
	printf '#!/bin/bash\ntrue\n' >hooks/late-upgrade
	at=hooks/late-upgrade:1
	refuses shell 'begins with #!/bin/sh'
}

# --- words ---------------------------------------------------------------------------------------------------------

@test "words: a private path" {
	passes words
	plant README.md "see /home""/somebody/notes"
	refuses words 'a private path'
}

@test "words: the neighbourhood of the checkout" {
	plant README.md 'built in /forge/okv/build'
	passes words
	CHECKOUT=/forge/okv refuses words 'a private path'
}

@test "words: what this project does not say, in code, pages and README" {
	plant helpers/base/text.c '/* The ward is torn. */'
	refuses words 'not "ward" but "child, confined"'
	sed -i '$d' helpers/base/text.c
	plant payload/man/okv-luna.8 'mend: okv-luna repair'
	refuses words 'not "mend:" but "fix:"'
	sed -i '$d' payload/man/okv-luna.8
	plant README.md 'A failure is shouted.'
	refuses words 'but "reported"'
	sed -i '$d' README.md
	plant helpers/base/text.c '/* Towards a forward reward; "mend" is a key of the JSON. */'
	passes words
}

@test "words: a phrase that the source breaks over lines" {
	passes words
	plant helpers/base/number.c 'static const char *const planted = "the policy speaks"' '	" of nothing at all";'
	refuses words 'not "speaks of" but'
	# The list has what the compiler joins as one.
	[ "$(tests/messages | grep -c ': the policy speaks of nothing at all$')" -eq 1 ]
}

@test "words: a host" {
	plant tests/deps '# from https:''//packages.somewhere.net/debian'
	refuses words 'names a host'
	plant README.md 'see https://thalesdocs.com/gphsm and https://okv.example.com'
	run -1 sh tests/gates/words
	[[ $output != *"$at"* ]]
}

# --- homes ---------------------------------------------------------------------------------------------------------

@test "homes: each mechanism, called a second time somewhere else" {
	passes homes
	local call
	for call in 'x = fork();' 'x = posix_spawn(&pid, path, NULL, NULL, argv, envp);' 'if (pipe2(ends, O_CLOEXEC) < 0)' \
		'socketpair(AF_UNIX, SOCK_STREAM, 0, ends);' 'syscall(SYS_close_range, 3u, ~0u, 0u);' 'setgroups(0, NULL);' \
		'(void)setresuid(1, 1, 1);' 'prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);' 'while ((entry = readdir(d)) != NULL)' \
		'syscall(SYS_getdents64, dir, block, size);' 'syscall(SYS_renameat2, a, b, c, d, 2);' 'p = realloc(p, 2 * n);' \
		'strftime(stamp, 9, "%Y", &utc);' '(void)printf("%s", name);' '(void)fprintf(stderr, "%s\n", name);' \
		'puts(name);' 'syslog(LOG_INFO, "%s", name);' 'write(1, name, 3);' 'fputs(name, stdout);'; do
		plant helpers/cmd/act.c "	$call"
		refuses homes 'belongs into'
	done
}

@test "homes: a comment, a name that only ends in the word, and a member are no calls" {
	plant helpers/cmd/act.c '/* then fork(2), that is fork() */' ' * as realloc(3) does: realloc()' \
		'	int r = upgrade_fork(1);' '	x->setgid(2);'
	passes homes
}

# --- size ----------------------------------------------------------------------------------------------------------

@test "size: lines, files, the length of functions" {
	passes size
	yes 'int a;' | head -n 40000 >helpers/base/long.c
	run -1 sh tests/gates/size
	[[ $output == *"lines is "*" is the limit"* ]]
	rm helpers/base/long.c
	for i in $(seq 300); do : >"helpers/base/f$i.c"; done
	run -1 sh tests/gates/size
	[[ $output == *"files is "* && $output != *"lines is "* ]]
	rm helpers/base/f*.c
	for i in $(seq 30); do
		printf 'void f%d(void)\n{\n' "$i"
		yes '	x++;' | head -n 80
		printf '}\n'
	done >helpers/base/tall.c
	run -1 sh tests/gates/size
	[[ $output == *"p99 is 8"* ]]
}

@test "size: arrows, circles, functions that a macro makes" {
	plant helpers/FLOORPLAN "later $(printf 'base %.0s' $(seq 40))"
	run -1 sh tests/gates/size
	[[ $output == *"arrows is "* ]]
	sed -i '$d' helpers/FLOORPLAN
	plant helpers/base/text.h '#include "base/json.h"'
	run -1 sh tests/gates/size
	[[ $output == *"circles is 2"* && $output == *"in a circle: base/json"* ]]
	sed -i '$d' helpers/base/text.h
	plant helpers/base/text.c 'DEFINE_READER(text_read, 4)'
	run -1 sh tests/gates/size
	[[ $output == *"macro-functions is 1; 0 is the limit"* ]]
}

@test "size: functions that are exported for one caller" {
	for i in $(seq 150); do printf 'void lone_%d(void);\nvoid lone_%d(void)\n{\n}\n' "$i" "$i"; done >helpers/base/lone.c
	{
		for i in $(seq 150); do printf 'void lone_%d(void);\n' "$i"; done
		printf 'void caller(void);\nvoid caller(void)\n{\n'
		for i in $(seq 150); do printf '\tlone_%d();\n' "$i"; done
		printf '}\n'
	} >helpers/base/caller.c
	cc -c helpers/base/lone.c -o build/obj/base/lone.o
	cc -c helpers/base/caller.c -o build/obj/base/caller.o
	run -1 sh tests/gates/size
	[[ $output == *"single-use is "*" is the limit"* ]]
}

# --- comments ------------------------------------------------------------------------------------------------------

@test "comments: a part and a function that are not there" {
	passes comments
	plant helpers/base/text.c '/* As base/textile does it. */'
	refuses comments 'names base/textile'
	plant helpers/base/text.c '/* One line,' ' * then fs_read_everything() and more. */'
	run -1 sh tests/gates/comments
	[[ $output == *"names fs_read_everything"* ]]
	plant tests/unit/unit.h '/* See proc/nowhere.h. */'
	refuses comments 'names proc/nowhere'
}

@test "comments: code, other words and paths of the system are none of them" {
	plant helpers/base/text.c '/* /proc/self/fd, client_of_somebody.x is a file, an okv-luna.conf, text_add. */' \
		'static int fs_unsaid;'
	sed -i 's/client_of_somebody.x is a file, //' helpers/base/text.c
	passes comments
}
