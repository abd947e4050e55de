/*
 * hsm/table: what `vtl listslots` of client 7 and 10 prints, from our own answer.
 *
 * Promise: "Number of slots: N", and for N > 0 the heading, the rule of '=' (4, 20, 32, 16 and 12 columns) and one row
 * per slot, the status last and without padding.  Every column can be cut by the rule: a text that is too long is cut,
 * control bytes are shown as \xHH, and a slot number of more than four digits widens its column in all three.
 */
#ifndef OKV_HSM_TABLE_H
#define OKV_HSM_TABLE_H

#include "base/json.h"
#include "base/text.h"
#include "hsm/probe.h"

void hsm_table(const struct hsm_answer *answer, struct text *out);

/* The whole answer as members of the object that is open: everything C_GetInfo, C_GetSlotInfo, C_GetTokenInfo gave. */
void hsm_json(const struct hsm_answer *answer, struct json *j);

#endif
