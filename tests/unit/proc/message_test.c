/* proc/message: whole messages, however the bytes come. */
#include "unit.h"

#include <errno.h>
#include <signal.h>

#include "proc/message.h"

/* Kind, and as many bytes of it. */
static const struct {
	uint32_t kind;
	size_t length;
} sent[] = { { 7, 0 }, { 1, 1 }, { 0, 3 }, { UINT32_MAX, 40 }, { 2, 9 } };
enum { SENT = sizeof(sent) / sizeof(sent[0]), STREAM = 5 * 8 + 53 };

/* What the writer makes of them. */
static void stream_make(char stream[STREAM])
{
	char bytes[64];
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	for (size_t i = 0; i < SENT; i++) {
		memset(bytes, (int)('a' + i), sizeof(bytes));
		assert_int_equal(proc_message_write(ends[1], sent[i].kind, bytes, sent[i].length), 0);
	}
	(void)close(ends[1]);
	assert_int_equal(read(ends[0], stream, STREAM), STREAM);
	assert_int_equal(read(ends[0], bytes, 1), 0);
	(void)close(ends[0]);
}

/* Takes all that are whole; returns how many have come with those before. */
static size_t messages_take(struct proc_message_reader *reader, size_t count)
{
	struct proc_message message;
	int r;

	for (; (r = proc_message_reader_next(reader, &message)) == 1; count++) {
		assert_true(count < SENT);
		assert_int_equal(message.kind, sent[count].kind);
		assert_int_equal(message.length, sent[count].length);
		for (size_t i = 0; i < message.length; i++)
			assert_int_equal(((const char *)message.bytes)[i], 'a' + count);
	}
	assert_int_equal(r, 0);
	return count;
}

static void messages_are_whole_however_the_bytes_are_split(void **state)
{
	char stream[STREAM];

	(void)state;
	stream_make(stream);
	for (size_t first = 0; first <= STREAM; first++)
		for (size_t second = first; second <= STREAM; second++) {
			struct proc_message_reader reader = { 0 };
			proc_message_reader_add(&reader, stream, first);
			size_t count = messages_take(&reader, 0);
			proc_message_reader_add(&reader, stream + first, second - first);
			count = messages_take(&reader, count);
			proc_message_reader_add(&reader, stream + second, STREAM - second);
			assert_int_equal(messages_take(&reader, count), SENT);
			proc_message_reader_done(&reader);
		}

	struct proc_message_reader reader = { 0 };
	size_t count = 0;
	for (size_t i = 0; i < STREAM; i++) {
		proc_message_reader_add(&reader, stream + i, 1);
		count = messages_take(&reader, count);
	}
	assert_int_equal(count, SENT);
	proc_message_reader_done(&reader);
}

static void what_is_cut_off_is_no_message(void **state)
{
	struct proc_message_reader reader = { 0 };
	char stream[STREAM];

	(void)state;
	stream_make(stream);
	proc_message_reader_add(&reader, stream, STREAM - 1);
	assert_int_equal(messages_take(&reader, 0), SENT - 1);
	proc_message_reader_done(&reader);
}

static void no_length_beyond_the_limit_is_believed(void **state)
{
	static const uint32_t lengths[] = { PROC_MESSAGE_MAX + 1, 1u << 31, UINT32_MAX };
	struct proc_message message = { .kind = 77 };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct proc_message_reader reader = { 0 };
		const uint32_t head[2] = { 1, lengths[i] }, good[2] = { 1, 0 };
		proc_message_reader_add(&reader, head, sizeof(head));
		assert_int_equal(proc_message_reader_next(&reader, &message), -1);
		/* For good. */
		proc_message_reader_add(&reader, good, sizeof(good));
		assert_int_equal(proc_message_reader_next(&reader, &message), -1);
		proc_message_reader_done(&reader);
	}
	assert_int_equal(message.kind, 77);
}

static void the_longest_goes_through_and_one_byte_more_is_not_sent(void **state)
{
	static char bytes[PROC_MESSAGE_MAX + 1];
	char block[4096];
	struct proc_message_reader reader = { 0 };
	struct proc_message message;
	int ends[2];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	assert_int_equal(proc_message_write(ends[1], 1, bytes, sizeof(bytes)), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(read(ends[0], block, 1), -1);
	assert_int_equal(proc_message_write(ends[1], 1, bytes, PROC_MESSAGE_MAX), 0);
	for (ssize_t got; (got = read(ends[0], block, sizeof(block))) > 0;)
		proc_message_reader_add(&reader, block, (size_t)got);
	assert_int_equal(proc_message_reader_next(&reader, &message), 1);
	assert_int_equal(message.length, PROC_MESSAGE_MAX);
	assert_memory_equal(message.bytes, bytes, PROC_MESSAGE_MAX);
	(void)close(ends[0]);
	/* Nobody listens. */
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(proc_message_write(ends[1], 1, bytes, 1), -1);
	assert_int_equal(errno, EPIPE);
	(void)close(ends[1]);
	proc_message_reader_done(&reader);
}

/* A kilobyte at a time, a megabyte in all. */
static void a_long_stream_takes_no_more_memory_than_a_message(void **state)
{
	struct proc_message_reader reader = { 0 };
	struct proc_message message;
	const uint32_t head[2] = { 1, 1000 };
	static const char bytes[1000];

	(void)state;
	for (int i = 0; i < 1024; i++) {
		/* Never at the end of one, so that there always is a rest. */
		if (i == 0)
			proc_message_reader_add(&reader, head, sizeof(head));
		proc_message_reader_add(&reader, bytes, sizeof(bytes));
		proc_message_reader_add(&reader, head, sizeof(head));
		assert_int_equal(proc_message_reader_next(&reader, &message), 1);
		assert_int_equal(proc_message_reader_next(&reader, &message), 0);
	}
	assert_true(reader.pending.capacity <= 16384);
	proc_message_reader_done(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_whole_however_the_bytes_are_split),
		cmocka_unit_test(what_is_cut_off_is_no_message),
		cmocka_unit_test(no_length_beyond_the_limit_is_believed),
		cmocka_unit_test(the_longest_goes_through_and_one_byte_more_is_not_sent),
		cmocka_unit_test(a_long_stream_takes_no_more_memory_than_a_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
