/*
 * client/content: which kind of Luna client the archives contain, or is installed.
 *
 * Promise: file names alone tell.  A minimal client has libs/64/libCryptoki2.so or libCryptoki2_64.so; so has the cloud
 * service's client, which also has setenv, Chrystoki-base.conf or, without the minimal client's template, a
 * Chrystoki.conf of its own; the full client has a directory 64 with RPMs.  Archives and installed clients are told
 * apart by the same files.  The files may be below a top directory.  An archive with no client, or with more than one,
 * is FAULT_REFUSED.
 */
#ifndef OKV_CLIENT_CONTENT_H
#define OKV_CLIENT_CONTENT_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/text.h"
#include "client/archive/limits.h"
#include "client/archive/unpack.h"

enum client_kind { CLIENT_AUTO, CLIENT_MINIMAL, CLIENT_CLOUD, CLIENT_FULL };

struct client_content {
	struct unpack unpacked; /* owned; all members of the archives */
	enum client_kind kind;
	char top[LIMITS_PATH + 1];     /* "" or "LunaClient-Minimal-10.4.0-417.x86_64/": prefix of the client's paths */
	char library[LIMITS_PATH + 1]; /* the PKCS#11 library itself, below the top; "" for a full client */
	char version[64];              /* "10.4.0-417", or "" if no name tells it */
};

const char *client_kind_name(enum client_kind kind);
/* Fills in the rest from `unpacked`.  FAULT_REFUSED if `required` (a kind's name, "auto" or NULL) is another kind. */
int client_content_find(struct client_content *content, const char *required, struct fault *f);
/* The entry with that path below the top, or NULL. */
const struct unpack_entry *client_content_entry(const struct client_content *content, const char *path);
/*
 * The entry's path below the top, or NULL if it is not part of the client: outside the top, or for another operating
 * system (cvclient-min.zip, crystoki.ini, crystoki-template.ini).
 */
const char *client_content_path(const struct client_content *content, const char *path);
/* The kind of an installed client, by the vendor's files; CLIENT_AUTO if it is not a whole client. */
int client_kind_find(int client, enum client_kind *ret_kind, struct fault *f);
/* Gives "10.9.4-122" for "vtl-10.9.4-122.x86_64.rpm" and package "vtl"; false for another package or machine. */
bool client_rpm_version(const char *file, const char *package, struct text_line *ret_version);

#endif
