#include "okv/wiring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/assign.h"
#include "conf/midupgrade.h"
#include "conf/wiring.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/edit.h"
#include "okv/links.h"
#include "okv/needs.h"
#include "okv/shell.h"

static const struct {
	enum wiring_file file;
	const char *path, *record;
} files[] = {
	{ WIRING_CONF, OKV_CONF, OKV_RECORD "/okv_hsm.conf" },
	{ WIRING_ENV, OKV_ENV, OKV_RECORD "/okv_hsm_env" },
	{ WIRING_MID, OKV_MID, OKV_RECORD "/okv_hsm_mid_upgrade" },
};

enum { FILE_COUNT = sizeof(files) / sizeof(files[0]) };

/* What we want, with the memory behind it. */
struct wishes {
	struct wiring_options wanted;
	struct preserved preserved;
	struct text config_directory;
};

static void wishes_done(struct wishes *w)
{
	preserved_done(&w->preserved);
	text_done(&w->config_directory);
}

/* The client first: what lies inside it needs no entry of its own. */
static int wishes_make(const struct okv_job *job, struct wishes *w, struct fault *f)
{
	const struct settings *s = job->settings;
	OKV_NEEDS_AUTO needs = { .items = NULL };
	const char *slash = strrchr(s->chrystoki_conf, '/');

	if (okv_needs_find(job, &needs, f) < 0)
		return -1;
	for (size_t i = 0; i < needs.count; i++)
		if (needs.items[i].listable && preserved_add(&w->preserved, needs.items[i].path, f) < 0)
			return -1;
	if (preserved_add(&w->preserved, s->pkcs11_lib, f) < 0)
		return -1;
	if (okv_links_preserve(job, &w->preserved, f) < 0)
		return -1;
	preserved_reduce(&w->preserved);
	text_add(&w->config_directory, s->chrystoki_conf,
		 slash == s->chrystoki_conf ? 1 : (size_t)(slash - s->chrystoki_conf));
	w->wanted = (struct wiring_options){
		.vendor_name = s->vendor_name,
		.library = s->pkcs11_lib,
		.config_directory = text_string(&w->config_directory),
		.hsm_group = s->hsm_group,
		.preserved = &w->preserved,
	};
	return text_check(&w->config_directory, f);
}

struct file_work {
	const struct okv_job *job;
	const struct wiring_options *wanted;
	size_t which;
	struct text before;  /* the file without us, as found by the last call of change */
	struct text changes; /* what that call would change, NAME: "old" -> "new" */
};

/* No record, or one that cannot be read: then nothing is known, and only what is plainly ours is taken back. */
static int record_read(const struct file_work *w, struct wiring_record *ret_record, struct fault *f)
{
	TEXT_AUTO bytes = { 0 };
	struct fault cause = { 0 };
	const char *path = files[w->which].record;

	if (fs_read_file(w->job->root, path, FS_FOLLOW_TRUSTED, 4 * FS_READ_CONFIG_MAX, &bytes, NULL, &cause) == 0 &&
	    wiring_record_parse(ret_record, text_string(&bytes), bytes.length, &cause) == 0)
		return 0;
	if (cause.kind == FAULT_ABSENT)
		return 0;
	if (cause.kind == FAULT_SYSTEM) {
		*f = cause;
		return -1;
	}
	report_say(w->job->report, REPORT_WARNING, "%s: %s; going on without it", path, cause.text);
	return 0;
}

/*
 * May `next` take the place of `now`?  FAULT_REFUSED: no shell can read `now`, or one that could cannot read `next`.
 * Without any shell to ask, it may.
 */
static int script_compare(const struct text *now, const struct text *next, struct fault *f)
{
	struct okv_shell before, after;

	if (okv_shell_ask(now, OKV_SHELL_ALL, &before, f) < 0)
		return -1;
	if (before.asked != 0 && before.agreed == 0)
		return fault_refused(
			f,
			"no shell can read it (%s), so OKV's upgrade would run a part of it only; 'okv-luna config "
			"check' shows where",
			before.complaint);
	if (okv_shell_ask(next, OKV_SHELL_ALL, &after, f) < 0)
		return -1;
	if ((before.agreed & ~after.agreed) != 0)
		return fault_refused(f, "with our change a shell could not read it (%s), so it stays as it is",
				     after.complaint);
	return 0;
}

bool okv_library_is_there(int root, const char *path)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	FS_AUTO int fd = -1;
	struct fault ignored = { 0 };
	char head[4];

	return fs_place_find(root, path, &place, &ignored) == 0 &&
	       fs_file_open_at(place.dir, place.leaf, O_RDONLY, &fd, NULL, &ignored) == 0 &&
	       read(fd, head, sizeof(head)) == (ssize_t)sizeof(head) && memcmp(head, "\177ELF", sizeof(head)) == 0;
}

int okv_vendor_find(const struct okv_job *job, const struct text *conf, bool *ret_other, struct fault *f)
{
	ASSIGN_AUTO a = { 0 };
	FS_PLACE_AUTO theirs = FS_PLACE_INIT;
	FS_PLACE_AUTO ours = FS_PLACE_INIT;
	struct fault ignored = { 0 };
	struct stat status;
	char *vendor = NULL, *library = NULL;
	bool other = false;

	if (assign_parse(&a, text_string(conf), conf->length, f) < 0 || assign_get(&a, "VENDOR_NAME", &vendor, f) < 0 ||
	    assign_get(&a, "PKCS11_LIB_LOC", &library, f) < 0) {
		free(vendor);
		return -1;
	}
	/* A library by its name is a Luna client's where nobody says whose it is. */
	const char *name = library != NULL && strrchr(library, '/') != NULL ? strrchr(library, '/') + 1 : "";
	const bool named = vendor != NULL && vendor[0] != '\0' && strcmp(vendor, job->settings->vendor_name) != 0;
	if ((named || (!text_starts(name, "libCryptoki2") && !text_starts(name, "libcklog2"))) && name[0] != '\0' &&
	    fs_place_find(job->root, library, &theirs, &ignored) == 0 &&
	    fstatat(theirs.dir, theirs.leaf, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode) &&
	    status.st_size > 0)
		other = strcmp(library, job->settings->pkcs11_lib) != 0 &&
			(fs_place_find(job->root, job->settings->pkcs11_lib, &ours, &ignored) < 0 ||
			 strcmp(theirs.path, ours.path) != 0);
	free(vendor);
	free(library);
	*ret_other = other;
	return 0;
}

static int apply_change(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	struct file_work *w = context;
	const enum wiring_file file = files[w->which].file;
	WIRING_RECORD_AUTO record = { 0 };
	TEXT_AUTO direct = { 0 };
	TEXT_AUTO next = { 0 };

	if (wiring_apply(file, now, w->wanted, &direct, f) < 0)
		return -1;
	if (text_same(&direct, now)) {
		text_add(ret_text, text_string(now), now->length);
		return 0;
	}
	/* What an earlier run put in for other settings is taken out first, so that it does not stay for ever. */
	text_cut(&w->before, 0);
	if (record_read(w, &record, f) < 0)
		return -1;
	if (record.known) {
		if (wiring_remove(file, now, &record, w->wanted, &w->before, f) < 0)
			return -1;
	} else {
		text_add(&w->before, text_string(now), now->length);
	}
	if (text_check(&w->before, f) < 0 || wiring_apply(file, &w->before, w->wanted, &next, f) < 0)
		return -1;
	if (file == WIRING_MID && script_compare(now, &next, f) < 0)
		return -1;
	text_add(ret_text, text_string(&next), next.length);
	text_cut(&w->changes, 0);
	return wiring_changes(file, now, &next, &w->changes, f);
}

static int apply_announce(void *context, const struct text *now, const struct text *next, struct fault *f)
{
	struct file_work *w = context;
	const struct wiring_record record = { .known = true, .before = w->before, .after = *next };
	TEXT_AUTO bytes = { 0 };

	(void)now;
	wiring_record_print(&record, &bytes);
	return okv_record_write(w->job->root, files[w->which].record, &bytes, f);
}

static int remove_change(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	struct file_work *w = context;
	WIRING_RECORD_AUTO record = { 0 };

	if (record_read(w, &record, f) < 0 ||
	    wiring_remove(files[w->which].file, now, &record, w->wanted, ret_text, f) < 0)
		return -1;
	if (files[w->which].file == WIRING_MID && !text_same(now, ret_text))
		return script_compare(now, ret_text, f);
	text_cut(&w->changes, 0);
	return wiring_changes(files[w->which].file, now, ret_text, &w->changes, f);
}

/* The first failure is the one to return; the others are told now. */
static void failure_keep(const struct okv_job *job, struct okv_outcome *outcome, const struct fault *now,
			 struct fault *first)
{
	outcome->left++;
	if (first->kind == FAULT_NONE)
		*first = *now;
	else
		report_say(job->report, REPORT_WARNING, "%s", now->text);
}

static int finish(const struct okv_outcome *outcome, const struct fault *first, struct fault *f)
{
	if (first->kind == FAULT_NONE && outcome->left > 0)
		return fault_incomplete(f, "%u problem%s could not be fixed; see the warnings", outcome->left,
					outcome->left == 1 ? "" : "s");
	if (first->kind == FAULT_NONE)
		return 0;
	*f = *first;
	if (outcome->files + outcome->links > 0 && (f->kind == FAULT_REFUSED || f->kind == FAULT_ABSENT))
		f->kind = FAULT_INCOMPLETE;
	return -1;
}

enum direction { WIRE_IN, WIRE_OUT, WIRE_WITHDRAW };

static void lines_tell(const struct okv_job *job, const struct text *lines)
{
	struct text_line line;

	for (size_t at = 0; text_line_next(lines->bytes, lines->length, &at, &line);)
		okv_job_tell(job, "%.*s", (int)line.length, line.bytes);
}

static void files_edit(const struct okv_job *job, const struct wiring_options *wanted, enum direction direction,
		       struct okv_outcome *outcome, struct fault *first)
{
	static const char *const words[] = { [WIRE_IN] = "wired",
					     [WIRE_OUT] = "as it was without us",
					     [WIRE_WITHDRAW] = "without our part; OKV still finds its HSM" };
	const bool apply = direction == WIRE_IN;

	for (size_t i = 0; i < FILE_COUNT; i++) {
		struct file_work work = { .job = job, .wanted = wanted, .which = i, .before = { 0 }, .changes = { 0 } };
		const struct okv_edit edit = {
			.path = files[i].path,
			.change = apply ? apply_change : remove_change,
			.announce = apply ? apply_announce : NULL,
			.context = &work,
		};
		struct fault now = { 0 };
		bool changed = false;

		const int r = okv_edit(job, &edit, &changed, &now);
		text_done(&work.before);
		/* Where OKV's file is gone there is nothing of ours in it. */
		if (r < 0 && (apply || now.kind != FAULT_ABSENT)) {
			failure_keep(job, outcome, &now, first);
			text_done(&work.changes);
			continue;
		}
		/*
		 * A record that stays says that it is wired, so it has to go for the work to be done; but while our
		 * values are in, it tells what was there before.
		 */
		const bool over = direction == WIRE_OUT || (direction == WIRE_WITHDRAW && files[i].file == WIRING_MID);
		if (over && job->mode == OKV_APPLY && okv_record_remove(job->root, files[i].record, &now) < 0)
			failure_keep(job, outcome, &now, first);
		if (changed) {
			outcome->files++;
			lines_tell(job, &work.changes);
			okv_job_tell(job, "%s: %s", files[i].path, words[direction]);
		}
		text_done(&work.changes);
	}
}

/* What is in use is not taken away unasked, nor made half of one and half of the other. */
static int vendor_check(const struct okv_job *job, struct fault *f)
{
	TEXT_AUTO conf = { 0 };
	struct fault cause = { 0 };
	bool other = false;

	if (job->vendor == OKV_REPLACE_VENDOR)
		return 0;
	if (fs_read_config(job->root, OKV_CONF, &conf, &cause) < 0)
		return fs_absence(&cause, f);
	if (okv_vendor_find(job, &conf, &other, f) < 0)
		return -1;
	return other ? fault_refused(f,
				     OKV_CONF ": OKV uses another vendor's library, which is there; 'okv-luna config "
					      "wire --replace-vendor' puts Luna's in its place")
		     : 0;
}

int okv_wiring_apply(const struct okv_job *job, struct okv_outcome *ret_outcome, struct fault *f)
{
	__attribute__((cleanup(wishes_done))) struct wishes w = { .preserved = { 0 } };
	struct okv_outcome outcome = OKV_OUTCOME_INIT;
	struct fault first = { 0 }, now = { 0 };

	if (okv_scope_find(job->root, job->settings, &outcome.scope, f) < 0)
		return -1;
	if (outcome.scope == OKV_SCOPE_GENERIC && vendor_check(job, f) < 0)
		return -1;
	if (okv_links_make(job, &outcome, &now) < 0)
		failure_keep(job, &outcome, &now, &first);
	if (outcome.scope == OKV_SCOPE_GENERIC) {
		/* After the links: what is listed to be preserved has to be there. */
		if (wishes_make(job, &w, &now) < 0)
			failure_keep(job, &outcome, &now, &first);
		else
			files_edit(job, &w.wanted, WIRE_IN, &outcome, &first);
	}
	*ret_outcome = outcome;
	return finish(&outcome, &first, f);
}

/* Whether anything shows that this node was wired: a record, or the block.  Else what is listed is somebody else's. */
static int wiring_is_traced(const struct okv_job *job, bool *ret_traced, struct fault *f)
{
	enum okv_wiring wiring;
	TEXT_AUTO script = { 0 };
	struct fault cause = { 0 };

	if (okv_wiring_find(job->root, &wiring, f) < 0)
		return -1;
	if (wiring == OKV_WIRING_NONE && fs_read_config(job->root, OKV_MID, &script, &cause) < 0 &&
	    fs_absence(&cause, f) < 0)
		return -1;
	*ret_traced = wiring != OKV_WIRING_NONE || strstr(text_string(&script), MIDUPGRADE_BEGIN) != NULL;
	return 0;
}

static int wiring_remove_files(const struct okv_job *job, enum direction direction, struct okv_outcome *ret_outcome,
			       struct fault *f)
{
	bool traced;
	__attribute__((cleanup(wishes_done))) struct wishes w = { .preserved = { 0 } };
	struct okv_outcome outcome = OKV_OUTCOME_INIT;
	struct fault first = { 0 }, now = { 0 };

	if (okv_scope_find(job->root, job->settings, &outcome.scope, f) < 0)
		return -1;
	if (wiring_is_traced(job, &traced, f) < 0)
		return -1;
	/* Before the links go, since they tell which entries of PRESERVED_FILES are ours. */
	if (outcome.scope != OKV_SCOPE_NO_INTERFACE && traced) {
		if (wishes_make(job, &w, &now) < 0) {
			failure_keep(job, &outcome, &now, &first);
		} else {
			w.wanted.removal = direction == WIRE_OUT ? WIRING_REMOVE_ALL : WIRING_REMOVE_OURS;
			files_edit(job, &w.wanted, direction, &outcome, &first);
		}
	}
	if (okv_links_remove(job, &outcome, &now) < 0)
		failure_keep(job, &outcome, &now, &first);
	*ret_outcome = outcome;
	return finish(&outcome, &first, f);
}

int okv_wiring_remove(const struct okv_job *job, struct okv_outcome *ret_outcome, struct fault *f)
{
	return wiring_remove_files(job, WIRE_OUT, ret_outcome, f);
}

int okv_wiring_withdraw(const struct okv_job *job, struct okv_outcome *ret_outcome, struct fault *f)
{
	return wiring_remove_files(job, WIRE_WITHDRAW, ret_outcome, f);
}

int okv_wiring_find(int root, enum okv_wiring *ret_wiring, struct fault *f)
{
	bool values = false, rest = false;

	for (size_t i = 0; i < FILE_COUNT; i++) {
		bool *there = files[i].file == WIRING_MID ? &rest : &values;
		if (!*there && fs_existence(root, files[i].record, there, f) < 0)
			return -1;
	}
	if (!rest && fs_existence(root, OKV_RECORD_LINKS, &rest, f) < 0)
		return -1;
	*ret_wiring = rest ? OKV_WIRING_APPLIED : values ? OKV_WIRING_WITHDRAWN : OKV_WIRING_NONE;
	return 0;
}
