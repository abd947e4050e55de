/*
 * bundle/hasher: SHA-256 of a stream on the other processor, while this one reads, decrypts and writes.
 *
 * GCM and SHA-256 over the same bytes, one after the other, take longer than SHA-256 alone; side by side they
 * take as long as the slower one.  The digest is computed in a child that was forked before any secret was
 * read: it sees the bytes through a ring of shared memory and nothing else.
 *
 * Promise: memory is BUNDLE_RING_SLOTS * BUNDLE_SLOT_SIZE however long the stream is.  A slot from
 * bundle_hasher_slot belongs to the caller until it is given or another is asked for; a given one may still be
 * read, not written, until the next call.  The child ends with its parent, however that ends.
 */
#ifndef OKV_BUNDLE_HASHER_H
#define OKV_BUNDLE_HASHER_H

#include <stddef.h>
#include <sys/types.h>

#include "base/fault.h"
#include "bundle/header.h"

/* With OpenSSL 3 and only its FIPS provider, which takes 7.2 MiB by itself, all of it stays below 8 MiB. */
enum { BUNDLE_SLOT_SIZE = 64 * 1024, BUNDLE_RING_SLOTS = 6 };

struct bundle_hasher {
	unsigned char *ring;
	int line; /* to the child and back: lengths one way, free slots and at last the digest the other */
	pid_t pid;
	size_t next;  /* slot to hand out */
	size_t spare; /* slots known to be free */
};

#define BUNDLE_HASHER_INIT \
	{ \
		.ring = NULL, .line = -1, .pid = 0 \
	}
#define BUNDLE_HASHER_AUTO __attribute__((cleanup(bundle_hasher_done))) struct bundle_hasher

int bundle_hasher_start(struct bundle_hasher *ret_hasher, struct fault *f);
/* The next free slot of BUNDLE_SLOT_SIZE bytes; waits for the child where there is none. */
int bundle_hasher_slot(struct bundle_hasher *h, unsigned char **ret_slot, struct fault *f);
/* The slot last handed out holds `length` bytes (at least one) to be digested next. */
int bundle_hasher_give(struct bundle_hasher *h, size_t length, struct fault *f);
/* The digest of all that was given; afterwards the hasher is at its beginning again, for another stream. */
int bundle_hasher_finish(struct bundle_hasher *h, unsigned char ret_digest[BUNDLE_DIGEST_SIZE], struct fault *f);
void bundle_hasher_done(struct bundle_hasher *h);

#endif
