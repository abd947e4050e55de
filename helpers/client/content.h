/*
 * client/content: which Luna client it is that the archives hold, or that is installed.
 *
 * Promise: it shows in the names alone.  A minimal client has libs/64/libCryptoki2.so or libCryptoki2_64.so; so has the
 * client of the cloud service, which also brings setenv, Chrystoki-base.conf or, without the minimal one's template,
 * its own Chrystoki.conf; the full client has a directory 64 with RPMs.  Archives and installed clients are told by the
 * same signs.  A top directory may be there or not.  An archive with none of them, or with more than one, is
 * FAULT_REFUSED.
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
	struct unpack unpacked; /* owned; all that the archives hold */
	enum client_kind kind;
	char top[LIMITS_PATH + 1];     /* "" or "LunaClient-Minimal-10.4.0-417.x86_64/": begins the client's paths */
	char library[LIMITS_PATH + 1]; /* the real PKCS#11 library, below the top; "" of a full client */
	char version[64];              /* "10.4.0-417", or "" where no name tells */
};

const char *client_kind_name(enum client_kind kind);
/* Finds the rest by what is unpacked.  `required`, the name of a kind or "auto" or NULL, must be what is found. */
int client_content_find(struct client_content *content, const char *required, struct fault *f);
/* The entry of that path below the top; NULL where there is none. */
const struct unpack_entry *client_content_entry(const struct client_content *content, const char *path);
/*
 * The entry's path below the top of the client, or NULL where it is not part of it: outside the top, or for another
 * system (cvclient-min.zip, crystoki.ini, crystoki-template.ini).
 */
const char *client_content_path(const struct client_content *content, const char *path);
/* Of a client that is installed, by what the vendor's part of it holds; CLIENT_AUTO for what is no whole client. */
int client_kind_find(int client, enum client_kind *ret_kind, struct fault *f);
/* "vtl-10.9.4-122.x86_64.rpm" of the package "vtl": "10.9.4-122"; false for another package, or another machine's. */
bool client_rpm_version(const char *file, const char *package, struct text_line *ret_version);

#endif
