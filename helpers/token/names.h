/*
 * token/names: numbers of PKCS#11 as people read them.
 *
 * Promise: never NULL; a number that has no name here is written in hexadecimal.  Sources: OASIS PKCS #11 2.40;
 * the vendor's own return values from the client's SDK documentation.
 */
#ifndef OKV_TOKEN_NAMES_H
#define OKV_TOKEN_NAMES_H

#include <stddef.h>
#include <stdint.h>

enum { TOKEN_NAME_SIZE = 48 };
struct token_name {
	char bytes[TOKEN_NAME_SIZE];
};

/* "CKR_DEVICE_ERROR", "CKR 0x80000123". */
const char *token_rv_name(struct token_name *storage, uint64_t rv);
const char *token_mechanism_name(struct token_name *storage, uint64_t type);
/* TOKEN_RV(rv) may be used as a printf argument, as SHOWN() may. */
#define TOKEN_RV(rv) token_rv_name(&(struct token_name){ { 0 } }, (rv))
#define TOKEN_MECHANISM(type) token_mechanism_name(&(struct token_name){ { 0 } }, (type))

/* What PKCS#11's calls are called, for the child's board: index 0 is "". */
enum token_call {
	TOKEN_CALL_NONE,
	TOKEN_CALL_LOAD, /* dlopen(3), constructors included */
	TOKEN_CALL_FUNCTION_LIST,
	TOKEN_CALL_INITIALIZE,
	TOKEN_CALL_INFO,
	TOKEN_CALL_SLOT_LIST,
	TOKEN_CALL_SLOT_INFO,
	TOKEN_CALL_TOKEN_INFO,
	TOKEN_CALL_MECHANISM_LIST,
	TOKEN_CALL_MECHANISM_INFO,
	TOKEN_CALL_INTERFACE_LIST,
	TOKEN_CALL_OPEN_SESSION,
	TOKEN_CALL_LOGIN,
	TOKEN_CALL_FIND_INIT,
	TOKEN_CALL_FIND,
	TOKEN_CALL_FIND_FINAL,
	TOKEN_CALL_ATTRIBUTES,
	TOKEN_CALL_ENCRYPT_INIT,
	TOKEN_CALL_ENCRYPT,
	TOKEN_CALL_DECRYPT_INIT,
	TOKEN_CALL_DECRYPT,
	TOKEN_CALL_LOGOUT,
	TOKEN_CALL_CLOSE_SESSION,
	TOKEN_CALL_FINALIZE,
	TOKEN_CALL_COUNT,
};
/* "" for a number that is none. */
const char *token_call_name(uint32_t call);

#endif
