/*
 * client/archive/unpack with the messages of a process that was taken over, client/archive/judge behind it: whatever they
 * are, the entries have plain paths, each once, and no link leads out.
 */
#include "client/archive/unpack.c"

#include "client/archive/judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

/* Relative, of plain components. */
static bool is_plain(const char *path)
{
	for (const char *at = path; *at != '\0';) {
		const size_t length = text_utf8_next(at, strlen(at), &(uint32_t){ 0 });
		if (length == 0)
			return false;
		at += length;
	}
	for (const char *at = path;; at++) {
		const size_t length = strcspn(at, "/");
		if (length == 0 || (length == 1 && at[0] == '.') || (length == 2 && strncmp(at, "..", 2) == 0))
			return false;
		at += length;
		if (*at == '\0')
			return strlen(path) <= LIMITS_PATH;
	}
}

static void link_check(const struct unpack *u, const struct unpack_entry *e)
{
	char path[LIMITS_PATH + 1];

	must(e->target[0] != '/' && judge_resolve(e->path, e->target, path));
	if (path[0] != '\0' && unpack_find(u, path) == NULL) {
		/* A directory that only stands above something. */
		const size_t length = strlen(path);
		bool above = false;
		for (size_t i = 0; i < u->count; i++)
			above = above ||
				(strncmp(u->entries[i].path, path, length) == 0 && u->entries[i].path[length] == '/');
		must(above);
	}
}

static mode_t mode_of(const char *path)
{
	must(is_plain(path));
	return 0644;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct unpack_request request = {
		.tree = -1, .limits = LIMITS_DEFAULT, .client_dir = "/usr/safenet/lunaclient", .mode_of = mode_of
	};
	struct unpack u = { .judge = JUDGE_INIT(request.limits) };
	struct reading r = {
		.request = &request, .u = &u, .place = PLACE_INIT(-1), .child = { .pid = 0 }, .archive = -1
	};
	struct proc_message_reader reader = { 0 };
	struct proc_message message;
	struct fault f = { 0 };
	int more = 0;

	u.judge.own_place = request.client_dir;
	r.archive_bytes = size;
	proc_message_reader_add(&reader, data, size);
	while (r.fault.kind == FAULT_NONE && (more = proc_message_reader_next(&reader, &message)) > 0)
		must((message_hear(&r, &message, &r.fault) < 0) == (r.fault.kind != FAULT_NONE));
	if (r.ended) {
		if (u.count > 0)
			qsort(u.entries, u.count, sizeof(*u.entries), compare);
		for (size_t i = 0; i < u.count; i++)
			must(is_plain(u.entries[i].path) &&
			     (i == 0 || text_path_compare(u.entries[i - 1].path, u.entries[i].path) < 0));
		if (unpack_links(&u, &request, "", &f) == 0)
			for (size_t i = 0; i < u.count; i++)
				if (u.entries[i].type == UNPACK_LINK)
					link_check(&u, &u.entries[i]);
	}
	place_done(&r.place);
	proc_message_reader_done(&reader);
	unpack_done(&u);
	return 0;
}
