/*
 * okv/chrystoki: the Chrystoki.conf that okv-luna.conf names, read and edited.
 */
#ifndef OKV_OKV_CHRYSTOKI_H
#define OKV_OKV_CHRYSTOKI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "conf/chrystoki.h"
#include "okv/job.h"

int okv_chrystoki_read(const struct okv_job *job, struct chrystoki *ret_chrystoki, struct fault *f);
/* Adds the value.  FAULT_NEGATIVE: the key is not set in that section; FAULT_REFUSED: it stands more than once. */
int okv_chrystoki_get(const struct okv_job *job, const char *section, const char *key, struct text *ret_value,
		      struct fault *f);
/* One okv_edit of the whole file; `change` edits the model, and may be called several times. */
int okv_chrystoki_edit(const struct okv_job *job, int (*change)(void *context, struct chrystoki *conf, struct fault *f),
		       void *context, bool *ret_changed, struct fault *f);

struct okv_chrystoki_merge {
	const char *file; /* as the caller names it: absolute, or from the working directory */
	const char *const *sections;
	size_t section_count;
	const char *plugin_directory; /* NULL, or the value for Misc.PluginModuleDir */
};

/*
 * Sections of another Chrystoki.conf brought into ours, as for a Cloud HSM service beside a Luna HSM.  They are merged
 * (conf/chrystoki), and exactly three entries are repointed where they lead into the directory of the file they come
 * from (or are relative, which means the same, or to what is not on this machine, which means the file of that name
 * beside it, and is said): XTC.PartitionCAPath, XTC.PartitionCertPath00 and REST.SSLClientSideVerifyFile.  Their files
 * are copied into CLIENT_DIR/cert/ first (0644: they are certificates), so that at no instant our file names one that
 * is not there; a different file of that name is kept as a backup.  A path that leads elsewhere stays as it is; one
 * that leads nowhere on this machine is a warning.
 *
 * Whole or not at all: every file is read, and the edit tried, before the first copy; a failure after that takes new
 * copies away.  FAULT_ABSENT: the file, a section or a certificate it names is not there.  FAULT_REFUSED: the file is
 * cut off inside a section.
 */
int okv_chrystoki_merge(const struct okv_job *job, const struct okv_chrystoki_merge *merge, bool *ret_changed,
			struct fault *f);

#endif
