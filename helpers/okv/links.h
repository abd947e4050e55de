/*
 * okv/links: the names outside /opt/okv-luna by which the system and people find this product.
 *
 * The links: okv_hsm_pre_upgrade and okv_hsm_post_upgrade in OKV's generic directory, /usr/sbin/okv-luna, the manual
 * pages and the bash completion.  The systemd units (okv-luna-post-upgrade.service first) are copies in OKV_UNIT_DIR:
 * files of the package, made here where an OS major took them.
 *
 * Promise: one is made only where nothing stands under its name; the same link, or a file that a package put there,
 * is left as it is.  A name is passed over where its directory or its target is not there.  Every one made is written
 * down first (OKV_RECORD_LINKS), so that okv_links_remove removes those that we made, and only while they still
 * lead where we led them or have our bytes.  Enabling the unit is not done here.
 */
#ifndef OKV_OKV_LINKS_H
#define OKV_OKV_LINKS_H

#include "base/fault.h"
#include "conf/preserved.h"
#include "okv/job.h"

/* Where the distribution's packages put units. */
#define OKV_UNIT_DIR     "/usr/lib/systemd/system"
#define OKV_POST_WANTED  "/etc/systemd/system/multi-user.target.wants/okv-luna-post-upgrade.service"
#define OKV_SLOTS_WANTED "/etc/systemd/system/timers.target.wants/okv-luna-slots.timer"

/* Adds to outcome->links and outcome->left; the outcome is the caller's, initialised. */
int okv_links_make(const struct okv_job *job, struct okv_outcome *outcome, struct fault *f);
int okv_links_remove(const struct okv_job *job, struct okv_outcome *outcome, struct fault *f);
/*
 * Adds every link that PRESERVED_FILES should name: outside OKV's directory and there (or, with OKV_PLAN, about to be
 * made), since a path that is listed but missing is not known to be harmless; and the link that enables the timer of
 * the slots, while it is there.  The one that lets post-upgrade run at the next boot is listed with its unit: it is
 * there whenever an upgrade is prepared, and an upgrade that runs nothing else of ours has it at least.
 */
int okv_links_preserve(const struct okv_job *job, struct preserved *preserved, struct fault *f);

#endif
