#!/usr/bin/env bats
# Hostile neighbours on the appliance, with its real users, /tmp and upgrade: they plant and exchange names while root
# goes from the pre-upgrade checks over OKV's upgrade to the first boot of the next system.
# shellcheck disable=SC2016 # single quotes: expanded in the node

bats_require_minimum_version 1.5.0
load node.bash

LC=/usr/safenet/lunaclient

setup_file() {
	package_for_file
	tools=$BATS_TEST_DIRNAME/../../hostile/neighbour
	for name in exchange helper; do
		gcc -O2 -D_GNU_SOURCE -static -o "$BATS_FILE_TMPDIR/$name" "$tools/$name.c"
	done
	chmod 0755 "$BATS_FILE_TMPDIR" "$BATS_FILE_TMPDIR"/{exchange,helper}
	node_file_up node-11 node-12 -v "$RPM:/root/okv-luna-hooks.rpm:ro" -v "$BATS_FILE_TMPDIR:/neighbour:ro"
	on "$OLD" '
		/usr/share/okv-appliance/bin/client-archive minimal /root/client.tar.gz
		rpm -i /root/okv-luna-hooks.rpm
		okv-luna extract /root/client.tar.gz
		/usr/share/okv-appliance/bin/hsm-init
		mkdir -p '$LC'/data
		(umask 077 && echo secret >/root/secret)
		okv-luna config wire
		okv-luna repair
		chown oracle:oinstall /usr/local/okv/hsm/generic /usr/local/okv/hsm/generic/okv_hsm{.conf,_env}
	' >/dev/null 2>&1
}
teardown_file() { node_file_down; }

as() { # USER SCRIPT: in the old system
	ctr exec "$OLD" setpriv --reuid "$1" --regid "$(ctr exec "$OLD" id -g "$1")" --init-groups bash -c "$2"
}
# Owner, mode, times and bytes of what is nobody's but root's and another user's.
victims() {
	on "$1" 'cd / && stat -c "%n %u:%g %a %Y %s" etc/shadow root/secret && sha256sum etc/shadow root/secret'
}
@test "what they plant and exchange turns no Go into no, changes nothing of root's, and gives nobody a program" {
	before=$(victims "$OLD")
	# Beside OKV's files, what could be guessed; in /tmp, what root may take for its own.
	as oracle 'cd /usr/local/okv/hsm/generic && mkdir .okv_hsm.conf.okv-luna-new && ln -s /etc/shadow okv_hsm.conf.tmp'
	as support 'ln -s /etc/shadow /tmp/out && mkfifo /tmp/.x.okv-luna-new && ln -s /etc /tmp/hsmbundle'
	run -0 ctr exec "$OLD" okv-luna pre-upgrade
	[[ $output == Go:* ]]
	# The window: data is everybody's.
	as nobody 'cd '$LC'/data && cp /neighbour/helper helper && chmod 2777 helper && ln -s /etc/shadow link && mkfifo fifo &&
		mkdir sub && ln -s /etc xsub && truncate -s 40G sparse'
	# The program stays open in his hands, and two names change places without a pause.
	ctr exec -d "$OLD" setpriv --reuid nobody --regid nogroup --clear-groups bash -c \
		'exec 9<'$LC'/data/helper; touch /tmp/held; until [ -e /tmp/go ]; do sleep 0.2; done; /proc/self/fd/9 >/tmp/ran'
	on "$OLD" 'timeout 120 bash -c "until [ -e /tmp/held ]; do sleep 0.1; done"; head -c 4096 /dev/zero >/root/counter'
	# It ends with its parent, so that is to be one that stays: the runtime's own process leaves as soon as it has started it.
	ctr exec -d "$OLD" bash -c "/neighbour/exchange /root/counter 65534 65534 $LC/data/sub $LC/data/xsub & wait"
	# They are at it when ours begins, however little of the processor they get, and as long as data is open to them.
	on "$OLD" 'timeout 120 bash -c "until [ \$(od -An -td8 -N8 /root/counter) -gt 100 ]; do sleep 0.1; done"'
	run -0 ctr exec "$OLD" okv-luna pre-upgrade
	[[ $output == Go:* ]]
	run ctr exec "$OLD" okv-luna repair
	[ "$status" -eq 4 ]
	[[ $output == *"data/helper' belongs to user id 65534"* ]]
	on "$OLD" 'touch /tmp/go; until [ -s /tmp/ran ]; do sleep 0.2; done'
	[ "$(on "$OLD" 'cat /tmp/ran')" = '65534 65534' ]
	[ "$(victims "$OLD")" = "$before" ]
	[ "$(on "$OLD" "stat -c '%u:%g %a' $LC/data/helper")" = '65534:65534 2777' ]
	run -0 ctr exec "$OLD" okv-luna pre-upgrade
}

@test "through OKV's upgrade and the first boot: the HSM answers, and what nobody left has no right that he did not give it" {
	run -0 ctr exec "$OLD" okv-luna upgrade --yes
	ctr stop -t 10 "$OLD" >/dev/null
	node_start "$NEW" || true
	run -0 ctr exec "$NEW" okv-luna slots
	[[ $output == *'Number of slots: 1'* ]]
	[ "$(on "$NEW" "stat -c '%u:%g %a' $LC/data/helper")" = '65534:65534 2777' ]
	group=$(on "$NEW" 'getent group hsmusers | cut -d: -f3')
	# Nothing of a stranger's was given to root or the group.
	[ -z "$(on "$NEW" "find $LC/data -type f -user nobody -group $group")" ]
}
