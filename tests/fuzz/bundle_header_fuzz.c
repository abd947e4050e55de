/*
 * The head of a sealed file: whatever is taken must be what printing it again means, and nothing of it may lie outside
 * the bounds of okv-luna-bundle(5).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct bundle_header *a, const struct bundle_header *b)
{
	if (strcmp(a->origin, b->origin) != 0 || a->created != b->created || a->size != b->size ||
	    memcmp(a->sha256, b->sha256, sizeof(a->sha256)) != 0 || a->iterations != b->iterations ||
	    a->salt_length != b->salt_length || memcmp(a->salt, b->salt, a->salt_length) != 0 ||
	    memcmp(a->nonce, b->nonce, sizeof(a->nonce)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TEXT_AUTO again = { 0 };
	struct fault f = { 0 };
	struct bundle_header header, second;
	size_t length = 0, second_length = 0;

	if (bundle_header_parse((const char *)data, size, &header, &length, &f) < 0) {
		if (f.kind != FAULT_REFUSED || f.text[0] == '\0')
			abort();
		return 0;
	}
	if (length > size || length > BUNDLE_HEADER_MAX || data[length - 1] != '\n' || header.size < 1 ||
	    header.size > BUNDLE_SIZE_MOST || header.iterations < BUNDLE_ITERATIONS_LEAST ||
	    header.iterations > BUNDLE_ITERATIONS_MOST || header.salt_length < BUNDLE_SALT_LEAST ||
	    header.salt_length > BUNDLE_SALT_MOST || header.origin[0] == '\0' || header.created < 0)
		abort();
	if (bundle_header_print(&header, &again, &f) < 0 ||
	    bundle_header_parse(again.bytes, again.length, &second, &second_length, &f) < 0 ||
	    second_length != again.length)
		abort();
	same(&header, &second);
	return 0;
}
