/*
 * client/archive/judge: decides whether a member may be written, and to which path.
 *
 * Promise: knows no file system and no archive format; judges one member at a time, and all links together at the end.
 * A path that it gives is relative, has plain components, is valid UTF-8 without control characters, is within the
 * limits and unique (also if letter case is ignored), and all its components but the last are directories.  A violation
 * is FAULT_REFUSED with the sentence of the rule; the caller adds the member's name.
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
	const char *own_place; /* where the client will be: an absolute link may point into it; or NULL */
	/* Set by the caller, at the start and end of each archive: its layer, and its directory ("TOP/"). */
	enum judge_layer layer;
	char prefix[LIMITS_PATH + 1];
	/* Private. */
	uint64_t bytes;           /* total of all files so far */
	struct judge_path *paths; /* owned: every path of a member, and all parents */
	size_t path_count, path_size;
	struct judge_link *links; /* owned */
	size_t link_count;
	struct text lost; /* files that may be damaged links: path and content of each, both with NUL */
};

#define JUDGE_INIT(limits_) \
	{ \
		.limits = (limits_) \
	}

enum judge_verdict {
	JUDGE_PLACE,   /* write it to *ret_path */
	JUDGE_NOTHING, /* nothing to do: the top itself ("./"), or it exists already */
	JUDGE_AGAIN,   /* the file exists already: accept it if its content is the same */
	JUDGE_REPLACE, /* a file of the inner archive replaces one of the outer, which has been written */
	JUDGE_COVERED, /* the inner archive has this path already, and wins */
};

void judge_done(struct judge *j);
/*
 * Judges one member; links are only noted (judge_links).  Files of the inner archive replace those of the outer one,
 * since the cloud service's client is meant to be unpacked over the contents of the zip.
 */
int judge_member(struct judge *j, const struct member *member, char ret_path[LIMITS_PATH + 1],
		 enum judge_verdict *ret_verdict, struct fault *f);
/* The target of the link at that path, or NULL.  For a hard link it is a file that is not itself a link. */
const char *judge_target(const struct judge *j, const char *path);
/*
 * Call it after the last member, when it is known that the client's paths begin with `top`.  An absolute link into the
 * client's own directory becomes relative.  Every link must lead to something in the tree, without leaving the tree or
 * passing through another link; FAULT_REFUSED names the link.  A symbolic link may point to another one, at most
 * LIMITS_LINKS times; a hard link must name a file.  A file that came with a target, and whose content is the name of a
 * member, is a damaged link.
 */
int judge_links(struct judge *j, const char *top, struct fault *f);
/* Resolves a symbolic link lexically: the path that a link at `path` leads to; false if that is outside the tree. */
bool judge_resolve(const char *path, const char *target, char ret_path[LIMITS_PATH + 1]);

#endif
