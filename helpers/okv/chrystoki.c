#include "okv/chrystoki.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/pem.h"
#include "conf/preserved.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/edit.h"

int okv_chrystoki_read(const struct okv_job *job, struct chrystoki *ret_chrystoki, struct fault *f)
{
	TEXT_SECRET_AUTO bytes = { 0 };

	if (fs_read_config(job->root, job->settings->chrystoki_conf, &bytes, f) < 0)
		return -1;
	return chrystoki_parse(ret_chrystoki, text_string(&bytes), bytes.length, f);
}

int okv_chrystoki_get(const struct okv_job *job, const char *section, const char *key, struct text *ret_value,
		      struct fault *f)
{
	CHRYSTOKI_AUTO conf = { 0 };
	ptrdiff_t first;

	if (okv_chrystoki_read(job, &conf, f) < 0)
		return -1;
	if (chrystoki_sections(&conf, section, &first) == 0)
		return fault_negative(f, "there is no section '%s' in %s", SHOWN(section),
				      SHOWN(job->settings->chrystoki_conf));
	const size_t count = chrystoki_entries(&conf, section, key, &first);
	if (count == 0)
		return fault_negative(f, "'%s' is not set in section '%s'", SHOWN(key), SHOWN(section));
	if (count > 1)
		return fault_refused(
			f,
			"'%s' is set %zu times in section '%s', and it is not known which one the library reads; keep "
			"one of them",
			SHOWN(key), count, SHOWN(section));
	text_add_string(ret_value, conf.lines[first].value);
	return text_check(ret_value, f);
}

struct model_edit {
	int (*change)(void *context, struct chrystoki *conf, struct fault *f);
	void *context;
};

static int model_change(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	const struct model_edit *edit = context;
	CHRYSTOKI_AUTO conf = { 0 };

	if (chrystoki_parse(&conf, text_string(now), now->length, f) < 0 || edit->change(edit->context, &conf, f) < 0)
		return -1;
	chrystoki_print(&conf, ret_text);
	return text_check(ret_text, f);
}

int okv_chrystoki_edit(const struct okv_job *job, int (*change)(void *context, struct chrystoki *conf, struct fault *f),
		       void *context, bool *ret_changed, struct fault *f)
{
	struct model_edit model = { .change = change, .context = context };
	const struct okv_edit edit = { .path = job->settings->chrystoki_conf,
				       .change = model_change,
				       .context = &model };

	return okv_edit(job, &edit, ret_changed, f);
}

/* --- merging ------------------------------------------------------------------------------------------------------ */

static const struct {
	const char *section, *key;
} certificates[] = {
	{ "XTC", "PartitionCAPath" },
	{ "XTC", "PartitionCertPath00" },
	{ "REST", "SSLClientSideVerifyFile" },
};

enum { CERTIFICATE_COUNT = sizeof(certificates) / sizeof(certificates[0]) };

struct copy {
	struct text from, to, bytes; /* `to` is empty if nothing is copied */
	bool created, changed;
};

struct merging {
	const struct okv_job *job;
	const struct okv_chrystoki_merge *wanted;
	struct chrystoki from; /* its certificate entries changed to the copies */
	struct copy copies[CERTIFICATE_COUNT];
};

/* Reads a file of the service's client.  It is the caller's input, so its path is not one below the root. */
static int input_read(const char *path, const char *kind, struct text *ret_text, struct fault *f)
{
	FS_AUTO int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;

	if (fd < 0)
		return fault_errno(f, errno, "cannot open %s'%s'", kind, SHOWN(path));
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return fault_refused(f, "%s'%s' is not a regular file", kind, SHOWN(path));
	return fs_read(fd, path, FS_READ_CONFIG_MAX, ret_text, f);
}

/* *ret_directory: the file's directory, with links resolved. */
static int source_read(const char *file, struct text *ret_text, struct text *ret_directory, struct fault *f)
{
	char *resolved = realpath(file, NULL);

	if (resolved == NULL)
		return fault_errno(f, errno, "cannot open '%s'", SHOWN(file));
	text_add(ret_directory, resolved, (size_t)(strrchr(resolved, '/') - resolved));
	const int r = text_check(ret_directory, f) < 0 ? -1 : input_read(resolved, "", ret_text, f);
	free(resolved);
	return r;
}

static int bytes_change(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	const struct text *bytes = context;

	(void)now;
	text_add(ret_text, text_string(bytes), bytes->length);
	return text_check(ret_text, f);
}

static bool section_wanted(const struct okv_chrystoki_merge *wanted, const char *section)
{
	for (size_t i = 0; i < wanted->section_count; i++)
		if (strcmp(wanted->sections[i], section) == 0)
			return true;
	return false;
}

static bool is_here(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0;
}

/*
 * Finds the certificate to copy for an entry; *ret_from stays empty if the entry is kept as it is.  For a path of
 * another machine it is the file of that name beside the merged one.
 */
static int certificate_find(const struct merging *m, size_t which, const char *directory, struct text *ret_from,
			    struct text *ret_leaf, struct fault *f)
{
	size_t line;
	const char *value = chrystoki_value(&m->from, certificates[which].section, certificates[which].key, &line);

	if (value == NULL || value[0] == '\0' || !section_wanted(m->wanted, certificates[which].section))
		return 0;
	const bool full = value[0] == '/';
	const bool away = full && !is_here(value);
	if (!full || away || preserved_within(value, directory)) {
		text_add_string(ret_leaf, text_leaf(value));
		if (full && !away)
			text_add_string(ret_from, value);
		else
			text_add_format(ret_from, "%s/%s", directory,
					away                       ? text_leaf(value)
					: text_starts(value, "./") ? value + 2
								   : value);
	}
	if (text_check(ret_from, f) < 0 || text_check(ret_leaf, f) < 0)
		return -1;
	if (away && !is_here(text_string(ret_from)))
		return fault_absent(f,
				    "%s of section %s leads to '%s', which is not on this machine, nor beside the "
				    "file; nothing is merged",
				    certificates[which].key, certificates[which].section, SHOWN(value));
	if (away)
		report_say(m->job->report, REPORT_WARNING,
			   "%s of section %s leads to '%s', which is not on this machine; '%s' is used instead",
			   certificates[which].key, certificates[which].section, SHOWN(value),
			   SHOWN(text_string(ret_from)));
	return 0;
}

/* Reads the certificate of one of the three entries, and changes the entry to the path of the future copy. */
static int certificate_read(struct merging *m, size_t which, const char *directory, struct fault *f)
{
	struct text *bytes = &m->copies[which].bytes, *to = &m->copies[which].to, *from = &m->copies[which].from;
	TEXT_AUTO leaf = { 0 };
	PEM_AUTO pem = { .cut = false };

	if (certificate_find(m, which, directory, from, &leaf, f) < 0)
		return -1;
	if (from->length == 0)
		return 0;
	if (input_read(text_string(from), "certificate ", bytes, f) < 0 ||
	    pem_read(&pem, text_string(bytes), bytes->length, PEM_CERTIFICATE, f) < 0)
		return -1;
	/* Copies are readable by everybody: a crafted path must not expose another file. */
	if (!pem.held[PEM_CERTIFICATE] || pem.held[PEM_KEY] || pem.cut)
		return fault_refused(f, "'%s' holds something other than certificates, and is not copied",
				     SHOWN(text_string(from)));
	text_add_format(to, "%s/cert/%s", m->job->settings->client_dir, text_string(&leaf));
	return text_check(to, f) < 0 ? -1
				     : chrystoki_set(&m->from, certificates[which].section, certificates[which].key,
						     text_string(to), f);
}

static int certificate_write(struct merging *m, size_t which, struct fault *f)
{
	struct copy *copy = &m->copies[which];
	const struct okv_edit edit = {
		.path = text_string(&copy->to), .change = bytes_change, .context = &copy->bytes, .create = 0644
	};

	if (copy->to.length == 0)
		return 0;
	copy->created = !fs_exists(m->job->root, text_string(&copy->to));
	if (okv_edit(m->job, &edit, &copy->changed, f) < 0)
		return -1;
	if (copy->changed)
		okv_job_report(m->job, "%s -> %s", SHOWN(text_string(&copy->from)), SHOWN(text_string(&copy->to)));
	return 0;
}

/* Removes the copies that this run created. */
static void certificates_remove(struct merging *m)
{
	for (size_t i = 0; i < CERTIFICATE_COUNT && m->job->mode == OKV_APPLY; i++) {
		struct fault ignored = { 0 };
		if (m->copies[i].created && m->copies[i].changed)
			(void)okv_record_remove(m->job->root, text_string(&m->copies[i].to), &ignored);
	}
}

static bool is_certificate(const struct chrystoki_line *line)
{
	for (size_t i = 0; i < CERTIFICATE_COUNT; i++)
		if (chrystoki_is_named(line, certificates[i].key))
			return true;
	return false;
}

/* Refuses a file that is cut off; warns of paths that do not exist, except those of certificates, read separately. */
static int source_check(const struct merging *m, struct fault *f)
{
	for (size_t i = 0; i < m->from.count; i++) {
		const struct chrystoki_line *line = &m->from.lines[i];

		if ((line->flaws & (CHRYSTOKI_FLAW_NOT_CLOSED | CHRYSTOKI_FLAW_HEADER)) != 0)
			return fault_refused(
				f, "the file to merge from, line %zu: %s; it may be cut off, and nothing is merged",
				i + 1, chrystoki_flaw_text(line->flaws));
		if (line->within != NULL && !is_certificate(line) && line->value[0] == '/' &&
		    section_wanted(m->wanted, line->within) && !is_here(line->value))
			report_say(m->job->report, REPORT_WARNING,
				   "%s of section %s leads to '%s', which is not on this machine", SHOWN(line->name),
				   SHOWN(line->within), SHOWN(line->value));
	}
	return 0;
}

static int merge_change(void *context, struct chrystoki *conf, struct fault *f)
{
	const struct merging *m = context;

	for (size_t i = 0; i < m->wanted->section_count; i++)
		if (chrystoki_merge(conf, &m->from, m->wanted->sections[i], f) < 0)
			return -1;
	if (m->wanted->plugin_directory == NULL)
		return 0;
	return chrystoki_set(conf, "Misc", "PluginModuleDir", m->wanted->plugin_directory, f);
}

static bool sections_there(const struct chrystoki *c, const struct okv_chrystoki_merge *wanted)
{
	ptrdiff_t line;

	for (size_t i = 0; i < wanted->section_count; i++)
		if (chrystoki_sections(c, wanted->sections[i], &line) == 0)
			return false;
	return true;
}

/* Like setenv, takes missing sections from Chrystoki-base.conf beside the file, and splits the partition's entry. */
static int from_read(struct merging *m, struct text *ret_directory, struct fault *f)
{
	TEXT_SECRET_AUTO bytes = { 0 };
	TEXT_SECRET_AUTO base_bytes = { 0 };
	CHRYSTOKI_AUTO base = { 0 };
	TEXT_AUTO path = { 0 };

	if (source_read(m->wanted->file, &bytes, ret_directory, f) < 0 ||
	    chrystoki_parse(&m->from, text_string(&bytes), bytes.length, f) < 0)
		return -1;
	text_add_format(&path, "%s/Chrystoki-base.conf", text_string(ret_directory));
	if (!sections_there(&m->from, m->wanted) && access(text_string(&path), F_OK) == 0) {
		if (input_read(text_string(&path), "", &base_bytes, f) < 0 ||
		    chrystoki_parse(&base, text_string(&base_bytes), base_bytes.length, f) < 0)
			return -1;
		if (sections_there(&base, m->wanted)) {
			const struct chrystoki other = m->from;
			m->from = base;
			base = other;
		}
	}
	return chrystoki_split_partition(&m->from, f);
}

int okv_chrystoki_merge(const struct okv_job *job, const struct okv_chrystoki_merge *merge, bool *ret_changed,
			struct fault *f)
{
	struct merging m = { .job = job, .wanted = merge };
	const struct okv_job plan = { .root = job->root, .settings = job->settings, .mode = OKV_PLAN };
	TEXT_AUTO directory = { 0 };
	bool copied = false, edited = false;

	int r = from_read(&m, &directory, f);
	if (r == 0)
		r = source_check(&m, f);
	/* All or nothing: find everything that is missing or would be refused before the first copy. */
	for (size_t i = 0; r == 0 && i < CERTIFICATE_COUNT; i++)
		r = certificate_read(&m, i, text_string(&directory), f);
	if (r == 0)
		r = okv_chrystoki_edit(&plan, merge_change, &m, &edited, f);
	for (size_t i = 0; r == 0 && i < CERTIFICATE_COUNT; i++)
		r = certificate_write(&m, i, f);
	if (r == 0)
		r = okv_chrystoki_edit(job, merge_change, &m, &edited, f);
	if (r < 0)
		certificates_remove(&m);
	chrystoki_done(&m.from);
	for (size_t i = 0; i < CERTIFICATE_COUNT; i++) {
		copied = copied || m.copies[i].changed;
		text_done(&m.copies[i].from);
		text_done(&m.copies[i].to);
		text_done(&m.copies[i].bytes);
	}
	if (r < 0)
		return -1;
	if (edited)
		okv_job_report(job, "%s: merged", job->settings->chrystoki_conf);
	*ret_changed = copied || edited;
	return 0;
}
