/*
 * hsm/cryptoki: the part of PKCS#11 that this room uses, written anew.
 *
 * Source: the OASIS PKCS #11 Base Specification, 2.20 to 2.40, whose function list 3.x keeps as its first interface.
 * On Unix the structures have natural alignment.  Their texts are padded with blanks and have no NUL.  Only functions
 * that are called have their type; the order of the function list is the standard's.
 */
#ifndef OKV_HSM_CRYPTOKI_H
#define OKV_HSM_CRYPTOKI_H

#include <string.h>

enum {
	CRYPTOKI_LABEL_SIZE = 32,
	CRYPTOKI_MANUFACTURER_SIZE = 32,
	CRYPTOKI_LIBRARY_SIZE = 32,
	CRYPTOKI_MODEL_SIZE = 16,
	CRYPTOKI_SERIAL_SIZE = 16,
	CRYPTOKI_TIME_SIZE = 16,
	CRYPTOKI_DESCRIPTION_SIZE = 64,
	CRYPTOKI_MEMBER_SERIAL_SIZE = CRYPTOKI_SERIAL_SIZE + 4,
	CRYPTOKI_MEMBERS_MAX = 32,
};

/* Return values.  0x80000000 and up are the vendor's. */
#define CKR_OK                           0x000UL
#define CKR_SLOT_ID_INVALID              0x003UL
#define CKR_FUNCTION_FAILED              0x006UL
#define CKR_ARGUMENTS_BAD                0x007UL
#define CKR_DEVICE_ERROR                 0x030UL
#define CKR_PIN_INCORRECT                0x0a0UL
#define CKR_PIN_LOCKED                   0x0a4UL
#define CKR_SESSION_HANDLE_INVALID       0x0b3UL
#define CKR_TOKEN_NOT_PRESENT            0x0e0UL
#define CKR_USER_ALREADY_LOGGED_IN       0x100UL
#define CKR_BUFFER_TOO_SMALL             0x150UL
#define CKR_CRYPTOKI_NOT_INITIALIZED     0x190UL
#define CKR_CRYPTOKI_ALREADY_INITIALIZED 0x191UL

/* Flags of a slot, a token, a session, a mechanism. */
#define CKF_TOKEN_PRESENT        0x001UL
#define CKF_HW_SLOT              0x004UL
#define CKF_LOGIN_REQUIRED       0x004UL
#define CKF_USER_PIN_INITIALIZED 0x008UL
#define CKF_TOKEN_INITIALIZED    0x400UL
#define CKF_USER_PIN_COUNT_LOW   0x00010000UL
#define CKF_USER_PIN_FINAL_TRY   0x00020000UL
#define CKF_USER_PIN_LOCKED      0x00040000UL
#define CKF_USER_PIN_CHANGE      0x00080000UL /* CKF_USER_PIN_TO_BE_CHANGED */
#define CKF_SERIAL_SESSION       0x004UL

#define CKU_USER        1UL
#define CKO_SECRET_KEY  4UL
#define CKK_AES         0x1fUL
#define CKA_CLASS       0x000UL
#define CKA_LABEL       0x003UL
#define CKA_KEY_TYPE    0x100UL
#define CKA_SENSITIVE   0x103UL
#define CKA_VALUE_LEN   0x161UL
#define CKA_EXTRACTABLE 0x162UL

#define CK_UNAVAILABLE_INFORMATION (~0UL)

struct cryptoki_version {
	unsigned char major, minor;
};

struct cryptoki_info {
	struct cryptoki_version cryptoki;
	unsigned char manufacturer[CRYPTOKI_MANUFACTURER_SIZE];
	unsigned long flags;
	unsigned char library[CRYPTOKI_LIBRARY_SIZE];
	struct cryptoki_version version;
};

struct cryptoki_slot_info {
	unsigned char description[CRYPTOKI_DESCRIPTION_SIZE];
	unsigned char manufacturer[CRYPTOKI_MANUFACTURER_SIZE];
	unsigned long flags;
	struct cryptoki_version hardware, firmware;
};

struct cryptoki_token_info {
	unsigned char label[CRYPTOKI_LABEL_SIZE];
	unsigned char manufacturer[CRYPTOKI_MANUFACTURER_SIZE];
	unsigned char model[CRYPTOKI_MODEL_SIZE];
	unsigned char serial[CRYPTOKI_SERIAL_SIZE];
	unsigned long flags;
	unsigned long session_max, session_count, rw_session_max, rw_session_count;
	unsigned long pin_most, pin_least;
	unsigned long public_total, public_free, private_total, private_free;
	struct cryptoki_version hardware, firmware;
	unsigned char utc_time[CRYPTOKI_TIME_SIZE];
};

struct cryptoki_attribute {
	unsigned long type;
	void *value;
	unsigned long length;
};

/*
 * Filled by the Luna client's CA_GetHAState, from client 6 on; before, serial numbers were integers.  So there is space
 * for more, and the group's serial number shows whether the layout is this one.
 */
struct cryptoki_ha_state {
	char group_serial[CRYPTOKI_MEMBER_SERIAL_SIZE];
	struct {
		char serial[CRYPTOKI_MEMBER_SERIAL_SIZE];
		unsigned long rv;
	} members[CRYPTOKI_MEMBERS_MAX];
	unsigned long count;
	unsigned char room[1024];
};

struct cryptoki_functions {
	struct cryptoki_version version;
	unsigned long (*C_Initialize)(void *arguments);
	unsigned long (*C_Finalize)(void *reserved);
	unsigned long (*C_GetInfo)(struct cryptoki_info *info);
	unsigned long (*C_GetFunctionList)(struct cryptoki_functions **list);
	unsigned long (*C_GetSlotList)(unsigned char token_present, unsigned long *slots, unsigned long *count);
	unsigned long (*C_GetSlotInfo)(unsigned long slot, struct cryptoki_slot_info *info);
	unsigned long (*C_GetTokenInfo)(unsigned long slot, struct cryptoki_token_info *info);
	void (*unused_8_12[5])(void); /* C_GetMechanismList to C_SetPIN */
	unsigned long (*C_OpenSession)(unsigned long slot, unsigned long flags, void *application, void *notify,
				       unsigned long *session);
	unsigned long (*C_CloseSession)(unsigned long session);
	void (*unused_15_18[4])(void); /* C_CloseAllSessions to C_SetOperationState */
	unsigned long (*C_Login)(unsigned long session, unsigned long user, unsigned char *pin, unsigned long length);
	unsigned long (*C_Logout)(unsigned long session);
	void (*unused_21_24[4])(void); /* C_CreateObject to C_GetObjectSize */
	unsigned long (*C_GetAttributeValue)(unsigned long session, unsigned long object,
					     struct cryptoki_attribute *attributes, unsigned long count);
	void (*unused_26)(void); /* C_SetAttributeValue */
	unsigned long (*C_FindObjectsInit)(unsigned long session, struct cryptoki_attribute *attributes,
					   unsigned long count);
	unsigned long (*C_FindObjects)(unsigned long session, unsigned long *objects, unsigned long size,
				       unsigned long *count);
	unsigned long (*C_FindObjectsFinal)(unsigned long session);
	void (*unused_30_68[39])(void); /* C_EncryptInit to C_WaitForSlotEvent */
};

/*
 * Copies a padded text without its padding into size + 1 bytes.  A NUL, which the standard does not allow, also ends
 * it: some libraries do not pad.
 */
static inline void cryptoki_text_copy(char *to, const unsigned char *from, size_t size)
{
	size_t length = strnlen((const char *)from, size);

	while (length > 0 && from[length - 1] == ' ')
		length--;
	memcpy(to, from, length);
	to[length] = '\0';
}

#endif
