/* base/json: valid JSON whatever the bytes. */
#include "unit.h"

#include "base/json.h"

static void commas_and_keys_are_right_at_every_depth(void **state)
{
	TEXT_AUTO out = { 0 };
	struct json j;

	(void)state;
	json_init(&j, &out);
	json_object_begin(&j, NULL);
	json_string(&j, "name", "TPA01");
	json_array_begin(&j, "slots");
	json_object_begin(&j, NULL);
	json_number(&j, "slot", -3);
	json_unsigned(&j, "serial", UINT64_MAX);
	json_object_end(&j);
	json_object_begin(&j, NULL);
	json_object_end(&j);
	json_array_begin(&j, NULL);
	json_array_end(&j);
	json_string(&j, NULL, NULL);
	json_array_end(&j);
	json_bool(&j, "ready", true);
	json_bool(&j, "late", false);
	json_mode(&j, "mode", 0664);
	json_object_end(&j);
	assert_string_equal(text_string(&out),
			    "{\"name\":\"TPA01\",\"slots\":[{\"slot\":-3,\"serial\":18446744073709551615},{},[],null],"
			    "\"ready\":true,\"late\":false,\"mode\":\"0664\"}");
}

static void every_byte_is_escaped_or_replaced_so_that_it_is_valid(void **state)
{
	TEXT_AUTO out = { 0 };
	struct json j;

	(void)state;
	json_init(&j, &out);
	json_array_begin(&j, NULL);
	json_string(&j, NULL, "q\"b\\n\nt\te\x1b d\x7f");
	json_string_bytes(&j, NULL, "nul\0.", 5);
	json_string(&j, NULL, "Zürich \xff \xed\xa0\x80");
	json_array_end(&j);
	assert_string_equal(text_string(&out), "[\"q\\\"b\\\\n\\u000at\\u0009e\\u001b d\\u007f\",\"nul\\u0000.\","
					       "\"Zürich \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"]");
	for (size_t at = 0, step; at < out.length; at += step)
		assert_true((step = text_utf8_next(out.bytes + at, out.length - at, &(uint32_t){ 0 })) > 0);
}

static void keys_are_escaped_too(void **state)
{
	TEXT_AUTO out = { 0 };
	struct json j;

	(void)state;
	json_init(&j, &out);
	json_object_begin(&j, NULL);
	json_number(&j, "a\"b", 1);
	json_object_end(&j);
	assert_string_equal(text_string(&out), "{\"a\\\"b\":1}");
}

static void nesting_reaches_the_promised_depth(void **state)
{
	TEXT_AUTO out = { 0 };
	struct json j;

	(void)state;
	json_init(&j, &out);
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		json_array_begin(&j, NULL);
	json_number(&j, NULL, 1);
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		json_array_end(&j);
	assert_string_equal(text_string(&out), "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]");
}

static void lines_and_faults_have_one_form(void **state)
{
	TEXT_AUTO out = { 0 };
	TEXT_AUTO lines = { 0 };
	struct fault f = { 0 };
	struct json j;

	(void)state;
	(void)fault_refused(&f, "no \"tea\"");
	json_init(&j, &out);
	json_object_begin(&j, NULL);
	json_lines(&j, "none", &lines);
	text_add_string(&lines, "a\n\nb\"\nlast");
	json_lines(&j, "some", &lines);
	json_fault(&j, "error", &f);
	json_object_end(&j);
	assert_string_equal(text_string(&out), "{\"none\":[],\"some\":[\"a\",\"\",\"b\\\"\",\"last\"],"
					       "\"error\":{\"kind\":\"refused\",\"text\":\"no \\\"tea\\\"\"}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_and_keys_are_right_at_every_depth),
		cmocka_unit_test(every_byte_is_escaped_or_replaced_so_that_it_is_valid),
		cmocka_unit_test(keys_are_escaped_too),
		cmocka_unit_test(nesting_reaches_the_promised_depth),
		cmocka_unit_test(lines_and_faults_have_one_form),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
