#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "upgrade/collect.c"

static void becomes(const char *from, const char *to)
{
	TEXT_AUTO file = { 0 };
	TEXT_AUTO shown = { 0 };

	text_add_string(&file, from);
	redact(&file, &shown);
	assert_string_equal(text_string(&shown), to);
}

static void numbers_paths_and_names_of_hosts_and_tokens_are_shown(void **state)
{
	(void)state;
	static const char *const kept[] = {
		"Chrystoki2 = {\n",
		"}\n",
		"\n",
		"   A = 500000;\n",
		"   reconnAtt = -1;\n",
		"   LibUNIX64 = /usr/lib/x.so;\n",
		"ServerName00 = h;\n",
		"VirtualToken00Label = my group;\n",
		"   ServerHtl00 = ;\n",
		"PROFILE=\"guide\"\n",
		"ChrystokiConfigurationPath=\"/etc\"\n",
		"  }\n",
	};

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		becomes(kept[i], kept[i]);
}

static void every_other_value_and_every_comment_is_not(void **state)
{
	(void)state;
	becomes("   AuthTokenClientSecret = abc/def;\n", "   AuthTokenClientSecret = (7 bytes not shown);\n");
	becomes("AuthTokenClientSecret = /abc;\n", "AuthTokenClientSecret = (4 bytes not shown);\n");
	becomes("AuthTokenClientId = 12;\n", "AuthTokenClientId = (2 bytes not shown);\n");
	becomes("Presentation = hello;\n", "Presentation = (5 bytes not shown);\n");
	becomes("HSM_PASSWORD=\"12345\"\n", "HSM_PASSWORD=\"(5 bytes not shown)\"\n");
	becomes("X = 12345678901234567;\n", "X = (17 bytes not shown);\n");
	becomes("  # AuthTokenClientSecret = abc;\n", "  # (30 bytes not shown)\n");
	becomes("a line without meaning\n", "# (22 bytes not shown)\n");
	becomes("Odd = no semicolon", "Odd = (12 bytes not shown)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_paths_and_names_of_hosts_and_tokens_are_shown),
		cmocka_unit_test(every_other_value_and_every_comment_is_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
