#include "okv/wiring.h"

#include <stdio.h>
#include <string.h>

#include "conf/assign.h"
#include "conf/midupgrade.h"
#include "conf/preserved.h"
#include "conf/settings.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/edit.h"
#include "okv/library.h"
#include "okv/links.h"
#include "okv/needs.h"
#include "okv/shell.h"

/*
 * --- new bytes from old ---
 *
 * Applying twice is applying once.  Removing restores `before` if the file still has the bytes that applying wrote
 * (`after`).  Otherwise it undoes key by key and entry by entry what applying changed, and leaves what others changed
 * since: a key is restored only if it still has our value.
 */

enum wiring_file { WIRING_CONF, WIRING_ENV, WIRING_MID };

enum direction {
	WIRE_IN,
	WIRE_OUT,
	WIRE_WITHDRAW, /* remove the block and our own entries, keep what OKV needs to reach its HSM */
};

/* What the files shall contain. */
struct wiring_options {
	const struct settings *settings;
	enum direction direction;
	struct preserved preserved;   /* what PRESERVED_FILES must cover */
	struct text config_directory; /* of Chrystoki.conf */
};

static void wiring_options_done(struct wiring_options *options)
{
	preserved_done(&options->preserved);
	text_done(&options->config_directory);
}

/* What wiring recorded of a file: its text before and after.  `known` is false if it recorded nothing. */
struct wiring_record {
	bool known;
	struct text before, after;
};

#define WIRING_RECORD_AUTO __attribute__((cleanup(wiring_record_done))) struct wiring_record

static const char preserved_key[] = "PRESERVED_FILES";

static const struct {
	const char *path, *record;
	const char *keys[4]; /* the keys that we set; ends with NULL */
} files[] = {
	[WIRING_CONF] = { OKV_CONF,
			  OKV_RECORD "/okv_hsm.conf",
			  { "VENDOR_NAME", "PKCS11_LIB_LOC", preserved_key, NULL } },
	[WIRING_ENV] = { OKV_ENV, OKV_RECORD "/okv_hsm_env", { "ChrystokiConfigurationPath", NULL } },
	[WIRING_MID] = { OKV_MID, OKV_RECORD "/okv_hsm_mid_upgrade", { NULL } },
};

static void wiring_record_done(struct wiring_record *r)
{
	text_done(&r->before);
	text_done(&r->after);
	r->known = false;
}

/* The value that we want for a key; PRESERVED_FILES is merged instead. */
static const char *value_of(const char *key, const struct wiring_options *options)
{
	if (strcmp(key, "VENDOR_NAME") == 0)
		return options->settings->vendor_name;
	if (strcmp(key, "PKCS11_LIB_LOC") == 0)
		return options->settings->pkcs11_lib;
	return text_string(&options->config_directory);
}

static int preserved_of(const struct assign *a, struct preserved *ret_preserved, struct fault *f)
{
	return preserved_parse(ret_preserved, assign_value(a, preserved_key), f);
}

static int preserved_set(struct assign *a, const struct preserved *p, struct fault *f)
{
	TEXT_AUTO value = { 0 };
	bool changed;

	preserved_print(p, &value);
	if (text_check(&value, f) < 0)
		return -1;
	if (strlen(preserved_key) + value.length + 3 >= ASSIGN_LINE_MAX)
		return fault_refused(
			f,
			"%s would have %zu characters, and OKV accepts fewer than %d; list a directory instead of "
			"its files",
			preserved_key, strlen(preserved_key) + value.length + 3, ASSIGN_LINE_MAX);
	return assign_set(a, preserved_key, text_string(&value), &changed, f);
}

/* A unit of ours, or the link that enables one.  The path depends on our version, so an old one may be listed. */
static bool is_unit_of_ours(const char *path)
{
	return strstr(path, "/systemd/system/") != NULL && strstr(path, "okv-luna-") != NULL;
}

static int preserved_apply(struct assign *a, const struct preserved *more, struct fault *f)
{
	PRESERVED_AUTO here = { 0 }, p = { 0 };

	if (preserved_of(a, &here, f) < 0)
		return -1;
	for (size_t i = 0; i < here.count; i++)
		if ((!is_unit_of_ours(here.paths[i]) || preserved_has(more, here.paths[i])) &&
		    preserved_add(&p, here.paths[i], f) < 0)
			return -1;
	for (size_t i = 0; i < more->count; i++)
		if (preserved_add(&p, more->paths[i], f) < 0)
			return -1;
	preserved_reduce(&p);
	return preserved_set(a, &p, f);
}

static int assign_apply(const char *const *keys, const struct text *now, const struct wiring_options *options,
			struct text *ret_text, struct fault *f)
{
	ASSIGN_AUTO a = { 0 };
	bool changed;

	if (assign_parse(&a, text_string(now), now->length, f) < 0)
		return -1;
	for (const char *const *key = keys; *key != NULL; key++)
		if (assign_check_only(&a, *key, f) < 0)
			return -1;
	for (; *keys != NULL; keys++) {
		const char *here = assign_value(&a, *keys), *wanted = value_of(*keys, options);
		/* "/etc/" is the same as "/etc". */
		const bool same = here != NULL && wanted[0] == '/' && preserved_same(here, wanted);
		const int r = *keys == preserved_key ? preserved_apply(&a, &options->preserved, f)
			      : same                 ? 0
						     : assign_set(&a, *keys, wanted, &changed, f);
		if (r < 0)
			return -1;
	}
	assign_print(&a, ret_text);
	return text_check(ret_text, f);
}

/*
 * FAULT_REFUSED: a malformed line that names one of the keys, a key that is set twice (it is not known which one OKV
 * reads), a PRESERVED_FILES that would reach ASSIGN_LINE_MAX, a script without a place for the block.
 */
static int wiring_apply(enum wiring_file file, const struct text *now, const struct wiring_options *options,
			struct text *ret_text, struct fault *f)
{
	if (file == WIRING_MID)
		return midupgrade_insert(text_string(now), now->length, options->settings->hsm_group, ret_text, f);
	return assign_apply(files[file].keys, now, options, ret_text, f);
}

/*
 * Removes the entries that we added, and restores those that we dropped as redundant if the entry that covers them is
 * still there; what others added or removed since stays so.
 */
static int preserved_restore(struct assign *now, const struct assign *before, const struct assign *after,
			     struct fault *f)
{
	PRESERVED_AUTO here = { 0 }, old = { 0 }, ours = { 0 }, left = { 0 };

	if (preserved_of(now, &here, f) < 0 || preserved_of(before, &old, f) < 0 || preserved_of(after, &ours, f) < 0)
		return -1;
	for (size_t i = 0; i < old.count; i++)
		if ((preserved_has(&here, old.paths[i]) ||
		     (!preserved_has(&ours, old.paths[i]) && preserved_holder(&here, old.paths[i]) != NULL)) &&
		    preserved_add(&left, old.paths[i], f) < 0)
			return -1;
	for (size_t i = 0; i < here.count; i++)
		if (!preserved_has(&ours, here.paths[i]) && preserved_add(&left, here.paths[i], f) < 0)
			return -1;
	return left.count == 0 && assign_value(before, preserved_key) == NULL ? assign_unset(now, preserved_key, f)
									      : preserved_set(now, &left, f);
}

static bool same_value(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* Restores the previous value of a key, or removes the key if it had none. */
static int key_restore(struct assign *now, const struct assign *before, const char *key, struct fault *f)
{
	const char *value = assign_value(before, key);
	bool changed;

	return value == NULL ? assign_unset(now, key, f) : assign_set(now, key, value, &changed, f);
}

static int assign_restore(const char *const *keys, const struct text *now, const struct wiring_record *record,
			  struct text *ret_text, struct fault *f)
{
	ASSIGN_AUTO a = { 0 };
	ASSIGN_AUTO before = { 0 };
	ASSIGN_AUTO after = { 0 };

	if (assign_parse(&a, text_string(now), now->length, f) < 0 ||
	    assign_parse(&before, text_string(&record->before), record->before.length, f) < 0 ||
	    assign_parse(&after, text_string(&record->after), record->after.length, f) < 0)
		return -1;
	for (; *keys != NULL; keys++) {
		const char *here = assign_value(&a, *keys), *ours = assign_value(&after, *keys);
		int r = 0;

		if (here == NULL || ours == NULL || same_value(assign_value(&before, *keys), ours))
			continue;
		if (same_value(here, ours))
			r = key_restore(&a, &before, *keys, f);
		else if (*keys == preserved_key)
			r = preserved_restore(&a, &before, &after, f);
		if (r < 0)
			return -1;
	}
	assign_print(&a, ret_text);
	return text_check(ret_text, f);
}

/* Removes our own entries, except those that were listed before us. */
static int conf_withdraw(const struct text *now, const struct wiring_record *record,
			 const struct wiring_options *options, struct text *ret_text, struct fault *f)
{
	ASSIGN_AUTO a = { 0 };
	ASSIGN_AUTO before = { 0 };
	PRESERVED_AUTO here = { 0 }, old = { 0 }, left = { 0 };

	if (assign_parse(&a, text_string(now), now->length, f) < 0 || preserved_of(&a, &here, f) < 0 ||
	    assign_parse(&before, text_string(&record->before), record->before.length, f) < 0 ||
	    preserved_of(&before, &old, f) < 0)
		return -1;
	for (size_t i = 0; i < here.count; i++) {
		const char *path = here.paths[i];
		const bool ours = preserved_within(path, SETTINGS_PREFIX) || is_unit_of_ours(path) ||
				  (strstr(path, "okv-luna") != NULL && preserved_has(&options->preserved, path));
		if ((!ours || preserved_has(&old, path)) && preserved_add(&left, path, f) < 0)
			return -1;
	}
	if (left.count != here.count && preserved_set(&a, &left, f) < 0)
		return -1;
	assign_print(&a, ret_text);
	return text_check(ret_text, f);
}

/*
 * Without a record, or with WIRE_WITHDRAW, removes the block and the entries of PRESERVED_FILES that only this product
 * needs (below SETTINGS_PREFIX, units, links to it), unless they were there before it; keys keep their values.
 */
static int wiring_remove(enum wiring_file file, const struct text *now, const struct wiring_record *record,
			 const struct wiring_options *options, struct text *ret_text, struct fault *f)
{
	const bool all = options->direction != WIRE_WITHDRAW || file == WIRING_MID;

	if (all && record->known && text_same(now, &record->after)) {
		text_add(ret_text, text_string(&record->before), record->before.length);
		return text_check(ret_text, f);
	}
	if (file == WIRING_MID)
		return midupgrade_remove(text_string(now), now->length, ret_text, f);
	if (all && record->known)
		return assign_restore(files[file].keys, now, record, ret_text, f);
	if (file == WIRING_CONF)
		return conf_withdraw(now, record, options, ret_text, f);
	text_add(ret_text, text_string(now), now->length);
	return text_check(ret_text, f);
}

/* A record's first line gives the lengths of the two versions that follow it. */
#define RECORD_HEAD "okv-luna wiring 1"

static void wiring_record_print(const struct wiring_record *r, struct text *out)
{
	text_add_format(out, RECORD_HEAD " before %zu after %zu\n", r->before.length, r->after.length);
	text_add(out, text_string(&r->before), r->before.length);
	text_add(out, text_string(&r->after), r->after.length);
}

static int wiring_record_parse(struct wiring_record *ret_record, const char *bytes, size_t length, struct fault *f)
{
	WIRING_RECORD_AUTO r = { .known = true };
	struct text_line head;
	size_t at = 0, before, after;
	int end = 0;

	if (!text_line_next(bytes, length, &at, &head) ||
	    sscanf(head.bytes, RECORD_HEAD " before %9zu after %9zu%n", &before, &after, &end) != 2 ||
	    (size_t)end != head.length || !head.ended || length - at != before + after)
		return fault_refused(f, "it is not a record of okv-luna, or it was cut off");
	text_add(&r.before, bytes + at, before);
	text_add(&r.after, bytes + at + before, after);
	if (text_check(&r.before, f) < 0 || text_check(&r.after, f) < 0)
		return -1;
	*ret_record = r;
	r = (struct wiring_record){ 0 };
	return 0;
}

/* Adds a line NAME: "old" -> "new" for each of our keys that changes. */
static int wiring_changes(enum wiring_file file, const struct text *now, const struct text *next,
			  struct text *ret_lines, struct fault *f)
{
	ASSIGN_AUTO a = { 0 };
	ASSIGN_AUTO b = { 0 };

	if (assign_parse(&a, text_string(now), now->length, f) < 0 ||
	    assign_parse(&b, text_string(next), next->length, f) < 0)
		return -1;
	for (const char *const *key = files[file].keys; *key != NULL; key++) {
		const char *old = assign_value(&a, *key), *new = assign_value(&b, *key);
		if (same_value(old, new) || (old == NULL && new == NULL))
			continue;
		assign_change_format(*key, old, new, ret_lines);
		text_add_char(ret_lines, '\n');
	}
	return text_check(ret_lines, f);
}

/* --- the three files ---------------------------------------------------------------------------------------------- */

/* The client's directory comes first: paths inside it need no entry of their own. */
static int options_make(const struct okv_job *job, enum direction direction, struct wiring_options *options,
			struct fault *f)
{
	const struct settings *s = job->settings;
	OKV_NEEDS_AUTO needs = { .items = NULL };
	const char *slash = strrchr(s->chrystoki_conf, '/');

	options->settings = s;
	options->direction = direction;
	if (okv_needs_find(job, &needs, f) < 0)
		return -1;
	for (size_t i = 0; i < needs.count; i++)
		if (needs.items[i].listable && preserved_add(&options->preserved, needs.items[i].path, f) < 0)
			return -1;
	if (preserved_add(&options->preserved, s->pkcs11_lib, f) < 0 ||
	    okv_links_preserve(job, &options->preserved, f) < 0)
		return -1;
	preserved_reduce(&options->preserved);
	text_add(&options->config_directory, s->chrystoki_conf,
		 slash == s->chrystoki_conf ? 1 : (size_t)(slash - s->chrystoki_conf));
	return text_check(&options->config_directory, f);
}

struct file_work {
	const struct okv_job *job;
	const struct wiring_options *wanted;
	enum wiring_file file;
	struct text before;  /* the file without our part, from the last call of change */
	struct text changes; /* what that call changes, NAME: "old" -> "new" */
};

/* Without a record, or with a damaged one, nothing is known, and only what is certainly ours is removed. */
static int record_read(const struct file_work *w, struct wiring_record *ret_record, struct fault *f)
{
	TEXT_AUTO bytes = { 0 };
	struct fault cause = { 0 };
	const char *path = files[w->file].record;

	if (fs_read_file(w->job->root, path, FS_FOLLOW_TRUSTED, 4 * FS_READ_CONFIG_MAX, &bytes, NULL, &cause) == 0 &&
	    wiring_record_parse(ret_record, text_string(&bytes), bytes.length, &cause) == 0)
		return 0;
	if (cause.kind == FAULT_ABSENT)
		return 0;
	if (cause.kind == FAULT_SYSTEM) {
		*f = cause;
		return -1;
	}
	report_say(w->job->report, REPORT_WARNING, "%s: %s; continuing without it", path, cause.text);
	return 0;
}

/*
 * May `next` replace `now`?  FAULT_REFUSED: no shell can parse `now`, or one that can parse `now` cannot parse `next`.
 * Without a shell to ask: yes.
 */
static int script_compare(const struct text *now, const struct text *next, struct fault *f)
{
	struct okv_shell before, after;

	if (okv_shell_ask(now, OKV_SHELL_ALL, &before, f) < 0)
		return -1;
	if (before.asked != 0 && before.agreed == 0)
		return fault_refused(
			f,
			"no shell can read it (%s), so OKV's upgrade would run only part of it; 'okv-luna config "
			"check' shows where",
			before.complaint);
	if (okv_shell_ask(next, OKV_SHELL_ALL, &after, f) < 0)
		return -1;
	if ((before.agreed & ~after.agreed) != 0)
		return fault_refused(f, "after the change a shell could not read it (%s), so it is left as it is",
				     after.complaint);
	return 0;
}

static int apply_change(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	struct file_work *w = context;
	WIRING_RECORD_AUTO record = { 0 };
	TEXT_AUTO direct = { 0 };
	TEXT_AUTO next = { 0 };

	if (wiring_apply(w->file, now, w->wanted, &direct, f) < 0) {
		struct fault unreadable = { 0 };
		/* The block finds no place in a script that no shell can parse; then that is the reason to give. */
		if (w->file == WIRING_MID && f->kind == FAULT_REFUSED && script_compare(now, now, &unreadable) < 0)
			*f = unreadable;
		return -1;
	}
	if (text_same(&direct, now)) {
		text_add(ret_text, text_string(now), now->length);
		return 0;
	}
	/* First undo what an earlier run did with other settings; otherwise it would stay for ever. */
	text_cut(&w->before, 0);
	if (record_read(w, &record, f) < 0)
		return -1;
	if (record.known) {
		if (wiring_remove(w->file, now, &record, w->wanted, &w->before, f) < 0)
			return -1;
	} else {
		text_add(&w->before, text_string(now), now->length);
	}
	if (text_check(&w->before, f) < 0 || wiring_apply(w->file, &w->before, w->wanted, &next, f) < 0)
		return -1;
	if (w->file == WIRING_MID && script_compare(now, &next, f) < 0)
		return -1;
	text_add(ret_text, text_string(&next), next.length);
	text_cut(&w->changes, 0);
	return wiring_changes(w->file, now, &next, &w->changes, f);
}

static int apply_announce(void *context, const struct text *now, const struct text *next, struct fault *f)
{
	struct file_work *w = context;
	const struct wiring_record record = { .known = true, .before = w->before, .after = *next };
	TEXT_AUTO bytes = { 0 };

	(void)now;
	wiring_record_print(&record, &bytes);
	return okv_record_write(w->job->root, files[w->file].record, &bytes, f);
}

static int remove_change(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	struct file_work *w = context;
	WIRING_RECORD_AUTO record = { 0 };

	if (record_read(w, &record, f) < 0 || wiring_remove(w->file, now, &record, w->wanted, ret_text, f) < 0)
		return -1;
	if (w->file == WIRING_MID && !text_same(now, ret_text))
		return script_compare(now, ret_text, f);
	text_cut(&w->changes, 0);
	return wiring_changes(w->file, now, ret_text, &w->changes, f);
}

/* Keeps the first failure, to be returned; reports any other now. */
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

static void lines_report(const struct okv_job *job, const struct text *lines)
{
	struct text_line line;

	for (size_t at = 0; text_line_next(lines->bytes, lines->length, &at, &line);)
		okv_job_report(job, "%.*s", (int)line.length, line.bytes);
}

static void file_edit(const struct okv_job *job, const struct wiring_options *wanted, enum wiring_file file,
		      struct okv_outcome *outcome, struct fault *first)
{
	static const char *const words[] = { [WIRE_IN] = "wired",
					     [WIRE_OUT] = "restored as it was before wiring",
					     [WIRE_WITHDRAW] = "okv-luna's part removed; OKV still finds its HSM" };
	const bool apply = wanted->direction == WIRE_IN;
	struct file_work work = { .job = job, .wanted = wanted, .file = file };
	const struct okv_edit edit = {
		.path = files[file].path,
		.change = apply ? apply_change : remove_change,
		.announce = apply ? apply_announce : NULL,
		.context = &work,
	};
	struct fault now = { 0 };
	bool changed = false;

	if (okv_edit(job, &edit, &changed, &now) < 0 && (apply || now.kind != FAULT_ABSENT)) {
		failure_keep(job, outcome, &now, first);
	} else {
		/*
		 * A record says that the file is wired, so undoing ends with its removal, also if OKV's file is
		 * missing.  WIRE_WITHDRAW leaves our values in the files, so it keeps the record of the previous ones.
		 */
		const bool over = wanted->direction == WIRE_OUT || (!apply && file == WIRING_MID);
		if (over && job->mode == OKV_APPLY && okv_record_remove(job->root, files[file].record, &now) < 0)
			failure_keep(job, outcome, &now, first);
		if (changed) {
			outcome->files++;
			lines_report(job, &work.changes);
			okv_job_report(job, "%s: %s", files[file].path, words[wanted->direction]);
		}
	}
	text_done(&work.before);
	text_done(&work.changes);
}

static void files_edit(const struct okv_job *job, enum direction direction, struct okv_outcome *outcome,
		       struct fault *first)
{
	__attribute__((cleanup(wiring_options_done))) struct wiring_options wanted = { .settings = NULL };
	struct fault now = { 0 };

	if (options_make(job, direction, &wanted, &now) < 0) {
		failure_keep(job, outcome, &now, first);
		return;
	}
	for (enum wiring_file file = WIRING_CONF; file <= WIRING_MID; file++)
		file_edit(job, &wanted, file, outcome, first);
}

/* Another vendor's library in use is not replaced unasked, and the files are not left half one vendor's. */
static int vendor_check(const struct okv_job *job, struct fault *f)
{
	bool other;

	if (job->vendor == OKV_REPLACE_VENDOR)
		return 0;
	if (okv_vendor_find(job, &other, f) < 0)
		return -1;
	return other ? fault_refused(f,
				     OKV_CONF ": OKV uses another vendor's library, which is there; 'okv-luna config "
					      "wire --replace-vendor' puts Luna's in its place")
		     : 0;
}

/* If all three files are missing, one sentence is enough. */
static int files_find(const struct okv_job *job, struct fault *f)
{
	if (fs_exists(job->root, OKV_CONF) || fs_exists(job->root, OKV_ENV) || fs_exists(job->root, OKV_MID))
		return 0;
	return fault_absent(
		f, "%s '" SETTINGS_GENERIC "'; put OKV's own files back, as another node of this release has them",
		fs_exists(job->root, SETTINGS_GENERIC) ? "none of OKV's three files is in" : "there is no directory");
}

int okv_wiring_apply(const struct okv_job *job, struct okv_outcome *ret_outcome, struct fault *f)
{
	struct okv_outcome outcome = OKV_OUTCOME_INIT;
	struct fault first = { 0 }, now = { 0 };

	if (okv_scope_find(job->root, job->settings, &outcome.scope, f) < 0)
		return -1;
	if (outcome.scope == OKV_SCOPE_GENERIC && vendor_check(job, f) < 0)
		return -1;
	if (okv_links_make(job, &outcome, &now) < 0)
		failure_keep(job, &outcome, &now, &first);
	/* After the links: what PRESERVED_FILES lists has to exist. */
	if (outcome.scope == OKV_SCOPE_GENERIC && files_find(job, &now) < 0)
		failure_keep(job, &outcome, &now, &first);
	else if (outcome.scope == OKV_SCOPE_GENERIC)
		files_edit(job, WIRE_IN, &outcome, &first);
	*ret_outcome = outcome;
	return finish(&outcome, &first, f);
}

/* Was this node wired?  A record or the block shows it; if not, the entries of PRESERVED_FILES are somebody else's. */
static int node_was_wired(const struct okv_job *job, bool *ret_wired, struct fault *f)
{
	enum okv_wiring wiring;
	TEXT_AUTO script = { 0 };
	struct fault cause = { 0 };

	if (okv_wiring_find(job->root, &wiring, f) < 0)
		return -1;
	if (wiring == OKV_WIRING_NONE && fs_read_config(job->root, OKV_MID, &script, &cause) < 0 &&
	    fs_absence(&cause, f) < 0)
		return -1;
	*ret_wired = wiring != OKV_WIRING_NONE || strstr(text_string(&script), MIDUPGRADE_BEGIN) != NULL;
	return 0;
}

static int wiring_remove_files(const struct okv_job *job, enum direction direction, struct okv_outcome *ret_outcome,
			       struct fault *f)
{
	bool wired;
	struct okv_outcome outcome = OKV_OUTCOME_INIT;
	struct fault first = { 0 }, now = { 0 };

	if (okv_scope_find(job->root, job->settings, &outcome.scope, f) < 0)
		return -1;
	if (node_was_wired(job, &wired, f) < 0)
		return -1;
	/* Before the links are removed: they tell which entries of PRESERVED_FILES are ours. */
	if (outcome.scope != OKV_SCOPE_NO_INTERFACE && wired)
		files_edit(job, direction, &outcome, &first);
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

	for (enum wiring_file file = WIRING_CONF; file <= WIRING_MID; file++) {
		bool *there = file == WIRING_MID ? &rest : &values;
		if (!*there && fs_existence(root, files[file].record, there, f) < 0)
			return -1;
	}
	if (!rest && fs_existence(root, OKV_RECORD_LINKS, &rest, f) < 0)
		return -1;
	*ret_wiring = rest ? OKV_WIRING_APPLIED : values ? OKV_WIRING_WITHDRAWN : OKV_WIRING_NONE;
	return 0;
}
