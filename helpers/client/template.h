/*
 * client/template: Chrystoki.conf from what the archive brings.
 *
 * Promise: gives the archive's own file (Chrystoki-template.conf of the minimal client, Chrystoki.conf of the cloud
 * service's zip) with every path made absolute and to the places of client/layout, as the guide's steps and the
 * vendor's setenv do it; everything else stays byte for byte.  Reads the new tree only to see where a file lies.
 */
#ifndef OKV_CLIENT_TEMPLATE_H
#define OKV_CLIENT_TEMPLATE_H

#include <stdbool.h>

#include "archive/unpack.h"
#include "base/fault.h"
#include "base/report.h"
#include "base/text.h"
#include "client/kind.h"

/* Do the archives bring one? */
bool client_template_brought(const struct unpack *entries, const struct client_content *content);
/* `client`: the new tree; `client_dir`: where it will be.  *ret_found is false where the archive brings no template. */
int client_template_make(int client, const struct client_content *content, const char *client_dir,
			 struct text *ret_conf, bool *ret_found, struct fault *f);
/* Says which files an existing Chrystoki.conf names below the client's directory that the new tree does not have. */
int client_template_compare(int client, const char *conf, const char *client_dir, struct report *report,
			    struct fault *f);

#endif
