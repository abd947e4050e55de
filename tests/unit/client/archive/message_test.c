#include <sys/mman.h>

#include "client/archive/limits.h"
#include "client/archive/message.h"
#include "unit.h"

/* What was written, as the other side gets it. */
static void sent(struct message_writer *w, struct proc_message_reader *reader)
{
	struct fault f = { 0 };
	char bytes[65536];

	MUST(message_flush(w, &f));
	const ssize_t length = pread(w->fd, bytes, sizeof(bytes), 0);
	assert_true(length > 0);
	proc_message_reader_add(reader, bytes, (size_t)length);
	text_done(&w->gathered);
	(void)close(w->fd);
}

static struct message_writer writer(void)
{
	const struct message_writer w = { .fd = memfd_create("messages", MFD_CLOEXEC) };

	assert_true(w.fd >= 0);
	return w;
}

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
	struct message_writer w = writer();
	struct proc_message_reader reader = { 0 };
	const struct member file = member("bin/vtl", NULL), link = member("lib/x", "../libs/x");
	struct proc_message message;
	struct member got;
	struct fault f = { 0 };

	(void)state;
	MUST(message_send_member(&w, &file, &f));
	MUST(message_send(&w, MESSAGE_CONTENT, "content", 7, &f));
	MUST(message_send_member(&w, &link, &f));
	sent(&w, &reader);
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
	struct message_writer w = writer();
	struct proc_message_reader reader = { 0 };
	struct proc_message message;
	struct member got;
	struct fault f = { 0 };

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	const struct member link = member(name, name);
	MUST(message_send_member(&w, &link, &f));
	sent(&w, &reader);
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

static void a_fault_arrives_with_its_kind_and_fit_to_print(void **state)
{
	struct message_writer w = writer();
	struct proc_message_reader reader = { 0 };
	struct proc_message message;
	struct fault refused = { 0 }, odd = { 0 }, got = { 0 };

	(void)state;
	(void)fault_refused(&refused, "member 'x': it's damaged");
	(void)fault_absent(&odd, "a\033[2Jb");
	message_send_fault(&w, &refused);
	message_send_fault(&w, &odd);
	sent(&w, &reader);
	assert_int_equal(proc_message_reader_next(&reader, &message), 1);
	assert_int_equal(message_take_fault(&message, &got), 0);
	assert_int_equal(got.kind, FAULT_REFUSED);
	assert_string_equal(got.text, "member 'x': it's damaged");
	assert_int_equal(proc_message_reader_next(&reader, &message), 1);
	assert_int_equal(message_take_fault(&message, &got), 0);
	/* Nothing but a refusal is the other side's to say. */
	assert_int_equal(got.kind, FAULT_SYSTEM);
	assert_string_equal(got.text, "a\\x1b[2Jb");
	message.length = 7;
	assert_int_equal(message_take_fault(&message, &got), -1);
	proc_message_reader_done(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_arrives_as_it_was_sent),
		cmocka_unit_test(a_name_beyond_the_limit_is_still_beyond_it),
		cmocka_unit_test(what_is_malformed_is_no_member),
		cmocka_unit_test(a_fault_arrives_with_its_kind_and_fit_to_print),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
