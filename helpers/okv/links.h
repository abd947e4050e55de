/*
 * okv/links: the links and unit files outside /opt/okv-luna through which the system and people find this product.
 *
 * Links: okv_hsm_pre_upgrade and okv_hsm_post_upgrade in OKV's generic directory, /usr/sbin/okv-luna, the manual pages
 * and the bash completion.  The systemd units (okv-luna-post-upgrade.service first) are copies in OKV_UNIT_DIR: the
 * package installs them, and this restores them after an OS major upgrade.
 *
 * Promise: a link is made only where nothing has its name; the same link, or a file that a package installed, is left
 * as it is.  A name is skipped if its directory or its target does not exist.  Each is recorded before it is made
 * (OKV_RECORD_LINKS); okv_links_remove removes only those that we made, and only if they still have our target or our
 * bytes.  Enabling the units is not done here.
 */
#ifndef OKV_OKV_LINKS_H
#define OKV_OKV_LINKS_H

#include "base/fault.h"
#include "conf/preserved.h"
#include "okv/job.h"

/* The distribution's directory for packaged units. */
#define OKV_UNIT_DIR     "/usr/lib/systemd/system"
#define OKV_POST_WANTED  "/etc/systemd/system/multi-user.target.wants/okv-luna-post-upgrade.service"
#define OKV_SLOTS_WANTED "/etc/systemd/system/timers.target.wants/okv-luna-slots.timer"

/* Both add to outcome->links, okv_links_make also to outcome->left; the caller initialises it. */
int okv_links_make(const struct okv_job *job, struct okv_outcome *outcome, struct fault *f);
int okv_links_remove(const struct okv_job *job, struct okv_outcome *outcome, struct fault *f);
/*
 * Adds every link that PRESERVED_FILES should name: those outside OKV's directory that exist (with OKV_PLAN also those
 * to be made), since it is not known whether OKV accepts a missing path; and, if it exists, the link that enables
 * okv-luna-slots.timer.  The link that starts post-upgrade at the next boot is listed with its unit: it exists whenever
 * an upgrade is prepared, and works even if the upgrade runs nothing else of ours.
 */
int okv_links_preserve(const struct okv_job *job, struct preserved *preserved, struct fault *f);

#endif
