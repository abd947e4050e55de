/*
 * made: what an archive would have held, by hand; a listener; and a file system that fails.
 */
#ifndef OKV_UNIT_CLIENT_MADE_H
#define OKV_UNIT_CLIENT_MADE_H

#include <errno.h>
#include <sys/syscall.h>

#include "client/archive/unpack.h"
#include "base/report.h"
#include "base/text.h"
#include "unit.h"

/* --- entries: "d/" is a directory, "a -> b" a link, "a => b" a hard link, all else an empty file ------------------ */

enum { MADE_MOST = 40 };
static struct unpack_entry made_entries[MADE_MOST];
static char made_names[MADE_MOST][128];

static inline int made_order(const void *a, const void *b)
{
	return text_path_compare(((const struct unpack_entry *)a)->path, ((const struct unpack_entry *)b)->path);
}

static inline void made_target(struct unpack_entry *e, char *name, const char *arrow, enum unpack_type type)
{
	char *at = strstr(name, arrow);

	if (at == NULL)
		return;
	*at = '\0';
	e->target = at + strlen(arrow);
	e->type = type;
}

static inline struct unpack made_unpacked(const char *const *lines)
{
	struct unpack u = { .entries = made_entries };

	for (; *lines != NULL; lines++, u.count++) {
		struct unpack_entry *e = &made_entries[u.count];
		char *name = made_names[u.count];
		(void)snprintf(name, sizeof(made_names[0]), "%s", *lines);
		*e = (struct unpack_entry){ .path = name, .type = UNPACK_FILE };
		made_target(e, name, " -> ", UNPACK_LINK);
		made_target(e, name, " => ", UNPACK_HARD_LINK);
		if (e->target == NULL && name[strlen(name) - 1] == '/') {
			name[strlen(name) - 1] = '\0';
			e->type = UNPACK_DIRECTORY;
		}
		u.files += e->type == UNPACK_FILE;
	}
	qsort(made_entries, u.count, sizeof(made_entries[0]), made_order);
	return u;
}

/* Valid until the next one. */
#define UNPACKED(...) made_unpacked((const char *const[]){ __VA_ARGS__, NULL })
#define MINIMAL       "LunaClient-Minimal-10.4.0-417.x86_64/"

/* --- what was told ------------------------------------------------------------------------------------------------ */

static struct text made_told = { 0 };

static inline void made_hear(struct report *self, enum report_level level, const char *line)
{
	(void)self;
	if (level == REPORT_WARNING)
		text_add_format(&made_told, "%s\n", line);
}

/* Its warnings, each with a line feed, are in made_told. */
static inline struct report *made_report(void)
{
	static struct report report = { .on_line = made_hear };

	text_done(&made_told);
	return &report;
}

#endif
