#include "client/archive/secret.h"
#include "unit.h"

static bool found(const char *bytes, size_t length, size_t piece)
{
	struct secret s = { 0 };

	for (size_t at = 0; at < length; at += piece)
		secret_look(&s, bytes + at, length - at < piece ? length - at : piece);
	return s.found;
}

static void a_private_key_and_a_client_secret_are_found_in_pieces_of_any_size(void **state)
{
	static const char *const texts[] = {
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----\nAAAA",
		"REST = {\n   AuthTokenConfigURI = x;\n   AuthTokenClientId = 1;\n   AuthTokenClientSecret = 2;\n}\n",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (size_t piece = 1; piece <= strlen(texts[i]); piece++)
			assert_true(found(texts[i], strlen(texts[i]), piece));
}

static void a_certificate_is_no_secret(void **state)
{
	static const char text[] =
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\nAuthTokenClientId = 1;\n";

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece++)
		assert_false(found(text, sizeof(text) - 1, piece));
}

static void programs_and_what_is_larger_than_any_settings_are_not_looked_at(void **state)
{
	static const char program[] = "\177ELF-----BEGIN RSA PRIVATE KEY-----";
	static char large[SECRET_LOOK_MAX + 100];

	(void)state;
	assert_false(found(program, sizeof(program) - 1, sizeof(program)));
	strcpy(large + SECRET_LOOK_MAX, "PRIVATE KEY-----");
	assert_false(found(large, sizeof(large), 4096));
	strcpy(large + SECRET_LOOK_MAX / 2, "PRIVATE KEY-----");
	assert_true(found(large, sizeof(large), 4096));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_private_key_and_a_client_secret_are_found_in_pieces_of_any_size),
		cmocka_unit_test(a_certificate_is_no_secret),
		cmocka_unit_test(programs_and_what_is_larger_than_any_settings_are_not_looked_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
