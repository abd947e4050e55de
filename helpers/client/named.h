/*
 * client/named: the files of the client that Chrystoki.conf names.
 *
 * Promise: tells each value that is a path below the client's directory, as it stands there, and as a path below that
 * directory.  Opens nothing.
 */
#ifndef OKV_CLIENT_NAMED_H
#define OKV_CLIENT_NAMED_H

#include "base/fault.h"

/* `path` is below the client's directory; `key` is that of the entry.  -1 ends it. */
typedef int client_named_hear(void *context, const char *path, const char *key, struct fault *f);

/* `conf`: the content of Chrystoki.conf; `client_dir` as it is written in there. */
int client_named_each(const char *conf, const char *client_dir, client_named_hear *hear, void *context,
		      struct fault *f);

#endif
