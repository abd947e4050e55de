/*
 * bundle/sealed: from bundle to sealed file and back, block by block in constant memory (okv-luna-bundle(5)).
 *
 * Promise: opening writes what is not proven until bundle_sealed_open has returned 0: size, tag and digest are then
 * all right.  Any disagreement is FAULT_REFUSED: the caller throws the output away.  Sealing gives a file whose header
 * tells the truth about the bytes that were read while encrypting; a bundle that changes meanwhile is
 * FAULT_INCOMPLETE.  Where there is no libcrypto, FAULT_ABSENT with the package.  The passphrase is wiped as soon as
 * the key is derived, the key as soon as libcrypto has it, the bundle's bytes at the end.  A pending interrupt ends
 * both with FAULT_INCOMPLETE.
 */
#ifndef OKV_BUNDLE_SEALED_H
#define OKV_BUNDLE_SEALED_H

#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/text.h"
#include "bundle/header.h"
#include "bundle/secret.h"

struct bundle_sealed {
	struct bundle_header header;
	size_t head_length; /* of both lines */
	char head[BUNDLE_HEADER_MAX];
	uint64_t derivation_us; /* what the key derivation took, once open or sealed */
};

/* From where to where, and by which passphrase. */
struct bundle_stream {
	int in;
	const char *in_name;
	int out; /* -1: nothing is written */
	const char *out_name;
	struct bundle_secret *secret;
};

/*
 * Reads the header at the file's start and checks that the file has exactly the bytes it announces.  Nothing of
 * it is proven yet.  Afterwards the offset is at the ciphertext.
 */
int bundle_sealed_look(int fd, const char *name, struct bundle_sealed *ret_sealed, struct fault *f);
/* The rest of the sealed file `in`, from where bundle_sealed_look left it. */
int bundle_sealed_open(struct bundle_sealed *sealed, const struct bundle_stream *stream, struct fault *f);
/*
 * Seals all of the regular file `in`.  The caller has filled origin, created and iterations of sealed->header; the
 * rest is filled here.
 */
int bundle_sealed_make(struct bundle_sealed *sealed, const struct bundle_stream *stream, struct fault *f);

/* The random bytes of a seal, and of a name that nobody guesses. */
int bundle_random(void *bytes, size_t length, struct fault *f);

enum bundle_detail { BUNDLE_BRIEF, BUNDLE_FULL };
/* One that was opened or made: indented lines for people, members of the object that `j` stands in. */
void bundle_sealed_show(const struct bundle_sealed *sealed, enum bundle_detail detail, struct text *lines,
			struct json *j);

#endif
