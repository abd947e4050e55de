#include "hsm/key.h"

#include <stdint.h>
#include <string.h>

enum { KEYS_MAX = 16 };

struct test {
	const struct cryptoki_functions *functions;
	struct hsm_shared *shared;
	unsigned long session;
	struct hsm_key_message result;
};

/* Writes the call into the shared memory, makes it, and keeps the first error. */
#define CALL(test, number, expression) call_made((test), (number), ((test)->shared->call = (number), (expression)))

static bool call_made(struct test *test, enum hsm_call call, unsigned long rv)
{
	if (rv == CKR_OK)
		return true;
	if (test->result.rv == CKR_OK) {
		test->result.rv = rv;
		test->result.call = call;
	}
	return false;
}

static bool login(struct test *test, const struct hsm_key_question *question)
{
	test->shared->call = HSM_CALL_LOGIN;
	const unsigned long rv =
		test->functions->C_Login(test->session, CKU_USER, (unsigned char *)question->pin, question->pin_length);
	return rv == CKR_USER_ALREADY_LOGGED_IN || call_made(test, HSM_CALL_LOGIN, rv);
}

static bool find(struct test *test, const char *label, unsigned long *ret_key)
{
	unsigned long class = CKO_SECRET_KEY, found[KEYS_MAX], count = 0;
	char copy[256];
	struct cryptoki_attribute template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_LABEL, copy, strnlen(label, sizeof(copy)) },
	};

	memcpy(copy, label, template[1].length);
	if (!CALL(test, HSM_CALL_FIND_INIT, test->functions->C_FindObjectsInit(test->session, template, 2)))
		return false;
	while (CALL(test, HSM_CALL_FIND, test->functions->C_FindObjects(test->session, found, KEYS_MAX, &count))) {
		if (count > KEYS_MAX) {
			(void)call_made(test, HSM_CALL_FIND, CKR_FUNCTION_FAILED);
			break;
		}
		if (count > 0 && test->result.found == 0)
			*ret_key = found[0];
		test->result.found += count;
		/* More than a handful is an answer already. */
		if (count == 0 || test->result.found > KEYS_MAX)
			break;
	}
	return CALL(test, HSM_CALL_FIND_FINAL, test->functions->C_FindObjectsFinal(test->session)) &&
	       test->result.rv == CKR_OK;
}

/* One attribute at a time: one that a token does not know must not hide the others. */
static bool attribute(struct test *test, unsigned long key, unsigned long type, void *value, unsigned long size)
{
	struct cryptoki_attribute template = { type, value, size };

	return CALL(test, HSM_CALL_ATTRIBUTES,
		    test->functions->C_GetAttributeValue(test->session, key, &template, 1)) &&
	       template.length == size;
}

static void look(struct test *test, unsigned long key)
{
	unsigned char sensitive = 0, extractable = 1;
	unsigned long type = 0, length = 0;

	if (!attribute(test, key, CKA_KEY_TYPE, &type, sizeof(type)) ||
	    !attribute(test, key, CKA_SENSITIVE, &sensitive, 1) ||
	    !attribute(test, key, CKA_EXTRACTABLE, &extractable, 1))
		return;
	test->result.type = type;
	test->result.sensitive = sensitive != 0;
	test->result.extractable = extractable != 0;
	/* Some tokens do not report it; the key is not at fault for that. */
	test->shared->call = HSM_CALL_ATTRIBUTES;
	struct cryptoki_attribute template = { CKA_VALUE_LEN, &length, sizeof(length) };
	if (test->functions->C_GetAttributeValue(test->session, key, &template, 1) == CKR_OK)
		test->result.length = length;
}

bool hsm_key_is_near_lock(const struct hsm_slot *slot)
{
	return (slot->flags & (CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED)) != 0;
}

struct hsm_key_message hsm_key_test(const struct cryptoki_functions *functions, struct hsm_shared *shared,
				    const struct hsm_slot *slot, const struct hsm_key_question *question)
{
	struct test test = { .functions = functions, .shared = shared };
	unsigned long key = 0;

	test.result.slot = slot->id;
	if (hsm_key_is_near_lock(slot)) {
		(void)call_made(&test, HSM_CALL_LOGIN, CKR_PIN_LOCKED);
		return test.result;
	}
	if (!CALL(&test, HSM_CALL_OPEN_SESSION,
		  functions->C_OpenSession(slot->id, CKF_SERIAL_SESSION, NULL, NULL, &test.session)))
		return test.result;
	if (login(&test, question)) {
		if (find(&test, question->label, &key) && test.result.found == 1)
			look(&test, key);
		(void)CALL(&test, HSM_CALL_LOGOUT, functions->C_Logout(test.session));
	}
	(void)CALL(&test, HSM_CALL_CLOSE_SESSION, functions->C_CloseSession(test.session));
	return test.result;
}
