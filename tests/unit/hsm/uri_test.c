/* hsm/uri: RFC 7512, the part that names a token. */
#include "hsm/uri.h"
#include "unit.h"

static void attributes_are_taken_apart_and_decoded(void **state)
{
	HSM_URI_AUTO uri = { 0 };
	struct fault f = { 0 };

	(void)state;
	MUST(hsm_uri_parse("pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil%2C%20Inc.;"
			   "model=1.0;serial=0123;slot-id=327;object=my%3Bkey;type=secret-key"
			   "?pin-source=file:/etc/token_pin&module-path=/lib/x.so",
			   &uri, &f));
	assert_string_equal(uri.token, "The Software PKCS#11 Softtoken");
	assert_string_equal(uri.manufacturer, "Snake Oil, Inc.");
	assert_string_equal(uri.model, "1.0");
	assert_string_equal(uri.serial, "0123");
	assert_string_equal(uri.object, "my;key");
	assert_true(uri.slot_id_set);
	assert_int_equal(uri.slot_id, 327);
	assert_string_equal(uri.pin_source, "file:/etc/token_pin");
	assert_string_equal(uri.module_path, "/lib/x.so");
}

static void what_is_not_named_is_null_and_an_empty_value_is_empty(void **state)
{
	HSM_URI_AUTO uri = { 0 };
	struct fault f = { 0 };

	(void)state;
	MUST(hsm_uri_parse("pkcs11:", &uri, &f));
	assert_null(uri.token);
	assert_false(uri.slot_id_set);
	MUST(hsm_uri_parse("pkcs11:token=", &uri, &f));
	assert_string_equal(uri.token, "");
	assert_null(uri.serial);
}

static void what_would_match_too_much_or_is_no_uri_is_refused(void **state)
{
	static const struct {
		const char *uri, *words;
	} bad[] = {
		{ "", "is no PKCS#11 URI" },
		{ "PKCS11:token=a", "is no PKCS#11 URI" },
		{ "pkcs11:token", "is no NAME=VALUE" },
		{ "pkcs11:;", "is no NAME=VALUE" },
		{ "pkcs11:token=a;;serial=b", "is no NAME=VALUE" },
		{ "pkcs11:tokens=a", "'tokens' is not understood" },
		{ "pkcs11:x-vendor=a", "'x-vendor' is not understood" },
		{ "pkcs11:token=a?other=b", "'other' is not understood" },
		{ "pkcs11:token=a;token=a", "names 'token' twice" },
		{ "pkcs11:token=a%", "without two hexadecimal digits" },
		{ "pkcs11:token=a%2", "without two hexadecimal digits" },
		{ "pkcs11:token=a%2g", "without two hexadecimal digits" },
		{ "pkcs11:token=a%00b", "holds a NUL byte" },
		{ "pkcs11:type=private", "asks for type 'private'" },
		{ "pkcs11:token=a?pin-value=1234", "pin-value is not read from a URI" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hsm_uri uri = { 0 };
		struct fault f = { 0 };
		MUST_FAIL(hsm_uri_parse(bad[i].uri, &uri, &f), FAULT_USAGE, bad[i].words);
		/* Untouched on failure. */
		assert_null(uri.token);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attributes_are_taken_apart_and_decoded),
		cmocka_unit_test(what_is_not_named_is_null_and_an_empty_value_is_empty),
		cmocka_unit_test(what_would_match_too_much_or_is_no_uri_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
