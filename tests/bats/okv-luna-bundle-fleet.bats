#!/usr/bin/env bats
# payload/ansible against a cluster: five nodes with a real sshd each, in by support, up by su; one more is switched off,
# and one of the five has no room for the bundle.

bats_require_minimum_version 1.5.0

load nodes

setup_file() {
	build=${BUILD:-$BATS_TEST_DIRNAME/../../build}
	[[ $build == /* ]] || build=$BATS_TEST_DIRNAME/../../$build
	export BUILD=$build
	nodes_setup "$BATS_FILE_TMPDIR/nodes"
	export NODES_DIR NODES_NET NODES_PORT
	for name in okv1 okv2 okv3 okv4 okv5; do node_start $name; done
	node_absent okv6
	# The package brings it to these two.
	rm -rf "$(node_root okv1)/opt/okv-luna" "$(node_root okv5)/opt/okv-luna"
	head -c 100000 /dev/urandom >"$(node_root okv1)/usr/local/okv/hsm/hsmbundle"
	chown 1001:1001 "$(node_root okv1)/usr/local/okv/hsm/hsmbundle"
	nsenter -m -t "$(cat "$NODES_DIR/okv4/init")" mount -t tmpfs -o size=64k,mode=755 tmpfs "$NODES_DIR/okv4/root/usr/local/okv/hsm"

	cd "$BATS_FILE_TMPDIR"
	# The role and its playbooks as they would lie beside an administrator's inventory.
	cp -r "$BATS_TEST_DIRNAME/../../payload/ansible" play
	{
		printf 'all:\n  children:\n    okv_read_only:\n      hosts:\n'
		host okv5
		printf '    okv_read_write:\n      hosts:\n'
		for name in okv1 okv6 okv2 okv3 okv4; do host $name; done
		printf '    okv_first:\n      hosts:\n        okv1:\n  vars:\n'
		sed -n '/^  vars:/,$ { /vars:/d; p }' play/inventory.example.yml
		printf '    ansible_ssh_private_key_file: %s\n' "$NODES_DIR/user_key"
		printf '    ansible_ssh_common_args: -o UserKnownHostsFile=%s\n' "$NODES_DIR/known_hosts"
	} >play/inventory.yml
	printf 'vault word' >word
	printf 'okv_luna_passphrase: correct horse battery staple\nansible_become_password: rootsecret\n' >play/secrets.yml
	chmod 600 word play/secrets.yml
	export HOME=$BATS_FILE_TMPDIR ANSIBLE_VAULT_PASSWORD_FILE=$BATS_FILE_TMPDIR/word ANSIBLE_FORKS=6 ANSIBLE_NOCOLOR=1 \
		ANSIBLE_SSH_RETRIES=2 ANSIBLE_TIMEOUT=60 LC_ALL=C.UTF-8 ANSIBLE_SSH_CONTROL_PATH_DIR=/tmp/okv-cp-$$
	ansible-vault encrypt play/secrets.yml >/dev/null 2>&1
}

host() {
	printf '        %s:\n          ansible_host: %s\n          ansible_port: %s\n' "$1" "$(node_address "$1")" "$NODES_PORT"
}

teardown_file() {
	nodes_teardown
	rm -rf /tmp/okv-cp-$$
}

# A package with that version, of the programs that were built.
package() {
	mkdir -p "rpm-$1"
	cat >"rpm-$1/x.spec" <<-SPEC
		%global debug_package %{nil}
		%global __os_install_post %{nil}
		%global _build_id_links none
		Name: okv-luna-hooks
		Version: $1
		Release: 1
		Summary: the programs under test
		License: Apache-2.0
		AutoReqProv: no
		%description
		The programs under test.
		%install
		mkdir -p %{buildroot}/opt/okv-luna
		cp -r $BUILD/bin $BUILD/libexec %{buildroot}/opt/okv-luna
		%files
		/opt/okv-luna
	SPEC
	rpmbuild -bb --define "_topdir $PWD/rpm-$1" --define "_binary_payload w1.gzdio" "rpm-$1/x.spec" >"rpm-$1/log" 2>&1
	ls "$PWD/rpm-$1"/RPMS/*/*.rpm
}

play() {
	cd "$BATS_FILE_TMPDIR/play"
	ansible-playbook -i inventory.yml -e @secrets.yml "$@"
}
# In the node, with the home that su gives there: Debian's rpm keeps its database in the home, and SQLite follows
# /proc/PID/root by the link's text, which is another place seen from here.
version() {
	env -i PATH="$PATH" HOME=/root chroot "$(node_root "$1")" rpm -q --qf '%{VERSION}' okv-luna-hooks
}
hsm() { printf '%s/usr/local/okv/hsm\n' "$(node_root "$1")"; }
# What Ansible's own temporary directories and ours leave in the /tmp of a node.
there() { ls -A "$(node_root "$1")/tmp"; }

@test "the playbooks are clean for ansible-lint" {
	# A copy, since the newer ones leave a folder of their own beside what they read.
	cp -a "$BATS_TEST_DIRNAME/../../payload/ansible" "$BATS_TEST_TMPDIR/linted"
	cd "$BATS_TEST_TMPDIR/linted"
	ansible-lint -q --offline ./*.yml roles/okv_luna
}

@test "the package goes to read-only nodes first, then to the pairs one by one, and stops at the first that fails" {
	cd "$BATS_FILE_TMPDIR"
	one=$(package 0.1) two=$(package 0.2)
	run play install.yml -e "okv_luna_rpm=$one"
	[ "$status" -ne 0 ]
	# okv6 is the third in turn, so okv2, okv3 and okv4 are not touched.
	[ "$(sed -n 's/^changed: \[\(okv.\)\]$/\1/p; s/^fatal: \[\(okv.\)\]: UNREACHABLE.*/down \1/p' <<<"$output" | xargs)" = \
		"okv5 okv1 down okv6" ]
	[ "$(version okv5) $(version okv1)" = "0.1 0.1" ]
	run version okv2
	[ "$status" -ne 0 ]
	run -0 play install.yml -l okv5 -e "okv_luna_rpm=$one"
	[[ $output == *"okv5 "*"changed=0 "* ]]
	run -0 play install.yml -l okv5 -e "okv_luna_rpm=$two"
	[[ $output == *"okv5 "*"changed=1 "* ]]
	[ "$(version okv5)" = 0.2 ]
	[ -z "$(there okv5)$(there okv1)" ]
}

@test "the bundle reaches every node that can take it, and stays nowhere else" {
	mkdir -p "$BATS_FILE_TMPDIR/controller"
	TMPDIR=$BATS_FILE_TMPDIR/controller run play bundle.yml -v
	echo "$output"
	[ "$status" -ne 0 ]
	for name in okv2 okv3 okv5; do
		cmp "$(hsm okv1)/hsmbundle" "$(hsm $name)/hsmbundle"
		[ "$(stat -c %u:%g:%a "$(hsm $name)/hsmbundle")" = 1001:1001:600 ]
		[[ $output == *"$name has the bundle. Next on its console: HSM page, Apply Bundle; on all nodes before"* ]]
	done
	[ -z "$(ls -A "$(hsm okv4)")" ]
	[[ $output == *"okv4"*"bytes free and the bundle needs"* ]]
	[[ $output == *"okv6"*"UNREACHABLE"* ]]
	[ "$(sed -n 's/^\(okv.\) .*unreachable=\(.\) *failed=\(.\).*/\1:\2\3/p' <<<"$output" | xargs)" = \
		"okv1:00 okv2:00 okv3:00 okv4:01 okv5:00 okv6:10" ]
	for name in okv1 okv2 okv3 okv4 okv5; do
		[ -z "$(there $name)" ]
		[ -z "$(ls -A "$(node_root $name)/home/support/.ansible/tmp")" ]
	done
	[ -z "$(find "$BATS_FILE_TMPDIR/controller" -name 'okv-luna-*' -o -name '*.okvb')" ]
	[[ $output != *"correct horse"* ]] && [[ $output != *rootsecret* ]]
}

@test "status, readiness and removal, each over all nodes" {
	# Each by itself: after a playbook with an unreachable node Ansible begins no other.
	run play status.yml
	[[ $output == *"/usr/local/okv/hsm/hsmbundle: the bundle in its place, 100,000 bytes"* ]]
	run play report.yml
	[[ $output == *"okv2: Do not upgrade: "* ]]
	[[ $output == *"okv2 is not ready"* ]]
	run play clean.yml
	[[ $output == *"Nothing is removed"* ]]
	[ -e "$(hsm okv2)/hsmbundle" ]
	# What looks like a bundle on the machine that runs the tests is none of a node's.
	bystander=$(mktemp -d /dev/shm/okv-fleet-XXXXXX)
	echo bundle >"$bystander/hsmbundle"
	run play clean.yml -e okv_luna_all_enabled=yes
	echo "$output"
	left=$(ls "$bystander")
	rm -r "$bystander"
	[ "$left" = hsmbundle ]
	for name in okv1 okv2 okv3 okv4 okv5; do [ ! -e "$(hsm $name)/hsmbundle" ]; done
	[[ $output == *"okv2: /usr/local/okv/hsm/hsmbundle"* ]]
	[[ $output == *"okv4: nothing to remove"* ]]
	# Nothing is there any more: the reason is told, however much of the passphrase nobody has read.
	printf 'okv_luna_passphrase: %0200000d\n' 0 >"$BATS_TEST_TMPDIR/long.yml"
	run play bundle.yml -e "@$BATS_TEST_TMPDIR/long.yml"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"okv1"*"okv-luna-bundle: "*"/usr/local/okv/hsm/hsmbundle"* ]]
}
