/*
 * upgrade/unowned: what lies among the system's files and was not brought by the system.
 *
 * The package database does not answer that: a client's own packages stand in it like the system's.  So there is a
 * rule.  Not the system's are, in /etc and in the directories for programs, libraries and units: names with one of
 * Luna's words or ours in them; links that lead to /home, /mnt, /opt, /root, /srv, /usr/local (but OKV's own), /var,
 * /usr/safenet or the client; and every file that okv_hsm.conf, okv_hsm_env, Chrystoki.conf or the libraries that these
 * name ask for (okv/needs.h), unless it lies in OKV's own directory of the HSM.  The loader's cache, which lists them,
 * goes too.  What else somebody put there under a name that nobody knows is taken for the system's.
 */
#ifndef OKV_UPGRADE_UNOWNED_H
#define OKV_UPGRADE_UNOWNED_H

#include "base/fault.h"
#include "conf/settings.h"

/*
 * Removes them from `to`, a copy or a layer above the tree `from`.  What is on a read-only file system stays.
 */
int unowned_hide(int from, int to, const struct settings *settings, struct fault *f);

#endif
