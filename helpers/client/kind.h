/*
 * client/kind: which Luna client an archive holds, by the names in it.
 *
 * Promise: looks at nothing but the list of entries.  A minimal client has libs/64/libCryptoki2.so or
 * libCryptoki2_64.so; so has the client of the cloud service, which also brings setenv or its own Chrystoki.conf; the
 * full client has a directory 64 with RPMs.  A top directory may be there or not.  An archive with none of them, or
 * with more than one, is FAULT_REFUSED.
 */
#ifndef OKV_CLIENT_KIND_H
#define OKV_CLIENT_KIND_H

#include <stddef.h>

#include "client/archive/limits.h"
#include "client/archive/unpack.h"
#include "base/fault.h"

enum client_kind { CLIENT_AUTO, CLIENT_MINIMAL, CLIENT_CLOUD, CLIENT_FULL };

struct client_content {
	enum client_kind kind;
	char top[LIMITS_PATH +
		 1]; /* "" or "LunaClient-Minimal-10.4.0-417.x86_64/": what the client's paths begin with */
	char library[LIMITS_PATH + 1]; /* the real PKCS#11 library, below the top; "" of a full client */
	char version[64];              /* "10.4.0-417", or "" where no name tells */
};

const char *client_kind_name(enum client_kind kind);
/* CLIENT_AUTO for "auto"; -1 for a word that is none. */
int client_kind_parse(const char *word, enum client_kind *ret_kind);
/* `wanted` other than CLIENT_AUTO must be what is found. */
int client_content_find(const struct unpack *entries, enum client_kind wanted, struct client_content *ret_content,
			struct fault *f);
/*
 * The entry's path below the top of the client, or NULL where it is not part of it: outside the top, or for another
 * system (cvclient-min.zip, crystoki.ini, crystoki-template.ini).
 */
const char *client_content_path(const struct client_content *content, const char *path);

#endif
