/*
 * bundle/send: one sealed file to many nodes at once, by the system's OpenSSH.
 *
 * Promise: each far side gets the file under the same random name, 0600 from its first byte, and answers with size
 * and digest of what it can read back; whatever differs is removed there.  Every node is tried whatever becomes
 * of the others.  A pending interrupt ends the connections, upon which the far sides remove what they have.
 */
#ifndef OKV_BUNDLE_SEND_H
#define OKV_BUNDLE_SEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "bundle/header.h"
#include "bundle/target.h"

struct bundle_send {
	const struct bundle_target *targets;
	size_t count;
	struct bundle_ssh ssh;
	unsigned jobs;                  /* at a time, 1 to PROC_CHILDREN_MAX; with ssh.ask one */
	unsigned timeout_ms;            /* for each node */
	const char *const *environment; /* for ssh: where its agent is */
	struct report *report;
};

enum { BUNDLE_FAR_PATH_SIZE = 64, BUNDLE_VERDICT_SIZE = 256 };

struct bundle_sent {
	bool done;
	uint64_t bytes;                    /* that the far side answered for; 0 where it did not */
	char digest[65];                   /* "" where it did not */
	char verdict[BUNDLE_VERDICT_SIZE]; /* "sent", or why not; printable */
};

/* A name in /tmp that nobody can guess. */
int bundle_far_path(char ret_path[BUNDLE_FAR_PATH_SIZE], struct fault *f);
/*
 * `fd`: the sealed file, `size` bytes.  ret_sent has a place for each target.  Returns 0 when every node was
 * tried, however that ended; -1 when it could not go on (nothing of ours runs any more then).
 */
int bundle_send(const struct bundle_send *how, int fd, uint64_t size, const char *far_path,
		struct bundle_sent *ret_sent, struct fault *f);

#endif
