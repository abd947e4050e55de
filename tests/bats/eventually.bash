# eventually COMMAND...: waits until the command succeeds, and fails after a minute.  For what another process is about
# to do: a test that slept for it would wait too long on a quiet machine and not long enough on a busy one.
eventually() {
	local end=$((SECONDS + 60))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
}
