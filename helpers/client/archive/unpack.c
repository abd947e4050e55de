#include "client/archive/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/archive/message.h"
#include "client/archive/place.h"
#include "base/array.h"
#include "proc/child.h"

enum { SYNC_EVERY_MS = 100 };

/* What to do with the content of the current file. */
enum sink { SINK_SKIP, SINK_PLACE, SINK_COMPARE, SINK_UNDECIDED };

/* One archive being read. */
struct reading {
	const struct unpack_request *request;
	struct unpack *u;
	struct place place;
	struct proc_child child;
	int archive;
	uint64_t archive_bytes, content_bytes;
	bool inner_skipped, begun, ended;
	struct fault fault; /* found in the messages; the process is then killed */
	/* The current file. */
	enum sink sink;
	bool replaces;
	uint64_t left, size;
	char path[LIMITS_PATH + 1];
};

void unpack_done(struct unpack *u)
{
	for (size_t i = 0; i < u->count; i++) {
		free(u->entries[i].path);
		free(u->entries[i].target);
	}
	free(u->entries);
	text_done(&u->format);
	text_done(&u->covered);
	text_done(&u->left_out);
	judge_done(&u->judge);
	*u = (struct unpack){ 0 };
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

static struct unpack_entry *entry_add(struct unpack *u, const char *path, enum unpack_type type, struct fault *f)
{
	char *owned = strdup(path);

	if (owned == NULL || !ARRAY_GROW(u->entries, u->count)) {
		free(owned);
		(void)fault_memory(f);
		return NULL;
	}
	u->entries[u->count] = (struct unpack_entry){ .path = owned, .type = type };
	return &u->entries[u->count++];
}

/* Finds an entry added before; they are not sorted yet. */
static struct unpack_entry *entry_recall(const struct unpack *u, const char *path)
{
	for (size_t i = u->count; i-- > 0;)
		if (strcmp(u->entries[i].path, path) == 0)
			return &u->entries[i];
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return text_path_compare(((const struct unpack_entry *)a)->path, ((const struct unpack_entry *)b)->path);
}

const struct unpack_entry *unpack_find(const struct unpack *u, const char *path)
{
	const struct unpack_entry key = { .path = (char *)(uintptr_t)path };

	return u->count > 0 ? bsearch(&key, u->entries, u->count, sizeof(key), compare) : NULL;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static int misbehaves(struct fault *f)
{
	return fault_system(f, 0, "the process that reads the archive misbehaves");
}

static int file_entry(struct reading *r, struct fault *f)
{
	struct unpack *u = r->u;
	struct unpack_entry *e = r->replaces || r->sink == SINK_COMPARE ? entry_recall(u, r->path) : NULL;
	struct place_seen seen;

	if (place_file_end(&r->place, r->path, &seen, f) < 0)
		return -1;
	if (r->sink == SINK_COMPARE)
		return e != NULL && memcmp(e->sha256, seen.sha256, SHA256_SIZE) == 0
			       ? 0
			       : fault_refused(f, "member '%s': the name occurs twice, with different content",
					       SHOWN(r->path));
	if (e == NULL) {
		e = entry_add(u, r->path, UNPACK_FILE, f);
		u->files++;
	}
	if (e == NULL)
		return -1;
	u->bytes += r->size - e->size;
	e->size = r->size;
	e->machine = seen.machine;
	e->mode = (uint16_t)seen.mode;
	e->secret = seen.secret;
	memcpy(e->sha256, seen.sha256, sizeof(e->sha256));
	return 0;
}

static int file_begin(struct reading *r, struct fault *f)
{
	if (r->sink != SINK_PLACE)
		return r->sink == SINK_COMPARE ? place_file_begin(&r->place, NULL, 0, f) : 0;
	if (r->replaces && r->place.tree >= 0 && unlinkat(r->place.tree, r->path, 0) < 0)
		return fault_system(f, errno, "cannot replace '%s'", SHOWN(r->path));
	return place_file_begin(&r->place, r->path, r->request->mode_of(r->path), f);
}

/* Skips AppleDouble files (RFC 1740): macOS attributes for file systems that cannot store them. */
static int side_decide(struct reading *r, const unsigned char *bytes, size_t length, struct fault *f)
{
	static const unsigned char magic[] = { 0x00, 0x05, 0x16, 0x07 };

	if (length >= sizeof(magic) && memcmp(bytes, magic, sizeof(magic)) == 0) {
		r->sink = SINK_SKIP;
		text_add_format(&r->u->left_out, "%s\n", r->path);
		return 0;
	}
	r->sink = SINK_PLACE;
	return file_begin(r, f);
}

static int on_content(struct reading *r, const struct proc_message *message, struct fault *f)
{
	if (message->length == 0 || message->length > r->left)
		return misbehaves(f);
	r->left -= message->length;
	r->content_bytes += message->length;
	if (r->content_bytes > LIMITS_RATIO_FREE && r->content_bytes / LIMITS_RATIO > r->archive_bytes)
		return fault_refused(
			f, "member '%s': a decompression bomb: more than %d times as large unpacked as packed",
			SHOWN(r->path), LIMITS_RATIO);
	if (r->sink == SINK_UNDECIDED && side_decide(r, message->bytes, message->length, f) < 0)
		return -1;
	if (r->sink == SINK_SKIP)
		return 0;
	if (place_file_add(&r->place, r->path, message->bytes, message->length, f) < 0)
		return -1;
	return r->left > 0 ? 0 : file_entry(r, f);
}

/* --- members ------------------------------------------------------------------------------------------------------ */

/* Is it a file that macOS and Windows put everywhere, by its name alone? */
static bool is_side_file(const struct member *member)
{
	static const char *const leaves[] = { ".DS_Store", "Thumbs.db", "desktop.ini" };
	const char *name = (const char *)member->name;
	size_t at = member->name_length;

	if (member->name_length >= 9 && memcmp(name, "__MACOSX/", 9) == 0)
		return true;
	while (at > 0 && name[at - 1] != '/')
		at--;
	for (size_t i = 0; member->type == MEMBER_FILE && i < sizeof(leaves) / sizeof(leaves[0]); i++)
		if (text_equal(name + at, member->name_length - at, leaves[i]))
			return true;
	return false;
}

static int file_take(struct reading *r, const struct member *member, enum judge_verdict verdict, struct fault *f)
{
	const bool side = verdict == JUDGE_PLACE && text_starts(text_leaf(r->path), "._");

	r->replaces = verdict == JUDGE_REPLACE;
	r->sink = side && member->size > 0   ? SINK_UNDECIDED
		  : verdict == JUDGE_COVERED ? SINK_SKIP
		  : verdict == JUDGE_AGAIN   ? SINK_COMPARE
					     : SINK_PLACE;
	if (r->replaces || verdict == JUDGE_COVERED)
		text_add_format(&r->u->covered, "%s\n", r->path);
	if (file_begin(r, f) < 0)
		return -1;
	return r->left > 0 || r->sink == SINK_SKIP ? 0 : file_entry(r, f);
}

static int inner_begin(struct reading *r, struct fault *f)
{
	struct judge *j = &r->u->judge;

	if (j->layer != JUDGE_OUTER)
		return misbehaves(f);
	/* Its members go into its directory. */
	(void)snprintf(j->prefix, sizeof(j->prefix), "%.*s", (int)(text_leaf(r->path) - r->path), r->path);
	j->layer = JUDGE_INNER;
	return 0;
}

/* Handles a member that was accepted. */
static int member_place(struct reading *r, const struct member *member, enum judge_verdict verdict, struct fault *f)
{
	const char *target = NULL;

	switch (member->type) {
	case MEMBER_FILE:
		return file_take(r, member, verdict, f);
	case MEMBER_ARCHIVE:
		return inner_begin(r, f);
	case MEMBER_DIRECTORY:
		break;
	default:
		target = judge_target(&r->u->judge, r->path);
		break;
	}
	if (verdict != JUDGE_PLACE)
		return 0;
	struct unpack_entry *e = entry_add(r->u, r->path,
					   member->type == MEMBER_DIRECTORY   ? UNPACK_DIRECTORY
					   : member->type == MEMBER_HARD_LINK ? UNPACK_HARD_LINK
									      : UNPACK_LINK,
					   f);
	if (e == NULL)
		return -1;
	if (target != NULL && (e->target = strdup(target)) == NULL)
		return fault_memory(f);
	return member->type == MEMBER_DIRECTORY ? place_directory(&r->place, r->path, f) : 0;
}

static int on_member(struct reading *r, const struct proc_message *message, struct fault *f)
{
	const char *prefix = r->u->judge.prefix;
	enum judge_verdict verdict;
	struct member member;

	if (r->left > 0 || message_take_member(message, &member) < 0)
		return misbehaves(f);
	r->left = r->size = member.type == MEMBER_FILE ? member.size : 0;
	r->sink = SINK_SKIP;
	if (r->inner_skipped)
		return 0;
	if (is_side_file(&member)) {
		r->inner_skipped = member.type == MEMBER_ARCHIVE;
		if (member.type != MEMBER_DIRECTORY)
			text_add_format(&r->u->left_out, "%s%.*s\n", prefix, (int)member.name_length,
					(const char *)member.name);
		return 0;
	}
	if (judge_member(&r->u->judge, &member, r->path, &verdict, f) < 0)
		return member.name_length > 0 && f->kind == FAULT_REFUSED
			       ? fault_prefix(f, "member '%s%s': ", SHOWN(prefix),
					      SHOWN_BYTES(member.name, member.name_length))
			       : -1;
	return verdict == JUDGE_NOTHING ? 0 : member_place(r, &member, verdict, f);
}

static int on_inner_end(struct reading *r, struct fault *f)
{
	struct judge *j = &r->u->judge;

	if (r->left > 0 || (j->layer != JUDGE_INNER && !r->inner_skipped))
		return misbehaves(f);
	j->layer = JUDGE_OUTER;
	j->prefix[0] = '\0';
	r->inner_skipped = false;
	return 0;
}

static int message_hear(struct reading *r, const struct proc_message *message, struct fault *f)
{
	if (r->ended)
		return misbehaves(f);
	switch (message->kind) {
	case MESSAGE_FORMAT:
		r->begun = true;
		text_add_format(&r->u->format, "%s%.*s", r->u->format.length > 0 ? "; " : "",
				message->length < 16 ? (int)message->length : 16, (const char *)message->bytes);
		return 0;
	case MESSAGE_MEMBER:
		return on_member(r, message, f);
	case MESSAGE_CONTENT:
		return on_content(r, message, f);
	case MESSAGE_INNER_END:
		return on_inner_end(r, f);
	case MESSAGE_END:
		r->ended = r->left == 0 && r->u->judge.layer == JUDGE_OUTER;
		return r->ended ? 0 : misbehaves(f);
	}
	return misbehaves(f);
}

static enum proc_child_answer on_message(void *listener, const struct proc_message *message)
{
	struct reading *r = listener;

	if (r->fault.kind == FAULT_NONE && message_hear(r, message, &r->fault) < 0)
		(void)kill(r->child.pid, SIGKILL);
	if (r->request->progress != NULL) {
		/* The reading process shares our file offset. */
		const off_t at = lseek(r->archive, 0, SEEK_CUR);
		r->request->progress(r->request->context, at > 0 ? (uint64_t)at : 0, r->u->bytes, r->u->files);
	}
	return r->fault.kind == FAULT_NONE ? PROC_CHILD_MORE : PROC_CHILD_GARBLED;
}

/* --- the process that reads --------------------------------------------------------------------------------------- */

/* It ended before its first message: only the dynamic linker's output can tell why. */
static int loader_blame(const struct proc_outcome *outcome, struct fault *f)
{
	static const char before[] = "loading shared libraries: ", behind[] = ": cannot open shared object file";
	const char *said = text_string(&outcome->output), *name = strstr(said, before);
	const char *end = name != NULL ? strstr(name, behind) : NULL;

	if (end == NULL)
		return fault_system(f, 0, "the process that reads the archive cannot start: %s",
				    SHOWN_BYTES(said, strcspn(said, "\n")));
	name += strlen(before);
	return fault_absent(f, "no archive can be read without %s; install the package '%s'",
			    SHOWN_BYTES(name, (size_t)(end - name)),
			    text_starts(name, "libz.") ? "zlib" : "libarchive");
}

static int outcome_judge(const struct reading *r, const struct proc_outcome *outcome, struct fault *f)
{
	enum { LOADER_FAILED = 127 };
	const bool is_ours = r->fault.kind != FAULT_NONE;

	if (is_ours || outcome->fault.kind != FAULT_NONE) {
		*f = is_ours ? r->fault : outcome->fault;
		/* After parsing foreign bytes the process is trusted only to say that it refuses them. */
		if (!is_ours && r->begun && f->kind != FAULT_REFUSED)
			f->kind = FAULT_SYSTEM;
		return -1;
	}
	if (outcome->status == LOADER_FAILED && !r->begun)
		return loader_blame(outcome, f);
	if (outcome->signal != 0)
		return fault_system(f, 0, "the process that reads the archive was ended by signal %d", outcome->signal);
	return outcome->status == 0 && r->ended && !outcome->garbled
		       ? 0
		       : fault_system(f, 0, "the process that reads the archive failed");
}

static int archive_read(struct reading *r, struct fault *f)
{
	struct proc_child_options options = PROC_CHILD_OPTIONS_INIT;
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct proc_child *const children[] = { &r->child };
	char id[16];
	struct stat status;
	size_t which;

	if (fstat(r->archive, &status) < 0)
		return fault_system(f, errno, "cannot look at it");
	if (lseek(r->archive, 0, SEEK_SET) < 0)
		return fault_system(f, errno, "cannot read it");
	r->archive_bytes = (uint64_t)status.st_size;
	(void)snprintf(id, sizeof(id), "%u", r->request->id);
	options.argv = (const char *const[]){ r->request->program, id, NULL };
	options.what = "okv-luna-unarchive";
	options.worker = true;
	options.input = r->archive;
	options.on_message = on_message;
	options.listener = r;
	if (proc_child_start(&options, &r->child, f) < 0)
		return -1;
	int result = proc_child_wait(children, 1, &which, &outcome, f);
	proc_child_kill(&r->child);
	if (result == 0)
		result = outcome_judge(r, &outcome, f);
	proc_outcome_done(&outcome);
	return result;
}

static int archives_read(const struct unpack_request *request, struct unpack *u, struct fault *f)
{
	for (size_t i = 0; i < request->archive_count; i++) {
		struct reading r = { .request = request,
				     .u = u,
				     .place = PLACE_INIT(request->tree),
				     .child = { .pid = 0 },
				     .archive = request->archives[i] };
		const int result = archive_read(&r, f);
		place_done(&r.place);
		if (result < 0)
			return f->kind == FAULT_REFUSED ? fault_prefix(f, "%s: ", SHOWN(request->names[i])) : -1;
	}
	return text_check(&u->format, f) < 0 || text_check(&u->covered, f) < 0 ? -1 : text_check(&u->left_out, f);
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

/* Syncs while files are written, so that the final sync takes less time; runs until it is killed. */
static int sync_now_and_then(void *context, int tell, struct fault *f)
{
	const struct timespec pause = { .tv_nsec = SYNC_EVERY_MS * 1000000L };
	const int *tree = context;

	(void)tell;
	(void)f;
	while (nanosleep(&pause, NULL) == 0)
		(void)syncfs(*tree);
	return 0;
}

int unpack_run(const struct unpack_request *request, struct unpack *ret_unpack, struct fault *f)
{
	struct proc_child_options options = PROC_CHILD_OPTIONS_INIT;
	struct proc_child sync = { 0 };
	struct unpack u = { .judge = JUDGE_INIT(request->limits) };

	if (request->archive_count > UNPACK_ARCHIVES)
		return fault_usage(f, "more than %d archives in one run", UNPACK_ARCHIVES);
	u.judge.own_place = request->client_dir;
	options.work = sync_now_and_then;
	options.context = (void *)(uintptr_t)&request->tree;
	options.what = "syncing";
	if (request->tree >= 0 && proc_child_start(&options, &sync, f) < 0)
		return -1;
	/* The policy gives exact modes, so no umask; a file size limit must fail write(2) and not kill us. */
	const mode_t mask = umask(0);
	(void)signal(SIGXFSZ, SIG_IGN);
	const int r = archives_read(request, &u, f);
	(void)umask(mask);
	proc_child_kill(&sync);
	if (r < 0) {
		unpack_done(&u);
		return -1;
	}
	if (u.count > 0)
		qsort(u.entries, u.count, sizeof(*u.entries), compare);
	*ret_unpack = u;
	return 0;
}

static int copy_make(const struct unpack *u, struct place *place, struct unpack_entry *e,
		     const struct unpack_request *request, struct fault *f)
{
	const struct unpack_entry *from = unpack_find(u, e->target);

	if (from == NULL || from->type != UNPACK_FILE)
		return fault_refused(f, "member '%s': a hard link to something that is not a file", SHOWN(e->path));
	e->machine = from->machine;
	e->secret = from->secret;
	e->size = from->size;
	memcpy(e->sha256, from->sha256, sizeof(e->sha256));
	e->mode = (uint16_t)(e->secret ? PLACE_SECRET_MODE : request->mode_of(e->path));
	return place_copy(place, e->path, e->target, e->mode, f);
}

int unpack_links(struct unpack *u, const struct unpack_request *request, const char *top, struct fault *f)
{
	PLACE_AUTO place = PLACE_INIT(request->tree);
	const mode_t mask = umask(0);
	int r = judge_links(&u->judge, top, f);

	/* Copies first, so that none is read through a link. */
	for (size_t i = 0; r == 0 && i < u->count; i++)
		if (u->entries[i].type == UNPACK_HARD_LINK)
			r = copy_make(u, &place, &u->entries[i], request, f);
	for (size_t i = 0; r == 0 && i < u->count; i++) {
		struct unpack_entry *e = &u->entries[i];
		if (e->type != UNPACK_LINK)
			continue;
		free(e->target);
		e->target = strdup(judge_target(&u->judge, e->path));
		r = e->target != NULL ? place_link(&place, e->path, e->target, f) : fault_memory(f);
	}
	(void)umask(mask);
	/* Frees the large table of paths, which is not needed any more. */
	judge_done(&u->judge);
	return r;
}
