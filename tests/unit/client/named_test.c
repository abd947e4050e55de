#include "client/named.h"
#include "base/text.h"
#include "unit.h"

static int list(void *context, const char *path, const char *key, struct fault *f)
{
	(void)f;
	text_add_format(context, "%s=%s\n", key, path);
	return 0;
}

static int stop(void *context, const char *path, const char *key, struct fault *f)
{
	(void)key;
	text_add_format(context, "%s\n", path);
	return fault_refused(f, "enough");
}

static const char conf[] = "One = {\n  A = /usr/client/a/b;\n  B = /usr/client;\n  C = /usr/client/;\n"
			   "  D = /usr/clients/x;\n  E = usr/client/x;\n}\nTwo = {\n  F = /usr/client/f;\n  G = ;\n}\n";

static void each_value_below_the_clients_directory_is_told(void **state)
{
	TEXT_AUTO told = { 0 };
	struct fault f = { 0 };

	(void)state;
	MUST(client_named_each(conf, "/usr/client", list, &told, &f));
	assert_string_equal(text_string(&told), "A=a/b\nF=f\n");
}

static void a_fault_of_the_listeners_ends_it(void **state)
{
	TEXT_AUTO told = { 0 };
	struct fault f;

	(void)state;
	MUST_FAIL(client_named_each(conf, "/usr/client", stop, &told, &f), FAULT_REFUSED, "enough");
	assert_string_equal(text_string(&told), "a/b\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_value_below_the_clients_directory_is_told),
		cmocka_unit_test(a_fault_of_the_listeners_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
