/*
 * tests/doubles/honest: a PKCS#11 module that does all it is asked, with one token.
 *
 * A double includes it and changes one thing: STEP(call) runs at the start of each call, BEFORE and what else is
 * defined below replaces an answer.  Each becomes a real shared object (tests/doubles/build).
 */
#ifndef OKV_DOUBLES_HONEST_H
#define OKV_DOUBLES_HONEST_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hsm/cryptoki.h"

#ifndef STEP
#define STEP(call)
#endif
#ifndef ANSWER
#define ANSWER(call) CKR_OK
#endif
#ifndef SLOT_COUNT
#define SLOT_COUNT 1
#endif
#ifndef TOKEN_FLAGS
#define TOKEN_FLAGS (CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED)
#endif
#ifndef SLOT_FLAGS
#define SLOT_FLAGS (CKF_TOKEN_PRESENT | CKF_HW_SLOT)
#endif
#ifndef FILL
#define FILL(info)
#endif
#ifndef VERSION
#define VERSION \
	{ \
		2, 20 \
	}
#endif

#define EXPORT __attribute__((visibility("default")))
EXPORT unsigned long C_GetFunctionList(struct cryptoki_functions **list);

static inline void padded(unsigned char *to, size_t size, const char *text)
{
	memset(to, ' ', size);
	memcpy(to, text, strlen(text) < size ? strlen(text) : size);
}

static unsigned long honest_initialize(void *arguments)
{
	(void)arguments;
	STEP("C_Initialize");
	return ANSWER("C_Initialize");
}

static unsigned long honest_finalize(void *reserved)
{
	(void)reserved;
	STEP("C_Finalize");
	return ANSWER("C_Finalize");
}

static unsigned long honest_info(struct cryptoki_info *info)
{
	STEP("C_GetInfo");
	info->cryptoki = (struct cryptoki_version){ 2, 20 };
	info->version = (struct cryptoki_version){ 10, 4 };
	padded(info->manufacturer, sizeof(info->manufacturer), "House of doubles");
	padded(info->library, sizeof(info->library), "Honest module");
	return ANSWER("C_GetInfo");
}

#ifndef OWN_SLOT_LIST
static unsigned long slot_list(unsigned char present, unsigned long *slots, unsigned long *count)
{
	(void)present;
	for (unsigned long i = 0; slots != NULL && i < SLOT_COUNT && i < *count; i++)
		slots[i] = i;
	*count = SLOT_COUNT;
	return ANSWER("C_GetSlotList");
}
#else
static unsigned long slot_list(unsigned char present, unsigned long *slots, unsigned long *count);
#endif

static unsigned long honest_slot_list(unsigned char present, unsigned long *slots, unsigned long *count)
{
	STEP("C_GetSlotList");
	return slot_list(present, slots, count);
}

static unsigned long honest_slot_info(unsigned long slot, struct cryptoki_slot_info *info)
{
	(void)slot;
	STEP("C_GetSlotInfo");
	memset(info, 0, sizeof(*info));
	padded(info->description, sizeof(info->description), "Net Token Slot");
	padded(info->manufacturer, sizeof(info->manufacturer), "House of doubles");
	info->flags = SLOT_FLAGS;
	return ANSWER("C_GetSlotInfo");
}

static unsigned long honest_token_info(unsigned long slot, struct cryptoki_token_info *info)
{
	char serial[32];

	STEP("C_GetTokenInfo");
	memset(info, 0, sizeof(*info));
	(void)snprintf(serial, sizeof(serial), "%lu", 3423358 + slot);
	padded(info->label, sizeof(info->label), "partition-01");
	padded(info->manufacturer, sizeof(info->manufacturer), "House of doubles");
	padded(info->model, sizeof(info->model), "Double 7");
	padded(info->serial, sizeof(info->serial), serial);
	memset(info->utc_time, ' ', sizeof(info->utc_time));
	info->flags = TOKEN_FLAGS;
	FILL(info);
	return ANSWER("C_GetTokenInfo");
}

static unsigned long honest_open(unsigned long slot, unsigned long flags, void *a, void *n, unsigned long *session)
{
	(void)slot, (void)flags, (void)a, (void)n;
	STEP("C_OpenSession");
	*session = 7 + slot;
#ifdef SLOT_ANSWER
	return SLOT_ANSWER(slot);
#endif
	return ANSWER("C_OpenSession");
}

static unsigned long honest_close(unsigned long session)
{
	(void)session;
	STEP("C_CloseSession");
	return ANSWER("C_CloseSession");
}

#ifndef PIN
#define PIN "1234"
#endif

static unsigned long honest_login(unsigned long session, unsigned long user, unsigned char *pin, unsigned long length)
{
	(void)session, (void)user;
	STEP("C_Login");
	if (length != strlen(PIN) || memcmp(pin, PIN, length) != 0)
		return CKR_PIN_INCORRECT;
	return ANSWER("C_Login");
}

static unsigned long honest_logout(unsigned long session)
{
	(void)session;
	STEP("C_Logout");
	return ANSWER("C_Logout");
}

static int searching;

static unsigned long honest_find_init(unsigned long session, struct cryptoki_attribute *wanted, unsigned long count)
{
	(void)session, (void)wanted, (void)count;
	STEP("C_FindObjectsInit");
	searching = 1;
	return ANSWER("C_FindObjectsInit");
}

#ifndef FIND
#define FIND(objects, count) (*(objects) = 42, *(count) = (unsigned long)searching, searching = 0)
#endif

static unsigned long honest_find(unsigned long session, unsigned long *objects, unsigned long size,
				 unsigned long *count)
{
	(void)session, (void)size;
	STEP("C_FindObjects");
	FIND(objects, count);
	return ANSWER("C_FindObjects");
}

static unsigned long honest_find_final(unsigned long session)
{
	(void)session;
	STEP("C_FindObjectsFinal");
	return ANSWER("C_FindObjectsFinal");
}

#ifndef EXTRACTABLE
#define EXTRACTABLE 0
#endif
#ifndef SENSITIVE
#define SENSITIVE 1
#endif

static unsigned long honest_attributes(unsigned long session, unsigned long object, struct cryptoki_attribute *wanted,
				       unsigned long count)
{
	(void)session, (void)object;
	STEP("C_GetAttributeValue");
	for (unsigned long i = 0; i < count; i++) {
		const unsigned long number = wanted[i].type == CKA_KEY_TYPE ? CKK_AES : 32;
		const unsigned char yes = wanted[i].type == CKA_SENSITIVE ? SENSITIVE : EXTRACTABLE;
		if (wanted[i].length == sizeof(number))
			memcpy(wanted[i].value, &number, sizeof(number));
		else
			memcpy(wanted[i].value, &yes, 1);
	}
	return ANSWER("C_GetAttributeValue");
}

static struct cryptoki_functions functions = {
	.version = VERSION,
	.C_Initialize = honest_initialize,
	.C_Finalize = honest_finalize,
	.C_GetInfo = honest_info,
	.C_GetFunctionList = C_GetFunctionList,
	.C_GetSlotList = honest_slot_list,
	.C_GetSlotInfo = honest_slot_info,
	.C_GetTokenInfo = honest_token_info,
	.C_OpenSession = honest_open,
	.C_CloseSession = honest_close,
	.C_Login = honest_login,
	.C_Logout = honest_logout,
	.C_FindObjectsInit = honest_find_init,
	.C_FindObjects = honest_find,
	.C_FindObjectsFinal = honest_find_final,
	.C_GetAttributeValue = honest_attributes,
};

EXPORT unsigned long C_GetFunctionList(struct cryptoki_functions **list)
{
	STEP("C_GetFunctionList");
	*list = &functions;
	return ANSWER("C_GetFunctionList");
}

/* "dlopen" stands for the constructor. */
__attribute__((constructor)) static void honest_constructor(void)
{
	STEP("dlopen");
}

#endif
