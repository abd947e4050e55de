/* okv/needs: what its parts make of what a library says. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "okv/needs.c"

/* $ORIGIN is where the library lies; a directory without it stays as it is. */
static void places_have_their_origin(void **state)
{
	TEXT_AUTO out = { 0 };

	(void)state;
	places_add("$ORIGIN/../lib:/a:${ORIGIN}:", "/opt/luna/extra", 9, &out);
	assert_string_equal(text_string(&out), "/opt/luna/../lib:/a:/opt/luna:");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_have_their_origin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
