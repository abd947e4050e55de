/*
 * bundle/sealed: seals a bundle and opens a sealed file, block by block in constant memory (okv-luna-bundle(5)).
 *
 * Promise: what bundle_sealed_open writes can be trusted only once it has returned 0; then size, tag and digest were
 * right.  If one of them is not, it returns FAULT_REFUSED and the caller discards the output.  The header of a new
 * sealed file describes the bytes that were encrypted; if the bundle changes meanwhile, it is FAULT_INCOMPLETE.
 * Without libcrypto it is FAULT_ABSENT and names the package.  The passphrase is wiped once the key is derived, the key
 * once libcrypto has it, the bundle's content at the end.  A pending interrupt ends opening and sealing with
 * FAULT_INCOMPLETE.
 *
 * Passphrase and key are in memory pages that are locked, are not dumped and are empty in every child (mlock(2),
 * MADV_DONTDUMP, MADV_WIPEONFORK); nobody else can attach to the process (PR_SET_DUMPABLE 0); the pages are wiped
 * before they are freed.  libcrypto's copy of the key is locked too if the system lets us lock all memory (mlockall(2)
 * with MCL_ONFAULT).  If no memory can be locked, there is a warning, and work goes on.
 *
 * proc/secret.h says how a passphrase is read.
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
	unsigned char block[BUNDLE_BLOCK_SIZE]; /* content of the bundle; not locked */
};

#define BUNDLE_SECRET_AUTO __attribute__((cleanup(bundle_secret_free))) struct bundle_secret

void bundle_secret_free(struct bundle_secret **secret);

enum bundle_question {
	BUNDLE_ASK_ONCE,  /* to open */
	BUNDLE_ASK_TWICE, /* to seal: typed twice; at least BUNDLE_PASSPHRASE_LEAST bytes, even if it is not typed */
};

/* Where the passphrase comes from: a file or a descriptor, or the terminal if neither is set. */
struct bundle_source {
	const char *file; /* or NULL */
	int fd;           /* or -1 */
};
bool bundle_source_is_terminal(const struct bundle_source *source);

/* Allocates a secret and reads its passphrase.  Faults of proc_secret_read; FAULT_REFUSED if too short to seal. */
int bundle_secret_read(const struct bundle_source *source, enum bundle_question question, struct report *report,
		       struct bundle_secret **ret_secret, struct fault *f);

struct bundle_sealed {
	struct bundle_header header;
	size_t head_length; /* of the header's two lines, in `head` */
	char head[BUNDLE_HEADER_MAX];
	uint64_t derivation_us; /* time of the key derivation, once opened or sealed */
};

struct bundle_stream {
	int in;
	const char *in_name;
	int out; /* -1: nothing is written */
	const char *out_name;
	struct bundle_secret *secret;
};

/*
 * Reads the header and checks that the file is as long as the header says.  Nothing is proven yet.  Afterwards the file
 * offset is at the ciphertext.
 */
int bundle_sealed_look(int fd, const char *name, struct bundle_sealed *ret_sealed, struct fault *f);
/* Opens the rest of the sealed file `in`, after bundle_sealed_look. */
int bundle_sealed_open(struct bundle_sealed *sealed, const struct bundle_stream *stream, struct fault *f);
/*
 * Seals the regular file `in`.  The caller has set origin, created and iterations in sealed->header; the rest is set
 * here.
 */
int bundle_sealed_make(struct bundle_sealed *sealed, const struct bundle_stream *stream, struct fault *f);

/* Random bytes, for a seal or a file name that nobody can guess. */
int bundle_random(void *bytes, size_t length, struct fault *f);

enum bundle_detail { BUNDLE_BRIEF, BUNDLE_FULL };
/* Describes a file that was opened or sealed: adds indented lines, and members to the open object of `j`. */
void bundle_sealed_show(const struct bundle_sealed *sealed, enum bundle_detail detail, struct text *lines,
			struct json *j);

#endif
