/* bundle/encoding: one form for each value. */
#include "unit.h"

#include "bundle/encoding.h"

static void base64_and_back_is_the_same_and_no_other_form_is_taken(void **state)
{
	unsigned char bytes[3], back[3];
	char text[BUNDLE_BASE64_SIZE(3)];
	size_t length;

	(void)state;
	for (unsigned number = 0; number < 1u << 16; number++)
		for (size_t size = 1; size <= 3; size++) {
			bytes[0] = (unsigned char)number;
			bytes[1] = (unsigned char)(number >> 8);
			bytes[2] = (unsigned char)(number ^ number >> 5);
			bundle_base64_print(bytes, size, text);
			if (!bundle_base64_parse(text, back, sizeof(back), &length) || length != size ||
			    memcmp(back, bytes, size) != 0)
				fail_msg("%s", text);
		}
	/* No padding, filling bits, the alphabet for names, blanks, too much for its place. */
	static const char *const odd[] = { "QQ",    "QQ=",   "QQ===",  "QR==",     "QUJ=", "QUI", "-_==",
					   "QQ= =", " QQ==", "QQ==\n", "QUJDRA==", "=QQ=", "Q===" };
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		if (bundle_base64_parse(odd[i], back, sizeof(back), &length))
			fail_msg("%s", odd[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_and_back_is_the_same_and_no_other_form_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
