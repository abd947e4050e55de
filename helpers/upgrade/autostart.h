/*
 * upgrade/autostart: let post-upgrade run by itself at the next boot, or not.
 *
 * Enabled means: the unit okv-luna-post-upgrade.service is wanted by multi-user.target (the link that
 * `systemctl enable` would make; no systemd has to run for it, so it works in a root that is not booted yet).
 *
 * Order: the unit waits for the network, since the HSM is behind it.  OKV's services are not documented, so they are
 * looked for: services that run as OKV's user or run a program below /usr/local/okv.  One that itself waits for
 * network-online.target, and has systemd's default dependencies, is put after our unit by a drop-in; any other could
 * make a cycle of orders and is left alone.  Since our unit waits for nothing else, no cycle can come from this.
 *
 * Promise: both change nothing where it is so already; disabling removes exactly what enabling makes, and, as
 * `systemctl disable` does, the directory of the link when nothing else is in it.
 */
#ifndef OKV_UPGRADE_AUTOSTART_H
#define OKV_UPGRADE_AUTOSTART_H

#include <stdbool.h>

#include "base/fault.h"
#include "okv/job.h"
#include "okv/links.h"

#define AUTOSTART_UNIT           "okv-luna-post-upgrade.service"
#define AUTOSTART_UNIT_FILE      OKV_UNIT_DIR "/" AUTOSTART_UNIT
#define AUTOSTART_UNIT_WANTS_DIR "/etc/systemd/system/multi-user.target.wants"
#define AUTOSTART_UNIT_WANTED    OKV_POST_WANTED /* it is enabled where that is there */
#define AUTOSTART_UNIT_ORDER_DIR "/etc/systemd/system/" AUTOSTART_UNIT ".d"
#define AUTOSTART_UNIT_ORDER     AUTOSTART_UNIT_ORDER_DIR "/okv-order.conf"

/* FAULT_ABSENT where there is no systemd, or the unit is not there (okv-luna config wire copies it). */
int autostart_enable(const struct okv_job *job, bool *ret_changed, struct fault *f);
int autostart_disable(const struct okv_job *job, bool *ret_changed, struct fault *f);

#endif
