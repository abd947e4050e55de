/* Bytes in pieces, as the fuzzers of archive/ feed a stream: `piece` at a time from next to end. */
#ifndef OKV_FUZZ_PIECES_H
#define OKV_FUZZ_PIECES_H

#include <stdint.h>

#include "client/archive/stream.h"

struct pieces {
	struct stream stream;
	const uint8_t *next, *end;
	size_t piece;
};

static inline int pieces_more(struct stream *self, struct fault *f)
{
	struct pieces *p = (struct pieces *)self;
	size_t length = (size_t)(p->end - p->next);

	(void)f;
	length = length < p->piece ? length : p->piece;
	self->at = p->next;
	self->end = p->next += length;
	self->passed += length;
	return 0;
}

#endif
