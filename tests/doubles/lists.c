/*
 * tests/doubles/lists: C_GetSlotList that does not hold still or exaggerates: -DLIST=...
 */
#define OWN_SLOT_LIST
#include "honest.h"

static int asked;

/* First two slots, then one. */
static inline unsigned long shrinking(unsigned long *slots, unsigned long *count)
{
	if (slots != NULL)
		slots[0] = 0;
	*count = asked++ == 0 ? 2 : 1;
	return CKR_OK;
}

static inline unsigned long growing(unsigned long *slots, unsigned long *count)
{
	const unsigned long there = asked++ == 0 ? 1 : 3;

	if (slots != NULL && *count < there)
		return CKR_BUFFER_TOO_SMALL;
	for (unsigned long i = 0; slots != NULL && i < there; i++)
		slots[i] = i;
	*count = there;
	return CKR_OK;
}

static inline unsigned long vanishing(unsigned long *slots, unsigned long *count)
{
	(void)slots;
	*count = asked++ == 0 ? 1 : 0;
	return CKR_OK;
}

static inline unsigned long never_enough(unsigned long *slots, unsigned long *count)
{
	*count += 1;
	return slots != NULL ? CKR_BUFFER_TOO_SMALL : CKR_OK;
}

static inline unsigned long four_billion(unsigned long *slots, unsigned long *count)
{
	(void)slots;
	*count = 0xffffffffUL;
	return CKR_OK;
}

/* The first answer is modest, the second is not. */
static inline unsigned long late_lie(unsigned long *slots, unsigned long *count)
{
	*count = slots == NULL ? 1 : 1000000;
	return CKR_OK;
}

/* All is well, and nothing is said. */
static inline unsigned long untold(unsigned long *slots, unsigned long *count)
{
	(void)slots, (void)count;
	return CKR_OK;
}

static inline unsigned long unfilled(unsigned long *slots, unsigned long *count)
{
	if (slots != NULL)
		slots[0] = 0;
	*count = 2;
	return CKR_OK;
}

static inline unsigned long twice(unsigned long *slots, unsigned long *count)
{
	for (int i = 0; slots != NULL && i < 3; i++)
		slots[i] = i == 1 ? 2 : 3;
	*count = 3;
	return CKR_OK;
}

static inline unsigned long more(unsigned long *slots, unsigned long *count)
{
	*count = slots == NULL ? 1 : 2;
	for (int i = 0; slots != NULL && i < 2; i++)
		slots[i] = (unsigned long)i;
	return CKR_OK;
}

/* Always one more than there is room for. */
static inline unsigned long restless(unsigned long *slots, unsigned long *count)
{
	*count = (unsigned long)++asked;
	return slots != NULL ? CKR_BUFFER_TOO_SMALL : CKR_OK;
}

static unsigned long slot_list(unsigned char present, unsigned long *slots, unsigned long *count)
{
	(void)present;
	return LIST(slots, count);
}
