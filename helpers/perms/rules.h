/*
 * perms/rules: the policy that counts, read from its files.
 *
 * Promise: first the profile's file for the phase, then the administrator's files in the order of their names, all
 * below the root.  Of the latter, NAME.pre-upgrade.conf and NAME.post-upgrade.conf count for that phase only.  A file
 * that others than root could write is FAULT_REFUSED, as is any flaw, by file and line.
 */
#ifndef OKV_PERMS_RULES_H
#define OKV_PERMS_RULES_H

#include "conf/policy.h"
#include "conf/settings.h"

/*
 * `group_to_come`: settings->hsm_group may be missing from etc/group and is then
 * PERMS_GID_TO_COME (perms/repair.h).
 * FAULT_ABSENT: there is no file for that profile and phase.
 */
int perms_rules_read(int root, const struct settings *settings, const char *profile, const char *phase,
		     bool group_to_come, struct policy *ret_policy, struct fault *f);

#endif
