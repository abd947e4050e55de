/*
 * bundle/header: reads and writes the two lines of text at the head of a sealed file (okv-luna-bundle(5)).
 *
 * Promise: opens nothing.  Both lines must follow the format exactly: line 1 is "OKVB1", line 2 one JSON object of at
 * most BUNDLE_LINE_MAX ASCII bytes, which has each member once and no others, with values within their limits.  What
 * JSON leaves open is accepted: order, blanks and TABs between tokens, escapes in strings.  Anything else is
 * FAULT_REFUSED and names the member.  bundle_header_parse reads what bundle_header_print writes, with the same values.
 */
#ifndef OKV_BUNDLE_HEADER_H
#define OKV_BUNDLE_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/text.h"
#include "conf/settings.h"

#define BUNDLE_MAGIC SETTINGS_SEALED_MAGIC

enum {
	BUNDLE_MAGIC_SIZE = 6,
	BUNDLE_LINE_MAX = 4096,                                      /* line 2, without its LF */
	BUNDLE_HEADER_MAX = BUNDLE_MAGIC_SIZE + BUNDLE_LINE_MAX + 1, /* both lines, with their LFs */
	BUNDLE_ORIGIN_SIZE = 256,
	BUNDLE_SALT_LEAST = 16,
	BUNDLE_SALT_MOST = 64,
	BUNDLE_NONCE_SIZE = 12,
	BUNDLE_TAG_SIZE = 16,
	BUNDLE_KEY_SIZE = 32,
	BUNDLE_DIGEST_SIZE = 32,
	BUNDLE_ITERATIONS_LEAST = 600000,
	BUNDLE_ITERATIONS_MOST = 10000000,
};

/* One GCM message holds at most 2^39 - 256 bits (NIST SP 800-38D, 5.2.1.1). */
#define BUNDLE_SIZE_MOST ((UINT64_C(1) << 36) - 32)

struct bundle_header {
	char origin[BUNDLE_ORIGIN_SIZE]; /* host name of the sealing node */
	int64_t created;                 /* seconds since 1970, UTC */
	uint64_t size;                   /* bytes of the bundle, at least 1 */
	unsigned char sha256[BUNDLE_DIGEST_SIZE];
	uint32_t iterations;
	unsigned char salt[BUNDLE_SALT_MOST];
	size_t salt_length;
	unsigned char nonce[BUNDLE_NONCE_SIZE];
};

/*
 * `bytes` are the first BUNDLE_HEADER_MAX bytes of the file, or all of a shorter one.  *ret_length is the length of
 * both lines.
 */
int bundle_header_parse(const char *bytes, size_t length, struct bundle_header *ret_header, size_t *ret_length,
			struct fault *f);
/* Adds both lines to `out`. */
int bundle_header_print(const struct bundle_header *header, struct text *out, struct fault *f);
/*
 * Adds origin, time, size and digest to `lines`, indented, and to the open object of `j`.  An unsealed bundle, whose
 * origin is "", has neither origin nor time.
 */
void bundle_header_show(const struct bundle_header *header, struct text *lines, struct json *j);

#endif
