/*
 * bundle/sealed: from bundle to sealed file and back, block by block in constant memory (okv-luna-bundle(5)).
 *
 * Promise: opening writes what is not proven until bundle_sealed_open has returned 0: size, tag and digest are then
 * all right.  Any disagreement is FAULT_REFUSED: the caller throws the output away.  Sealing gives a file whose header
 * tells the truth about the bytes that were read while encrypting; a bundle that changes meanwhile is
 * FAULT_INCOMPLETE.  Where there is no libcrypto, FAULT_ABSENT with the package.  The passphrase is wiped as soon as
 * the key is derived, the key as soon as libcrypto has it, the bundle's bytes at the end.  A pending interrupt ends
 * both with FAULT_INCOMPLETE.
 *
 * Passphrase and key live in pages of their own that are locked in memory, not dumped, and empty in every child
 * (mlock(2), MADV_DONTDUMP, MADV_WIPEONFORK); nobody may attach to the process meanwhile (PR_SET_DUMPABLE 0); the pages
 * are wiped before they are given back.  What libcrypto holds of the key is locked too where the system lets us lock
 * everything (mlockall(2) with MCL_ONFAULT); where no lock is granted at all, a warning is said and work goes on.
 *
 * How the passphrase is read, and never is, says proc/secret.h.
 */
#ifndef OKV_BUNDLE_SEALED_H
#define OKV_BUNDLE_SEALED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/report.h"
#include "base/text.h"
#include "bundle/header.h"

enum { BUNDLE_PASSPHRASE_LEAST = 8, BUNDLE_PASSPHRASE_MOST = 1024 };

enum { BUNDLE_BLOCK_SIZE = 64 * 1024 };

struct bundle_secret {
	size_t length;
	char passphrase[BUNDLE_PASSPHRASE_MOST];
	unsigned char key[BUNDLE_KEY_SIZE];
	unsigned char block[BUNDLE_BLOCK_SIZE]; /* of the bundle, on its way; not locked */
};

#define BUNDLE_SECRET_AUTO __attribute__((cleanup(bundle_secret_free))) struct bundle_secret

void bundle_secret_free(struct bundle_secret **secret);

enum bundle_question {
	BUNDLE_ASK_ONCE,  /* to open */
	BUNDLE_ASK_TWICE, /* to seal: typed twice, and at least BUNDLE_PASSPHRASE_LEAST bytes from wherever it comes */
};

/* Where the passphrase is; at most one of the two, or the terminal. */
struct bundle_source {
	const char *file; /* or NULL */
	int fd;           /* or -1 */
};
bool bundle_source_is_terminal(const struct bundle_source *source);

/* New ones with the passphrase.  Faults as proc_secret_read; too short, to seal, is FAULT_REFUSED. */
int bundle_secret_read(const struct bundle_source *source, enum bundle_question question, struct report *report,
		       struct bundle_secret **ret_secret, struct fault *f);

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
