#include "client/archive/limits.h"
#include "client/archive/message.h"
#include "unit.h"

static struct member member(const char *name, const char *target)
{
	return (struct member){ .type = target != NULL ? MEMBER_LINK : MEMBER_FILE,
				.name = (const unsigned char *)name,
				.name_length = strlen(name),
				.target = (const unsigned char *)target,
				.target_length = target != NULL ? strlen(target) : 0,
				.size = 7,
				.mode = 0755 };
}

static void a_member_arrives_as_it_was_sent(void **state)
{
	TEXT_AUTO sent = { 0 };
	struct proc_message_reader reader = { 0 };
	const struct member file = member("bin/vtl", NULL), link = member("lib/x", "../libs/x");
	struct proc_message message;
	struct member got;

	(void)state;
	message_add_member(&sent, &file);
	proc_message_add(&sent, MESSAGE_CONTENT, "content", 7);
	message_add_member(&sent, &link);
	proc_message_reader_add(&reader, sent.bytes, sent.length);
	assert_int_equal(proc_message_reader_next(&reader, &message), 1);
	assert_int_equal(message.kind, MESSAGE_MEMBER);
	assert_int_equal(message_take_member(&message, &got), 0);
	assert_int_equal(got.type, MEMBER_FILE);
	assert_int_equal(got.size, 7);
	assert_int_equal(got.mode, 0755);
	assert_true(text_equal((const char *)got.name, got.name_length, "bin/vtl"));
	assert_int_equal(got.target_length, 0);
	assert_int_equal(proc_message_reader_next(&reader, &message), 1);
	assert_int_equal(message.kind, MESSAGE_CONTENT);
	assert_memory_equal(message.bytes, "content", 7);
	assert_int_equal(proc_message_reader_next(&reader, &message), 1);
	assert_int_equal(message_take_member(&message, &got), 0);
	assert_int_equal(got.type, MEMBER_LINK);
	assert_true(text_equal((const char *)got.target, got.target_length, "../libs/x"));
	proc_message_reader_done(&reader);
}

static void a_name_beyond_the_limit_is_still_beyond_it(void **state)
{
	static char name[5000];
	TEXT_AUTO sent = { 0 };
	struct proc_message_reader reader = { 0 };
	struct proc_message message;
	struct member got;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	const struct member link = member(name, name);
	message_add_member(&sent, &link);
	proc_message_reader_add(&reader, sent.bytes, sent.length);
	assert_int_equal(proc_message_reader_next(&reader, &message), 1);
	assert_int_equal(message_take_member(&message, &got), 0);
	assert_int_equal(got.name_length, LIMITS_PATH + 1);
	assert_int_equal(got.target_length, LIMITS_PATH + 1);
	proc_message_reader_done(&reader);
}

static void what_is_malformed_is_no_member(void **state)
{
	unsigned char bytes[64] = { 0 };
	struct proc_message message = { .kind = MESSAGE_MEMBER, .bytes = bytes };
	struct member got;
	const uint32_t length = 8, far = 0xffffffff, type = MEMBER_UNKNOWN + 1;
	const size_t head = 8 + 4 * 4;

	(void)state;
	for (message.length = 0; message.length < head; message.length++)
		assert_int_equal(message_take_member(&message, &got), -1);
	assert_int_equal(message_take_member(&message, &got), 0);
	/* Size 8; type, mode, length of the name, of the target. */
	memcpy(bytes + 16, &length, 4);
	assert_int_equal(message_take_member(&message, &got), -1);
	message.length = head + 8;
	assert_int_equal(message_take_member(&message, &got), 0);
	memcpy(bytes + 20, &length, 4);
	assert_int_equal(message_take_member(&message, &got), -1);
	memcpy(bytes + 20, &far, 4);
	assert_int_equal(message_take_member(&message, &got), -1);
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes + 8, &type, 4);
	message.length = head;
	assert_int_equal(message_take_member(&message, &got), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_arrives_as_it_was_sent),
		cmocka_unit_test(a_name_beyond_the_limit_is_still_beyond_it),
		cmocka_unit_test(what_is_malformed_is_no_member),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
