/*
 * luna-front: SoftHSMv2 with the manners of a Luna client.
 *
 * Promise: without a readable Chrystoki.conf (in $ChrystokiConfigurationPath, else /etc) or without access to the
 * token store, C_Initialize says CKR_OK and there are no slots; C_GetSlotList before C_Initialize says CKR_OK and
 * none as well.  SoftHSM on its own answers both with an error, and shows a blank slot that no Luna has: only
 * initialised tokens are shown, as slots 0, 1, ... with Luna's words in their descriptions, and with serial numbers of
 * digits alone.  A token whose label begins with "ha-" plays a group for high availability: it shows where Chrystoki.conf
 * names it, and with HAOnly = 1 nothing else does.  All else is SoftHSM's.
 *
 * The link renames SoftHSM's own entry points soft_C_* wherever one of the same name is defined here.  The
 * declarations follow the OASIS specification of PKCS#11 2.40.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned char ck_byte;
typedef unsigned long ck_ulong;
typedef ck_ulong ck_rv;

struct ck_version {
	ck_byte major, minor;
};
struct ck_info {
	struct ck_version cryptoki;
	ck_byte manufacturer[32];
	ck_ulong flags;
	ck_byte description[32];
	struct ck_version library;
};
struct ck_slot_info {
	ck_byte description[64], manufacturer[32];
	ck_ulong flags;
	struct ck_version hardware, firmware;
};
struct ck_token_info {
	ck_byte label[32], manufacturer[32], model[16], serial[16];
	ck_ulong flags;
	ck_ulong numbers[10];
	struct ck_version hardware, firmware;
	ck_byte utc_time[16];
};
struct ck_session_info {
	ck_ulong slot, state, flags, device_error;
};

/* The function list: a version, then 68 entries in the order of the specification. */
struct ck_function_list {
	struct ck_version version;
	void *entry[68];
};

enum {
	CKR_OK = 0,
	CKR_SLOT_ID_INVALID = 3,
	CKR_ARGUMENTS_BAD = 7,
	CKR_BUFFER_TOO_SMALL = 0x150,
	CKR_CRYPTOKI_NOT_INITIALIZED = 0x190,
	CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191,
	CKF_TOKEN_INITIALIZED = 0x400,
	SLOTS_MAX = 64,
};

ck_rv soft_C_Initialize(void *);
ck_rv soft_C_Finalize(void *);
ck_rv soft_C_GetFunctionList(struct ck_function_list **);
ck_rv soft_C_GetSlotList(ck_byte, ck_ulong *, ck_ulong *);
ck_rv soft_C_GetSlotInfo(ck_ulong, struct ck_slot_info *);
ck_rv soft_C_GetTokenInfo(ck_ulong, struct ck_token_info *);
ck_rv soft_C_GetMechanismList(ck_ulong, ck_ulong *, ck_ulong *);
ck_rv soft_C_GetMechanismInfo(ck_ulong, ck_ulong, void *);
ck_rv soft_C_InitToken(ck_ulong, ck_byte *, ck_ulong, ck_byte *);
ck_rv soft_C_OpenSession(ck_ulong, ck_ulong, void *, void *, ck_ulong *);
ck_rv soft_C_CloseAllSessions(ck_ulong);
ck_rv soft_C_GetSessionInfo(ck_ulong, struct ck_session_info *);

ck_rv C_Initialize(void *);
ck_rv C_Finalize(void *);
ck_rv C_GetInfo(struct ck_info *);
ck_rv C_GetFunctionList(struct ck_function_list **);
ck_rv C_GetSlotList(ck_byte, ck_ulong *, ck_ulong *);
ck_rv C_GetSlotInfo(ck_ulong, struct ck_slot_info *);
ck_rv C_GetTokenInfo(ck_ulong, struct ck_token_info *);
ck_rv C_GetMechanismList(ck_ulong, ck_ulong *, ck_ulong *);
ck_rv C_GetMechanismInfo(ck_ulong, ck_ulong, void *);
ck_rv C_InitToken(ck_ulong, ck_byte *, ck_ulong, ck_byte *);
ck_rv C_OpenSession(ck_ulong, ck_ulong, void *, void *, ck_ulong *);
ck_rv C_CloseAllSessions(ck_ulong);
ck_rv C_GetSessionInfo(ck_ulong, struct ck_session_info *);

static enum { OFF, EMPTY, ON } state;
static ck_ulong slots[SLOTS_MAX], slot_count;

static void padded(ck_byte *field, size_t size, const char *text)
{
	memset(field, ' ', size);
	memcpy(field, text, strlen(text) < size ? strlen(text) : size);
}

/* --- can this process reach the HSM? --------------------------------------------------------------------------- */

static char chrystoki[65536];

static int settings_readable(void)
{
	const char *directory = getenv("ChrystokiConfigurationPath");
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/Chrystoki.conf", directory != NULL && *directory != '\0' ? directory : "/etc");
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	chrystoki[fread(chrystoki, 1, sizeof chrystoki - 1, f)] = '\0';
	fclose(f);
	return 1;
}

/* Is there a line "KEY = VALUE;", whatever blanks are in it? */
static int setting_is(const char *key, const char *value, size_t length)
{
	for (const char *at = chrystoki; (at = strstr(at, key)) != NULL; at++) {
		const char *rest = at + strlen(key);
		rest += strspn(rest, " ");
		if (*rest != '=')
			continue;
		rest += 1 + strspn(rest + 1, " ");
		if (strncmp(rest, value, length) == 0 && (rest[length] == ';' || rest[length] == ' '))
			return 1;
	}
	return 0;
}

static int is_shown(const struct ck_token_info *token)
{
	size_t length = sizeof token->label;

	while (length > 0 && token->label[length - 1] == ' ')
		length--;
	if (length > 3 && memcmp(token->label, "ha-", 3) == 0)
		return setting_is("VirtualToken00Label", (const char *)token->label, length);
	return !setting_is("HAOnly", "1", 1) || strstr(chrystoki, "VirtualToken00Label") == NULL;
}

/* The token directory that SoftHSM itself will use; empty when its settings say nothing readable. */
static void store_find(char *ret_path, size_t size)
{
	const char *settings = getenv("SOFTHSM2_CONF");
	FILE *f = fopen(settings != NULL ? settings : "/etc/softhsm/softhsm2.conf", "re");
	char line[4096];

	*ret_path = '\0';
	if (f == NULL)
		return;
	while (fgets(line, sizeof line, f) != NULL) {
		char value[4096];

		if (sscanf(line, " directories.tokendir = %4095s", value) == 1)
			snprintf(ret_path, size, "%s", value);
	}
	fclose(f);
}

/* Every token of the store can be read.  A store without tokens is no HSM. */
static int store_readable(void)
{
	char store[4096], path[8192];
	struct dirent *entry;
	int tokens = 0, unreadable = 0;
	DIR *d;

	store_find(store, sizeof store);
	d = *store != '\0' ? opendir(store) : NULL;
	if (d == NULL)
		return 0;
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s/token.object", store, entry->d_name);
		tokens++;
		unreadable += eaccess(path, R_OK) != 0;
	}
	closedir(d);
	return tokens > 0 && unreadable == 0;
}

/* --- the calls that differ ------------------------------------------------------------------------------------- */

static void slots_take(void)
{
	ck_ulong all[SLOTS_MAX], count = SLOTS_MAX;
	struct ck_token_info token;

	slot_count = 0;
	if (soft_C_GetSlotList(1, all, &count) != CKR_OK)
		return;
	for (ck_ulong i = 0; i < count; i++)
		if (soft_C_GetTokenInfo(all[i], &token) == CKR_OK && (token.flags & CKF_TOKEN_INITIALIZED) &&
		    is_shown(&token))
			slots[slot_count++] = all[i];
}

static void finalize_at_exit(void)
{
	if (state == ON)
		soft_C_Finalize(NULL);
}

ck_rv C_Initialize(void *arguments)
{
	static int tidy;
	ck_rv rv;

	if (state != OFF)
		return CKR_CRYPTOKI_ALREADY_INITIALIZED;
	if (!settings_readable() || !store_readable()) {
		state = EMPTY;
		return CKR_OK;
	}
	rv = soft_C_Initialize(arguments);
	if (rv != CKR_OK)
		return rv;
	slots_take();
	state = ON;
	/* SoftHSM's own clean-up runs after libcrypto's and would crash a program that ends without C_Finalize. */
	if (!tidy) {
		tidy = 1;
		atexit(finalize_at_exit);
	}
	return CKR_OK;
}

ck_rv C_Finalize(void *reserved)
{
	ck_rv rv = state == OFF ? CKR_CRYPTOKI_NOT_INITIALIZED : state == ON ? soft_C_Finalize(reserved) : CKR_OK;

	if (rv == CKR_OK) {
		state = OFF;
		slot_count = 0;
	}
	return rv;
}

ck_rv C_GetInfo(struct ck_info *ret_info)
{
	if (state == OFF)
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	if (ret_info == NULL)
		return CKR_ARGUMENTS_BAD;
	*ret_info = (struct ck_info){ .cryptoki = { 2, 20 }, .library = { 10, 4 } };
	padded(ret_info->manufacturer, sizeof ret_info->manufacturer, "Stand-in for SafeNet");
	padded(ret_info->description, sizeof ret_info->description, "Chrystoki");
	return CKR_OK;
}

ck_rv C_GetSlotList(ck_byte token_present, ck_ulong *ret_slots, ck_ulong *count)
{
	(void)token_present;
	if (count == NULL)
		return CKR_ARGUMENTS_BAD;
	if (ret_slots != NULL && *count < slot_count) {
		*count = slot_count;
		return CKR_BUFFER_TOO_SMALL;
	}
	for (ck_ulong i = 0; ret_slots != NULL && i < slot_count; i++)
		ret_slots[i] = i;
	*count = slot_count;
	return CKR_OK;
}

/* Leave the calling function unless the slot is one of ours; from then on it is SoftHSM's number. */
#define OUR_SLOT(slot) \
	do { \
		if (state == OFF) \
			return CKR_CRYPTOKI_NOT_INITIALIZED; \
		if ((slot) >= slot_count) \
			return CKR_SLOT_ID_INVALID; \
		(slot) = slots[slot]; \
	} while (0)

ck_rv C_GetSlotInfo(ck_ulong slot, struct ck_slot_info *ret_info)
{
	ck_rv rv;

	OUR_SLOT(slot);
	rv = soft_C_GetSlotInfo(slot, ret_info);
	if (rv == CKR_OK) {
		padded(ret_info->description, sizeof ret_info->description, "Net Token Slot");
		padded(ret_info->manufacturer, sizeof ret_info->manufacturer, "SafeNet");
	}
	return rv;
}

ck_rv C_GetTokenInfo(ck_ulong slot, struct ck_token_info *ret_info)
{
	ck_rv rv;

	OUR_SLOT(slot);
	rv = soft_C_GetTokenInfo(slot, ret_info);
	if (rv == CKR_OK) {
		padded(ret_info->manufacturer, sizeof ret_info->manufacturer, "SafeNet");
		padded(ret_info->model, sizeof ret_info->model, "LunaSA 7.7.1");
		for (size_t i = 0; i < sizeof ret_info->serial; i++)
			if (ret_info->serial[i] >= 'a' && ret_info->serial[i] <= 'f')
				ret_info->serial[i] -= 'a' - '0';
	}
	return rv;
}

ck_rv C_GetMechanismList(ck_ulong slot, ck_ulong *ret_list, ck_ulong *count)
{
	OUR_SLOT(slot);
	return soft_C_GetMechanismList(slot, ret_list, count);
}

ck_rv C_GetMechanismInfo(ck_ulong slot, ck_ulong type, void *ret_info)
{
	OUR_SLOT(slot);
	return soft_C_GetMechanismInfo(slot, type, ret_info);
}

ck_rv C_InitToken(ck_ulong slot, ck_byte *pin, ck_ulong length, ck_byte *label)
{
	OUR_SLOT(slot);
	return soft_C_InitToken(slot, pin, length, label);
}

ck_rv C_OpenSession(ck_ulong slot, ck_ulong flags, void *application, void *notify, ck_ulong *ret_session)
{
	OUR_SLOT(slot);
	return soft_C_OpenSession(slot, flags, application, notify, ret_session);
}

ck_rv C_CloseAllSessions(ck_ulong slot)
{
	OUR_SLOT(slot);
	return soft_C_CloseAllSessions(slot);
}

ck_rv C_GetSessionInfo(ck_ulong session, struct ck_session_info *ret_info)
{
	ck_rv rv = soft_C_GetSessionInfo(session, ret_info);

	for (ck_ulong i = 0; rv == CKR_OK && i < slot_count; i++)
		if (slots[i] == ret_info->slot) {
			ret_info->slot = i;
			break;
		}
	return rv;
}

ck_rv C_GetFunctionList(struct ck_function_list **ret_list)
{
	static struct ck_function_list ours;
	static const struct {
		unsigned index;
		void *function;
	} mine[] = {
		{ 0, (void *)C_Initialize },      { 1, (void *)C_Finalize },         { 2, (void *)C_GetInfo },
		{ 3, (void *)C_GetFunctionList }, { 4, (void *)C_GetSlotList },      { 5, (void *)C_GetSlotInfo },
		{ 6, (void *)C_GetTokenInfo },    { 7, (void *)C_GetMechanismList }, { 8, (void *)C_GetMechanismInfo },
		{ 9, (void *)C_InitToken },       { 12, (void *)C_OpenSession },     { 14, (void *)C_CloseAllSessions },
		{ 15, (void *)C_GetSessionInfo },
	};
	struct ck_function_list *theirs;
	ck_rv rv;

	if (ret_list == NULL)
		return CKR_ARGUMENTS_BAD;
	rv = soft_C_GetFunctionList(&theirs);
	if (rv != CKR_OK)
		return rv;
	ours = *theirs;
	for (size_t i = 0; i < sizeof mine / sizeof mine[0]; i++)
		ours.entry[mine[i].index] = mine[i].function;
	*ret_list = &ours;
	return CKR_OK;
}
