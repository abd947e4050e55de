/*
 * okv/chrystoki: reads, edits and merges the Chrystoki.conf that okv-luna.conf names.
 */
#ifndef OKV_OKV_CHRYSTOKI_H
#define OKV_OKV_CHRYSTOKI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "conf/chrystoki.h"
#include "okv/job.h"

int okv_chrystoki_read(const struct okv_job *job, struct chrystoki *ret_chrystoki, struct fault *f);
/* Adds the value.  FAULT_NEGATIVE: the key is not set in that section; FAULT_REFUSED: it is set more than once. */
int okv_chrystoki_get(const struct okv_job *job, const char *section, const char *key, struct text *ret_value,
		      struct fault *f);
/* Edits the file by okv_edit; `change` edits the parsed file, and may be called several times. */
int okv_chrystoki_edit(const struct okv_job *job, int (*change)(void *context, struct chrystoki *conf, struct fault *f),
		       void *context, bool *ret_changed, struct fault *f);

struct okv_chrystoki_merge {
	const char *file; /* absolute or relative to the working directory; not below the root */
	const char *const *sections;
	size_t section_count;
	const char *plugin_directory; /* NULL, or the value for Misc.PluginModuleDir */
};

/*
 * Merges sections of another Chrystoki.conf into ours (conf/chrystoki), for example to add a Cloud HSM service to a
 * Luna HSM.  Three entries name certificates: XTC.PartitionCAPath, XTC.PartitionCertPath00 and
 * REST.SSLClientSideVerifyFile.  A certificate is copied to CLIENT_DIR/cert/ (0644), and the entry changed to the copy,
 * if its path is relative or in the directory of `file`; or if it does not exist on this machine: then the file of that
 * name beside `file` is used, with a warning.  Copies come first, so that our file never names one that does not exist;
 * a different file of that name is backed up.  Any other path stays as it is; a warning names those that do not exist.
 *
 * All or nothing: every file is read, and the edit tried, before the first copy; a failure after that removes new
 * copies.  FAULT_ABSENT: the file, a section or a certificate is missing.  FAULT_REFUSED: the file ends inside a
 * section.
 */
int okv_chrystoki_merge(const struct okv_job *job, const struct okv_chrystoki_merge *merge, bool *ret_changed,
			struct fault *f);

#endif
