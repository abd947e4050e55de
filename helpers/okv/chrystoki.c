#include "okv/chrystoki.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/preserved.h"
#include "fs/handle.h"
#include "fs/read.h"
#include "okv/edit.h"

int okv_chrystoki_read(const struct okv_job *job, struct chrystoki *ret_chrystoki, struct fault *f)
{
	__attribute__((cleanup(text_done_secret))) struct text bytes = { 0 };

	if (fs_read_config(job->root, job->settings->chrystoki_conf, &bytes, f) < 0)
		return -1;
	return chrystoki_parse(ret_chrystoki, text_string(&bytes), bytes.length, f);
}

int okv_chrystoki_get(const struct okv_job *job, const char *section, const char *key, char **ret_value,
		      struct fault *f)
{
	CHRYSTOKI_AUTO conf = { 0 };
	ptrdiff_t first;

	if (okv_chrystoki_read(job, &conf, f) < 0)
		return -1;
	const size_t count = chrystoki_entries(&conf, section, key, &first);
	if (count == 0)
		return fault_negative(f, "'%s' is not set in section '%s'", SHOWN(key), SHOWN(section));
	if (count > 1)
		return fault_refused(
			f, "'%s' stands %zu times in section '%s', and which one the library reads is not known",
			SHOWN(key), count, SHOWN(section));
	return chrystoki_get(&conf, section, key, ret_value, f);
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

struct merging {
	const struct okv_job *job;
	const struct okv_chrystoki_merge *wanted;
	struct chrystoki from; /* with the certificates' paths where they will be */
};

/* The service client's files lie where the caller says, outside the root if need be: input, not the system. */
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

/* *ret_directory: where the file lies, links resolved. */
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

static const char *leaf_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

static int bytes_change(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	const struct text *bytes = context;

	(void)now;
	text_add(ret_text, text_string(bytes), bytes->length);
	return text_check(ret_text, f);
}

/* Copies one certificate; it must look like one, so that no other file is made readable by a crafted path. */
static int certificate_copy(const struct okv_job *job, const char *from, const char *to, bool *ret_changed,
			    struct fault *f)
{
	TEXT_AUTO bytes = { 0 };
	const struct okv_edit edit = { .path = to, .change = bytes_change, .context = &bytes, .create = 0644 };
	bool changed;

	if (input_read(from, "certificate ", &bytes, f) < 0)
		return -1;
	if (strstr(text_string(&bytes), "-----BEGIN CERTIFICATE-----") == NULL ||
	    strstr(text_string(&bytes), "PRIVATE KEY") != NULL)
		return fault_refused(f, "'%s' holds no certificate alone, and is not copied", SHOWN(from));
	if (okv_edit(job, &edit, &changed, f) < 0)
		return -1;
	if (changed)
		okv_job_tell(job, "%s -> %s", SHOWN(from), SHOWN(to));
	*ret_changed = *ret_changed || changed;
	return 0;
}

static bool section_wanted(const struct okv_chrystoki_merge *wanted, const char *section)
{
	for (size_t i = 0; i < wanted->section_count; i++)
		if (strcmp(wanted->sections[i], section) == 0)
			return true;
	return false;
}

/* One of the three entries: its file copied, its value turned to the copy. */
static int certificate_bring(struct merging *m, size_t which, const char *directory, bool *ret_changed, struct fault *f)
{
	const char *section = certificates[which].section, *key = certificates[which].key;
	TEXT_AUTO from = { 0 };
	TEXT_AUTO to = { 0 };
	char *value = NULL;
	bool changed;

	if (!section_wanted(m->wanted, section))
		return 0;
	if (chrystoki_get(&m->from, section, key, &value, f) < 0)
		return -1;
	if (value == NULL || value[0] == '\0' || (value[0] == '/' && !preserved_within(value, directory))) {
		free(value);
		return 0;
	}
	const char *relative = text_starts(value, "./") ? value + 2 : value;
	if (value[0] == '/')
		text_add_string(&from, value);
	else
		text_add_format(&from, "%s/%s", directory, relative);
	text_add_format(&to, "%s/cert/%s", m->job->settings->client_dir, leaf_of(value));
	free(value);
	if (text_check(&from, f) < 0 || text_check(&to, f) < 0)
		return -1;
	if (certificate_copy(m->job, text_string(&from), text_string(&to), ret_changed, f) < 0)
		return -1;
	return chrystoki_set(&m->from, section, key, text_string(&to), &changed, f);
}

static int merge_change(void *context, struct chrystoki *conf, struct fault *f)
{
	const struct merging *m = context;
	bool changed;

	for (size_t i = 0; i < m->wanted->section_count; i++)
		if (chrystoki_merge(conf, &m->from, m->wanted->sections[i], &changed, f) < 0)
			return -1;
	if (m->wanted->plugin_directory == NULL)
		return 0;
	return chrystoki_set(conf, "Misc", "PluginModuleDir", m->wanted->plugin_directory, &changed, f);
}

static bool sections_there(const struct chrystoki *c, const struct okv_chrystoki_merge *wanted)
{
	ptrdiff_t line;

	for (size_t i = 0; i < wanted->section_count; i++)
		if (chrystoki_sections(c, wanted->sections[i], &line) == 0)
			return false;
	return true;
}

/* As setenv reads them: what Chrystoki.conf lacks is in Chrystoki-base.conf beside it, and one entry is taken apart. */
static int from_read(struct merging *m, struct text *ret_directory, struct fault *f)
{
	__attribute__((cleanup(text_done_secret))) struct text bytes = { 0 };
	__attribute__((cleanup(text_done_secret))) struct text base_bytes = { 0 };
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
	/* What would be refused is refused before the first copy. */
	if (r == 0)
		r = okv_chrystoki_edit(&plan, merge_change, &m, &edited, f);
	for (size_t i = 0; r == 0 && i < CERTIFICATE_COUNT; i++)
		r = certificate_bring(&m, i, text_string(&directory), &copied, f);
	if (r == 0)
		r = okv_chrystoki_edit(job, merge_change, &m, &edited, f);
	chrystoki_done(&m.from);
	if (r < 0)
		return -1;
	if (edited)
		okv_job_tell(job, "%s: merged", job->settings->chrystoki_conf);
	*ret_changed = copied || edited;
	return 0;
}
