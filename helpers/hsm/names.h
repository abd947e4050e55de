/*
 * hsm/names: names of PKCS#11 return values and calls.
 *
 * Promise: never NULL; an unknown return value is written in hexadecimal.  Sources: OASIS PKCS #11 2.40; the client's
 * SDK documentation for the vendor's own return values.
 */
#ifndef OKV_HSM_NAMES_H
#define OKV_HSM_NAMES_H

#include <stdint.h>

enum { HSM_NAME_SIZE = 80 };
struct hsm_name {
	char bytes[HSM_NAME_SIZE];
};

/* "CKR_DEVICE_ERROR", "CKR 0x80000123". */
const char *hsm_rv_name(struct hsm_name *storage, uint64_t rv);
/* HSM_RV(rv) may be used as a printf argument, as SHOWN() may. */
#define HSM_RV(rv) hsm_rv_name(&(struct hsm_name){ { 0 } }, (rv))

/* The calls that the worker makes and announces (hsm/message.h). */
enum hsm_call {
	HSM_CALL_NONE,
	HSM_CALL_LOAD, /* dlopen(3), constructors included */
	HSM_CALL_FUNCTION_LIST,
	HSM_CALL_INITIALIZE,
	HSM_CALL_INFO,
	HSM_CALL_SLOT_LIST,
	HSM_CALL_SLOT_INFO,
	HSM_CALL_TOKEN_INFO,
	HSM_CALL_HA_STATE, /* the vendor's own */
	HSM_CALL_OPEN_SESSION,
	HSM_CALL_LOGIN,
	HSM_CALL_FIND_INIT,
	HSM_CALL_FIND,
	HSM_CALL_FIND_FINAL,
	HSM_CALL_ATTRIBUTES,
	HSM_CALL_LOGOUT,
	HSM_CALL_CLOSE_SESSION,
	HSM_CALL_FINALIZE,
	HSM_CALL_COUNT,
};
/* "" for an invalid number. */
const char *hsm_call_name(uint64_t call);

#endif
