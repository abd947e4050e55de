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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/archive/limits.h"
#include "client/archive/message.h"
#include "base/fault.h"
#include "base/text.h"

enum judge_layer { JUDGE_OUTER, JUDGE_INNER };

struct judge {
	struct limits limits;
	const char *own_place; /* where the client will lie: an absolute link may lead into it; or NULL */
	/* The caller's, as archives begin and end: which of the two is read, and where it lies ("TOP/"). */
	enum judge_layer layer;
	char prefix[LIMITS_PATH + 1];
	/* The judge's. */
	uint64_t bytes;           /* of all files so far */
	struct judge_path *paths; /* owned: every one that was named, and every parent of one */
	size_t path_count, path_size;
	struct judge_link *links; /* owned */
	size_t link_count;
	struct text lost; /* files that may have been links: path and content of each, NUL behind both */
};

#define JUDGE_INIT(limits_) \
	{ \
		.limits = (limits_) \
	}

enum judge_verdict {
	JUDGE_PLACE,   /* at the path given */
	JUDGE_NOTHING, /* the top itself ("./"), or what is there already */
	JUDGE_AGAIN,   /* a file that was named before: sound where its content is the same */
	JUDGE_REPLACE, /* a file of the inner archive over one of the outer, which has been placed already */
	JUDGE_COVERED, /* the inner archive has brought this path already, and wins */
};

void judge_done(struct judge *j);
/*
 * The inner archive's files win over the outer one's: the cloud service's client is unpacked over the zip's content.
 * Links are only noted: see judge_links.
 */
int judge_member(struct judge *j, const struct member *member, char ret_path[LIMITS_PATH + 1],
		 enum judge_verdict *ret_verdict, struct fault *f);
/* The target of the link at that path, NULL where there is none: of a hard link, a file that is no link itself. */
const char *judge_target(const struct judge *j, const char *path);
/*
 * After the last member, when it is known that the client's files begin with `top`: an absolute link into the
 * client's own place becomes a relative one.  Every link leads, without leaving the tree and without passing through
 * another link, to something in it; FAULT_REFUSED names the link.  A symbolic link may end at another one, at most
 * LIMITS_LINKS times; a hard link must name a file.  A file that was told with a target
 * and holds the name of a member is a link that was damaged.
 */
int judge_links(struct judge *j, const char *top, struct fault *f);
/* The path that a symbolic link at `path` with that target leads to, lexically; false when that is outside. */
bool judge_resolve(const char *path, const char *target, char ret_path[LIMITS_PATH + 1]);

#endif
