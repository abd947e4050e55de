#include "client/archive/secret.h"

#include <elf.h>
#include <string.h>

static bool holds(const char *bytes, size_t length)
{
	static const char *const words[] = { "PRIVATE KEY-----", "AuthTokenClientSecret" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (memmem(bytes, length, words[i], strlen(words[i])) != NULL)
			return true;
	return false;
}

void secret_look(struct secret *s, const void *bytes, size_t length)
{
	const char *piece = bytes;
	char seam[2 * SECRET_TAIL];
	const size_t first = length < SECRET_TAIL ? length : SECRET_TAIL;

	if (s->passed == 0)
		s->is_program = length >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0;
	s->passed += length;
	if (s->found || s->is_program || s->passed > SECRET_LOOK_MAX)
		return;
	memcpy(seam, s->tail, s->tail_length);
	memcpy(seam + s->tail_length, piece, first);
	s->found = holds(seam, s->tail_length + first) || holds(piece, length);
	/* What the next piece may continue: the end of both together. */
	const size_t together = s->tail_length + first, kept = together < SECRET_TAIL ? together : SECRET_TAIL;
	if (length >= SECRET_TAIL)
		memcpy(s->tail, piece + length - SECRET_TAIL, SECRET_TAIL);
	else
		memmove(s->tail, seam + together - kept, kept);
	s->tail_length = length >= SECRET_TAIL ? SECRET_TAIL : kept;
}
