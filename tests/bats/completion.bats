#!/usr/bin/env bats
# The completion script, driven through readline of an interactive bash: keys in, the completed command line out.

bats_require_minimum_version 1.5.0

setup() {
	build=${BUILD:-$BATS_TEST_DIRNAME/../../build}
	[[ $build == /* ]] || build=$BATS_TEST_DIRNAME/../../$build
	script=$BATS_TEST_DIRNAME/../../payload/completion/okv-luna
	cd "$BATS_TEST_TMPDIR"
}

# type_keys PREFIX KEYS: what okv-luna would have been called with; one line a call, arguments in angle brackets.
type_keys() {
	cat >rc <<-EOF
		PS1= PS2=
		bind 'set bell-style none' 'set completion-query-items 0' 2>/dev/null
		source $script
		_okv_luna_prefix=$1
		okv-luna() { printf '<%s>' "\$@"; echo; } >>$BATS_TEST_TMPDIR/called
	EOF
	: >called
	printf '%b\nexit\n' "$2" | timeout 120 script -qec 'bash --noprofile --rcfile rc -i' /dev/null >typescript
	cat called
}

# A command whose answer has every form of line that base/option and cmd/main write.
sample() {
	mkdir -p sample/bin sample/libexec
	cp "$build/bin/okv-luna" sample/bin/
	cat >sample/libexec/okv-luna-config <<-'EOF'
		#!/bin/sh
		printf '%b\n' check wire unwire --max-entries= '--kind=\tminimal|cloud|full' --list --json
	EOF
	chmod +x sample/libexec/okv-luna-config
}

@test "a command is completed from the front command's own table" {
	[ "$(type_keys "$build" 'okv-luna rep\t')" = '<repair>' ]
	[ "$(type_keys "$build" 'okv-luna pos\t')" = '<post-upgrade>' ]
	[ "$(type_keys "$build" 'okv-luna --v\t')" = '<--version>' ]
}

@test "a sub-command comes first, then files" {
	sample
	touch some-file
	[ "$(type_keys "$PWD/sample" 'okv-luna config un\t')" = '<config><unwire>' ]
	[ "$(type_keys "$PWD/sample" 'okv-luna config --kind full ch\t')" = '<config><--kind><full><check>' ]
	[ "$(type_keys "$PWD/sample" 'okv-luna config check some\t')" = '<config><check><some-file>' ]
}

@test "an option without a value is completed with a blank, one with a value up to its equals sign" {
	sample
	[ "$(type_keys "$PWD/sample" 'okv-luna config --li\tx')" = '<config><--list><x>' ]
	[ "$(type_keys "$PWD/sample" 'okv-luna config --max\t12')" = '<config><--max-entries=12>' ]
}

@test "the words of a choice are completed in both spellings" {
	sample
	[ "$(type_keys "$PWD/sample" 'okv-luna config --kind=mi\t')" = '<config><--kind=minimal>' ]
	[ "$(type_keys "$PWD/sample" 'okv-luna config --kind cl\t')" = '<config><--kind><cloud>' ]
}

@test "another option's value is a file name" {
	sample
	touch only-file
	[ "$(type_keys "$PWD/sample" 'okv-luna config --max-entries on\t')" = '<config><--max-entries><only-file>' ]
}

@test "an unknown command and a path completes nothing and runs nothing" {
	sample
	printf '#!/bin/sh\ntouch %s/ran\n' "$PWD" >okv-luna-x
	chmod +x okv-luna-x
	[ "$(type_keys "$PWD/sample" 'okv-luna frob --li\t')" = '<frob><--li>' ]
	[ "$(type_keys "$PWD/sample" 'okv-luna ../../okv-luna-x --li\t')" = '<../../okv-luna-x><--li>' ]
	[ ! -e ran ]
}

@test "every option of every built command is offered" {
	keys= expected=
	# A worker is run by tools, not by people.
	for tool in $(awk '!/^#/ && NF && $2 !~ /worker/ && $3 == "libexec" { print $1 }' "$BATS_TEST_DIRNAME/../../helpers/TOOLS"); do
		program=$build/libexec/$tool
		command=${program##*/okv-luna-}
		while IFS=$'\t' read -r option _; do
			keys+="okv-luna $command ${option%=}\t\n"
			expected+="<$command><$option>"$'\n'
		done < <("$program" --complete | grep '^--')
	done
	[ "$(type_keys "$build" "$keys")" = "${expected%$'\n'}" ]
}
