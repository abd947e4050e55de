#include "hsm/names.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
	uint64_t number;
	const char *name;
} returns[] = {
	{ 0x000, "CKR_OK" },
	{ 0x001, "CKR_CANCEL" },
	{ 0x002, "CKR_HOST_MEMORY" },
	{ 0x003, "CKR_SLOT_ID_INVALID" },
	{ 0x005, "CKR_GENERAL_ERROR" },
	{ 0x006, "CKR_FUNCTION_FAILED" },
	{ 0x007, "CKR_ARGUMENTS_BAD" },
	{ 0x008, "CKR_NO_EVENT" },
	{ 0x009, "CKR_NEED_TO_CREATE_THREADS" },
	{ 0x00a, "CKR_CANT_LOCK" },
	{ 0x010, "CKR_ATTRIBUTE_READ_ONLY" },
	{ 0x011, "CKR_ATTRIBUTE_SENSITIVE" },
	{ 0x012, "CKR_ATTRIBUTE_TYPE_INVALID" },
	{ 0x013, "CKR_ATTRIBUTE_VALUE_INVALID" },
	{ 0x020, "CKR_DATA_INVALID" },
	{ 0x021, "CKR_DATA_LEN_RANGE" },
	{ 0x030, "CKR_DEVICE_ERROR" },
	{ 0x031, "CKR_DEVICE_MEMORY" },
	{ 0x032, "CKR_DEVICE_REMOVED" },
	{ 0x040, "CKR_ENCRYPTED_DATA_INVALID" },
	{ 0x041, "CKR_ENCRYPTED_DATA_LEN_RANGE" },
	{ 0x050, "CKR_FUNCTION_CANCELED" },
	{ 0x054, "CKR_FUNCTION_NOT_SUPPORTED" },
	{ 0x060, "CKR_KEY_HANDLE_INVALID" },
	{ 0x062, "CKR_KEY_SIZE_RANGE" },
	{ 0x063, "CKR_KEY_TYPE_INCONSISTENT" },
	{ 0x068, "CKR_KEY_FUNCTION_NOT_PERMITTED" },
	{ 0x070, "CKR_MECHANISM_INVALID" },
	{ 0x071, "CKR_MECHANISM_PARAM_INVALID" },
	{ 0x082, "CKR_OBJECT_HANDLE_INVALID" },
	{ 0x090, "CKR_OPERATION_ACTIVE" },
	{ 0x091, "CKR_OPERATION_NOT_INITIALIZED" },
	{ 0x0a0, "CKR_PIN_INCORRECT" },
	{ 0x0a1, "CKR_PIN_INVALID" },
	{ 0x0a2, "CKR_PIN_LEN_RANGE" },
	{ 0x0a3, "CKR_PIN_EXPIRED" },
	{ 0x0a4, "CKR_PIN_LOCKED" },
	{ 0x0b0, "CKR_SESSION_CLOSED" },
	{ 0x0b1, "CKR_SESSION_COUNT" },
	{ 0x0b3, "CKR_SESSION_HANDLE_INVALID" },
	{ 0x0b4, "CKR_SESSION_PARALLEL_NOT_SUPPORTED" },
	{ 0x0e0, "CKR_TOKEN_NOT_PRESENT" },
	{ 0x0e1, "CKR_TOKEN_NOT_RECOGNIZED" },
	{ 0x0e2, "CKR_TOKEN_WRITE_PROTECTED" },
	{ 0x100, "CKR_USER_ALREADY_LOGGED_IN" },
	{ 0x101, "CKR_USER_NOT_LOGGED_IN" },
	{ 0x102, "CKR_USER_PIN_NOT_INITIALIZED" },
	{ 0x103, "CKR_USER_TYPE_INVALID" },
	{ 0x104, "CKR_USER_ANOTHER_ALREADY_LOGGED_IN" },
	{ 0x150, "CKR_BUFFER_TOO_SMALL" },
	{ 0x190, "CKR_CRYPTOKI_NOT_INITIALIZED" },
	{ 0x191, "CKR_CRYPTOKI_ALREADY_INITIALIZED" },
	{ 0x1a0, "CKR_MUTEX_BAD" },
	{ 0x200, "CKR_FUNCTION_REJECTED" },
	/* The Luna client's own. */
	{ 0x80000007, "CKR_USER_LOCKED_OUT" },
	{ 0x8000001f, "CKR_UNABLE_TO_CONNECT" },
	{ 0x80000020, "CKR_PARTITION_DISABLED" },
	{ 0x80000024, "CKR_TIMEOUT" },
};

const char *hsm_rv_name(struct hsm_name *storage, uint64_t rv)
{
	for (size_t i = 0; i < sizeof(returns) / sizeof(returns[0]); i++)
		if (returns[i].number == rv)
			return returns[i].name;
	(void)snprintf(storage->bytes, sizeof(storage->bytes), "CKR 0x%" PRIx64, rv);
	return storage->bytes;
}

const char *hsm_call_name(uint64_t call)
{
	static const char *const names[HSM_CALL_COUNT] = {
		"",
		"loading it",
		"C_GetFunctionList",
		"C_Initialize",
		"C_GetInfo",
		"C_GetSlotList",
		"C_GetSlotInfo",
		"C_GetTokenInfo",
		"CA_GetHAState",
		"C_OpenSession",
		"C_Login",
		"C_FindObjectsInit",
		"C_FindObjects",
		"C_FindObjectsFinal",
		"C_GetAttributeValue",
		"C_Logout",
		"C_CloseSession",
		"C_Finalize",
	};

	return call < HSM_CALL_COUNT ? names[call] : "";
}
