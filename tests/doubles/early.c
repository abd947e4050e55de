/*
 * tests/doubles/early: answers C_GetSlotList before C_Initialize, with no slots and no error, as the Luna client does.
 */
static int initialized;
#define STEP(call) (initialized |= strcmp(call, "C_Initialize") == 0)
#define OWN_SLOT_LIST
#include "honest.h"

static unsigned long slot_list(unsigned char present, unsigned long *slots, unsigned long *count)
{
	(void)present;
	if (slots != NULL && initialized)
		slots[0] = 0;
	*count = (unsigned long)initialized;
	return CKR_OK;
}
