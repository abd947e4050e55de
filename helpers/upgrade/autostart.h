/*
 * upgrade/autostart: enables or disables the systemd unit that runs post-upgrade at the next boot.
 *
 * Enabled means that multi-user.target wants the unit: we create the link that `systemctl enable` would create.  That
 * needs no running systemd, so it works in a root that is not booted yet.
 *
 * Order: the unit waits for the network, which the HSM needs.  OKV does not document its services, so we take services
 * that run as OKV's user or run a program below /usr/local/okv.  A drop-in orders our unit before those that wait for
 * network-online.target, too, and have default dependencies (systemd.unit(5)).  Any other could cause an ordering
 * cycle and is left alone; these cannot, because our unit waits for nothing but the network.
 *
 * Promise: both are idempotent.  Disabling removes exactly what enabling creates and, as `systemctl disable` does, the
 * directory of the link if that is empty then.
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
#define AUTOSTART_UNIT_WANTED    OKV_POST_WANTED /* exists if the unit is enabled */
#define AUTOSTART_UNIT_ORDER_DIR "/etc/systemd/system/" AUTOSTART_UNIT ".d"
#define AUTOSTART_UNIT_ORDER     AUTOSTART_UNIT_ORDER_DIR "/okv-order.conf"

/* FAULT_ABSENT: there is no systemd, or no unit (okv-luna config wire copies it). */
int autostart_enable(const struct okv_job *job, bool *ret_changed, struct fault *f);
int autostart_disable(const struct okv_job *job, bool *ret_changed, struct fault *f);

#endif
