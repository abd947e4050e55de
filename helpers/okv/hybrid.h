/*
 * okv/hybrid: sections of another Chrystoki.conf brought into ours, as for a Cloud HSM service beside a Luna HSM.
 *
 * Promise: the sections are merged (conf/chrystoki), and exactly three entries are repointed where they lead into the
 * directory of the file they come from (or are relative, which means the same): XTC.PartitionCAPath,
 * XTC.PartitionCertPath00 and REST.SSLClientSideVerifyFile.  Their files are copied into CLIENT_DIR/cert/ first (0644:
 * they are certificates), so that at no instant our file names one that is not there; a different file of that name is
 * kept as a backup.  A path that leads elsewhere stays as it is.
 */
#ifndef OKV_OKV_HYBRID_H
#define OKV_OKV_HYBRID_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "okv/job.h"

struct okv_hybrid {
	const char *file; /* as the caller names it: absolute, or from the working directory */
	const char *const *sections;
	size_t section_count;
	const char *plugin_directory; /* NULL, or the value for Misc.PluginModuleDir */
};

/* FAULT_ABSENT: the file, a section or a certificate it names is not there. */
int okv_hybrid(const struct okv_job *job, const struct okv_hybrid *hybrid, bool *ret_changed, struct fault *f);

#endif
