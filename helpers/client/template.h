/*
 * client/template: Chrystoki.conf from what the archive brings.
 *
 * Promise: gives the archive's own file (Chrystoki-template.conf of the minimal client, Chrystoki.conf of the cloud
 * service's zip) with every path made absolute and to the places of client/layout, as the guide's steps and the
 * vendor's setenv do it; everything else stays byte for byte.  Reads the new tree only to see where a file lies.
 */
#ifndef OKV_CLIENT_TEMPLATE_H
#define OKV_CLIENT_TEMPLATE_H

#include "base/fault.h"
#include "base/text.h"
#include "client/layout.h"

/* The name of the one that the archives bring, below the client's directory; NULL where they bring none. */
const char *client_template_name(const struct client_content *content);
/* `name` is that one, `client` the new tree, `client_dir` where it will be. */
int client_template_make(int client, const char *name, const struct client_content *content, const char *client_dir,
			 struct text *ret_conf, struct fault *f);
/*
 * The cloud client's own Chrystoki.conf in the new tree becomes that one, as its setenv would write it: root's, and of
 * that mode and group where the archive brings none.  Nothing to do for the other kinds.
 */
int client_template_settle(int client, const struct client_content *content, const char *client_dir,
			   struct client_rights rights, struct fault *f);

#endif
