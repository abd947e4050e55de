/*
 * hsm/ha: are the high-availability groups of Chrystoki.conf what the library shows?
 *
 * Promise: each group must be among the slots, HAOnly must be on and hide its members, and no member may be away.
 * With HAOnly off a member shows as a slot of its own; behind it, only the library's CA_GetHAState tells, where it has
 * that call.  Members that nothing tells of are named in a warning, and count neither way.  A token that was asked for
 * by its label or serial number, and that is neither a group nor a member of one, needs none of this.
 */
#ifndef OKV_HSM_HA_H
#define OKV_HSM_HA_H

#include "base/report.h"
#include "hsm/answer.h"
#include "hsm/clientconf.h"

/* Fills answer->ha, one sentence for each difference.  `label` and `serial` as asked for, or NULL. */
int hsm_ha_compare(const struct hsm_clientconf *conf, const char *label, const char *serial, struct report *report,
		   struct hsm_answer *answer, struct fault *f);

#endif
