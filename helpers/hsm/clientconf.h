/*
 * hsm/clientconf: Chrystoki.conf where the library will look for it.
 *
 * Promise: ChrystokiConfigurationPath of OKV's environment names its directory, without which it is /etc.  What is not
 * there, or cannot be read by root even, is an empty model.
 */
#ifndef OKV_HSM_CLIENTCONF_H
#define OKV_HSM_CLIENTCONF_H

#include "base/fault.h"
#include "base/text.h"
#include "conf/chrystoki.h"
#include "hsm/library.h"

struct hsm_clientconf {
	char *path;        /* owned */
	struct text bytes; /* may hold the secret of the cloud service */
	struct chrystoki model;
};

#define HSM_CLIENTCONF_AUTO __attribute__((cleanup(hsm_clientconf_done))) struct hsm_clientconf

void hsm_clientconf_done(struct hsm_clientconf *conf);
/* Fails for lack of memory only. */
int hsm_clientconf_read(int root, const struct hsm_environment *environment, struct hsm_clientconf *ret_conf,
			struct fault *f);

#endif
