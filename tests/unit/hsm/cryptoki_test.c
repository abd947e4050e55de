/* hsm/cryptoki and hsm/names: the layout of the standard, and its names. */
#include "unit.h"

#include "hsm/cryptoki.h"
#include "hsm/names.h"

static void structures_have_the_layout_of_the_standard_on_64_bits(void **state)
{
	(void)state;
	assert_int_equal(offsetof(struct cryptoki_info, flags), 40);
	assert_int_equal(offsetof(struct cryptoki_info, library), 48);
	assert_int_equal(offsetof(struct cryptoki_info, version), 80);
	assert_int_equal(sizeof(struct cryptoki_info), 88);
	assert_int_equal(offsetof(struct cryptoki_slot_info, flags), 96);
	assert_int_equal(offsetof(struct cryptoki_slot_info, hardware), 104);
	assert_int_equal(sizeof(struct cryptoki_slot_info), 112);
	assert_int_equal(offsetof(struct cryptoki_token_info, flags), 96);
	assert_int_equal(offsetof(struct cryptoki_token_info, session_max), 104);
	assert_int_equal(offsetof(struct cryptoki_token_info, pin_most), 136);
	assert_int_equal(offsetof(struct cryptoki_token_info, hardware), 184);
	assert_int_equal(offsetof(struct cryptoki_token_info, utc_time), 188);
	assert_int_equal(sizeof(struct cryptoki_token_info), 208);
	assert_int_equal(sizeof(struct cryptoki_attribute), 24);
}

/* The n-th function of the list, counted from 1 in the order of the specification. */
#define NTH(n) (sizeof(void *) * (size_t)(n))

static void the_function_list_has_68_entries_in_the_standards_order(void **state)
{
	(void)state;
	assert_int_equal(offsetof(struct cryptoki_functions, C_Initialize), NTH(1));
	assert_int_equal(offsetof(struct cryptoki_functions, C_GetFunctionList), NTH(4));
	assert_int_equal(offsetof(struct cryptoki_functions, C_GetSlotList), NTH(5));
	assert_int_equal(offsetof(struct cryptoki_functions, C_GetTokenInfo), NTH(7));
	assert_int_equal(offsetof(struct cryptoki_functions, C_OpenSession), NTH(13));
	assert_int_equal(offsetof(struct cryptoki_functions, C_CloseSession), NTH(14));
	assert_int_equal(offsetof(struct cryptoki_functions, C_Login), NTH(19));
	assert_int_equal(offsetof(struct cryptoki_functions, C_Logout), NTH(20));
	assert_int_equal(offsetof(struct cryptoki_functions, C_GetAttributeValue), NTH(25));
	assert_int_equal(offsetof(struct cryptoki_functions, C_FindObjectsInit), NTH(27));
	assert_int_equal(offsetof(struct cryptoki_functions, C_FindObjectsFinal), NTH(29));
	assert_int_equal(sizeof(struct cryptoki_functions), NTH(69));
}

static void a_padded_text_loses_its_padding_and_never_overruns(void **state)
{
	char to[9];

	(void)state;
	cryptoki_text_copy(to, (const unsigned char *)"abc     ", 8);
	assert_string_equal(to, "abc");
	cryptoki_text_copy(to, (const unsigned char *)"  a b   ", 8);
	assert_string_equal(to, "  a b");
	cryptoki_text_copy(to, (const unsigned char *)"12345678", 8);
	assert_string_equal(to, "12345678");
	cryptoki_text_copy(to, (const unsigned char *)"ab\0cdefg", 8);
	assert_string_equal(to, "ab");
	cryptoki_text_copy(to, (const unsigned char *)"        ", 8);
	assert_string_equal(to, "");
}

static void numbers_have_names_or_are_written_as_they_are(void **state)
{
	(void)state;
	assert_string_equal(HSM_RV(0), "CKR_OK");
	assert_string_equal(HSM_RV(0xe0), "CKR_TOKEN_NOT_PRESENT");
	assert_string_equal(HSM_RV(0x8000001f), "CKR_UNABLE_TO_CONNECT");
	assert_string_equal(HSM_RV(0x123456789abcdef0), "CKR 0x123456789abcdef0");
	assert_string_equal(hsm_call_name(HSM_CALL_NONE), "");
	assert_string_equal(hsm_call_name(HSM_CALL_FINALIZE), "C_Finalize");
	assert_string_equal(hsm_call_name(HSM_CALL_SLOT_LIST), "C_GetSlotList");
	/* What stands on the board may have been overwritten. */
	assert_string_equal(hsm_call_name(HSM_CALL_COUNT), "");
	assert_string_equal(hsm_call_name(UINT32_MAX), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(structures_have_the_layout_of_the_standard_on_64_bits),
		cmocka_unit_test(the_function_list_has_68_entries_in_the_standards_order),
		cmocka_unit_test(a_padded_text_loses_its_padding_and_never_overruns),
		cmocka_unit_test(numbers_have_names_or_are_written_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
