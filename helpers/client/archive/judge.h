/*
 * client/archive/judge: decides whether a member may be placed, and under which path.
 *
 * Promise: knows no file system and no archive format; judges what a reader gives, member by member, and all links
 * together at the end.  A path it gives is relative, of plain components, valid UTF-8 without control characters,
 * within the limits, given once (also when letter case is ignored), and no part of it but the last is anything but
 * a directory.  What breaks a rule is FAULT_REFUSED with the rule's sentence; the caller adds the member's name.
 */
#ifndef OKV_CLIENT_ARCHIVE_JUDGE_H
#define OKV_CLIENT_ARCHIVE_JUDGE_H

#include <stddef.h>
#include <stdint.h>

#include "client/archive/limits.h"
#include "client/archive/member.h"
#include "client/archive/paths.h"
#include "base/fault.h"

struct judge {
	struct limits limits;
	uint64_t bytes;           /* of all files so far */
	struct paths paths;       /* every path and every parent of one */
	struct judge_link *links; /* owned */
	size_t link_count;
};

#define JUDGE_INIT(limits_) \
	{ \
		.limits = (limits_), .paths = PATHS_INIT((limits_).entries) \
	}

enum judge_verdict {
	JUDGE_PLACE,   /* at the path given */
	JUDGE_NOTHING, /* the top itself ("./") */
	JUDGE_COVERED, /* an archive inside this one has brought this path already, and wins */
};

void judge_done(struct judge *j);
/*
 * `layer` is the depth of the archive that the member is from: an inner one's files win over the outer one's
 * (the cloud service client is unpacked over the zip's content).  Links are only noted: see judge_links.
 */
int judge_member(struct judge *j, const struct member *member, unsigned layer, char ret_path[LIMITS_PATH + 1],
		 enum judge_verdict *ret_verdict, struct fault *f);
/* The target of the link that was judged last: of a hard link, the path of a file, never of another hard link. */
const char *judge_last_target(const struct judge *j);
/*
 * After the last member: every link leads, without leaving the tree and without passing through another link, to
 * something in it; FAULT_REFUSED names the link.  A symbolic link may end at another one, at most LIMITS_LINKS
 * times; a hard link must name a file.
 */
int judge_links(const struct judge *j, struct fault *f);

#endif
