/*
 * client/source: the archives as they lie on disk, before anything reads them.
 *
 * Promise: plain files only.  With a digest to compare, every byte has been compared before the first one is parsed,
 * and the bytes that are parsed are those: a lease (fcntl(2), F_SETLEASE) shows whether anybody opened the file for
 * writing meanwhile; where none can be had, a private copy without a name is read instead.
 */
#ifndef OKV_CLIENT_SOURCE_H
#define OKV_CLIENT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/archive/unpack.h"
#include "base/fault.h"

struct client_source {
	int fds[UNPACK_ARCHIVES];
	const char *names[UNPACK_ARCHIVES]; /* last names, borrowed */
	size_t count;
	uint64_t bytes; /* all together */
	bool leased;    /* the first one */
	char sha256[SHA256_HEX_SIZE];
};

#define CLIENT_SOURCE_AUTO __attribute__((cleanup(client_source_done))) struct client_source

void client_source_done(struct client_source *s);
int client_source_open(const char *const *paths, size_t count, struct client_source *ret_source, struct fault *f);
/* FAULT_REFUSED where the one archive is another than `hex` says.  A copy, where it takes one, is made in `dir`. */
int client_source_verify(struct client_source *s, const char *hex, int dir, struct fault *f);
/* After the last byte was read: still the file that was verified? */
int client_source_unchanged(const struct client_source *s, struct fault *f);

#endif
