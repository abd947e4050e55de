/*
 * tests/doubles/groups: several tokens, -DSHOW={{"label","serial"},...}; with -DSTATE={{"serial",0x30},...}, and a
 * CA_GetHAState that says so of the members of the group -DGROUP="serial".
 */
struct token {
	const char *label, *serial;
};
static const struct token tokens[] = SHOW;
#define SLOT_COUNT (sizeof(tokens) / sizeof(tokens[0]))
#define FILL(info) \
	do { \
		padded((info)->label, sizeof((info)->label), tokens[slot].label); \
		padded((info)->serial, sizeof((info)->serial), tokens[slot].serial); \
	} while (0)
#include "honest.h"

#ifdef STATE
static const struct {
	const char *serial;
	unsigned long rv;
} members[] = STATE;

EXPORT unsigned long CA_GetHAState(unsigned long slot, struct cryptoki_ha_state *state);

EXPORT unsigned long CA_GetHAState(unsigned long slot, struct cryptoki_ha_state *state)
{
	if (strcmp(tokens[slot].serial, GROUP) != 0)
		return CKR_SLOT_ID_INVALID;
	memset(state, 0, sizeof(*state));
#ifdef OLD_LAYOUT
	state->group_serial[0] = 17;
	return CKR_OK;
#endif
	padded((unsigned char *)state->group_serial, sizeof(state->group_serial), GROUP);
	state->count = sizeof(members) / sizeof(members[0]);
	for (unsigned long i = 0; i < state->count; i++) {
		padded((unsigned char *)state->members[i].serial, sizeof(state->members[i].serial), members[i].serial);
		state->members[i].rv = members[i].rv;
	}
	return CKR_OK;
}
#endif
